//! Defaults of policies and webhooks.

use serde_json::{Map, Value, json};

use super::{each, each_in, existing, set_nonzero};
use crate::json::{child, set_default};

/// Webhooks that only say yes or no.
pub fn webhook_configuration(object: &mut Value) {
    each(object, "/webhooks").for_each(webhook);
}

/// Webhooks that change what they are asked about.
pub fn mutating_webhook_configuration(object: &mut Value) {
    for one in each(object, "/webhooks") {
        webhook(one);
        set_nonzero(one, "reinvocationPolicy", "Never");
    }
}

fn webhook(webhook: &mut Map<String, Value>) {
    set_nonzero(webhook, "failurePolicy", "Fail");
    constraints(webhook, &["rules"]);
    set_default(webhook, "timeoutSeconds", 10);
    if let Some(service) = existing(webhook, "clientConfig").and_then(|client| existing(client, "service")) {
        set_default(service, "port", 443);
    }
}

fn constraints(owner: &mut Map<String, Value>, lists: &[&str]) {
    set_nonzero(owner, "matchPolicy", "Equivalent");
    for selector in ["namespaceSelector", "objectSelector"] {
        set_default(owner, selector, json!({}));
    }
    for list in lists {
        each_in(owner, list).for_each(|rule| set_nonzero(rule, "scope", "*"));
    }
}

/// What cannot be decided is refused.
pub fn admission_policy(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_nonzero(spec, "failurePolicy", "Fail");
    if let Some(matched) = existing(spec, "matchConstraints") {
        constraints(matched, &["resourceRules", "excludeResourceRules"]);
    }
}

/// Mutations are made once.
pub fn mutating_policy(object: &mut Value) {
    admission_policy(object);
    if let Some(spec) = child(object, "spec") {
        set_nonzero(spec, "reinvocationPolicy", "Never");
    }
}

/// What a binding matches beyond its policy.
pub fn admission_policy_binding(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    if let Some(matched) = existing(spec, "matchResources") {
        constraints(matched, &["resourceRules", "excludeResourceRules"]);
    }
}
