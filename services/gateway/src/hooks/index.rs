//! All policies and webhooks at one revision, compiled.

use std::collections::BTreeMap;

use api::hooks::{
    BINDINGS, Binding, MUTATING, MUTATING_BINDINGS, MUTATING_POLICIES, MutatingPolicy, POLICIES, Policy,
    VALIDATING, Webhook, webhooks_of,
};
use api::{ResourceId, Revision};
use bus::View;
use serde_json::Value;
use tracing::warn;

/// What is asked about writes.
#[derive(Default)]
pub(super) struct Index {
    /// Everything up to here is considered.
    pub revision: Revision,
    /// Policies that change objects and are in force, with what puts them there; they come before webhooks.
    pub changing: Vec<(MutatingPolicy, Vec<Binding>)>,
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
        self.validating.is_empty() && self.policies.is_empty() && self.changes_nothing()
    }

    /// Nobody changes anything.
    pub fn changes_nothing(&self) -> bool {
        self.mutating.is_empty() && self.changing.is_empty()
    }

    /// All that the view has; configurations take turns by their names.
    pub fn of(view: &View) -> Self {
        let reader = view.read();
        let all = |resource: ResourceId| -> BTreeMap<String, Value> {
            reader.list(resource, None).map(|stored| (stored.key.name.to_string(), stored.value())).collect()
        };
        Self {
            revision: reader.revision(),
            policies: in_force(&all(POLICIES), &all(BINDINGS), Policy::compile),
            changing: in_force(&all(MUTATING_POLICIES), &all(MUTATING_BINDINGS), MutatingPolicy::compile),
            mutating: all(MUTATING).values().flat_map(webhooks_of).collect(),
            validating: all(VALIDATING).values().flat_map(webhooks_of).collect(),
        }
    }
}

/// Policies that are bound, with what binds them, by their names.
fn in_force<P>(
    policies: &BTreeMap<String, Value>,
    bindings: &BTreeMap<String, Value>,
    compile: fn(&Value) -> Result<P, String>,
) -> Vec<(P, Vec<Binding>)> {
    let mut by_policy: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
    for binding in bindings.values().map(Binding::of) {
        by_policy.entry(binding.policy.clone()).or_default().push(binding);
    }
    let bound = policies.iter().filter_map(|(name, policy)| {
        let bindings = by_policy.remove(name)?;
        match compile(policy) {
            Ok(policy) => Some((policy, bindings)),
            Err(error) => {
                // What does not compile was refused when it was written, by this version at least.
                warn!(policy = %name, %error, "failed to compile an admission policy");
                None
            }
        }
    });
    bound.collect()
}
