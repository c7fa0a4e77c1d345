//! Answers that are not objects: Kubernetes' `Status`, with the sentences that its clients print.

use serde_json::{Map, Value, json};

use crate::kinds::FieldError;
use crate::{KindInfo, ResourceId, Uid};

/// A `Status` answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// `NotFound`; empty for success, and for failures that Kubernetes has no word for.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about; empty if nothing in particular.
    pub details: Map<String, Value>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Map::new() }
    }

    fn about(mut self, resource: ResourceId, name: &str) -> Self {
        let fields = [("name", name), ("group", resource.group()), ("kind", resource.plural())];
        self.detail(&fields);
        self
    }

    fn detail(&mut self, fields: &[(&str, &str)]) {
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            self.details.insert((*key).to_owned(), json!(value));
        }
    }

    /// The body.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": if self.code < 400 { "Success" } else { "Failure" },
            "code": self.code,
        });
        if let Some(fields) = body.as_object_mut() {
            if !self.message.is_empty() {
                fields.insert("message".into(), json!(self.message));
            }
            if !self.reason.is_empty() {
                fields.insert("reason".into(), json!(self.reason));
            }
            if !self.details.is_empty() {
                fields.insert("details".into(), Value::Object(self.details.clone()));
            }
        }
        body
    }
}

/// 404: there is no such object.
pub fn not_found(resource: ResourceId, name: &str) -> Status {
    Status::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(resource, name)
}

/// 404: there is no such path.
pub fn no_such_resource() -> Status {
    Status::new(404, "NotFound", "the server could not find the requested resource")
}

/// 409: the name is taken.
pub fn already_exists(resource: ResourceId, name: &str) -> Status {
    Status::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists")).about(resource, name)
}

