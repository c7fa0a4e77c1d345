//! Writes decisions into pods, and says why in the journal.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use api::journal::{EventView, JournalEntry};
use api::json::child;
use api::volumes::SELECTED_NODE;
use api::{NodeName, ObjectKey, Revision, Timestamp, Uid};
use bus::{Bus, ChangeTo, Expect, Journal, Mutation, Store, Stored, View, WriteError};
use serde_json::{Value, json};
use telemetry::clock;
use tracing::warn;

use crate::decide::{Outcome, Verdict, Victim};
use crate::evicting::Evicted;
use crate::queue::Pending;

/// How long to wait after the store was not available.
const BACK_OFF: Duration = Duration::from_millis(200);

/// What became of one decision.
#[derive(Debug)]
pub enum Written {
    /// The pod is bound, durably.
    Bound {
        /// The pod.
        uid: Uid,
        /// When it was created.
        created: Timestamp,
    },
    /// Nothing was written: the pod must be looked at again.
    Failed {
        /// Where it lives.
        key: ObjectKey,
        /// Which pod it was.
        uid: Uid,
    },
    /// The pod says why it has no node.
    Told,
    /// The pod could not be evicted, for now.
    Spared {
        /// The pod.
        uid: Uid,
    },
}

/// Writes for the scheduler. Cheap to clone.
#[derive(Clone)]
pub struct Scribe {
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    pub(crate) view: Arc<View>,
}

/// A decision about a pod as it is stored.
struct Draft {
    outcome: Outcome,
    mutation: Mutation,
    parent_span: u64,
}

impl Scribe {
    /// Writes through `bus`.
    pub fn new(bus: &Bus, view: &Arc<View>) -> Self {
        Self { store: bus.store(), journal: bus.journal(), view: view.clone() }
    }

    /// Writes all at once and returns when every outcome is known, and seen by the view where something was in the way.
    pub async fn write(&self, outcomes: Vec<Outcome>) -> Vec<Written> {
        let mut results = Vec::with_capacity(outcomes.len());
        let mut drafts = Vec::with_capacity(outcomes.len());
        let mut choices = Vec::new();
        for outcome in outcomes {
            if let Outcome::Choose { pod, node, claims } = outcome {
                choices.push((pod, node, claims));
                continue;
            }
            match self.draft(outcome) {
                Ok(draft) => drafts.push(draft),
                Err(outcome) => results.extend(undone(*outcome)),
            }
        }
        results.extend(self.choose(choices).await);
        let mutations = drafts.iter().map(|draft| draft.mutation.clone()).collect();
        let written = self.store.write_all(mutations).await;
        let (mut newest, mut back_off) = (Revision::default(), false);
        let mut promised = Vec::new();
        for (draft, result) in drafts.into_iter().zip(written) {
            match &result {
                Ok(revision) => {
                    self.journal.append(entry(&draft));
                    if let Outcome::Preempt { .. } = draft.outcome {
                        newest = newest.max(*revision);
                        promised.push(draft.outcome);
                        continue;
                    }
                }
                Err(WriteError::Conflict { current }) => newest = newest.max(current.unwrap_or_default()),
                Err(error) => {
                    warn!(pod = %draft.mutation.key, error = %telemetry::chain(error), "failed to write a decision");
                    back_off = true;
                }
            }
            match result {
                Ok(_) => results.extend(concluded(draft.outcome)),
                Err(_) => results.extend(undone(draft.outcome)),
            }
        }
        let (evicted, unavailable) = self.keep(promised).await;
        results.extend(evicted);
        back_off |= unavailable;
        self.view.wait_for(newest).await;
        if back_off {
            tokio::time::sleep(BACK_OFF).await;
        }
        results
    }

