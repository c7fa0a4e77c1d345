//! Rules of configuration and of small kinds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::format::{config_key, dns_label};
use super::{Errors, meta};
use crate::json::{entries, flag, int, text};
use crate::kinds::FieldError;

/// What a ConfigMap or a Secret may hold.
const MOST_BYTES: usize = 1024 * 1024;

/// Checks a config map.
pub fn config_map(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut bytes = 0;
    for list in ["data", "binaryData"] {
        for (key, value) in entries(object, &format!("/{list}")) {
            errors.format(&format!("{list}[{key}]"), key, config_key(key));
            if list == "binaryData" && object.pointer("/data").is_some_and(|data| data.get(key).is_some()) {
                let detail = "duplicate of key present in data";
                errors.invalid(format!("binaryData[{key}]"), key, detail);
            }
            let value = value.as_str().unwrap_or_default();
            bytes += if list == "data" { value.len() } else { value.len() / 4 * 3 };
        }
    }
    if bytes > MOST_BYTES {
        errors.too_long("", MOST_BYTES);
    }
    if let Some(old) = old {
        frozen(&mut errors, object, old, &["data", "binaryData"]);
    }
    errors.0
}

/// Checks a secret.
pub fn secret(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut bytes = 0;
    for (key, value) in entries(object, "/data") {
        errors.format(&format!("data[{key}]"), key, config_key(key));
        bytes += value.as_str().map_or(0, str::len) / 4 * 3;
    }
    if bytes > MOST_BYTES {
        errors.too_long("data", MOST_BYTES);
    }
    content(&mut errors, object);
    if let Some(old) = old {
        errors.immutable("type", object.get("type"), old.get("type"));
        frozen(&mut errors, object, old, &["data"]);
    }
    errors.0
}

/// Some types promise keys.
fn content(errors: &mut Errors, secret: &Value) {
    let has = |key: &str| secret.get("data").and_then(|data| data.get(key)).is_some();
    let promised: &[&str] = match text(secret, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        _ => &[],
    };
    for key in promised.iter().filter(|key| !has(key)) {
        errors.required(format!("data[{key}]"), "");
    }
    for key in
        [".dockercfg", ".dockerconfigjson"].into_iter().filter(|key| promised.contains(key) && has(key))
    {
        let encoded =
            secret.get("data").and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default();
        let json =
            STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        if json.is_none() {
            errors.invalid(format!("data[{key}]"), "<secret contents redacted>", "must be valid json");
        }
    }
}

/// What was declared immutable stays as it is.
fn frozen(errors: &mut Errors, object: &Value, old: &Value, fields: &[&str]) {
    if !flag(old, "/immutable") {
        return;
    }
    if !flag(object, "/immutable") {
        errors.forbidden("immutable", "field is immutable when `immutable` is set");
    }
    for field in fields.iter().filter(|field| object.get(**field) != old.get(**field)) {
        errors.forbidden(*field, "field is immutable when `immutable` is set");
    }
}

/// Checks a namespace.
pub fn namespace(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_label);
    errors.0
}

/// Checks a service account.
pub fn service_account(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    errors.0
}

/// Checks a lease.
pub fn lease(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    if let Some(seconds) = int(object, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        errors.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0");
    }
    if let Some(count) = int(object, "/spec/leaseTransitions").filter(|count| *count < 0) {
        errors.invalid("spec.leaseTransitions", count, "must be greater than or equal to 0");
    }
    errors.0
}

/// Checks an event.
pub fn event(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let regarding = text(object, "/involvedObject/namespace");
    let own = text(object, "/metadata/namespace");
    // Events about cluster-scoped objects live in `default`.
    if regarding != own && !(regarding.is_empty() && matches!(own, "default" | "kube-system")) {
        errors.invalid("involvedObject.namespace", regarding, "does not match event.namespace");
    }
    errors.0
}
