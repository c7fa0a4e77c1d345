//! Chooses which pods to give up first, in Kubernetes' order of preference.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actor::World;
use api::views::{Pod, ReplicaSet};
use api::{NodeName, Object};

use super::crew::Crew;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods that are missed least.
pub(super) fn choose<'a, K>(
    crew: &'a Crew,
    me: &Object<K>,
    world: &World<'_>,
    count: usize,
) -> Vec<&'a Object<Pod>> {
    let crowds = crowds(crew, me, world);
    let mut ranked: Vec<&Object<Pod>> = crew.active.iter().map(AsRef::as_ref).collect();
    ranked.sort_by(|one, other| compare(one, other, &crowds));
    ranked.truncate(count);
    ranked
}

/// Sorts pods so that those come first that are missed least, wherever they run.
pub(in crate::actors) fn missed_least_first(pods: &mut [Arc<Object<Pod>>]) {
    pods.sort_by(|one, other| compare(one, other, &HashMap::new()));
}

/// How many pods of the same workload run on each node: those of the ReplicaSet and of its siblings under one owner.
fn crowds<K>(crew: &Crew, me: &Object<K>, world: &World<'_>) -> HashMap<NodeName, usize> {
    let mut crowds = HashMap::new();
    let mut count = |pod: &Pod| {
        if let Some(node) = &pod.spec.node_name {
            *crowds.entry(node.clone()).or_default() += 1;
        }
    };
    crew.active.iter().for_each(|pod| count(pod));
    if let Some(controller) = me.metadata.controller() {
        let siblings = world.owned_by::<ReplicaSet>(&controller.uid);
        for sibling in siblings.filter(|sibling| sibling.metadata.uid != me.metadata.uid) {
            let pods = world.owned_by::<Pod>(&sibling.metadata.uid);
            pods.filter(|pod| !pod.has_ended() && !pod.metadata.is_terminating()).for_each(|pod| count(&pod));
        }
    }
    crowds
}

/// `Less`: `one` goes first.
fn compare(one: &Object<Pod>, other: &Object<Pod>, crowds: &HashMap<NodeName, usize>) -> Ordering {
    let by_time_ready = || match (one.is_ready(), other.is_ready()) {
        (true, true) => one.ready_since().map(Reverse).cmp(&other.ready_since().map(Reverse)),
        _ => Ordering::Equal,
    };
    let crowd = |pod: &Pod| {
        pod.spec.node_name.as_ref().and_then(|node| crowds.get(node)).copied().unwrap_or_default()
    };
    one.spec
        .node_name
        .is_some()
        .cmp(&other.spec.node_name.is_some())
        .then_with(|| phase_rank(one).cmp(&phase_rank(other)))
        .then_with(|| one.is_ready().cmp(&other.is_ready()))
        .then_with(|| deletion_cost(one).cmp(&deletion_cost(other)))
        .then_with(|| crowd(other).cmp(&crowd(one)))
        .then_with(by_time_ready)
        .then_with(|| restarts(other).cmp(&restarts(one)))
        .then_with(|| other.metadata.creation_timestamp.cmp(&one.metadata.creation_timestamp))
        .then_with(|| one.key.cmp(&other.key))
}

fn phase_rank(pod: &Pod) -> u8 {
    match pod.status.phase.as_str() {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    }
}

fn deletion_cost(pod: &Object<Pod>) -> i32 {
    let annotations: &BTreeMap<_, _> = &pod.metadata.annotations;
    annotations.get(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or_default()
}

fn restarts(pod: &Pod) -> i32 {
    pod.status.container_statuses.iter().map(|container| container.restart_count).max().unwrap_or_default()
}
