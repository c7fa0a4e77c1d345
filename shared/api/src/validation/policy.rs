//! Rules of disruption budgets.

use serde_json::Value;

use super::errors::spelled;
use super::workload::{at_most_all, share};
use super::{Errors, meta};
use crate::kinds::FieldError;

/// Checks a disruption budget.
pub fn disruption_budget(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let limit = |field: &str| spec.get(field).filter(|value| !value.is_null());
    if limit("minAvailable").is_some() && limit("maxUnavailable").is_some() {
        let fields = ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"];
        let shown = spelled(spec, &fields);
        errors.invalid_as("spec", &shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        share(&mut errors, spec, "spec", field);
        at_most_all(&mut errors, spec, "spec", field);
    }
    if let Some(selector) = spec.get("selector") {
        meta::selector(&mut errors, selector, "spec.selector");
    }
    errors.supports(spec, "spec", "unhealthyPodEvictionPolicy", &["AlwaysAllow", "IfHealthyBudget"]);
    errors.0
}