    /// Lets those go who have to for pods whose nomination is durable; and whether the store was not available for that.
    async fn keep(&self, promised: Vec<Outcome>) -> (Vec<Written>, bool) {
        let Evicted { spared, unavailable } = self.evict(&promised).await;
        let mut written: Vec<Written> =
            spared.iter().map(|uid| Written::Spared { uid: uid.clone() }).collect();
        for outcome in promised {
            if let Outcome::Preempt { pod, victims, .. } = outcome
                && victims.iter().any(|victim| spared.contains(&victim.uid))
            {
                written.push(Written::Failed { key: pod.key, uid: pod.uid });
            }
        }
        (written, unavailable)
    }

    /// Tells claims the nodes that were chosen for their pods. A claim that knows already is left alone.
    async fn choose(&self, choices: Vec<(Pending, NodeName, Vec<ObjectKey>)>) -> Vec<Written> {
        let (mut owners, mut mutations) = (Vec::new(), Vec::new());
        for (at, (_, node, claims)) in choices.iter().enumerate() {
            for stored in claims.iter().filter_map(|claim| self.view.get(claim)) {
                if stored
                    .metadata
                    .annotations
                    .get(SELECTED_NODE)
                    .is_some_and(|known| **known == *node.as_str())
                {
                    continue;
                }
                let mut value = stored.value();
                if let Some(annotations) = child(&mut value, "metadata").and_then(|metadata| {
                    metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut()
                }) {
                    annotations.insert(SELECTED_NODE.to_owned(), json!(node));
                }
                owners.push(at);
                mutations.push(Mutation {
                    key: stored.key.clone(),
                    expect: Expect::At(stored.revision),
                    change: ChangeTo::Put(value),
                    cause: clock::child_of(stored.cause),
                });
            }
        }
        let written = self.store.write_all(mutations).await;
        let failed: HashSet<usize> =
            owners.into_iter().zip(written).filter(|(_, result)| result.is_err()).map(|(at, _)| at).collect();
        let choices = choices.into_iter().enumerate();
        choices
            .map(|(at, (pod, _, _))| match failed.contains(&at) {
                true => Written::Failed { key: pod.key, uid: pod.uid },
                false => Written::Told,
            })
            .collect()
    }

    /// The write that an outcome asks for; the outcome back if the pod is not what was decided about any more.
    fn draft(&self, outcome: Outcome) -> Result<Draft, Box<Outcome>> {
        let (pod, change): (&Pending, fn(&mut Value, &Outcome, Timestamp)) = match &outcome {
            Outcome::Bind { pod, .. } => (pod, bind),
            Outcome::Preempt { pod, .. } | Outcome::Unplaced { pod, .. } => (pod, tell),
            // `choose` writes those.
            Outcome::Choose { .. } => return Err(Box::new(outcome)),
        };
        let stored: Option<Arc<Stored>> =
            self.view.get(&pod.key).filter(|stored| stored.revision == pod.revision);
        let Some(stored) = stored else { return Err(Box::new(outcome)) };
        let mut value = stored.value();
        change(&mut value, &outcome, clock::now());
        let mutation = Mutation {
            key: pod.key.clone(),
            expect: Expect::At(pod.revision),
            change: ChangeTo::Put(value),
            cause: clock::child_of(stored.cause),
        };
        Ok(Draft { mutation, parent_span: stored.cause.span_id, outcome })
    }
}

/// What has come of an outcome that is written.
fn concluded(outcome: Outcome) -> Option<Written> {
    match outcome {
        Outcome::Bind { pod, .. } => Some(Written::Bound { uid: pod.uid, created: pod.created }),
        Outcome::Preempt { .. } | Outcome::Unplaced { .. } => Some(Written::Told),
        // `choose` tells.
        Outcome::Choose { .. } => None,
    }
}

/// Nothing has come of an outcome: the pod is looked at again, and nobody has to go for it.
fn undone(outcome: Outcome) -> Vec<Written> {
    let (pod, victims) = match outcome {
        Outcome::Preempt { pod, victims, .. } => (pod, victims),
        Outcome::Bind { pod, .. } | Outcome::Choose { pod, .. } | Outcome::Unplaced { pod, .. } => {
            (pod, Vec::new())
        }
    };
    let mut written: Vec<_> = victims.into_iter().map(|victim| Written::Spared { uid: victim.uid }).collect();
    written.push(Written::Failed { key: pod.key, uid: pod.uid });
    written
}

