//! The StatefulSet actor: pods with names that stay, made, replaced and ended in the order of their ordinals.

mod claims;
mod identity;
mod members;
mod update;

use std::collections::BTreeSet;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{ControllerRevision, Pod, StatefulSet};
use api::{Object, Resource, Timestamp};

use self::members::{Member, Members};
use super::history::{History, Revision};
use super::ownership::{Owner, namespace_ends};
use super::pods;
use super::selecting::would_adopt;

/// Keeps the pods of StatefulSets.
#[derive(Debug)]
pub struct StatefulSetActor;

impl ResourceActor for StatefulSetActor {
    type Kind = StatefulSet;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::Owned(Pod::ID),
            Wake::Owned(ControllerRevision::ID),
            Wake::By { resource: Some(Pod::ID), keys: would_adopt::<StatefulSet> },
        ]
    }

    fn decide(me: &Object<StatefulSet>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let owner = Owner::of(me);
        let history = History::observe(&owner, &me.spec.template, world);
        let (members, mut commands) = Members::observe(&owner, me, world, now);
        let update = history.current.clone();
        let current = history.find(&me.status.current_revision).unwrap_or_else(|| update.clone());
        let status = members.status(me, &current, &update);
        if !me.metadata.is_terminating() && !namespace_ends(world, me.key.namespace()) {
            let live = members.revisions().chain([current.name.clone()]).collect::<BTreeSet<_>>();
            commands.extend(history.into_writes(me.spec.revision_history_limit, &live));
            let step =
                Step { me, owner: &owner, world, members: &members, current: &current, update: &update };
            commands.extend(step.take());
        }
        let wake_after = members.next_available;
        Decision { commands, status: (status != me.status).then_some(status), wake_after }
    }
}

/// What one turn does about the pods.
struct Step<'a> {
    me: &'a Object<StatefulSet>,
    owner: &'a Owner<'a>,
    world: &'a World<'a>,
    members: &'a Members,
    /// The revision of pods before the partition.
    current: &'a Revision,
    /// The present template's.
    update: &'a Revision,
}

impl Step<'_> {
    /// Makes what is missing, ends what is too much, then rolls on. In order, a step waits for the one before it.
    fn take(&self) -> Vec<Write> {
        let mut writes = Vec::new();
        for (ordinal, member) in &self.members.wanted {
            writes.extend(claims::missing(self, *ordinal));
            let settled = match member {
                None => {
                    writes.push(identity::create(self, *ordinal));
                    false
                }
                Some(member) if member.is_terminating() => false,
                Some(member) if member.pod.has_ended() => {
                    writes.push(pods::delete(&member.pod, "it has ended, and another one takes its name"));
                    false
                }
                Some(member) => member.available,
            };
            if self.in_order() && !settled {
                return writes;
            }
        }
        for member in &self.members.surplus {
            if !member.is_terminating() {
                let because = format!("{} pods are wanted", self.me.spec.replicas);
                writes.extend(claims::tie_to_pod(self, member));
                writes.push(pods::delete(&member.pod, &because));
            }
            if self.in_order() {
                return writes;
            }
        }
        writes.extend(self.roll());
        writes
    }

    /// One at a time, the next only when the one before is available.
    fn in_order(&self) -> bool {
        self.me.spec.pod_management_policy != "Parallel"
    }
}

#[cfg(test)]
mod tests;
