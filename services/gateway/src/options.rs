//! The options of requests, checked as Kubernetes checks them: `dryRun`, `fieldManager`, `fieldValidation`, `force`,
//! `resourceVersionMatch`.

use api::kinds::FieldError;
use api::status;
use hyper::Method;
use serde_json::Value;

use crate::body;
use crate::call::{Call, MANAGER_BYTES};
use crate::failure::Failure;

const MATCH: &str = "resourceVersionMatch";

/// The content type of server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";

/// Checks the query of a write or a list.
pub fn check(call: &Call, method: &Method) -> Result<(), Failure> {
    let kind = match method.as_str() {
        "POST" => "CreateOptions",
        "PUT" => "UpdateOptions",
        "PATCH" => "PatchOptions",
        "DELETE" => "DeleteOptions",
        "GET" if call.path.name.is_none() && call.query.flag("watch") => return watch(call),
        "GET" if call.path.name.is_none() => return list(call),
        _ => return Ok(()),
    };
    if kind == "DeleteOptions" && call.path.name.is_none() {
        // A collection is deleted as it is listed.
        list(call)?;
    }
    let mut errors = Vec::new();
    if kind == "PatchOptions" {
        patch(call, &mut errors);
    }
    if kind != "DeleteOptions" {
        manager(call.query.text("fieldManager"), &mut errors);
        validation(call.query.text("fieldValidation"), &mut errors);
    }
    let wanted = call.query.all("dryRun");
    dry_run(&wanted.iter().map(String::as_str).collect::<Vec<_>>(), &mut errors);
    refuse(kind, &errors)
}

/// Checks the body of a deletion.
pub fn check_deletion(options: &Value) -> Result<(), Failure> {
    let kind = api::json::text(options, "/kind");
    if !options.is_null() && !options.is_object() {
        return Err(Failure::bad_request("couldn't get version/kind; the body is not an object"));
    }
    if !matches!(kind, "" | "DeleteOptions") {
        let version = api::json::text(options, "/apiVersion");
        return Err(Failure::bad_request(format!("no kind {kind:?} is registered for version {version:?}")));
    }
    let mut errors = Vec::new();
    let given = |key: &str| options.get(key).filter(|value| !value.is_null());
    if let Some(policy) = given("propagationPolicy") {
        if given("orphanDependents").is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            let message = format!("Invalid value: {policy}: {why}");
            errors.push(error("propagationPolicy", "FieldValueInvalid", message));
        }
        if !matches!(policy.as_str(), Some("Foreground" | "Background" | "Orphan")) {
            let known = r#""Foreground", "Background", "Orphan", "nil""#;
            errors.push(unsupported("propagationPolicy", &policy.to_string(), known));
        }
    }
    let values = given("dryRun").and_then(Value::as_array).into_iter().flatten();
    dry_run(&values.map(|value| value.as_str().unwrap_or_default()).collect::<Vec<_>>(), &mut errors);
    refuse("DeleteOptions", &errors)
}

/// A watch's `resourceVersionMatch` makes sense only together with `sendInitialEvents`.
fn watch(call: &Call) -> Result<(), Failure> {
    let (wanted, initial) = (call.query.text(MATCH), !call.query.all("sendInitialEvents").is_empty());
    let mut errors = Vec::new();
    let mut forbid = |why: &str| {
        errors.push(error(MATCH, "FieldValueForbidden", format!("Forbidden: {why}")));
    };
    if initial && wanted != "NotOlderThan" {
        forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if !wanted.is_empty() && !initial {
        forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    }
    if !wanted.is_empty() && !call.query.text("continue").is_empty() {
        forbid("resourceVersionMatch is forbidden when continue is provided");
    }
    if !matches!(wanted, "" | "NotOlderThan") {
        errors.push(unsupported(MATCH, &format!("{wanted:?}"), r#""NotOlderThan""#));
    }
    refuse("ListOptions", &errors)
}

/// A list's `resourceVersionMatch` makes sense only together with a version.
fn list(call: &Call) -> Result<(), Failure> {
    let (wanted, version) = (call.query.text(MATCH), call.query.text("resourceVersion"));
    let mut errors = Vec::new();
    let mut forbid = |field: &str, why: &str| {
        errors.push(error(field, "FieldValueForbidden", format!("Forbidden: {why}")));
    };
    if !wanted.is_empty() && version.is_empty() {
        forbid(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if !wanted.is_empty() && !call.query.text("continue").is_empty() {
        forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
    }
    if wanted == "Exact" && version == "0" {
        forbid(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if !call.query.text("sendInitialEvents").is_empty() {
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if !matches!(wanted, "" | "Exact" | "NotOlderThan") {
        errors.push(unsupported(MATCH, &format!("{wanted:?}"), r#""Exact", "NotOlderThan", """#));
    }
    refuse("ListOptions", &errors)
}

fn refuse(kind: &str, errors: &[FieldError]) -> Result<(), Failure> {
    match errors {
        [] => Ok(()),
        errors => Err(status::invalid_options("meta.k8s.io", kind, "", errors).into()),
    }
}

fn patch(call: &Call, errors: &mut Vec<FieldError>) {
    let applies = body::media_type(&call.content_type) == APPLY;
    if applies && call.query.text("fieldManager").is_empty() {
        let message = "Required value: is required for apply patch";
        errors.push(error("fieldManager", "FieldValueRequired", message.to_owned()));
    }
    if !applies && !call.query.all("force").is_empty() {
        let message = "Forbidden: may not be specified for non-apply patch";
        errors.push(error("force", "FieldValueForbidden", message.to_owned()));
    }
}

fn manager(name: &str, errors: &mut Vec<FieldError>) {
    if name.len() > MANAGER_BYTES {
        let message = format!("Too long: may not be more than {MANAGER_BYTES} bytes");
        errors.push(error("fieldManager", "FieldValueTooLong", message));
    }
    for (at, letter) in name.char_indices().filter(|(_, letter)| letter.is_control()) {
        let code = u32::from(letter);
        let message = format!("Invalid value: {name:?}: invalid character U+{code:04X} (at position {at})");
        errors.push(error("fieldManager", "FieldValueInvalid", message));
    }
}

fn validation(wanted: &str, errors: &mut Vec<FieldError>) {
    if !matches!(wanted, "" | "Ignore" | "Warn" | "Strict") {
        errors.push(unsupported(
            "fieldValidation",
            &format!("{wanted:?}"),
            r#""", "Ignore", "Strict", "Warn""#,
        ));
    }
}

fn dry_run(values: &[&str], errors: &mut Vec<FieldError>) {
    if values.iter().any(|value| *value != "All") {
        errors.push(unsupported("dryRun", &Value::from(values).to_string(), r#""All""#));
    }
}

fn unsupported(field: &str, value: &str, known: &str) -> FieldError {
    error(field, "FieldValueNotSupported", format!("Unsupported value: {value}: supported values: {known}"))
}

fn error(field: &str, reason: &'static str, message: String) -> FieldError {
    FieldError { field: field.to_owned(), reason, message }
}
