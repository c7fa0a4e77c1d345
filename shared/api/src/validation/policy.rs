//! Rules of disruption budgets.

use serde_json::Value;

use super::{Errors, meta};
use crate::json::text;
use crate::kinds::FieldError;

/// Checks a disruption budget.
pub fn disruption_budget(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let limit = |field: &str| spec.get(field).filter(|value| !value.is_null());
    if limit("minAvailable").is_some() && limit("maxUnavailable").is_some() {
        errors.invalid_as("spec", &spelled(spec), "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        if let Some(value) = limit(field) {
            amount(&mut errors, &format!("spec.{field}"), value);
        }
    }
    if let Some(selector) = spec.get("selector") {
        meta::selector(&mut errors, selector, "spec.selector");
    }
    let policy = text(spec, "/unhealthyPodEvictionPolicy");
    errors.one_of(
        "spec.unhealthyPodEvictionPolicy".into(),
        policy,
        &["AlwaysAllow", "IfHealthyBudget"],
        false,
    );
    errors.0
}

/// The spec as Kubernetes' own type spells it.
fn spelled(spec: &Value) -> String {
    let fields = ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"].map(|key| {
        let (first, rest) = key.split_at(1);
        format!("\"{}{rest}\":{}", first.to_uppercase(), spec.get(key).unwrap_or(&Value::Null))
    });
    format!("{{{}}}", fields.join(","))
}

/// A number that is not negative, or a share of at most all.
fn amount(errors: &mut Errors, path: &str, value: &Value) {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.invalid(path, value.clone(), "must be greater than or equal to 0");
        }
        Value::String(text) => match percentage(text) {
            None => errors.invalid(
                path,
                value.clone(),
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                 regex used for validation is '[0-9]+%')",
            ),
            Some(percent) if percent > 100 => errors.invalid(path, value.clone(), "must not be greater than 100%"),
            Some(_) => {}
        },
        _ => {}
    }
}

fn percentage(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty())?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().unwrap_or(u64::MAX))
}
