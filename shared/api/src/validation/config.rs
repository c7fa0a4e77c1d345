//! Rules of configuration and of small kinds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::format::{config_key, dns_label, qualified_name};
use super::{Errors, meta};
use crate::json::{entries, flag, given, int, items, text};
use crate::kinds::FieldError;

const SSH_KEY: &str = "ssh-privatekey";
/// Names the service account that a token is of.
const ACCOUNT: &str = "kubernetes.io/service-account.name";
/// What a ConfigMap or a Secret may hold.
const MOST_BYTES: usize = 1024 * 1024;

/// Checks a config map.
pub fn config_map(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    if let Some(old) = old {
        frozen(&mut errors, object, old, &["data", "binaryData"]);
    }
    let mut bytes = 0;
    for list in ["data", "binaryData"] {
        for (key, value) in entries(object, &format!("/{list}")) {
            errors.format(&format!("{list}[{key}]"), key, config_key(key));
            if list == "data" && object.pointer("/binaryData").is_some_and(|data| data.get(key).is_some()) {
                let detail = "duplicate of key present in binaryData";
                errors.invalid(format!("data[{key}]"), key, detail);
            }
            let value = value.as_str().unwrap_or_default();
            bytes += if list == "data" { value.len() } else { decoded(value) };
        }
    }
    if bytes > MOST_BYTES {
        errors.too_long("", MOST_BYTES);
    }
    errors.0
}

/// Checks a secret.
pub fn secret(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    if let Some(old) = old {
        errors.immutable("type", object.get("type"), old.get("type"));
        frozen(&mut errors, object, old, &["data"]);
    }
    let mut bytes = 0;
    for (key, value) in entries(object, "/data") {
        errors.format(&format!("data[{key}]"), key, config_key(key));
        bytes += value.as_str().map_or(0, decoded);
    }
    if bytes > MOST_BYTES {
        errors.too_long("data", MOST_BYTES);
    }
    content(&mut errors, object);
    errors.0
}

/// The bytes that a text of base64 stands for.
fn decoded(text: &str) -> usize {
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count().min(text.len() / 4 * 3)
}

/// Some types promise keys.
fn content(errors: &mut Errors, secret: &Value) {
    let data = |key: &str| secret.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
    let has = |key: &str| match key {
        SSH_KEY => data(key).is_some_and(|key| !key.is_empty()),
        key => data(key).is_some(),
    };
    if text(secret, "/type") == "kubernetes.io/service-account-token" {
        let account = secret.pointer("/metadata/annotations").and_then(|all| all.get(ACCOUNT));
        if account.and_then(Value::as_str).is_none_or(str::is_empty) {
            errors.required(format!("metadata.annotations[{ACCOUNT}]"), "");
        }
    }
    let promised: &[&str] = match text(secret, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &[SSH_KEY],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        _ => &[],
    };
    for key in promised.iter().filter(|key| !has(key)) {
        errors.required(format!("data[{key}]"), "");
    }
    for key in promised.iter().filter(|key| key.starts_with(".docker")) {
        let Some(encoded) = data(key) else { continue };
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        if let Some(why) = not_an_object(&bytes) {
            errors.invalid(format!("data[{key}]"), "<secret contents redacted>", why);
        }
    }
}

/// Go's words for what is no object of JSON.
fn not_an_object(bytes: &[u8]) -> Option<&'static str> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_) | Value::Null) => None,
        Ok(Value::Array(_)) => {
            Some("json: cannot unmarshal array into Go value of type map[string]interface {}")
        }
        Ok(Value::String(_)) => {
            Some("json: cannot unmarshal string into Go value of type map[string]interface {}")
        }
        Ok(Value::Number(_)) => {
            Some("json: cannot unmarshal number into Go value of type map[string]interface {}")
        }
        Ok(Value::Bool(_)) => {
            Some("json: cannot unmarshal bool into Go value of type map[string]interface {}")
        }
        Err(error) if error.is_eof() => Some("unexpected end of JSON input"),
        Err(_) => Some("must be valid json"),
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
    for name in items(object, "/spec/finalizers").iter().filter_map(Value::as_str).filter(|_| old.is_none()) {
        errors.format("spec.finalizers", name, qualified_name(name));
        if !name.contains('/') && name != "kubernetes" {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid("spec.finalizers", name, detail);
        }
    }
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
    meta::loose(&mut errors, object, old);
    if let Some(seconds) = int(object, "/spec/leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        errors.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0");
    }
    errors.not_negative(object.get("spec").unwrap_or(&Value::Null), "spec", "leaseTransitions");
    lease_strategy(&mut errors, object);
    errors.0
}

/// Who is to hold the lease next is decided in a way that has a name.
fn lease_strategy(errors: &mut Errors, object: &Value) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let strategy = given(spec, "/strategy").and_then(Value::as_str);
    if let Some(strategy) = strategy {
        let strategies = ["OldestEmulationVersion"];
        if strategy.contains('/') {
            errors.format("spec.strategy", strategy, qualified_name(strategy));
        } else if !strategies.contains(&strategy) {
            errors.unsupported("spec.strategy", strategy, &strategies);
        }
    }
    let preferred = !text(spec, "/preferredHolder").is_empty();
    if preferred && strategy.is_none_or(str::is_empty) {
        errors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
    }
}
