//! Who wants to be asked about what controllers write, without what it takes to ask: rules and how long an answer may take.

use std::time::Duration;

use serde_json::Value;

use super::{
    Attributes, BINDINGS, Binding, Constraints, MUTATING, MUTATING_BINDINGS, MUTATING_POLICIES, POLICIES,
    VALIDATING, webhooks_of,
};
use crate::ResourceId;
use crate::json::text;

/// The resources of what configures admission.
pub const CONFIGURATIONS: [ResourceId; 6] =
    [MUTATING, MUTATING_POLICIES, MUTATING_BINDINGS, POLICIES, BINDINGS, VALIDATING];
/// How long a gateway may take beside what webhooks take.
const GATEWAY: Duration = Duration::from_secs(5);

/// The rules of all webhooks and of all policies that are in force.
#[derive(Clone, Debug, Default)]
pub struct Interests {
    /// Webhooks that change objects: they take their time one after the other.
    mutating: Vec<(Constraints, Duration)>,
    /// Webhooks that say yes or no, at the same time.
    validating: Vec<(Constraints, Duration)>,
    /// Policies with what binds them.
    policies: Vec<(Constraints, Vec<Binding>)>,
}

impl Interests {
    /// Those of objects of `CONFIGURATIONS`.
    pub fn of(configured: &[(ResourceId, Value)]) -> Self {
        let all = |resource: ResourceId| {
            configured.iter().filter(move |(of, _)| *of == resource).map(|(_, object)| object)
        };
        let webhooks = |resource| {
            let webhooks = all(resource).flat_map(webhooks_of);
            webhooks
                .map(|webhook| (webhook.constraints, Duration::from_secs(webhook.timeout_seconds)))
                .collect()
        };
        let bindings: Vec<(ResourceId, Binding)> =
            [(POLICIES, BINDINGS), (MUTATING_POLICIES, MUTATING_BINDINGS)]
                .into_iter()
                .flat_map(|(policies, bindings)| {
                    all(bindings).map(move |binding| (policies, Binding::of(binding)))
                })
                .collect();
        let bound = |resource: ResourceId, policy: &Value| {
            let name = text(policy, "/metadata/name");
            let constraints = policy.pointer("/spec/matchConstraints").unwrap_or(&Value::Null);
            let of_policy = bindings.iter().filter(|(of, binding)| *of == resource && binding.policy == name);
            let bindings: Vec<Binding> = of_policy.map(|(_, binding)| binding.clone()).collect();
            (Constraints::of_policy(constraints, false), bindings)
        };
        Self {
            mutating: webhooks(MUTATING),
            validating: webhooks(VALIDATING),
            policies: [POLICIES, MUTATING_POLICIES]
                .into_iter()
                .flat_map(|resource| all(resource).map(move |policy| (resource, policy)))
                .map(|(resource, policy)| bound(resource, policy))
                .filter(|(_, bindings)| !bindings.is_empty())
                .collect(),
        }
    }

    /// How long it may take until everybody has answered; `None` if nobody wants to be asked.
    pub fn patience(&self, attributes: &Attributes<'_>) -> Option<Duration> {
        let about = |(constraints, timeout): &(Constraints, Duration)| {
            constraints.matched(attributes).map(|_| *timeout)
        };
        let one_by_one = self.mutating.iter().filter_map(about).reduce(Duration::saturating_add);
        let at_once = self.validating.iter().filter_map(about).max();
        let judged = self.policies.iter().any(|(constraints, bindings)| {
            constraints.matched(attributes).is_some()
                && bindings.iter().any(|binding| binding.is_about(attributes))
        });
        let waits = one_by_one.into_iter().chain(at_once);
        let webhooks = waits.reduce(Duration::saturating_add);
        webhooks.or(judged.then_some(Duration::ZERO)).map(|webhooks| webhooks.saturating_add(GATEWAY))
    }
}
