//! All policies and webhooks at one revision, compiled.

use std::collections::BTreeMap;

use api::hooks::{BINDINGS, Binding, MUTATING, POLICIES, Policy, VALIDATING, Webhook, webhooks_of};
use api::{ResourceId, Revision};
use bus::View;
use serde_json::Value;
use tracing::warn;

/// What is asked about writes.
#[derive(Default)]
pub(super) struct Index {
    /// Everything up to here is considered.
    pub revision: Revision,
    /// Webhooks that change objects, in the order in which they are asked.
    pub mutating: Vec<Webhook>,
    /// Webhooks that say yes or no.
    pub validating: Vec<Webhook>,
    /// Policies that are in force, with what puts them there.
    pub policies: Vec<(Policy, Vec<Binding>)>,
}

impl Index {
    /// Nobody is asked about anything.
    pub fn is_empty(&self) -> bool {
        self.mutating.is_empty() && self.validating.is_empty() && self.policies.is_empty()
    }

    /// All that the view has; configurations take turns by their names.
    pub fn of(view: &View) -> Self {
        let reader = view.read();
        let all = |resource: ResourceId| -> BTreeMap<String, Value> {
            reader.list(resource, None).map(|stored| (stored.key.name.to_string(), stored.value())).collect()
        };
        let mut bindings: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
        for binding in all(BINDINGS).values().map(Binding::of) {
            bindings.entry(binding.policy.clone()).or_default().push(binding);
        }
        let policies = all(POLICIES);
        let policies = policies.iter().filter_map(|(name, policy)| {
            let bindings = bindings.remove(name)?;
            match Policy::compile(policy) {
                Ok(policy) => Some((policy, bindings)),
                Err(error) => {
                    // What does not compile was refused when it was written, by this version at least.
                    warn!(policy = %name, %error, "failed to compile an admission policy");
                    None
                }
            }
        });
        Self {
            revision: reader.revision(),
            policies: policies.collect(),
            mutating: all(MUTATING).values().flat_map(webhooks_of).collect(),
            validating: all(VALIDATING).values().flat_map(webhooks_of).collect(),
        }
    }
}
