//! Lets pods go for a more important one: marks them as disrupted and as being deleted, with the grace they ask for.

use std::collections::HashSet;

use api::journal::{EventView, JournalEntry};
use api::lifecycle::{DeleteOptions, Deletion, request_deletion};
use api::views::Pod;
use api::{NodeName, Resource, Timestamp, Uid};
use bus::{ChangeTo, Expect, Mutation, Stored, WriteError};
use serde_json::json;
use telemetry::clock;
use tracing::warn;

use crate::binding::{Scribe, set_condition};
use crate::decide::{Outcome, Victim};

/// How often the deletion of a pod is tried that changes at the same time.
const ATTEMPTS: usize = 5;

/// One pod that has to go, and for whom.
struct Eviction<'a> {
    victim: &'a Victim,
    preemptor: &'a Uid,
    node: &'a NodeName,
    because: String,
}

/// What became of evictions.
#[derive(Debug, Default)]
pub struct Evicted {
    /// Who could not be evicted.
    pub spared: HashSet<Uid>,
    /// The store was not available for some.
    pub unavailable: bool,
}

impl Scribe {
    /// Evicts the victims of all preemptions. Those who change at the same time are tried a few times.
    pub async fn evict(&self, outcomes: &[Outcome]) -> Evicted {
        let mut evicted = Evicted::default();
        let mut left: Vec<Eviction<'_>> = outcomes.iter().flat_map(evictions).collect();
        for _ in 0..ATTEMPTS {
            let (mut tried, mut mutations) = (Vec::new(), Vec::new());
            for eviction in left.drain(..) {
                let Some(stored) = self.view.get(&eviction.victim.key) else { continue };
                let Some(change) = deleted(&stored, &eviction, clock::now()) else { continue };
                mutations.push(Mutation {
                    key: stored.key.clone(),
                    expect: Expect::At(stored.revision),
                    change,
                    cause: clock::child_of(stored.cause),
                });
                tried.push((eviction, stored));
            }
            if tried.is_empty() {
                break;
            }
            let written = self.store.write_all(mutations.clone()).await;
            for (((eviction, stored), mutation), result) in tried.into_iter().zip(mutations).zip(written) {
                match result {
                    Ok(_) => self.journal.append(entry(&eviction, &stored, &mutation)),
                    Err(WriteError::Conflict { current }) => {
                        self.view.wait_for(current.unwrap_or_default()).await;
                        left.push(eviction);
                    }
                    Err(error) => {
                        warn!(pod = %stored.key, error = %telemetry::chain(&error), "failed to evict a pod");
                        evicted.unavailable = true;
                        evicted.spared.insert(eviction.victim.uid.clone());
                    }
                }
            }
        }
        evicted.spared.extend(left.into_iter().map(|eviction| eviction.victim.uid.clone()));
        evicted
    }
}

fn evictions(outcome: &Outcome) -> Vec<Eviction<'_>> {
    let Outcome::Preempt { pod, node, victims, .. } = outcome else { return Vec::new() };
    let because = |victim: &Victim| {
        let (key, priority) = (&pod.key, pod.class.priority);
        format!(
            "{}/{} has priority {priority} and fits nowhere; this pod has {}",
            key.namespace(),
            key.name,
            victim.priority
        )
    };
    let eviction = |victim| Eviction { victim, preemptor: &pod.uid, node, because: because(victim) };
    victims.iter().map(eviction).collect()
}

/// The pod as it is to be written; `None` if it is another one now or goes anyway.
fn deleted(stored: &Stored, eviction: &Eviction<'_>, now: Timestamp) -> Option<ChangeTo> {
    if stored.metadata.uid != eviction.victim.uid || stored.metadata.is_terminating() {
        return None;
    }
    let mut value = stored.value();
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
        "lastProbeTime": null, "lastTransitionTime": now,
    });
    set_condition(&mut value, condition);
    let kind = api::kind(Pod::ID)?;
    match request_deletion(&value, kind, &DeleteOptions::default(), now).ok()? {
        Deletion::Mark(marked) => Some(ChangeTo::Put(marked)),
        Deletion::Remove(last) => Some(ChangeTo::Delete(last)),
        Deletion::Already => None,
    }
}

fn entry(eviction: &Eviction<'_>, stored: &Stored, mutation: &Mutation) -> JournalEntry {
    let Eviction { victim, preemptor, node, because } = eviction;
    JournalEntry {
        at_micros: clock::now().0,
        component: "scheduler".to_owned(),
        object: Some(victim.key.clone()),
        uid: victim.uid.clone(),
        cause: mutation.cause,
        parent_span: stored.cause.span_id,
        trigger: "another pod needs its room".to_owned(),
        because: because.clone(),
        commands: vec!["delete it".to_owned()],
        targets: vec![victim.key.clone()],
        outcome: "done".to_owned(),
        event: Some(EventView {
            severity: "Normal".to_owned(),
            reason: "Preempted".to_owned(),
            message: format!("Preempted by pod {preemptor} on node {node}"),
            regarding: None,
        }),
        written: None,
    }
}
