//! Rules of requests and limits, and of the names and amounts of resources everywhere.

use std::collections::HashSet;

use serde_json::Value;

use super::Errors;
use super::format::{dns_label, qualified_name};
use crate::json::{entries, given, items, text};
use crate::quantity::Quantity;

/// Resources that have a meaning without a group, besides huge pages.
const STANDARD: [&str; 20] = [
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "storage",
];
/// Those of them that are counted, and thus whole.
const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// What the agent shares out by itself; anything else is somebody's device.
const NATIVE: &str = "kubernetes.io/";
const HUGE: &str = "hugepages-";

/// Who asks for resources, which decides on what there is to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Container,
    /// All containers of a pod together.
    Pod,
}

/// Checks a container's `resources`; `claims` are the pod's.
pub(super) fn resources(errors: &mut Errors, container: &Value, path: &str, claims: &[&str]) {
    if let Some(resources) = given(container, "/resources") {
        let path = format!("{path}.resources");
        amounts(errors, resources, &path, Asker::Container);
        self::claims(errors, resources, &path, claims);
    }
}

/// Checks requests and limits, and that they fit together.
pub(super) fn amounts(errors: &mut Errors, resources: &Value, path: &str, asker: Asker) {
    let (mut huge, mut common) = (false, false);
    for list in ["limits", "requests"] {
        for (resource, amount) in entries(resources, &format!("/{list}")) {
            let amount = amount.as_str().unwrap_or_default();
            let own = format!("{path}.{list}[{resource}]");
            match asker {
                Asker::Container => of_container(errors, &own, resource),
                Asker::Pod => of_pod(errors, &own, resource),
            }
            value(errors, &own, resource, amount);
            if list == "requests" {
                within_limit(errors, resources, path, resource, amount);
            }
            if resource.starts_with(HUGE) {
                whole_pages(errors, &own, resource, amount);
                huge = true;
            }
            common |= matches!(resource, "cpu" | "memory");
        }
    }
    if huge && !common {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
}

fn within_limit(errors: &mut Errors, resources: &Value, path: &str, resource: &str, amount: &str) {
    let limit = resources.get("limits").and_then(|limits| limits.get(resource)).and_then(Value::as_str);
    let overcommits = is_native(resource) && !resource.starts_with(HUGE);
    let parsed = limit.map(|limit| (limit, Quantity::parse(limit), Quantity::parse(amount)));
    match parsed {
        None if !overcommits => {
            errors.required(format!("{path}.limits"), "Limit must be set for non overcommitable resources");
        }
        Some((limit, most, wanted)) if most != wanted && !overcommits => {
            let detail = format!("must be equal to {resource} limit of {limit}");
            errors.invalid(format!("{path}.requests"), amount, &detail);
        }
        Some((limit, Some(most), Some(wanted))) if wanted > most => {
            let detail = format!("must be less than or equal to {resource} limit of {limit}");
            errors.invalid(format!("{path}.requests"), amount, &detail);
        }
        _ => {}
    }
}

fn whole_pages(errors: &mut Errors, path: &str, resource: &str, amount: &str) {
    let page = resource.strip_prefix(HUGE).and_then(Quantity::parse).filter(|page| page.milli > 0);
    let divisible = match (page, Quantity::parse(amount)) {
        (Some(page), Some(amount)) => amount.milli >= 0 && amount.milli % page.milli == 0,
        _ => false,
    };
    if !divisible {
        errors.invalid(path, amount, &format!("{amount} is not positive integer multiple of {resource}"));
    }
}

/// The claims of devices that a container uses are among its pod's.
fn claims(errors: &mut Errors, resources: &Value, path: &str, known: &[&str]) {
    let mut seen = HashSet::new();
    for (index, claim) in items(resources, "/claims").iter().enumerate() {
        let path = format!("{path}.claims[{index}]");
        let (name, request) = (text(claim, "/name"), text(claim, "/request"));
        if name.is_empty() {
            errors.required(path, "");
            continue;
        }
        errors.formatted(claim, &path, "request", dns_label);
        if !seen.insert((name, request)) {
            let shown = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
            errors.duplicate(path.as_str(), shown);
        }
        if !known.contains(&name) {
            let detail = match known {
                [] => "must be one of the names in pod.spec.resourceClaims which is empty".to_owned(),
                known => format!("must be one of the names in pod.spec.resourceClaims: {}", known.join(", ")),
            };
            errors.not_found_among(path, name, &detail);
        }
    }
}

/// An amount must be a quantity and not negative; of what is counted, a whole one.
pub(super) fn value(errors: &mut Errors, path: &str, resource: &str, amount: &str) {
    amount_of(errors, path, amount);
    let whole = COUNTED.contains(&resource) || !is_native(resource) && is_extended(resource);
    if whole && Quantity::parse(amount).is_some_and(|amount| amount.milli % 1000 != 0) {
        errors.invalid(path, amount, "must be an integer");
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
pub(super) fn positive(errors: &mut Errors, path: &str, amount: &str) {
    match Quantity::parse(amount) {
        Some(quantity) if quantity.milli <= 0 => errors.invalid(path, amount, "must be greater than zero"),
        _ => amount_of(errors, path, amount),
    }
}

/// Without a group, or of Kubernetes' own: not somebody's device.
fn is_native(resource: &str) -> bool {
    !resource.contains('/') || resource.contains(NATIVE)
}

/// The name of a resource, which needs a group unless it is known. False if it is wrong.
pub(super) fn name(errors: &mut Errors, path: &str, resource: &str) -> bool {
    let violations = qualified_name(resource);
    let well_formed = violations.is_empty();
    errors.format(path, resource, violations);
    let huge = resource.starts_with(HUGE) || resource.starts_with("requests.hugepages-");
    let known = resource.contains('/') || STANDARD.contains(&resource) || huge;
    if well_formed && !known {
        errors.invalid(path, resource, "must be a standard resource type or fully qualified");
    }
    well_formed && known
}

/// The name of a resource that containers may have.
pub(super) fn of_container(errors: &mut Errors, path: &str, resource: &str) {
    name(errors, path, resource);
    let standard = matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with(HUGE);
    if !resource.contains('/') {
        if !standard {
            errors.invalid(path, resource, "must be a standard resource for containers");
        }
    } else if !is_native(resource) && !is_extended(resource) {
        errors.invalid(path, resource, "doesn't follow extended resource name standard");
    }
}

/// The name of a device that quotas can be about.
fn is_extended(resource: &str) -> bool {
    !resource.starts_with("requests.") && qualified_name(&format!("requests.{resource}")).is_empty()
}

fn of_pod(errors: &mut Errors, path: &str, resource: &str) {
    let supported = matches!(resource, "cpu" | "memory") || resource.starts_with(HUGE);
    if name(errors, path, resource) && !supported {
        errors.unsupported(path, resource, &["cpu", "hugepages-", "memory"]);
    }
}
