//! Heartbeats of all nodes of the process, spread over the period by one task, and the leases that they renew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::Revision;
use api::messages::{HEARTBEAT_EVERY_MS, Heartbeat, HeartbeatAck, NODE_LEASE_MS};
use bus::Bus;
use std::sync::PoisonError;

use super::{Agent, Node, register};
use crate::runtime::ContainerRuntime;

/// How finely heartbeats are spread over the period.
const TICK: Duration = Duration::from_millis(10);
const SLOTS: u64 = HEARTBEAT_EVERY_MS / 10;
/// Killing what must not outlive the lease takes up to this.
const FENCE_BEFORE: Duration = Duration::from_millis(600);
const ACK_TIMEOUT: Duration = Duration::from_secs(1);

/// Beats over a connection that carries nothing else, until the process ends.
pub async fn run<R: ContainerRuntime>(agent: Arc<Agent<R>>, bus: Bus) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut wheel: Vec<Vec<Arc<Node>>> = Vec::new();
    wheel.resize_with(usize::try_from(SLOTS).unwrap_or(1), Vec::new);
    for (index, node) in agent.nodes.values().enumerate() {
        let slot = index % wheel.len();
        if let Some(slot) = wheel.get_mut(slot) {
            slot.push(Arc::clone(node));
        }
    }
    for turn in (0..wheel.len()).cycle() {
        ticks.tick().await;
        for node in wheel.get(turn).into_iter().flatten() {
            beat(&agent, &bus, node).await;
        }
        if turn % 5 == 0 {
            fence(&agent);
        }
    }
}

async fn beat<R: ContainerRuntime>(agent: &Arc<Agent<R>>, bus: &Bus, node: &Arc<Node>) {
    if node.epoch().is_none() {
        return;
    }
    let count = node.beats.fetch_add(1, Ordering::Relaxed);
    match count % 2 {
        // The answer renews the lease; waiting for it must not delay the others.
        0 => {
            let (agent, bus, node) = (Arc::clone(agent), bus.clone(), Arc::clone(node));
            tokio::spawn(async move { send(&agent, &bus, &node, true).await });
        }
        _ => send(agent, bus, node, false).await,
    }
}

/// Sends one heartbeat; with `ask`, waits for its acknowledgement and renews the lease.
pub async fn send<R: ContainerRuntime>(agent: &Arc<Agent<R>>, bus: &Bus, node: &Arc<Node>, ask: bool) {
    let Some(epoch) = node.epoch() else { return };
    let heartbeat = message(agent, node, epoch);
    let subject = node.subject("heartbeat");
    if !ask {
        if let Err(error) = bus.publish(&subject, &heartbeat).await {
            tracing::debug!(node = %node.name, %error, "heartbeat not sent");
        }
        return;
    }
    let sent = Instant::now();
    match bus.request::<_, HeartbeatAck>(&subject, &heartbeat, ACK_TIMEOUT).await {
        Ok(ack) if node.epoch() == Some(ack.epoch) => {
            node.renew(sent);
            if ack.assignment == node.assignment.load(Ordering::Acquire) {
                node.applied(ack.assignment, ack.revision);
            }
            if node.fenced.swap(false, Ordering::AcqRel) {
                tracing::info!(node = %node.name, "the node has a lease again");
                agent.pods.fence(&node.name, false);
            }
        }
        Ok(ack) => {
            tracing::info!(node = %node.name, epoch, keeper = ack.epoch, "the keeper knows another epoch");
            register::begin(agent, node);
        }
        Err(error) => tracing::debug!(node = %node.name, %error, "heartbeat not acknowledged"),
    }
}

/// Tells the keepers that these nodes stop in order.
pub async fn leave<R: ContainerRuntime>(agent: &Agent<R>) {
    // From now on every heartbeat says so, until the pods have ended too.
    agent.leaving.store(true, Ordering::Release);
    for node in agent.nodes.values() {
        let Some(epoch) = node.epoch() else { continue };
        let heartbeat = message(agent, node, epoch);
        let told =
            agent.bus.request::<_, HeartbeatAck>(&node.subject("heartbeat"), &heartbeat, ACK_TIMEOUT).await;
        if let Err(error) = told {
            tracing::info!(node = %node.name, %error, "no keeper has heard that the node leaves");
        }
    }
}

fn message<R: ContainerRuntime>(agent: &Agent<R>, node: &Node, epoch: u64) -> Heartbeat {
    Heartbeat {
        node: node.name.clone(),
        session: agent.session,
        epoch,
        assignment: node.assignment.load(Ordering::Acquire),
        revision: Revision(node.revision.load(Ordering::Acquire)),
        pods: node.pods.load(Ordering::Relaxed),
        unhealthy: agent.trouble(),
        leaving: agent.leaving.load(Ordering::Acquire),
    }
}

/// Pods that must be unique are stopped before the keeper may start them elsewhere.
fn fence<R: ContainerRuntime>(agent: &Agent<R>) {
    let limit = Duration::from_millis(NODE_LEASE_MS) - FENCE_BEFORE;
    for node in agent.nodes.values() {
        let renewed = *node.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if node.epoch().is_some() && renewed.elapsed() >= limit && !node.fenced.swap(true, Ordering::AcqRel) {
            tracing::warn!(node = %node.name, "the lease is about to end, pods that must be unique are stopped");
            agent.pods.fence(&node.name, true);
        }
    }
}
