//! The PodDisruptionBudget actor: counts how many of its pods may be evicted now.

mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{Pod, PodDisruptionBudget, PodDisruptionBudgetStatus};
use api::{Object, ObjectKey, Resource, ResourceId, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};

use self::expected::Expected;

/// An eviction that was granted counts as a disruption for so long, if the pod does not begin to end before.
const GRANTED: Duration = Duration::from_secs(120);
/// What makes pods, and says how many there should be.
const WORKLOADS: [ResourceId; 4] = [
    ResourceId::new("deployments.apps"),
    ResourceId::new("replicasets.apps"),
    ResourceId::new("statefulsets.apps"),
    ResourceId::new("replicationcontrollers"),
];

/// Keeps PodDisruptionBudgets.
#[derive(Debug)]
pub struct DisruptionBudgetActor;

impl ResourceActor for DisruptionBudgetActor {
    type Kind = PodDisruptionBudget;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        let workloads = WORKLOADS.iter().map(|id| Wake::By { resource: Some(*id), keys: scaled });
        std::iter::once(Wake::By { resource: Some(Pod::ID), keys: selecting }).chain(workloads).collect()
    }

    fn decide(me: &Object<PodDisruptionBudget>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let pods = selected(me, world);
        let (disrupted_pods, wake_after) = still_granted(me, &pods, now);
        let healthy = |pod: &&Arc<Object<Pod>>| {
            !pod.metadata.is_terminating() && pod.is_ready() && !disrupted_pods.contains_key(&*pod.key.name)
        };
        let current_healthy = count(pods.iter().filter(healthy));
        let Expected { expected_pods, desired_healthy } = Expected::of(&me.spec, &pods, world);
        let spare = if expected_pods > 0 { (current_healthy - desired_healthy).max(0) } else { 0 };
        let mut status = PodDisruptionBudgetStatus {
            observed_generation: me.metadata.generation,
            disrupted_pods,
            disruptions_allowed: spare,
            current_healthy,
            desired_healthy,
            expected_pods,
            conditions: me.status.conditions.clone(),
        };
        status.set_condition(now);
        Decision { commands: Vec::new(), status: (status != me.status).then_some(status), wake_after }
    }
}

/// The pods that a budget is about, ordered by name.
fn selected(me: &Object<PodDisruptionBudget>, world: &World<'_>) -> Vec<Arc<Object<Pod>>> {
    let Some(selector) = &me.spec.selector else { return Vec::new() };
    let pods = world.labelled(Pod::ID, me.key.namespace(), &selector.match_labels);
    pods.filter(|stored| selector.matches(&stored.metadata.labels))
        .map(|stored| stored.object::<Pod>())
        .collect()
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

/// Granted evictions whose pods have not begun to end yet, and when the next of them is forgotten.
fn still_granted(
    me: &Object<PodDisruptionBudget>,
    pods: &[Arc<Object<Pod>>],
    now: Timestamp,
) -> (BTreeMap<String, Timestamp>, Option<Duration>) {
    let alive: BTreeSet<&str> =
        pods.iter().filter(|pod| !pod.metadata.is_terminating()).map(|pod| &*pod.key.name).collect();
    let left = |granted: &Timestamp| {
        let micros = u64::try_from(now.0 - granted.0).unwrap_or_default();
        GRANTED.checked_sub(Duration::from_micros(micros)).filter(|left| !left.is_zero())
    };
    let granted = me.status.disrupted_pods.iter();
    let granted = granted
        .filter_map(|(pod, at)| Some((pod, at, left(at)?)))
        .filter(|(pod, ..)| alive.contains(pod.as_str()));
    let granted: Vec<_> = granted.collect();
    let soonest = granted.iter().map(|(_, _, left)| *left).min();
    (granted.into_iter().map(|(pod, at, _)| (pod.clone(), *at)).collect(), soonest)
}

/// Budgets that select the pod, or did before, if anything changed that they count.
fn selecting(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let now = (change.kind == ChangeKind::Put).then(|| Counted::of(&change.object));
    let before = change.previous.as_ref().map(Counted::of);
    if now == before {
        return Vec::new();
    }
    let budgets = reader.list(PodDisruptionBudget::ID, Some(change.key().namespace()));
    let concerned = budgets.filter(|stored| {
        let budget = stored.object::<PodDisruptionBudget>();
        [&now, &before].into_iter().flatten().any(|pod| budget.spec.selects(&pod.0.metadata.labels))
    });
    concerned.map(|stored| stored.key.clone()).collect()
}

/// A pod, compared by what budgets count.
struct Counted(Arc<Object<Pod>>);

impl Counted {
    fn of(stored: &Arc<Stored>) -> Self {
        Self(stored.object::<Pod>())
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.0, &other.0);
        one.metadata.labels == other.metadata.labels
            && one.metadata.is_terminating() == other.metadata.is_terminating()
            && one.metadata.controller() == other.metadata.controller()
            && one.is_ready() == other.is_ready()
    }
}

/// All budgets beside a workload that was changed: which pods it makes does not tell which they select.
fn scaled(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let generation = |stored: &Arc<Stored>| stored.metadata.generation;
    match change.previous.as_ref().map(generation) == Some(generation(&change.object)) {
        true => Vec::new(),
        false => {
            let budgets = reader.list(PodDisruptionBudget::ID, Some(change.key().namespace()));
            budgets.map(|stored| stored.key.clone()).collect()
        }
    }
}

#[cfg(test)]
mod tests;
