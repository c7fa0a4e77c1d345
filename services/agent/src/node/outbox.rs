//! What is to be reported: the latest of every pod, repeated until the keeper has it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::messages::{PodReport, Report, ReportAck};
use api::{NodeName, Uid};
use dashmap::{DashMap, DashSet};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

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
pub struct Outbox {
    waiting: DashMap<NodeName, HashMap<Uid, PodReport>>,
    /// Nodes whose reports are on the way: one message at a time keeps their order.
    sending: DashSet<NodeName>,
    /// Nodes that have something to report.
    changed: UnboundedSender<NodeName>,
    /// The other end, until `run` takes it.
    changes: Mutex<Option<UnboundedReceiver<NodeName>>>,
}

impl Default for Outbox {
    fn default() -> Self {
        let (changed, changes) = tokio::sync::mpsc::unbounded_channel();
        let (waiting, sending) = (DashMap::new(), DashSet::new());
        Self { waiting, sending, changed, changes: Mutex::new(Some(changes)) }
    }
}

impl Outbox {
    /// Puts a report out. It replaces the pod's older one, but takes over its events.
    pub fn put(&self, node: &NodeName, report: PodReport) {
        let mut waiting = self.waiting.entry(node.clone()).or_default();
        merge(&mut waiting, report);
        drop(waiting);
        self.tell(node);
    }

    fn tell(&self, node: &NodeName) {
        // Without a reader the process is ending, and the next one reports everything anew.
        let _ = self.changed.send(node.clone());
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
    let changes = agent.outbox.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut changes) = changes else { return };
    while let Some(name) = changes.recv().await {
        let Some(node) = agent.nodes.get(&bus::token(name.as_str())) else { continue };
        if agent.outbox.sending.insert(name) {
            tokio::spawn(drain(Arc::clone(&agent), Arc::clone(node)));
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
        agent.outbox.tell(&node.name);
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
