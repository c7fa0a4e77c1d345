//! The DaemonSet actor: one pod on each node that fits, replaced node by node when the template changes.

mod nodes;
mod place;
mod update;

use std::collections::BTreeSet;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{ControllerRevision, DaemonSet, Node, Pod};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader};

use self::nodes::{Daemons, Fit};
use super::history::{History, Revision};
use super::ownership::{Owner, namespace_ends};
use super::pods;
use super::selecting::would_adopt;

/// A daemon that failed is looked at for so long before another one takes its place.
const HOLD_BACK: std::time::Duration = std::time::Duration::from_secs(5);

/// Keeps the pods of DaemonSets.
#[derive(Debug)]
pub struct DaemonSetActor;

impl ResourceActor for DaemonSetActor {
    type Kind = DaemonSet;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::Owned(Pod::ID),
            Wake::Owned(ControllerRevision::ID),
            Wake::By { resource: Some(Pod::ID), keys: would_adopt::<DaemonSet> },
            Wake::By { resource: Some(Node::ID), keys: all_when_nodes_change },
        ]
    }

    fn decide(me: &Object<DaemonSet>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let owner = Owner::of(me);
        let history = History::observe(&owner, &me.spec.template, world);
        let (daemons, mut commands) = Daemons::observe(&owner, me, &history.current, world, now);
        let status = daemons.status(me);
        let mut wake_after = daemons.next_change;
        if !me.metadata.is_terminating() && !namespace_ends(world, me.key.namespace()) {
            let live: BTreeSet<String> = daemons.revisions().collect();
            let current = history.current.clone();
            commands.extend(history.into_writes(me.spec.revision_history_limit, &live));
            let turn = Turn { me, owner: &owner, world, daemons: &daemons, current: &current, now };
            commands.extend(turn.take());
        } else {
            wake_after = None;
        }
        Decision { commands, status: (status != me.status).then_some(status), wake_after }
    }
}

/// What one turn does about the nodes' pods.
struct Turn<'a> {
    me: &'a Object<DaemonSet>,
    owner: &'a Owner<'a>,
    world: &'a World<'a>,
    daemons: &'a Daemons,
    current: &'a Revision,
    now: Timestamp,
}

impl Turn<'_> {
    /// Node by node what must be, then what the update of the template allows.
    fn take(&self) -> Vec<Write> {
        let mut writes: Vec<Write> =
            self.daemons.lost.iter().map(|pod| pods::delete(pod, "its node is gone")).collect();
        for node in &self.daemons.nodes {
            let staying = node.pods.iter().filter(|daemon| !daemon.is_terminating());
            match node.fit {
                Fit::No => writes.extend(
                    staying.map(|daemon| pods::delete(&daemon.pod, "its node does not fit any more")),
                ),
                Fit::KeepsOnly => {}
                Fit::Yes if node.pods.is_empty() => {
                    writes.push(place::create(self, &node.name, "the node has none"))
                }
                Fit::Yes => {
                    let ended = staying.filter(|daemon| daemon.pod.has_ended());
                    let ended = ended
                        .filter(|daemon| self.now.since(daemon.pod.metadata.creation_timestamp) >= HOLD_BACK);
                    writes.extend(ended.map(|daemon| pods::delete(&daemon.pod, "it has ended")));
                    writes.extend(
                        node.duplicates().map(|daemon| pods::delete(&daemon.pod, "the node has another one")),
                    );
                }
            }
        }
        writes.extend(self.update());
        writes
    }
}

/// Every DaemonSet, when a node comes or goes or changes in what pods ask for.
fn all_when_nodes_change(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let same = change.kind != ChangeKind::Deleted
        && change.previous.as_ref().is_some_and(|previous| {
            let (now, before) = (change.object.object::<Node>(), previous.object::<Node>());
            now.metadata.labels == before.metadata.labels
                && now.spec.taints == before.spec.taints
                && now.spec.unschedulable == before.spec.unschedulable
        });
    match same {
        true => Vec::new(),
        false => reader.list(DaemonSet::ID, None).map(|set| set.key.clone()).collect(),
    }
}

#[cfg(test)]
mod tests;
