//! Watches over the nodes that are ours: takes them over, notices who falls silent, and cleans up after nodes that are deleted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actor::{Propagation, Write};
use api::views::Node;
use api::{NodeName, Resource, Timestamp};
use bus::{Change, ChangeKind, Changes, Stored};
use telemetry::clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::standing::SILENCE;
use super::{Keeper, node_key};

/// Starts watching.
pub fn start(
    keeper: &Arc<Keeper>,
    inbox: mpsc::UnboundedReceiver<NodeName>,
    shells: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) {
    let attendance =
        Attendance { keeper: keeper.clone(), deadlines: BinaryHeap::new(), watched: HashSet::new() };
    let stop = shutdown.clone().cancelled_owned();
    shells.spawn(async move {
        tokio::select! {
            () = stop => {}
            () = attendance.watch(inbox) => {}
        }
    });
}

struct Attendance {
    keeper: Arc<Keeper>,
    /// One entry per watched node: when it would have been silent for too long, as of when it was looked at.
    deadlines: BinaryHeap<Reverse<(Timestamp, NodeName)>>,
    watched: HashSet<NodeName>,
}

impl Attendance {
    async fn watch(mut self, mut inbox: mpsc::UnboundedReceiver<NodeName>) {
        let mut owned = self.keeper.partitions.changes();
        loop {
            let mut changes = self.take_stock();
            owned.mark_unchanged();
            loop {
                let wait = self.next_deadline();
                tokio::select! {
                    changed = owned.changed() => {
                        if changed.is_err() {
                            std::future::pending::<()>().await;
                        }
                        break;
                    }
                    Some(node) = inbox.recv() => self.watch_node(&node),
                    () = tokio::time::sleep(wait) => self.call_the_roll(),
                    batch = changes.next_batch() => match batch {
                        Ok(batch) => self.observe(&batch),
                        Err(expired) => {
                            warn!(%expired, "fell behind the view, taking stock of nodes again");
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Takes over what became ours, lets go of what is not, and finds pods whose node was deleted while nobody looked.
    fn take_stock(&mut self) -> Changes {
        let now = clock::now();
        let keeper = self.keeper.clone();
        for node in keeper.facts.nodes() {
            if !keeper.owns(&node) {
                keeper.facts.forget(&node);
                keeper.sequences.remove(&node);
                self.watched.remove(&node);
            }
        }
        loop {
            let (revision, nodes, orphaned) = {
                let reader = keeper.view.read();
                let nodes = reader.list(Node::ID, None).filter(|node| keeper.partitions.owns(&node.key));
                let nodes: Vec<Arc<Stored>> = nodes.cloned().collect();
                let orphaned = reader
                    .nodes_with_pods()
                    .filter(|node| keeper.owns(node) && reader.get(&node_key(node)).is_none());
                let orphaned: Vec<NodeName> = orphaned.cloned().collect();
                (reader.revision(), nodes, orphaned)
            };
            // Waking their actors reads the view, so not while it is being read.
            nodes.iter().for_each(|node| self.take_over(node, now));
            orphaned.into_iter().for_each(|node| self.clean_up_after(node));
            if let Ok(changes) = keeper.view.changes(revision) {
                return changes;
            }
        }
    }

    fn take_over(&mut self, node: &Stored, now: Timestamp) {
        let name = NodeName::from(&*node.key.name);
        if self.keeper.facts.presence(&name).is_none() {
            self.keeper.take_over(&name, now);
            self.keeper.host.wake(&node.key, "taken over");
        }
        self.watch_node(&name);
    }

    fn observe(&mut self, batch: &[Arc<Change>]) {
        for change in batch.iter().filter(|change| change.key().resource == Node::ID) {
            if !self.keeper.partitions.owns(change.key()) {
                continue;
            }
            match change.kind {
                ChangeKind::Put => self.take_over(&change.object, clock::now()),
                ChangeKind::Deleted => {
                    let name = NodeName::from(&*change.key().name);
                    info!(node = %name, "node deleted");
                    self.keeper.facts.forget(&name);
                    self.keeper.sequences.remove(&name);
                    self.watched.remove(&name);
                    self.clean_up_after(name);
                }
            }
        }
    }

    fn watch_node(&mut self, node: &NodeName) {
        if self.watched.insert(node.clone()) {
            self.deadlines.push(Reverse((clock::now().plus(SILENCE), node.clone())));
        }
    }

    fn next_deadline(&self) -> Duration {
        let next = self.deadlines.peek().map(|Reverse((deadline, _))| deadline.since(clock::now()));
        // Timers have a granularity of a millisecond: one more, so that the deadline has passed.
        next.map_or(Duration::from_secs(3600), |wait| wait + Duration::from_millis(1))
    }

    /// Looks at every node whose deadline has passed: most were heard since and get a new one.
    fn call_the_roll(&mut self) {
        let now = clock::now();
        while let Some(Reverse((deadline, _))) = self.deadlines.peek() {
            if *deadline > now {
                return;
            }
            let Some(Reverse((_, node))) = self.deadlines.pop() else { return };
            let presence = self.keeper.facts.presence(&node).filter(|_| self.watched.contains(&node));
            let Some(presence) = presence else {
                self.watched.remove(&node);
                continue;
            };
            let deadline = presence.last_heard.plus(SILENCE);
            if deadline > now {
                self.deadlines.push(Reverse((deadline, node)));
                continue;
            }
            warn!(%node, "node is silent");
            self.watched.remove(&node);
            self.keeper.host.wake(&node_key(&node), "silent");
        }
    }

    /// Nobody runs the pods of a node that does not exist: they go at once.
    fn clean_up_after(&self, node: NodeName) {
        let pods: Vec<Arc<Stored>> = self.keeper.view.read().pods_on(&node).cloned().collect();
        let Some(first) = pods.first() else { return };
        let cause = first.cause;
        let because = format!("its node {node} does not exist any more");
        let writes: Vec<Write> = pods
            .iter()
            .map(|pod| Write::Delete {
                key: pod.key.clone(),
                uid: pod.metadata.uid.clone(),
                grace: Some(0),
                propagation: Propagation::Background,
                because: because.clone(),
                event: None,
            })
            .collect();
        let keeper = self.keeper.clone();
        tokio::spawn(async move {
            let key = node_key(&node);
            if let Err(error) = keeper.hands.perform(Some(&key), "node deleted", cause, writes).await {
                warn!(%node, error = %telemetry::chain(&error), "failed to delete the pods of a deleted node");
            }
        });
    }
}
