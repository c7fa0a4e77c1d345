//! Takes assignments: complete ones, and deltas as long as none is missing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::messages::{Assign, AssignedPod};
use api::{Revision, Uid};
use bus::{BusError, Subscription};

use super::{Agent, Node, beat, tokens};
use crate::runtime::ContainerRuntime;

/// What follows from an assignment's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Apply,
    /// Meant for another epoch, or old.
    Ignore,
    /// Something is missing: a complete one is needed.
    Resync,
}

impl Verdict {
    /// What was to be applied is not, but asked for as a whole, if `strange`.
    fn unless(self, strange: impl FnOnce() -> bool) -> Self {
        match self {
            Self::Apply if strange() => Self::Resync,
            verdict => verdict,
        }
    }
}

/// Where a node stands.
#[derive(Clone, Copy, Debug)]
struct Here {
    epoch: u64,
    /// The last assignment that was applied.
    applied: u64,
    /// It has heard of everything up to here.
    revision: Revision,
}

/// Subscribes for all nodes of the process.
pub async fn subscribe<R: ContainerRuntime>(agent: &Agent<R>) -> Result<Subscription<Assign>, BusError> {
    agent.bus.subscribe(&agent.subject("assign")).await
}

/// Applies assignments until the subscription ends.
pub async fn run<R: ContainerRuntime>(agent: Arc<Agent<R>>, mut assignments: Subscription<Assign>) {
    while let Some(delivery) = assignments.next().await {
        let Some(node) = agent.node_of(&delivery.subject).cloned() else { continue };
        apply(&agent, &node, delivery.message).await;
    }
}

async fn apply<R: ContainerRuntime>(agent: &Arc<Agent<R>>, node: &Arc<Node>, assign: Assign) {
    let here = Here {
        epoch: node.epoch().unwrap_or(0),
        applied: node.assignment.load(Ordering::Acquire),
        revision: Revision(node.revision.load(Ordering::Acquire)),
    };
    match verdict(&assign, here).unless(|| is_strange(agent, node, &assign)) {
        Verdict::Ignore => return,
        Verdict::Resync => {
            node.forget_assignment();
            return beat::send(agent, &agent.bus, node, false).await;
        }
        Verdict::Apply => {}
    }
    let now = telemetry::clock::now();
    let take = |pods: Vec<AssignedPod>| {
        for pod in pods {
            tokens::assign(agent, node, pod, now);
        }
    };
    let retain = |wanted: HashSet<Uid>| {
        agent.pods.retain(&node.name, &wanted, now);
        agent.tokens.retain(&node.name, &wanted);
        node.pods.store(u32::try_from(wanted.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    };
    let (seq, revision) = match assign {
        Assign::Full { seq, revision, pods, .. } => {
            retain(pods.iter().map(|pod| pod.uid.clone()).collect());
            take(pods);
            (seq, revision)
        }
        Assign::Since { seq, revision, upserts, kept, .. } => {
            retain(upserts.iter().map(|pod| pod.uid.clone()).chain(kept).collect());
            take(upserts);
            (seq, revision)
        }
        Assign::Delta { seq, revision, upserts, removed, .. } => {
            agent.pods.remove(&removed, now);
            agent.tokens.forget(&removed);
            take(upserts);
            (seq, revision)
        }
    };
    node.applied(seq, revision);
    if node.fenced.load(Ordering::Acquire) {
        agent.pods.fence(&node.name, true);
    }
}

fn verdict(assign: &Assign, Here { epoch, applied, revision }: Here) -> Verdict {
    match assign {
        Assign::Full { epoch: meant, .. }
        | Assign::Since { epoch: meant, .. }
        | Assign::Delta { epoch: meant, .. }
            if *meant != epoch =>
        {
            Verdict::Ignore
        }
        Assign::Full { seq, .. } | Assign::Since { seq, .. } if *seq < applied => Verdict::Ignore,
        Assign::Full { .. } => Verdict::Apply,
        // Nothing is missed as long as nothing older was heard of than the keeper supposes.
        Assign::Since { since, .. } if applied != 0 && *since <= revision => Verdict::Apply,
        Assign::Since { .. } => Verdict::Ignore,
        Assign::Delta { seq, .. } if *seq <= applied => Verdict::Ignore,
        Assign::Delta { previous, .. } if *previous == applied && applied != 0 => Verdict::Apply,
        Assign::Delta { .. } => Verdict::Resync,
    }
}

/// It supposes pods that the node does not have.
fn is_strange<R: ContainerRuntime>(agent: &Agent<R>, node: &Node, assign: &Assign) -> bool {
    matches!(assign, Assign::Since { kept, .. } if !agent.pods.has_all(&node.name, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_delta_of_the_own_epoch_is_applied() {
        let delta = |epoch, previous, seq| Assign::Delta {
            epoch,
            previous,
            seq,
            revision: Revision(1),
            upserts: Vec::new(),
            removed: Vec::new(),
        };
        let full = |epoch, seq| Assign::Full { epoch, seq, revision: Revision(1), pods: Vec::new() };
        let verdict = |assign: &Assign, epoch, applied| {
            super::verdict(assign, Here { epoch, applied, revision: Revision(50) })
        };
        assert_eq!(verdict(&full(7, 1), 7, 0), Verdict::Apply);
        assert_eq!(verdict(&full(6, 1), 7, 0), Verdict::Ignore);
        assert_eq!(verdict(&delta(7, 3, 4), 7, 3), Verdict::Apply);
        assert_eq!(verdict(&delta(7, 3, 4), 7, 4), Verdict::Ignore);
        assert_eq!(verdict(&delta(7, 4, 5), 7, 3), Verdict::Resync);
        assert_eq!(verdict(&delta(7, 0, 1), 7, 0), Verdict::Resync);
    }

    #[test]
    fn what_has_not_changed_is_only_named_to_who_has_heard_of_the_rest() {
        let since = |revision| Assign::Since {
            epoch: 7,
            since: Revision(revision),
            seq: 9,
            revision: Revision(60),
            upserts: Vec::new(),
            kept: Vec::new(),
        };
        let here = Here { epoch: 7, applied: 3, revision: Revision(50) };
        assert_eq!(verdict(&since(50), here), Verdict::Apply);
        assert_eq!(verdict(&since(40), here), Verdict::Apply);
        assert_eq!(verdict(&since(51), here), Verdict::Ignore);
        assert_eq!(verdict(&since(50), Here { applied: 0, ..here }), Verdict::Ignore);
        assert_eq!(verdict(&since(50), Here { epoch: 8, ..here }), Verdict::Ignore);
    }
}
