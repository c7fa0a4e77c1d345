//! Rules of nodes.

use std::collections::HashSet;

use serde_json::Value;

use super::address::{Cidr, cidr};
use super::format::dns_subdomain;
use super::{Errors, affinity, meta, resources};
use crate::json::{entries, items, text};
use crate::kinds::FieldError;

/// Checks a node.
pub fn node(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if old.is_none() {
        // Kubernetes takes taints for metadata.
        affinity::taints(&mut errors, spec, "metadata");
    }
    for list in ["capacity", "allocatable"] {
        for (resource, amount) in entries(object, &format!("/status/{list}")) {
            let path = format!("status.{list}.{resource}");
            resources::value(&mut errors, &path, resource, amount.as_str().unwrap_or_default());
        }
    }
    match old {
        None => ranges(&mut errors, spec),
        Some(old) => change(&mut errors, object, old),
    }
    errors.0
}

/// The addresses of a node's pods: of one range for each family.
fn ranges(errors: &mut Errors, spec: &Value) {
    let path = "spec.podCIDRs";
    let ranges: Vec<&str> = items(spec, "/podCIDRs").iter().filter_map(Value::as_str).collect();
    for (index, range) in ranges.iter().enumerate() {
        errors.format(&format!("{path}[{index}]"), range, cidr(range));
    }
    if ranges.len() < 2 {
        return;
    }
    let long: HashSet<bool> = ranges.iter().filter_map(|range| Some(Cidr::parse(range)?.is_long())).collect();
    if long.len() < 2 || ranges.len() > 2 {
        let detail = "may specify no more than one CIDR for each IP family";
        errors.invalid(path, ranges.clone(), detail);
    }
    let mut seen = HashSet::new();
    for (index, range) in ranges.into_iter().enumerate().filter(|(_, range)| !seen.insert(*range)) {
        errors.duplicate(format!("{path}[{index}]"), range);
    }
}

fn change(errors: &mut Errors, object: &Value, old: &Value) {
    let mut seen = HashSet::new();
    for (index, address) in items(object, "/status/addresses").iter().enumerate() {
        if !seen.insert((text(address, "/type"), text(address, "/address"))) {
            let shown = super::errors::spelled(address, &["type", "address"]);
            errors.duplicate_as(format!("status.addresses[{index}]"), &shown);
        }
    }
    let known = items(old, "/spec/podCIDRs");
    if !known.is_empty() && items(object, "/spec/podCIDRs") != known {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden("spec.podCIDRs", detail);
    }
    let provider = text(old, "/spec/providerID");
    if !provider.is_empty() && text(object, "/spec/providerID") != provider {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden("spec.providerID", detail);
    }
    affinity::taints(errors, object.get("spec").unwrap_or(&Value::Null), "metadata");
}
