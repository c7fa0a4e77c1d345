//! The ReplicaSet actor: keeps as many pods of one template as wanted, and counts them. ReplicationControllers are the same to it.

mod crew;
mod failure;
mod surplus;

use std::marker::PhantomData;
use std::time::Duration;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{Pod, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, ReplicationController};
use api::{Object, Resource, Timestamp};

use self::crew::Crew;
pub(super) use self::surplus::missed_least_first;
use super::names::free_names;
use super::ownership::{Owner, namespace_ends};
use super::selecting::{Selecting, would_adopt};
use super::{pods, sooner};

/// Ended pods are kept as evidence, so many per ReplicaSet.
const ENDED_KEPT: usize = 5;
/// A pod that ended at once is replaced only when it is this old: a template that cannot run does not spin.
const HOLD_BACK: Duration = Duration::from_secs(5);

/// A kind that keeps so many pods of one template.
pub trait Replicated: Selecting<Status = ReplicaSetStatus> {
    /// What is desired.
    fn spec(&self) -> &ReplicaSetSpec;
}

impl Replicated for ReplicaSet {
    fn spec(&self) -> &ReplicaSetSpec {
        &self.spec
    }
}

impl Replicated for ReplicationController {
    fn spec(&self) -> &ReplicaSetSpec {
        &self.spec
    }
}

/// Keeps the pods of a kind that differs from ReplicaSets in name only.
#[derive(Debug)]
pub struct Replicas<K>(PhantomData<K>);

/// Keeps the pods of ReplicaSets.
pub type ReplicaSetActor = Replicas<ReplicaSet>;
/// Keeps the pods of ReplicationControllers.
pub type ReplicationControllerActor = Replicas<ReplicationController>;

impl<K: Replicated> ResourceActor for Replicas<K> {
    type Kind = K;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::Owned(Pod::ID), Wake::By { resource: Some(Pod::ID), keys: would_adopt::<K> }]
    }

    fn decide(me: &Object<K>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let mut crew = Crew::observe(&Owner::of(me), world);
        let mut commands = std::mem::take(&mut crew.claims);
        let mut wake_after = None;
        if !me.metadata.is_terminating() {
            wake_after = balance(me, &crew, world, now, &mut commands);
        }
        let (mut status, next_available) = crew.status(me, now);
        failure::note(&mut status.conditions, &commands, world.refusal(&me.key), now);
        Decision {
            commands,
            status: (status != *me.status()).then_some(status),
            wake_after: sooner(wake_after, next_available),
        }
    }
}

/// Makes what is missing, all at once, or deletes what is too much; tells when to look again.
fn balance<K: Replicated>(
    me: &Object<K>,
    crew: &Crew,
    world: &World<'_>,
    now: Timestamp,
    commands: &mut Vec<Write>,
) -> Option<Duration> {
    let wanted = usize::try_from(me.spec().replicas).unwrap_or_default();
    commands.extend(crew.ended.iter().skip(ENDED_KEPT).map(|pod| pods::delete(pod, "it has ended long ago")));
    match wanted.checked_sub(crew.active.len()) {
        None => {
            let surplus = crew.active.len() - wanted;
            let because = format!("{} pods are too many, {wanted} are wanted", crew.active.len());
            let chosen = surplus::choose(crew, me, world, surplus);
            commands.extend(chosen.into_iter().map(|pod| pods::delete(pod, &because)));
            None
        }
        Some(0) => None,
        Some(_) if namespace_ends(world, me.key.namespace()) => None,
        Some(missing) => {
            let (held_back, next) = crew.held_back(now);
            let missing = missing.saturating_sub(held_back);
            let because = format!("{} of {wanted} pods exist", crew.active.len());
            commands.extend(create(me, world, missing, &because));
            next
        }
    }
}

fn create<K: Replicated>(me: &Object<K>, world: &World<'_>, count: usize, because: &str) -> Vec<Write> {
    let (owner, base) = (Owner::of(me), format!("{}-", me.key.name));
    let taken = |name: &str| world.stored(&pods::key(&owner, name)).is_some();
    let names = free_names(&base, &me.metadata.uid, count, taken);
    let create = |name: String| {
        let pod = pods::from_template(&me.spec().template, &owner, &name, Some(&base));
        pods::create(&owner, &name, pod, because)
    };
    names.into_iter().map(create).collect()
}

/// The status of a ReplicaSet that has these counts.
fn status_with<K: Replicated>(me: &Object<K>, counts: [usize; 4]) -> ReplicaSetStatus {
    let [replicas, fully_labeled, ready, available] =
        counts.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    ReplicaSetStatus {
        observed_generation: me.metadata.generation,
        replicas,
        fully_labeled_replicas: fully_labeled,
        ready_replicas: ready,
        available_replicas: available,
        conditions: me.status().conditions.clone(),
    }
}

#[cfg(test)]
mod tests;
