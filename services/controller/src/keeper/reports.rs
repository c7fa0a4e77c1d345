//! Writes what agents report, and acknowledges when it is durable.

use std::collections::VecDeque;
use std::sync::Arc;

use api::journal::{Cause, EventView, JournalEntry};
use api::messages::{PodReport, Report, ReportAck};
use api::{NodeName, ObjectKey, Revision, Uid};
use bus::{ChangeTo, Delivery, Expect, Mutation, WriteError};
use dashmap::DashMap;
use telemetry::clock;
use tokio::sync::Mutex;
use tracing::{debug, warn};

use super::Keeper;
use super::report::{Verdict, judge};

/// A pod that is changed by others so often in a row is reported again.
const ATTEMPTS: usize = 5;

/// Writes reports, one at a time per node.
pub struct Clerk {
    keeper: Arc<Keeper>,
    desks: DashMap<NodeName, Arc<Mutex<()>>>,
}

/// A report about a pod and what it does to the object.
struct Case<'a> {
    report: &'a PodReport,
    mutation: Mutation,
    parent: Cause,
}

impl Clerk {
    /// A clerk of `keeper`.
    pub fn new(keeper: &Arc<Keeper>) -> Self {
        Self { keeper: keeper.clone(), desks: DashMap::new() }
    }

    /// Writes one report and answers.
    pub async fn receive(&self, delivery: Delivery<Report>) {
        let Delivery { message: report, reply, .. } = delivery;
        let desk = self.desks.entry(report.node.clone()).or_default().clone();
        let _one_at_a_time = desk.lock().await;
        let ack = match self.is_entitled(&report) {
            true => self.write(&report).await,
            // Its heartbeats tell it to register; then it reports again.
            false => ReportAck { unknown: Vec::new(), retry: uids(report.pods.iter()) },
        };
        if let Some(reply) = reply
            && let Err(error) = reply.send(&ack).await
        {
            debug!(node = %report.node, error = %telemetry::chain(&error), "failed to acknowledge a report");
        }
    }

    /// Only the agent process that holds the node's lease speaks for it.
    fn is_entitled(&self, report: &Report) -> bool {
        self.keeper.facts.presence(&report.node).is_some_and(|presence| {
            presence.epoch == report.epoch && (presence.session == report.session || presence.session == 0)
        })
    }

    async fn write(&self, report: &Report) -> ReportAck {
        let mut ack = ReportAck::default();
        let mut open: Vec<&PodReport> = report.pods.iter().collect();
        for _ in 0..ATTEMPTS {
            let cases = self.judge(&report.node, std::mem::take(&mut open), &mut ack);
            if cases.is_empty() {
                return ack;
            }
            let mutations = cases.iter().map(|case| case.mutation.clone()).collect();
            let results = self.keeper.bus.store().write_all(mutations).await;
            let mut newest = Revision::default();
            for (case, result) in cases.into_iter().zip(results) {
                match result {
                    Ok(revision) => {
                        newest = newest.max(revision);
                        self.record(&report.node, &case);
                    }
                    Err(WriteError::Conflict { current }) => {
                        newest = newest.max(current.unwrap_or_default());
                        open.push(case.report);
                    }
                    Err(error) => {
                        warn!(pod = %case.report.key, error = %telemetry::chain(&error), "failed to write a pod's status");
                        ack.retry.push(case.report.uid.clone());
                    }
                }
            }
            // The node's next report builds on what was written now.
            self.keeper.view.wait_for(newest).await;
            if open.is_empty() {
                return ack;
            }
        }
        ack.retry.extend(uids(open.into_iter()));
        ack
    }

    fn judge<'a>(&self, node: &NodeName, reports: Vec<&'a PodReport>, ack: &mut ReportAck) -> Vec<Case<'a>> {
        let mut cases = Vec::with_capacity(reports.len());
        // Two reports about one pod in one message: only the last one counts.
        let mut latest: VecDeque<&PodReport> = VecDeque::with_capacity(reports.len());
        for report in reports.into_iter().rev() {
            if !latest.iter().any(|later| later.uid == report.uid) {
                latest.push_front(report);
            }
        }
        for report in latest {
            let stored = self.keeper.view.get(&report.key);
            let change = match judge(stored.as_deref(), node, report, clock::now()) {
                Verdict::Unknown => {
                    ack.unknown.push(report.uid.clone());
                    continue;
                }
                Verdict::Nothing => continue,
                Verdict::Put(value) => ChangeTo::Put(value),
                Verdict::Remove(last) => ChangeTo::Delete(last),
            };
            let Some(stored) = stored else { continue };
            let mutation = Mutation {
                key: stored.key.clone(),
                expect: Expect::At(stored.revision),
                change,
                cause: clock::child_of(stored.cause),
            };
            cases.push(Case { report, mutation, parent: stored.cause });
        }
        cases
    }

    /// One entry per decision of the agent, and one more per further event.
    fn record(&self, node: &NodeName, case: &Case<'_>) {
        let journal = self.keeper.bus.journal();
        let PodReport { because, events, .. } = case.report;
        let mut events = events.iter().map(|(severity, reason, message)| EventView {
            severity: severity.clone(),
            reason: reason.clone(),
            message: message.clone(),
            regarding: None,
        });
        let command = match case.mutation.change {
            ChangeTo::Delete(_) => format!("delete {}", case.report.key),
            ChangeTo::Put(_) | ChangeTo::PutBytes(_) => format!("report {}", case.report.key),
        };
        journal.append(JournalEntry {
            because: because.clone(),
            commands: vec![command],
            ..entry(node, case, events.next())
        });
        for event in events {
            let because = event.message.clone();
            journal.append(JournalEntry { because, ..entry(node, case, Some(event)) });
        }
    }
}

fn entry(node: &NodeName, case: &Case<'_>, event: Option<EventView>) -> JournalEntry {
    let key: &ObjectKey = &case.report.key;
    JournalEntry {
        at_micros: clock::now().0,
        component: format!("agent/{node}"),
        object: Some(key.clone()),
        uid: case.report.uid.clone(),
        cause: case.mutation.cause,
        parent_span: case.parent.span_id,
        trigger: "the agent reported".to_owned(),
        targets: vec![key.clone()],
        outcome: "done".to_owned(),
        event,
        ..JournalEntry::default()
    }
}

fn uids<'a>(reports: impl Iterator<Item = &'a PodReport>) -> Vec<Uid> {
    reports.map(|report| report.uid.clone()).collect()
}
