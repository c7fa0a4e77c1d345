//! Rules of `clientConfig`, in configurations of webhooks and in definitions whose objects a webhook converts.

use serde_json::Value;

use super::Errors;
use super::format::dns_subdomain;
use crate::json::{int, text};

/// Checks where a webhook is.
pub(super) fn check(errors: &mut Errors, client: &Value, path: &str) {
    let has = |key: &str| client.get(key).is_some_and(|value| !value.is_null());
    match (has("url"), has("service")) {
        (true, true) | (false, false) => {
            errors.required(path, "exactly one of url or service is required");
        }
        (true, false) => url(errors, text(client, "/url"), &format!("{path}.url")),
        (false, true) => {
            service(errors, client.get("service").unwrap_or(&Value::Null), &format!("{path}.service"));
        }
    }
}

fn service(errors: &mut Errors, service: &Value, path: &str) {
    // Kubernetes mixes the two up.
    for (key, told) in [("namespace", "name"), ("name", "namespace")] {
        if text(service, &format!("/{key}")).is_empty() {
            errors.required(format!("{path}.{told}"), "");
        }
    }
    if let Some(port) = int(service, "/port").filter(|port| !(1..=65535).contains(port)) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.invalid(format!("{path}.port"), port, why);
    }
    let (below, path) = (text(service, "/path"), format!("{path}.path"));
    match below {
        "" | "/" => return,
        "//" => return errors.invalid(path, below, "segment[0] may not be empty"),
        _ if !below.starts_with('/') => errors.invalid(path.clone(), below, "must start with a '/'"),
        _ => {}
    }
    let steps = below.get(1..).unwrap_or_default();
    for (index, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(path.clone(), below, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for why in dns_subdomain(step) {
            errors.invalid(path.clone(), below, &format!("segment[{index}]: {why}"));
        }
    }
}

fn url(errors: &mut Errors, url: &str, path: &str) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        errors.invalid(path, scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        errors.invalid(path, host, &format!("host must be specified{FORM}"));
    }
    if !user.is_empty() {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(path, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(path, query, "query parameters are not permitted in the URL");
    }
}