/// 409: the object changed meanwhile.
pub fn conflict(resource: ResourceId, name: &str) -> Status {
    conflict_because(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
}

/// 409 for another reason, such as a precondition (`lifecycle::Refusal`).
pub fn conflict_because(resource: ResourceId, name: &str, why: &str) -> Status {
    let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
    Status::new(409, "Conflict", message).about(resource, name)
}

/// 422: rules are violated. One cause per rule.
pub fn invalid(kind: &KindInfo, name: &str, errors: &[FieldError]) -> Status {
    invalid_of(kind.group, kind.kind, name, errors)
}

/// 422 about options of a request: `CreateOptions`, `PatchOptions`, `DeleteOptions`, `PodLogOptions`.
pub fn invalid_options(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Status {
    invalid_of(group, kind, name, errors)
}

/// Several violations in one sentence, each once.
pub(crate) fn summary(errors: &[FieldError]) -> String {
    let mut sentences: Vec<String> = Vec::new();
    for error in errors {
        let sentence = format!("{}: {}", error.field, error.message);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    match sentences.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn invalid_of(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Status {
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let why = summary(errors);
    let mut status = Status::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {why}"));
    status.detail(&[("name", name), ("group", group), ("kind", kind)]);
    let cause =
        |error: &FieldError| json!({"reason": error.reason, "message": error.message, "field": error.field});
    status.details.insert("causes".into(), errors.iter().map(cause).collect());
    status
}

/// 400.
pub fn bad_request(message: impl Into<String>) -> Status {
    Status::new(400, "BadRequest", message)
}

/// 401.
pub fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}

/// 403. An empty name speaks of the whole collection.
pub fn forbidden(resource: ResourceId, name: &str, why: &str) -> Status {
    let subject = if name.is_empty() { resource.to_string() } else { format!("{resource} \"{name}\"") };
    Status::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(resource, name)
}

/// 405.
pub fn method_not_allowed() -> Status {
    Status::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
}

/// 406: none of the media types that were asked for.
pub fn not_acceptable(accepted: &[&str]) -> Status {
    let message = format!("only the following media types are accepted: {}", accepted.join(", "));
    Status::new(406, "NotAcceptable", message)
}

/// 410: the version is older than what can be watched.
pub fn expired(message: impl Into<String>) -> Status {
    Status::new(410, "Expired", message)
}

/// 413.
pub fn too_large(message: impl Into<String>) -> Status {
    Status::new(413, "RequestEntityTooLarge", message)
}

/// 415.
pub fn unsupported_media_type(accepted: &[&str]) -> Status {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    );
    Status::new(415, "UnsupportedMediaType", message)
}

/// 429: come back in so many seconds.
pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Status {
    let mut status = Status::new(429, "TooManyRequests", message);
    status.details.insert("retryAfterSeconds".into(), json!(retry_after_seconds));
    status
}

/// 500.
pub fn internal_error(why: &str) -> Status {
    let mut status = Status::new(500, "InternalError", format!("Internal error occurred: {why}"));
    status.details.insert("causes".into(), json!([{"message": why}]));
    status
}

/// 503.
pub fn unavailable(message: impl Into<String>) -> Status {
    Status::new(503, "ServiceUnavailable", message)
}

/// 504: the server did not finish in time; the client may ask again.
pub fn timeout(message: impl Into<String>) -> Status {
    let mut status = Status::new(504, "Timeout", format!("Timeout: {}", message.into()));
    status.details.insert("retryAfterSeconds".into(), json!(1));
    status
}

/// 200: an object was deleted.
pub fn deleted(resource: ResourceId, name: &str, uid: &Uid) -> Status {
    let mut status = Status::new(200, "", "").about(resource, name);
    status.detail(&[("uid", uid.as_str())]);
    status
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn sentences_are_kubernetes_own() {
        let deployments = ResourceId::new("deployments.apps");
        let kind = crate::kind(deployments).unwrap();
        let error = |field: &str, message: &str| FieldError {
            field: field.into(),
            reason: "FieldValueRequired",
            message: message.into(),
        };
        let statuses = [
            not_found(deployments, "web"),
            already_exists(ResourceId::new("pods"), "web"),
            conflict(deployments, "web"),
            invalid(kind, "web", &[error("spec.selector", "Required value")]),
            invalid(kind, "web", &[error("a", "Required value"), error("b", "Required value")]),
            forbidden(ResourceId::new("namespaces"), "default", "this namespace may not be deleted"),
            internal_error("boom"),
            deleted(ResourceId::new("pods"), "web", &Uid::from("u-1")),
        ];
        let text: String = statuses.iter().map(|status| format!("{}\n", status.to_value())).collect();
        expect![[r#"
            {"apiVersion":"v1","code":404,"details":{"group":"apps","kind":"deployments","name":"web"},"kind":"Status","message":"deployments.apps \"web\" not found","metadata":{},"reason":"NotFound","status":"Failure"}
            {"apiVersion":"v1","code":409,"details":{"kind":"pods","name":"web"},"kind":"Status","message":"pods \"web\" already exists","metadata":{},"reason":"AlreadyExists","status":"Failure"}
            {"apiVersion":"v1","code":409,"details":{"group":"apps","kind":"deployments","name":"web"},"kind":"Status","message":"Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your changes to the latest version and try again","metadata":{},"reason":"Conflict","status":"Failure"}
            {"apiVersion":"v1","code":422,"details":{"causes":[{"field":"spec.selector","message":"Required value","reason":"FieldValueRequired"}],"group":"apps","kind":"Deployment","name":"web"},"kind":"Status","message":"Deployment.apps \"web\" is invalid: spec.selector: Required value","metadata":{},"reason":"Invalid","status":"Failure"}
            {"apiVersion":"v1","code":422,"details":{"causes":[{"field":"a","message":"Required value","reason":"FieldValueRequired"},{"field":"b","message":"Required value","reason":"FieldValueRequired"}],"group":"apps","kind":"Deployment","name":"web"},"kind":"Status","message":"Deployment.apps \"web\" is invalid: [a: Required value, b: Required value]","metadata":{},"reason":"Invalid","status":"Failure"}
            {"apiVersion":"v1","code":403,"details":{"kind":"namespaces","name":"default"},"kind":"Status","message":"namespaces \"default\" is forbidden: this namespace may not be deleted","metadata":{},"reason":"Forbidden","status":"Failure"}
            {"apiVersion":"v1","code":500,"details":{"causes":[{"message":"boom"}]},"kind":"Status","message":"Internal error occurred: boom","metadata":{},"reason":"InternalError","status":"Failure"}
            {"apiVersion":"v1","code":200,"details":{"kind":"pods","name":"web","uid":"u-1"},"kind":"Status","metadata":{},"status":"Success"}
        "#]].assert_eq(&text);
    }
}
