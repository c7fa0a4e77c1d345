//! The Deployment actor: rolls a template out over ReplicaSets, one per revision, within the limits it is given.

mod annotations;
mod conditions;
mod limits;
mod recreate;
mod rolling;
mod rollout;
mod scaling;
mod status;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{Deployment, Pod, ReplicaSet};
use api::{Object, ObjectKey, Resource, ResourceId, Timestamp};
use bus::{Change, Reader};

use self::rollout::Rollout;
use super::ownership::{Owner, namespace_ends};
use super::selecting::would_adopt;

/// Rolls Deployments out.
#[derive(Debug)]
pub struct DeploymentActor;

impl ResourceActor for DeploymentActor {
    type Kind = Deployment;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::Owned(ReplicaSet::ID),
            Wake::By { resource: Some(ReplicaSet::ID), keys: would_adopt::<Deployment> },
            Wake::By { resource: Some(Pod::ID), keys: waits_for },
        ]
    }

    fn decide(me: &Object<Deployment>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let owner = Owner::of(me);
        let (sets, claims) = owner.claim_all::<ReplicaSet>(world, |_| true);
        // What it takes or lets go changes everything else: that comes first, and wakes it again.
        if !claims.is_empty() {
            return Decision { commands: claims, ..Decision::nothing() };
        }
        let mut rollout = Rollout::observe(me, sets, now);
        if !me.metadata.is_terminating() && !namespace_ends(world, me.key.namespace()) {
            step(&mut rollout, world);
        }
        let (status, wake_after) = rollout.status();
        Decision {
            commands: rollout.into_writes(),
            status: (status != me.status).then_some(status),
            wake_after,
        }
    }
}

/// One step towards the current template at the wanted scale.
fn step(rollout: &mut Rollout<'_>, world: &World<'_>) {
    rollout.note_pause();
    rollout.sync_current();
    if rollout.me.spec.paused {
        rollout.scale();
        rollout.clean_up();
        return;
    }
    if rollout.is_being_scaled() {
        rollout.scale();
        return;
    }
    match rollout.limits.rolling {
        true => rollout.roll(world),
        false => rollout.recreate(world),
    }
    rollout.note_progress();
    rollout.note_failures();
    if rollout.is_complete() {
        rollout.clean_up();
    }
}

/// Deployments that wait until their old pods are really gone before they make new ones.
fn waits_for(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let is_gone = change.kind == bus::ChangeKind::Deleted;
    if !is_gone && !change.object.object::<Pod>().has_ended() {
        return Vec::new();
    }
    let deployment = controller(reader, &change.object.metadata, ReplicaSet::ID)
        .and_then(|set| controller(reader, &set.metadata, Deployment::ID))
        .filter(|stored| stored.object::<Deployment>().spec.strategy.kind == "Recreate");
    deployment.map(|stored| stored.key.clone()).into_iter().collect()
}

/// The controller of an object, if it is of this resource.
fn controller<'r>(
    reader: &'r Reader<'_>,
    metadata: &api::Metadata,
    resource: ResourceId,
) -> Option<&'r std::sync::Arc<bus::Stored>> {
    let found = reader.by_uid(&metadata.controller()?.uid)?;
    (found.key.resource == resource).then_some(found)
}

#[cfg(test)]
mod tests;
