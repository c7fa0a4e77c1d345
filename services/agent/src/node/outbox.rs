//! What is to be reported: the latest of every pod, repeated until the keeper has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::messages::{PodReport, Report, ReportAck};
use api::{NodeName, Uid};
use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;

use super::{Agent, Node};
use crate::runtime::ContainerRuntime;

/// Pods in one message: a status takes a few KiB, a message at most one MiB.
const BATCH: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(2);
/// Before a report is repeated that nobody took.
const PAUSE: Duration = Duration::from_millis(250);
/// Events of a pod that wait at most; older ones are dropped first.
const EVENTS: usize = 32;

/// Reports that wait, by node and pod.
#[derive(Default)]
pub struct Outbox {
    waiting: DashMap<NodeName, HashMap<Uid, PodReport>>,
    /// Nodes whose reports are on the way: one message at a time keeps their order.
    sending: DashSet<NodeName>,
    changed: Notify,
}

impl Outbox {
    /// Puts a report out. It replaces the pod's older one, but takes over its events.
    pub fn put(&self, node: &NodeName, report: PodReport) {
        let mut waiting = self.waiting.entry(node.clone()).or_default();
        merge(&mut waiting, report);
        drop(waiting);
        self.changed.notify_one();
    }

    /// Puts reports back that were not taken; what was put out meanwhile is newer.
    fn put_back(&self, node: &NodeName, reports: Vec<PodReport>) {
        let mut waiting = self.waiting.entry(node.clone()).or_default();
        for old in reports {
            match waiting.remove(&old.uid) {
                Some(newer) => {
                    waiting.insert(old.uid.clone(), old);
                    merge(&mut waiting, newer);
                }
                None => {
                    waiting.insert(old.uid.clone(), old);
                }
            }
        }
    }

    fn take(&self, node: &NodeName) -> Vec<PodReport> {
        let Some(mut waiting) = self.waiting.get_mut(node) else { return Vec::new() };
        let uids: Vec<Uid> = waiting.keys().take(BATCH).cloned().collect();
        uids.iter().filter_map(|uid| waiting.remove(uid)).collect()
    }

    fn is_empty(&self, node: &NodeName) -> bool {
        self.waiting.get(node).is_none_or(|waiting| waiting.is_empty())
    }
}

fn merge(waiting: &mut HashMap<Uid, PodReport>, mut report: PodReport) {
    if let Some(older) = waiting.remove(&report.uid) {
        let mut events = older.events;
        events.append(&mut report.events);
        let surplus = events.len().saturating_sub(EVENTS);
        report.events = events.split_off(surplus);
    }
    waiting.insert(report.uid.clone(), report);
}

/// Sends reports until the process ends.
pub async fn run<R: ContainerRuntime>(agent: Arc<Agent<R>>) {
    loop {
        agent.outbox.changed.notified().await;
        let nodes: Vec<Arc<Node>> = {
            let waiting = agent.outbox.waiting.iter().filter(|entry| !entry.value().is_empty());
            waiting.filter_map(|entry| agent.nodes.get(&bus::token(entry.key().as_str())).cloned()).collect()
        };
        for node in nodes {
            if agent.outbox.sending.insert(node.name.clone()) {
                tokio::spawn(drain(Arc::clone(&agent), node));
            }
        }
    }
}

/// Sends a node's reports until none is left.
async fn drain<R: ContainerRuntime>(agent: Arc<Agent<R>>, node: Arc<Node>) {
    while !agent.outbox.is_empty(&node.name) {
        if !send(&agent, &node).await {
            tokio::time::sleep(PAUSE).await;
        }
    }
    agent.outbox.sending.remove(&node.name);
    // A report that was put out between the last look and the line above.
    if !agent.outbox.is_empty(&node.name) {
        agent.outbox.changed.notify_one();
    }
}

async fn send<R: ContainerRuntime>(agent: &Agent<R>, node: &Node) -> bool {
    let Some(epoch) = node.epoch() else { return false };
    let _turn = agent.requests.acquire().await;
    let pods = agent.outbox.take(&node.name);
    let report = Report { node: node.name.clone(), session: agent.session, epoch, pods };
    match agent.bus.request::<_, ReportAck>(&node.subject("report"), &report, TIMEOUT).await {
        Ok(ack) => {
            let complete = ack.retry.is_empty();
            acknowledged(agent, node, report.pods, ack);
            complete
        }
        Err(error) => {
            tracing::debug!(node = %node.name, %error, "report not acknowledged");
            agent.outbox.put_back(&node.name, report.pods);
            false
        }
    }
}

fn acknowledged<R: ContainerRuntime>(agent: &Agent<R>, node: &Node, sent: Vec<PodReport>, ack: ReportAck) {
    let (again, taken): (Vec<_>, Vec<_>) =
        sent.into_iter().partition(|report| ack.retry.contains(&report.uid));
    for report in taken.iter().filter(|report| report.gone) {
        agent.pods.forget(&report.uid);
    }
    agent.outbox.put_back(&node.name, again);
    agent.pods.remove(&ack.unknown, telemetry::clock::now());
    let count = agent.pods.count(&node.name);
    node.pods.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(uid: &str, status: &str, event: &str) -> PodReport {
        PodReport {
            key: api::ObjectKey::namespaced(api::ResourceId::new("pods"), "default", "web"),
            uid: uid.into(),
            status: status.to_owned(),
            gone: false,
            because: String::new(),
            events: vec![("Normal".to_owned(), event.to_owned(), String::new())],
        }
    }

    #[test]
    fn the_latest_status_wins_and_no_event_is_lost() {
        let (outbox, node) = (Outbox::default(), NodeName::from("a"));
        outbox.put(&node, report("1", "old", "Pulled"));
        let taken = outbox.take(&node);
        outbox.put(&node, report("1", "new", "Started"));
        outbox.put_back(&node, taken);
        let waiting = outbox.take(&node);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].status, "new");
        let reasons: Vec<&str> = waiting[0].events.iter().map(|(_, reason, _)| reason.as_str()).collect();
        assert_eq!(reasons, ["Pulled", "Started"]);
        assert!(outbox.is_empty(&node));
    }
}
