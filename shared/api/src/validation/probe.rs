//! Rules of probes and life-cycle hooks.

use serde_json::Value;

use super::Errors;
use super::container::number_in_range;
use super::format::port_name;
use crate::json::{int, items, text};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// Checks a container's probes and hooks. A plain init container may have none.
pub(super) fn probes(errors: &mut Errors, container: &Value, path: &str, plain_init: bool) {
    for name in PROBES.into_iter().chain(["lifecycle"]) {
        if plain_init && container.get(name).is_some() {
            errors.forbidden(
                format!("{path}.{name}"),
                "may not be set for init containers without restartPolicy=Always",
            );
        }
    }
    for name in PROBES.into_iter().filter(|_| !plain_init) {
        if let Some(probe) = container.get(name) {
            check(errors, probe, &format!("{path}.{name}"), name != "readinessProbe");
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(action) = container.pointer(&format!("/lifecycle/{hook}")) {
            handler(
                errors,
                action,
                &format!("{path}.lifecycle.{hook}"),
                &["exec", "httpGet", "tcpSocket", "sleep"],
            );
        }
    }
}

fn check(errors: &mut Errors, probe: &Value, path: &str, once: bool) {
    handler(errors, probe, path, &["exec", "httpGet", "tcpSocket", "grpc"]);
    for key in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        errors.not_negative(probe, path, key);
    }
    if once && let Some(threshold) = int(probe, "/successThreshold").filter(|threshold| *threshold > 1) {
        errors.invalid(format!("{path}.successThreshold"), threshold, "must be 1");
    }
    if let Some(grace) = int(probe, "/terminationGracePeriodSeconds") {
        let path = format!("{path}.terminationGracePeriodSeconds");
        match path.contains("readinessProbe") {
            true => errors.invalid(path, grace, "must not be set for readinessProbes"),
            false if grace <= 0 => errors.invalid(path, grace, "must be greater than 0"),
            false => {}
        }
    }
}

fn handler(errors: &mut Errors, probe: &Value, path: &str, known: &[&str]) {
    let present: Vec<&&str> = known.iter().filter(|key| probe.get(**key).is_some()).collect();
    if present.is_empty() {
        errors.required(path, "must specify a handler type");
    }
    for key in present.iter().skip(1) {
        errors.forbidden(format!("{path}.{key}"), "may not specify more than 1 handler type");
    }
    let Some(kind) = present.first() else { return };
    let action = probe.get(**kind).unwrap_or(&Value::Null);
    let path = format!("{path}.{kind}");
    match **kind {
        "exec" if items(action, "/command").is_empty() => errors.required(format!("{path}.command"), ""),
        "httpGet" => {
            errors.needs(action, &path, "path");
            port(errors, action, &path);
            errors.one_of(format!("{path}.scheme"), text(action, "/scheme"), &["HTTP", "HTTPS"], true);
            for (index, header) in items(action, "/httpHeaders").iter().enumerate() {
                errors.needs(header, &format!("{path}.httpHeaders[{index}]"), "name");
            }
        }
        "tcpSocket" | "grpc" => port(errors, action, &path),
        _ => {}
    }
}

fn port(errors: &mut Errors, action: &Value, path: &str) {
    let path = format!("{path}.port");
    match action.get("port") {
        Some(Value::String(name)) => errors.format(&path, name, port_name(name)),
        Some(number) => number_in_range(errors, &path, number.as_i64().unwrap_or(0)),
        None => errors.required(path, ""),
    }
}
