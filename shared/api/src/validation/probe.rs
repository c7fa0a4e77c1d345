//! Rules of probes and life-cycle hooks.

use serde_json::Value;

use super::Errors;
use super::container::number_in_range;
use super::format::{header_name, port_name};
use crate::json::{given, int, items, text};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const TIMES: [&str; 5] =
    ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

/// Checks the hooks and probes of a container that runs on, in a pod that has `grace` seconds to end.
pub(super) fn probes(errors: &mut Errors, container: &Value, path: &str, grace: Option<i64>) {
    for hook in ["postStart", "preStop"] {
        if let Some(action) = given(container, &format!("/lifecycle/{hook}")) {
            let path = format!("{path}.lifecycle.{hook}");
            handler(errors, action, &path, &["exec", "httpGet", "tcpSocket", "sleep"], grace);
        }
    }
    for name in PROBES {
        if let Some(probe) = container.get(name).filter(|probe| !probe.is_null()) {
            check(errors, probe, &format!("{path}.{name}"), name == "readinessProbe", grace);
        }
    }
}

/// A container that pods wait for has no hooks and no probes.
pub(super) fn none(errors: &mut Errors, container: &Value, path: &str) {
    for name in ["lifecycle"].into_iter().chain(PROBES) {
        if container.get(name).is_some_and(|value| !value.is_null()) {
            errors.forbidden(
                format!("{path}.{name}"),
                "may not be set for init containers without restartPolicy=Always",
            );
        }
    }
}

fn check(errors: &mut Errors, probe: &Value, path: &str, readiness: bool, grace: Option<i64>) {
    handler(errors, probe, path, &["exec", "httpGet", "tcpSocket", "grpc"], grace);
    for key in TIMES {
        errors.not_negative(probe, path, key);
    }
    let own = int(probe, "/terminationGracePeriodSeconds");
    if let Some(own) = own.filter(|own| *own <= 0) {
        errors.invalid(format!("{path}.terminationGracePeriodSeconds"), own, "must be greater than 0");
    }
    let threshold = int(probe, "/successThreshold").unwrap_or(1);
    match (readiness, own) {
        (true, Some(own)) => {
            let detail = "must not be set for readinessProbes";
            errors.invalid(format!("{path}.terminationGracePeriodSeconds"), own, detail);
        }
        (false, _) if threshold != 1 => {
            errors.invalid(format!("{path}.successThreshold"), threshold, "must be 1");
        }
        _ => {}
    }
}

fn handler(errors: &mut Errors, probe: &Value, path: &str, known: &[&str], grace: Option<i64>) {
    let mut found = false;
    for kind in known {
        let Some(action) = probe.get(*kind).filter(|action| !action.is_null()) else { continue };
        let path = format!("{path}.{kind}");
        match found {
            true => errors.forbidden(path, "may not specify more than 1 handler type"),
            false => self::action(errors, kind, action, &path, grace),
        }
        found = true;
    }
    if !found {
        errors.required(path, "must specify a handler type");
    }
}

fn action(errors: &mut Errors, kind: &str, action: &Value, path: &str, grace: Option<i64>) {
    match kind {
        "exec" if items(action, "/command").is_empty() => errors.required(format!("{path}.command"), ""),
        "httpGet" => {
            errors.needs(action, path, "path");
            port(errors, action, path);
            let scheme = text(action, "/scheme");
            if !["HTTP", "HTTPS"].contains(&scheme) {
                errors.unsupported(format!("{path}.scheme"), scheme, &["HTTP", "HTTPS"]);
            }
            for name in items(action, "/httpHeaders").iter().map(|header| text(header, "/name")) {
                errors.format(&format!("{path}.httpHeaders"), name, header_name(name));
            }
        }
        "tcpSocket" | "grpc" => port(errors, action, path),
        "sleep" => {
            let seconds = int(action, "/seconds").unwrap_or(0);
            if let Some(grace) = grace.filter(|grace| !(0..=*grace).contains(&seconds)) {
                let detail =
                    format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                errors.invalid(path, seconds, &detail);
            }
        }
        _ => {}
    }
}

fn port(errors: &mut Errors, action: &Value, path: &str) {
    let path = format!("{path}.port");
    match action.get("port") {
        Some(Value::String(name)) => errors.format(&path, name, port_name(name)),
        number => number_in_range(errors, &path, number.and_then(Value::as_i64).unwrap_or(0)),
    }
}
