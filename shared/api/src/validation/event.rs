//! Rules of events. Those that say when they were (`eventTime`) are held to more.

use serde_json::Value;

use super::format::{dns_subdomain, qualified_name};
use super::{Errors, meta};
use crate::json::{given, text};
use crate::kinds::FieldError;

/// Characters that an event's texts may have.
const LONGEST_WORD: usize = 128;
const LONGEST_MESSAGE: usize = 1024;

/// Checks an event.
pub fn event(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let (regarding, own) = (text(object, "/involvedObject/namespace"), text(object, "/metadata/namespace"));
    let new = given(object, "/eventTime").is_some();
    let agrees = match (regarding, new) {
        ("", false) => matches!(own, "" | "default"),
        ("", true) => matches!(own, "default" | "kube-system"),
        (regarding, false) => regarding == own,
        (_, true) => true,
    };
    if !agrees {
        errors.invalid("involvedObject.namespace", regarding, "does not match event.namespace");
    }
    if new {
        timed(&mut errors, object);
    }
    errors.format("namespace", own, dns_subdomain(own));
    errors.0
}

fn timed(errors: &mut Errors, object: &Value) {
    let controller = text(object, "/reportingComponent");
    if controller.is_empty() {
        errors.required("reportingController", "");
    }
    errors.format("reportingController", controller, qualified_name(controller));
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
