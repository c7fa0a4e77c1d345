//! Takes assignments: complete ones, and deltas as long as none is missing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::messages::{Assign, AssignedPod};
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
    let (epoch, applied) = (node.epoch().unwrap_or(0), node.assignment.load(Ordering::Acquire));
    match verdict(&assign, epoch, applied) {
        Verdict::Ignore => return,
        Verdict::Resync => {
            node.assignment.store(0, Ordering::Release);
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
    let seq = match assign {
        Assign::Full { seq, pods, .. } => {
            let wanted: HashSet<_> = pods.iter().map(|pod| pod.uid.clone()).collect();
            agent.pods.retain(&node.name, &wanted, now);
            agent.tokens.retain(&node.name, &wanted);
            node.pods.store(u32::try_from(wanted.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
            take(pods);
            seq
        }
        Assign::Delta { seq, upserts, removed, .. } => {
            agent.pods.remove(&removed, now);
            agent.tokens.forget(&removed);
            take(upserts);
            seq
        }
    };
    node.assignment.store(seq, Ordering::Release);
    if node.fenced.load(Ordering::Acquire) {
        agent.pods.fence(&node.name, true);
    }
}

fn verdict(assign: &Assign, epoch: u64, applied: u64) -> Verdict {
    match assign {
        Assign::Full { epoch: meant, .. } | Assign::Delta { epoch: meant, .. } if *meant != epoch => {
            Verdict::Ignore
        }
        Assign::Full { seq, .. } if *seq < applied => Verdict::Ignore,
        Assign::Full { .. } => Verdict::Apply,
        Assign::Delta { seq, .. } if *seq <= applied => Verdict::Ignore,
        Assign::Delta { previous, .. } if *previous == applied && applied != 0 => Verdict::Apply,
        Assign::Delta { .. } => Verdict::Resync,
    }
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
            upserts: Vec::new(),
            removed: Vec::new(),
        };
        let full = |epoch, seq| Assign::Full { epoch, seq, pods: Vec::new() };
        assert_eq!(verdict(&full(7, 1), 7, 0), Verdict::Apply);
        assert_eq!(verdict(&full(6, 1), 7, 0), Verdict::Ignore);
        assert_eq!(verdict(&delta(7, 3, 4), 7, 3), Verdict::Apply);
        assert_eq!(verdict(&delta(7, 3, 4), 7, 4), Verdict::Ignore);
        assert_eq!(verdict(&delta(7, 4, 5), 7, 3), Verdict::Resync);
        assert_eq!(verdict(&delta(7, 0, 1), 7, 0), Verdict::Resync);
    }
}
