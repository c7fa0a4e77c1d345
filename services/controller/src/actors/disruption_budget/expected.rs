//! How many pods a budget expects, and how many of them must be healthy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actor::World;
use api::intstr::IntOrPercent;
use api::json::int;
use api::views::{Pod, PodDisruptionBudgetSpec};
use api::{Object, Uid};
use bus::Stored;

use super::count;

/// What a budget asks for, in numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// How many pods there should be.
    pub expected_pods: i64,
    /// How many of them must be healthy.
    pub desired_healthy: i64,
}

impl Expected {
    /// A number of pods that stay counts the pods there are; anything else is measured by what their makers want.
    pub(super) fn of(spec: &PodDisruptionBudgetSpec, pods: &[Arc<Object<Pod>>], world: &World<'_>) -> Self {
        if let Some(most) = spec.most_unavailable() {
            let expected_pods = wanted(pods, world);
            let desired_healthy = (expected_pods - most.of_rounded_up(expected_pods)).max(0);
            return Self { expected_pods, desired_healthy };
        }
        match spec.least_available() {
            Some(IntOrPercent::Int(least)) => {
                Self { expected_pods: count(pods.iter()), desired_healthy: least }
            }
            Some(share) => {
                let expected_pods = wanted(pods, world);
                Self { expected_pods, desired_healthy: share.of_rounded_up(expected_pods) }
            }
            // Nothing is asked for: Kubernetes' default is one that stays.
            None => Self { expected_pods: count(pods.iter()), desired_healthy: 1 },
        }
    }
}

/// How many pods those who manage these pods want. Pods that nobody manages count for nothing, as in Kubernetes.
fn wanted(pods: &[Arc<Object<Pod>>], world: &World<'_>) -> i64 {
    let mut scales: BTreeMap<Uid, i64> = BTreeMap::new();
    let mut seen: BTreeSet<&Uid> = BTreeSet::new();
    for owner in pods.iter().filter_map(|pod| pod.metadata.controller()) {
        if seen.insert(&owner.uid)
            && let Some((uid, scale)) = scale_of(world, &owner.uid)
        {
            scales.insert(uid, scale);
        }
    }
    scales.into_values().sum()
}

/// The topmost controller that has a number of replicas, and that number.
fn scale_of(world: &World<'_>, uid: &Uid) -> Option<(Uid, i64)> {
    let owner: &Arc<Stored> = world.by_uid(uid)?;
    let above = owner.metadata.controller().and_then(|above| scale_of(world, &above.uid));
    above.or_else(|| Some((uid.clone(), int(&owner.value(), "/spec/replicas")?)))
}
