//! Rules of roles and of their bindings.

use serde_json::Value;

use super::format::{dns_subdomain, path_segment};
use super::{Errors, meta};
use crate::json::{items, text};
use crate::kinds::FieldError;
use crate::rbac::GROUP;

/// Checks a role.
pub fn role(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, path_segment);
    rules(&mut errors, object, true);
    errors.0
}

/// Checks a cluster role.
pub fn cluster_role(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, path_segment);
    rules(&mut errors, object, false);
    if let Some(aggregation) = object.get("aggregationRule").filter(|rule| !rule.is_null()) {
        let selectors = items(aggregation, "/clusterRoleSelectors");
        let path = "aggregationRule.clusterRoleSelectors";
        if selectors.is_empty() {
            errors.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, selector) in selectors.iter().enumerate() {
            meta::selector(&mut errors, selector, &format!("{path}[{index}]"));
        }
    }
    errors.0
}

/// Checks a role binding.
pub fn role_binding(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    binding(object, old, &["Role", "ClusterRole"])
}

/// Checks a cluster role binding.
pub fn cluster_role_binding(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    binding(object, old, &["ClusterRole"])
}

fn rules(errors: &mut Errors, object: &Value, namespaced: bool) {
    for (index, rule) in items(object, "/rules").iter().enumerate() {
        let path = format!("rules[{index}]");
        let list = |field: &str| items(rule, &format!("/{field}"));
        if list("verbs").is_empty() {
            errors.required(format!("{path}.verbs"), "verbs must contain at least one value");
        }
        let urls = list("nonResourceURLs");
        if urls.is_empty() {
            for (field, what) in
                [("apiGroups", "at least one api group"), ("resources", "at least one resource")]
            {
                if list(field).is_empty() {
                    errors.required(format!("{path}.{field}"), &format!("resource rules must supply {what}"));
                }
            }
            continue;
        }
        let mut refuse = |why| errors.invalid(format!("{path}.nonResourceURLs"), urls.to_vec(), why);
        if namespaced {
            refuse("namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !list(field).is_empty()) {
            refuse("rules cannot apply to both regular resources and non-resource URLs");
        }
    }
}

fn binding(object: &Value, old: Option<&Value>, kinds: &[&str]) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, path_segment);
    let reference = |field: &str| text(object, &format!("/roleRef/{field}"));
    if reference("apiGroup") != GROUP {
        errors.unsupported("roleRef.apiGroup", reference("apiGroup"), &[GROUP]);
    }
    if !kinds.contains(&reference("kind")) {
        errors.unsupported("roleRef.kind", reference("kind"), kinds);
    }
    match reference("name") {
        "" => errors.required("roleRef.name", ""),
        name => errors.format("roleRef.name", name, path_segment(name)),
    }
    let namespaced = kinds.len() > 1;
    for (index, subject) in items(object, "/subjects").iter().enumerate() {
        subject_of(&mut errors, subject, &format!("subjects[{index}]"), namespaced);
    }
    if let Some(old) = old
        && object.get("roleRef") != old.get("roleRef")
    {
        errors.invalid(
            "roleRef",
            object.get("roleRef").cloned().unwrap_or_default(),
            "cannot change roleRef",
        );
    }
    errors.0
}

fn subject_of(errors: &mut Errors, subject: &Value, path: &str, namespaced: bool) {
    let (kind, name) = (text(subject, "/kind"), text(subject, "/name"));
    errors.needs(subject, path, "name");
    let of_group = |errors: &mut Errors, group: &str| {
        if text(subject, "/apiGroup") != group {
            errors.unsupported(format!("{path}.apiGroup"), text(subject, "/apiGroup"), &[group]);
        }
    };
    match kind {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.format(&format!("{path}.name"), name, dns_subdomain(name));
            }
            of_group(errors, "");
            if !namespaced {
                errors.needs(subject, path, "namespace");
            }
        }
        "User" | "Group" => {
            if name.is_empty() {
                let detail = format!("{} name cannot be empty", kind.to_lowercase());
                errors.invalid(format!("{path}.name"), name, &detail);
            }
            of_group(errors, GROUP);
        }
        other => errors.unsupported(format!("{path}.kind"), other, &["ServiceAccount", "User", "Group"]),
    }
}