fn bind(value: &mut Value, outcome: &Outcome, now: Timestamp) {
    let Outcome::Bind { node, .. } = outcome else { return };
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("nodeName".to_owned(), json!(node));
    }
    nominate(value, None);
    set_condition(
        value,
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}),
    );
}

fn tell(value: &mut Value, outcome: &Outcome, now: Timestamp) {
    let (node, message) = match outcome {
        Outcome::Preempt { node, verdict, .. } => (Some(node), &verdict.message),
        Outcome::Unplaced { verdict, .. } => (None, &verdict.message),
        Outcome::Bind { .. } | Outcome::Choose { .. } => return,
    };
    nominate(value, node);
    let condition = json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastProbeTime": null, "lastTransitionTime": now,
    });
    set_condition(value, condition);
}

/// Says on which node others make room for the pod, or that none do.
fn nominate(value: &mut Value, node: Option<&NodeName>) {
    let Some(status) = child(value, "status") else { return };
    match node {
        Some(node) => drop(status.insert("nominatedNodeName".to_owned(), json!(node))),
        None => drop(status.remove("nominatedNodeName")),
    }
}

/// Replaces the condition of the same type; its transition time stays while its status does.
pub fn set_condition(value: &mut Value, mut condition: Value) {
    let Some(object) = value.as_object_mut() else { return };
    let status = object.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|known| known.get("type") == condition.get("type")) {
        Some(known) => {
            if let (true, Some(since)) =
                (known.get("status") == condition.get("status"), known.get("lastTransitionTime"))
            {
                let since = since.clone();
                if let Some(fields) = condition.as_object_mut() {
                    fields.insert("lastTransitionTime".to_owned(), since);
                }
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
}

fn entry(draft: &Draft) -> JournalEntry {
    let key = &draft.mutation.key;
    let waits = |verdict: &Verdict| event("Warning", "FailedScheduling", verdict.message.clone());
    let (pod, because, command, event) = match &draft.outcome {
        Outcome::Bind { pod, node, because } => {
            let message = format!("Successfully assigned {}/{} to {node}", key.namespace(), key.name);
            (pod, because.clone(), format!("bind to {node}"), event("Normal", "Scheduled", message))
        }
        Outcome::Choose { pod, node, .. } => {
            let event = EventView::default();
            (pod, pod.told.to_string(), format!("choose {node}"), event)
        }
        Outcome::Unplaced { pod, verdict } => {
            (pod, verdict.because.clone(), "wait for a node".to_owned(), waits(verdict))
        }
        Outcome::Preempt { pod, node, victims, verdict } => {
            let because = format!("{}; {}", verdict.because, who_goes(victims, node));
            (pod, because, format!("wait for room on {node}"), waits(verdict))
        }
    };
    JournalEntry {
        at_micros: clock::now().0,
        component: "scheduler".to_owned(),
        object: Some(key.clone()),
        uid: pod.uid.clone(),
        cause: draft.mutation.cause,
        parent_span: draft.parent_span,
        trigger: "the pod has no node".to_owned(),
        because,
        commands: vec![command],
        targets: vec![key.clone()],
        outcome: "done".to_owned(),
        event: Some(event),
        written: None,
    }
}

/// `web-1 (priority 0) and web-2 (priority 0) have to leave n1`.
pub fn who_goes(victims: &[Victim], node: &NodeName) -> String {
    let named: Vec<String> =
        victims.iter().map(|victim| format!("{} (priority {})", victim.key.name, victim.priority)).collect();
    match named.len() {
        0 => format!("others are leaving {node} already"),
        1 => format!("{} has to leave {node}", named.concat()),
        _ => format!("{} have to leave {node}", named.join(" and ")),
    }
}

fn event(severity: &str, reason: &str, message: String) -> EventView {
    EventView { severity: severity.to_owned(), reason: reason.to_owned(), message, regarding: None }
}
