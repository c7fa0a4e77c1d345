//! Reviews: resources that are only ever created and never stored; the answer is the object with its status filled in.

use api::json;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request};
use serde_json::{Value, json as value};

use crate::access::{ResourceWish, Verdict, Wish};
use crate::auth::User;
use crate::body;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::identify;
use crate::negotiate::{self, Form};
use crate::respond::{self, Response};
use crate::tokens::ISSUER;
use crate::unstored::{By, Question, Unstored};

/// Nothing else can be done with one.
const CREATE: &[&str] = &["create"];
const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Every resource of reviews.
#[rustfmt::skip]
pub const REVIEWS: &[Unstored] = &[
    Unstored { group: AUTHENTICATION, version: "v1", plural: "selfsubjectreviews", singular: "selfsubjectreview", kind: "SelfSubjectReview", short_names: &[], namespaced: false, verbs: CREATE, by: By::Review },
    Unstored { group: AUTHENTICATION, version: "v1", plural: "tokenreviews", singular: "tokenreview", kind: "TokenReview", short_names: &[], namespaced: false, verbs: CREATE, by: By::Review },
    Unstored { group: AUTHORIZATION, version: "v1", plural: "localsubjectaccessreviews", singular: "localsubjectaccessreview", kind: "LocalSubjectAccessReview", short_names: &[], namespaced: true, verbs: CREATE, by: By::Review },
    Unstored { group: AUTHORIZATION, version: "v1", plural: "selfsubjectaccessreviews", singular: "selfsubjectaccessreview", kind: "SelfSubjectAccessReview", short_names: &[], namespaced: false, verbs: CREATE, by: By::Review },
    Unstored { group: AUTHORIZATION, version: "v1", plural: "selfsubjectrulesreviews", singular: "selfsubjectrulesreview", kind: "SelfSubjectRulesReview", short_names: &[], namespaced: false, verbs: CREATE, by: By::Review },
    Unstored { group: AUTHORIZATION, version: "v1", plural: "subjectaccessreviews", singular: "subjectaccessreview", kind: "SubjectAccessReview", short_names: &[], namespaced: false, verbs: CREATE, by: By::Review },
];

/// Reads a review whole, then answers it.
pub async fn receive(
    context: &Context,
    question: Question<'_>,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let _seat = context.desk.seat(question.user, false).await?;
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Reviews have no metadata to speak of: Kubernetes shows them as they are or not at all.
    if negotiate::form(header(ACCEPT))? != Form::Whole {
        return Err(Failure::not_acceptable());
    }
    let asked = body::parse(header(CONTENT_TYPE), &body::receive(body).await?)?;
    answer(context, &question, &parts.method, asked)
}

/// Answers the creation of a review; nothing else can be done with one.
fn answer(
    context: &Context,
    question: &Question<'_>,
    method: &Method,
    asked: Value,
) -> Result<Response, Failure> {
    let Question { about: review, user, path, .. } = *question;
    if path.subresource.is_some() || path.namespace.is_some() != review.namespaced {
        return Err(Failure::no_such_path());
    }
    if method != Method::POST || path.name.is_some() {
        return Err(Failure::method_not_allowed());
    }
    let mut object = fitted(review, asked)?;
    let status = match review.kind {
        "SelfSubjectReview" => value!({"userInfo": user.to_value()}),
        "TokenReview" => token(context, &object)?,
        "SelfSubjectRulesReview" => rules(context, user, &object)?,
        "SelfSubjectAccessReview" => access(context, review, user, &object, None)?,
        _ => access(context, review, &subject(review, &object)?, &object, path.namespace.as_deref())?,
    };
    set(&mut object, "status", status);
    Ok(respond::value(201, &object))
}

/// The body as an object of this kind; it may leave its kind out.
fn fitted(review: &Unstored, mut object: Value) -> Result<Value, Failure> {
    let api_version = format!("{}/{}", review.group, review.version);
    for (field, expected) in [("apiVersion", api_version.as_str()), ("kind", review.kind)] {
        let found = json::text(&object, &format!("/{field}"));
        if !found.is_empty() && found != expected {
            let message =
                format!("the {field} in the data ({found}) does not match the expected {field} ({expected})");
            return Err(Failure::bad_request(message));
        }
    }
    if !object.is_object() {
        return Err(Failure::bad_request("the body is not an object"));
    }
    set(&mut object, "apiVersion", api_version);
    set(&mut object, "kind", review.kind);
    if !object.get("metadata").is_some_and(Value::is_object) {
        set(&mut object, "metadata", value!({}));
    }
    Ok(object)
}

fn invalid(review: &Unstored, why: &str) -> Failure {
    Failure::new(422, "Invalid", format!("{}.{} \"\" is invalid: {why}", review.kind, review.group))
}

/// Whether the user may do what the review asks about.
fn access(
    context: &Context,
    review: &Unstored,
    user: &User,
    object: &Value,
    within: Option<&str>,
) -> Result<Value, Failure> {
    let resource = object.pointer("/spec/resourceAttributes").filter(|found| found.is_object());
    let path = object.pointer("/spec/nonResourceAttributes").filter(|found| found.is_object());
    let wish = match (resource, path) {
        (Some(wanted), None) => {
            let text = |field: &str| json::text(wanted, &format!("/{field}")).to_owned();
            if within.is_some_and(|namespace| namespace != text("namespace")) {
                return Err(invalid(
                    review,
                    "spec.resourceAttributes.namespace: Invalid value: must match metadata.namespace",
                ));
            }
            Wish::Resource(ResourceWish {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
            })
        }
        (None, Some(wanted)) if within.is_none() => {
            let text = |field: &str| json::text(wanted, &format!("/{field}")).to_owned();
            Wish::Path { verb: text("verb"), path: text("path") }
        }
        _ => {
            return Err(invalid(
                review,
                "spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
    };
    let (allowed, because) = match context.access.policy().decide(user, &wish) {
        Verdict::Allowed { because } => (true, because),
        Verdict::Denied { because } => (false, because),
    };
    let mut status = value!({"allowed": allowed});
    if !because.is_empty() {
        set(&mut status, "reason", because);
    }
    Ok(status)
}

/// The user that a review is about.
fn subject(review: &Unstored, object: &Value) -> Result<User, Failure> {
    let name = json::text(object, "/spec/user");
    let groups = json::items(object, "/spec/groups").iter().filter_map(Value::as_str);
    let groups: Vec<String> = groups.map(str::to_owned).collect();
    if name.is_empty() && groups.is_empty() {
        return Err(invalid(
            review,
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ));
    }
    Ok(User { name: name.to_owned(), groups, ..User::default() })
}

fn rules(context: &Context, user: &User, object: &Value) -> Result<Value, Failure> {
    match json::text(object, "/spec/namespace") {
        "" => Err(Failure::bad_request("no namespace on request")),
        namespace => Ok(context.access.policy().rules_review(user, namespace)),
    }
}

/// Whom a token stands for.
fn token(context: &Context, object: &Value) -> Result<Value, Failure> {
    let token = json::text(object, "/spec/token");
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = json::items(object, "/spec/audiences").iter().filter_map(Value::as_str);
    let mut audiences: Vec<String> = audiences.map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    Ok(match identify::of_token(context, token, &audiences) {
        Some(user) => value!({"authenticated": true, "user": user.to_value(), "audiences": audiences}),
        None => value!({"authenticated": false, "user": {}, "error": "invalid bearer token"}),
    })
}
