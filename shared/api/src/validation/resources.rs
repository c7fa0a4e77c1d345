//! Rules of requests and limits.

use serde_json::Value;

use super::Errors;
use super::format::qualified_name;
use crate::json::{entries, text};
use crate::quantity::Quantity;

/// Checks a container's `resources`.
pub(super) fn resources(errors: &mut Errors, container: &Value, path: &str) {
    let path = format!("{path}.resources");
    for list in ["limits", "requests"] {
        for (resource, amount) in entries(container, &format!("/resources/{list}")) {
            let path = format!("{path}.{list}[{resource}]");
            name(errors, &path, resource);
            amount_of(errors, &path, amount.as_str().unwrap_or_default());
        }
    }
    for (resource, limit) in entries(container, "/resources/limits") {
        let request = text(
            container,
            &format!("/resources/requests/{}", resource.replace('~', "~0").replace('/', "~1")),
        );
        let limit = limit.as_str().unwrap_or_default();
        if let (Some(wanted), Some(most)) = (Quantity::parse(request), Quantity::parse(limit))
            && wanted > most
        {
            let detail = format!("must be less than or equal to {resource} limit of {limit}");
            errors.invalid(format!("{path}.requests"), request, &detail);
        }
    }
}

/// An amount must be a quantity and not negative.
pub(super) fn amount_of(errors: &mut Errors, path: &str, amount: &str) {
    match Quantity::parse(amount) {
        Some(quantity) if quantity.milli < 0 => {
            errors.invalid(path, amount, "must be greater than or equal to 0")
        }
        Some(_) => {}
        None => errors.invalid(
            path,
            amount,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    }
}

/// An amount must be a quantity and more than nothing.
pub(super) fn positive_amount(errors: &mut Errors, path: &str, amount: &str) {
    match Quantity::parse(amount) {
        Some(quantity) if quantity.milli == 0 => errors.invalid(path, amount, "must be greater than zero"),
        _ => amount_of(errors, path, amount),
    }
}

fn name(errors: &mut Errors, path: &str, resource: &str) {
    let violations = qualified_name(resource);
    let well_formed = violations.is_empty();
    errors.format(path, resource, violations);
    let standard =
        matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    if well_formed && !standard && !resource.contains('/') {
        errors.invalid(path, resource, "must be a standard resource type or fully qualified");
        errors.invalid(path, resource, "must be a standard resource for containers");
    }
}
