//! Rules of nodes.

use serde_json::Value;

use super::format::dns_subdomain;
use super::{Errors, affinity, meta, resources};
use crate::json::entries;
use crate::kinds::FieldError;

/// Checks a node.
pub fn node(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    affinity::taints(&mut errors, object.get("spec").unwrap_or(&Value::Null), "spec");
    for list in ["capacity", "allocatable"] {
        for (resource, amount) in entries(object, &format!("/status/{list}")) {
            let path = format!("status.{list}.{resource}");
            resources::amount_of(&mut errors, &path, amount.as_str().unwrap_or_default());
        }
    }
    errors.0
}
