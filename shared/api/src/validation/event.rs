//! Rules of events. Those that say when they were (`eventTime`) are held to more.

use serde_json::Value;

use super::format::{dns_subdomain, qualified_name};
use super::{Errors, meta};
use crate::json::{given, int, text};
use crate::kinds::FieldError;

/// Characters that an event's texts may have.
const LONGEST_WORD: usize = 128;
const LONGEST_MESSAGE: usize = 1024;

/// What `events.k8s.io` calls who reports; `v1` says `reportingComponent`.
const NEW_CONTROLLER: &str = "reportingController";
/// What stays as it is in an event of `events.k8s.io`, by its names in `v1`.
const FIXED: [&str; 14] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
];

/// Checks an event of `v1`, which old clients write as they like.
pub fn event(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    since_ever(&mut errors, object, "reportingComponent");
    errors.0
}

/// Checks an event that was written through `events.k8s.io`.
pub fn new_event(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    since_ever(&mut errors, object, NEW_CONTROLLER);
    match old {
        None => {
            series(&mut errors, object);
            unset(&mut errors, object);
        }
        Some(old) => {
            if given(object, "/series") != given(old, "/series") {
                series(&mut errors, object);
            }
            for key in FIXED {
                let name = if key == "reportingComponent" { NEW_CONTROLLER } else { key };
                errors.immutable(name, object.get(key), old.get(key));
            }
        }
    }
    errors.0
}

fn series(errors: &mut Errors, object: &Value) {
    let Some(series) = given(object, "/series") else { return };
    if int(series, "/count").unwrap_or_default() < 2 {
        errors.invalid("series.count", "", "should be at least 2");
    }
    if given(series, "/lastObservedTime").is_none() {
        errors.required("series.lastObservedTime", "");
    }
}

/// What a new event has, and what only those of `v1` have.
fn unset(errors: &mut Errors, object: &Value) {
    if given(object, "/eventTime").is_none() {
        errors.required("eventTime", "");
    }
    let kind = text(object, "/type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid("type", "", &format!("has invalid value: {kind}"));
    }
    for key in ["firstTimestamp", "lastTimestamp"] {
        if given(object, &format!("/{key}")).is_some() {
            errors.invalid(key, "", "needs to be unset");
        }
    }
    if int(object, "/count").unwrap_or_default() != 0 {
        errors.invalid("count", "", "needs to be unset");
    }
    if ["/source/component", "/source/host"].iter().any(|source| !text(object, source).is_empty()) {
        errors.invalid("source", "", "needs to be unset");
    }
}

/// What holds for every event. `controller` is what its version calls who reports.
fn since_ever(errors: &mut Errors, object: &Value, controller: &str) {
    let (regarding, own) = (text(object, "/involvedObject/namespace"), text(object, "/metadata/namespace"));
    let timed = given(object, "/eventTime").is_some();
    let agrees = match (regarding, timed) {
        ("", false) => matches!(own, "" | "default"),
        ("", true) => matches!(own, "default" | "kube-system"),
        (regarding, false) => regarding == own,
        (_, true) => true,
    };
    if !agrees {
        errors.invalid("involvedObject.namespace", regarding, "does not match event.namespace");
    }
    if timed {
        reported(errors, object, controller);
    }
    errors.format("namespace", own, dns_subdomain(own));
}

/// Who reports an event that says when it was, and what.
fn reported(errors: &mut Errors, object: &Value, named: &str) {
    let controller = text(object, "/reportingComponent");
    if controller.is_empty() {
        errors.required(named, "");
    }
    errors.format(named, controller, qualified_name(controller));
    for key in ["reportingInstance", "action", "reason"] {
        let value = text(object, &format!("/{key}"));
        if value.is_empty() {
            errors.required(key, "");
        }
        longer(errors, key, value, LONGEST_WORD);
    }
    longer(errors, "message", text(object, "/message"), LONGEST_MESSAGE);
}

fn longer(errors: &mut Errors, key: &str, value: &str, most: usize) {
    if value.len() > most {
        errors.invalid(key, "", &format!("can have at most {most} characters"));
    }
}
