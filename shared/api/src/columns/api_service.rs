//! APIServices, as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, shown};
use crate::Timestamp;
use crate::json::{items, text};
use crate::kinds::Column;

/// Columns of APIServices.
pub const API_SERVICE: &[Column] = &[
    NAME,
    shown("Service", "string", "The Service that answers for this group and version."),
    shown("Available", "string", "Whether it answers."),
    AGE,
];

/// Cells of an APIService.
pub fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(service(object)), json!(available(object)), age(object, now)]
}

fn service(object: &Value) -> String {
    let part = |key: &str| text(object, &format!("/spec/service/{key}"));
    match object.pointer("/spec/service") {
        None | Some(Value::Null) => "Local".to_owned(),
        Some(_) => format!("{}/{}", part("namespace"), part("name")),
    }
}

fn available(object: &Value) -> String {
    let mut conditions = items(object, "/status/conditions").iter();
    match conditions.find(|condition| text(condition, "/type") == "Available") {
        None => "Unknown".to_owned(),
        Some(condition) => match text(condition, "/status") {
            "True" => "True".to_owned(),
            status => format!("{status} ({})", text(condition, "/reason")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_service_is_shown() {
        let cells = |object: &Value| json!(api_service(object, Timestamp(0)));
        let local = json!({"metadata": {"name": "v1.apps"}, "status": {"conditions": [{"type": "Available", "status": "True"}]}});
        assert_eq!(cells(&local), json!(["v1.apps", "Local", "True", "<unknown>"]));
        let away = json!({
            "metadata": {"name": "v1.a.b"}, "spec": {"service": {"namespace": "shop", "name": "api"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        });
        assert_eq!(cells(&away), json!(["v1.a.b", "shop/api", "False (MissingEndpoints)", "<unknown>"]));
        assert_eq!(cells(&json!({}))[2], "Unknown");
    }
}
