//! Performs writes: the only way from a decision to the bucket and the journal.

mod admission;
mod asking;
pub(crate) mod plan;
mod record;

use std::sync::Arc;

use api::journal::{Cause, EventView, JournalEntry};
use api::{ObjectKey, Revision, Uid};
use bus::{Bus, Journal, Mutation, Reader, Store, Turn, View, WriteError};
use dashmap::DashMap;
use telemetry::metrics::IntCounterVec;

use crate::remedy::remedy_of_write;
use crate::{Refusal, Remedy, TurnError, Write};
pub(crate) use asking::Question;
use asking::Watch;
use plan::{Bases, Plan, Planned, StatusChange, Verdict, plan};
use record::Record;

/// What performs writes for one part of a process. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    bus: Bus,
    store: Store,
    journal: Journal,
    view: Arc<View>,
    /// The component of journal entries: `controller-a`.
    identity: Arc<str>,
    /// The label of metrics.
    kind: &'static str,
    commands: IntCounterVec,
    /// What was last said of objects by `Write::Tell`.
    told: Arc<DashMap<ObjectKey, EventView>>,
    /// What users want to be asked about.
    watch: Arc<Watch>,
}

/// Of so many objects it is remembered what was last said.
const MOST_TOLD: usize = 10_000;

/// What became of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Performed {
    /// Objects that were changed; what was done already is not counted.
    pub changed: usize,
    /// The last revision that was written; zero if none was.
    pub revision: Revision,
}

/// Everything of one turn that is to be performed and remembered.
pub(crate) struct Act<'a> {
    /// What the journal's entry is about.
    pub(crate) object: Option<&'a ObjectKey>,
    pub(crate) uid: Uid,
    pub(crate) trigger: String,
    /// What led to the turn.
    pub(crate) parent: Cause,
    pub(crate) writes: Vec<Write>,
    pub(crate) status: Option<StatusChange>,
    pub(crate) bases: Bases,
    /// What others have to admit first.
    pub(crate) questions: Vec<Question>,
}

/// How the mutations of a turn ended.
#[derive(Default)]
struct Outcomes {
    performed: Performed,
    /// Objects that were changed.
    written: Vec<ObjectKey>,
    failures: Vec<(ObjectKey, WriteError)>,
}

impl Hands {
    /// Hands that write as `identity` (the journal's component); `kind` labels their metrics.
    pub fn new(bus: &Bus, view: &Arc<View>, identity: &str, kind: &'static str) -> Self {
        let commands = telemetry::metrics::counter_vec(
            "odeon_commands_total",
            "Commands that turns performed.",
            &["kind", "verb"],
        );
        let (store, journal) = (bus.store(), bus.journal());
        Self {
            bus: bus.clone(),
            store,
            journal,
            view: Arc::clone(view),
            identity: identity.into(),
            kind,
            commands,
            told: Arc::default(),
            watch: Arc::default(),
        }
    }

    /// Performs writes at the same time, waits until the view holds them, and adds one entry to the journal: about `object`,
    /// woken by `trigger`, which `parent` had led to. A conflict comes back as `Remedy::ObserveAgain` once the view has what
    /// was in the way.
    pub async fn perform(
        &self,
        object: Option<&ObjectKey>,
        trigger: &str,
        parent: Cause,
        writes: Vec<Write>,
    ) -> Result<Performed, TurnError> {
        let (bases, uid) = {
            let reader = self.view.read();
            let uid = object.and_then(|key| reader.get(key)).map(|stored| stored.metadata.uid.clone());
            (Bases::collect(&reader, &writes, None), uid.unwrap_or_default())
        };
        let (trigger, questions) = (trigger.to_owned(), Vec::new());
        self.act(Act { object, uid, trigger, parent, writes, status: None, bases, questions }).await
    }

    /// Which of the writes users want to be asked about.
    pub(crate) fn questions(&self, reader: &Reader<'_>, writes: &[Write]) -> Vec<Question> {
        self.watch.questions(reader, self.kind, writes)
    }

    pub(crate) async fn act(&self, mut act: Act<'_>) -> Result<Performed, TurnError> {
        if !act.questions.is_empty() {
            self.ask(&mut act).await;
        }
        let _turns = self.turns(&mut act).await;
        let Act { object, uid, trigger, parent, writes, status, bases, questions: _ } = act;
        let now = telemetry::clock::now();
        for write in &writes {
            self.tell(write, &uid, &trigger, parent);
        }
        let plan = plan(&writes, status, &bases, now, telemetry::clock::fresh_uid);
        if plan.mutations.is_empty() && plan.charged.is_empty() && !plan.verdicts.iter().any(is_worth_telling)
        {
            return Ok(Performed::default());
        }
        let cause = telemetry::clock::child_of(parent);
        let Plan { mutations, charged, charges, verdicts, writes_status } = plan;
        let outcomes = self.write(mutations, charged, charges, cause).await;
        let record = Record {
            component: &self.identity,
            object,
            uid,
            now,
            trigger,
            cause,
            parent,
            writes: &writes,
            verdicts: &verdicts,
            written: &outcomes.written,
            status: object.filter(|key| writes_status && outcomes.written.contains(key)),
        };
        record.verbs().for_each(|verb| self.commands.with_label_values(&[self.kind, verb]).inc());
        let result = outcomes.conclude(&writes, &verdicts);
        record.entries(result.as_ref().err()).into_iter().for_each(|entry| self.journal.append(entry));
        result
    }

    /// Goes on with what is admitted, in the world as it is by then.
    async fn ask(&self, act: &mut Act<'_>) {
        let mut answers = asking::ask(&self.bus, std::mem::take(&mut act.questions)).await;
        act.writes = answers.apply(std::mem::take(&mut act.writes));
        let own = act.object.and_then(|key| act.bases.of(key)).cloned();
        act.bases = Bases::collect(&self.view.read(), &act.writes, own.as_ref()).refusing(answers.refused);
    }

    /// Says what there is to say, unless it was the last thing said of the object.
    fn tell(&self, write: &Write, uid: &Uid, trigger: &str, parent: Cause) {
        let Write::Tell { key, event } = write else { return };
        if self.told.len() >= MOST_TOLD {
            self.told.clear();
        }
        if self.told.insert(key.clone(), event.clone()).as_ref() == Some(event) {
            return;
        }
        self.journal.append(JournalEntry {
            at_micros: telemetry::clock::now().0,
            component: self.identity.to_string(),
            object: Some(key.clone()),
            uid: uid.clone(),
            cause: telemetry::clock::child_of(parent),
            parent_span: parent.span_id,
            trigger: trigger.to_owned(),
            because: event.message.clone(),
            outcome: "done".to_owned(),
            event: Some(event.clone()),
            ..JournalEntry::default()
        });
    }

    /// Waits for the turns of whoever charges the same quotas in this process, and goes on in the world as it is then. Without quotas
    /// nobody waits.
    async fn turns(&self, act: &mut Act<'_>) -> Vec<Turn> {
        let namespaces = act.bases.charged();
        if namespaces.is_empty() {
            return Vec::new();
        }
        let mut turns = Vec::with_capacity(namespaces.len());
        for namespace in &namespaces {
            turns.push(self.store.turn(namespace).await);
        }
        act.bases = std::mem::take(&mut act.bases).renewed(&self.view.read(), &act.writes, act.object);
        turns
    }

    /// Writes everything at the same time, what is charged to quotas together with them; returns when the view holds what was written,
    /// and what stood in the way.
    async fn write(
        &self,
        mutations: Vec<Planned>,
        charged: Vec<Planned>,
        charges: Vec<Planned>,
        cause: Cause,
    ) -> Outcomes {
        let keys = |planned: &[Planned]| planned.iter().map(|planned| planned.key.clone()).collect();
        let (alone, together): (Vec<ObjectKey>, Vec<ObjectKey>) = (keys(&mutations), keys(&charged));
        let mutation = |Planned { key, expect, change }| Mutation { key, expect, change, cause };
        // Objects come first, so that whoever sees a quota charged sees what for.
        let batch = charged.into_iter().chain(charges).map(mutation).collect();
        let (results, batch) = tokio::join!(
            self.store.write_all(mutations.into_iter().map(mutation).collect()),
            self.store.write_atomically(batch)
        );
        let batch: Vec<_> = match batch {
            Ok(revisions) => revisions.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); together.len()],
        };
        let mut outcomes = Outcomes::default();
        let mut newest = batch.last().and_then(|last| last.as_ref().ok()).copied().unwrap_or_default();
        for (key, result) in alone.into_iter().zip(results).chain(together.into_iter().zip(batch)) {
            match result {
                Ok(revision) => {
                    outcomes.performed.changed += 1;
                    outcomes.performed.revision = outcomes.performed.revision.max(revision);
                    outcomes.written.push(key);
                }
                Err(error) => {
                    if let WriteError::Conflict { current: Some(current) } = error {
                        newest = newest.max(current);
                    }
                    outcomes.failures.push((key, error));
                }
            }
        }
        // So that the next turn neither repeats what this one did nor meets the same conflict.
        self.view.wait_for(newest.max(outcomes.performed.revision)).await;
        outcomes
    }
}

impl Outcomes {
    /// The worst failure decides about the remedy.
    fn conclude(&self, writes: &[Write], verdicts: &[Verdict]) -> Result<Performed, TurnError> {
        let severity = |error: &WriteError| match remedy_of_write(error) {
            Remedy::ObserveAgain => 0,
            Remedy::BackOff => 1,
            Remedy::RestartFromStore => 2,
        };
        let worst = self.failures.iter().max_by_key(|(_, error)| severity(error));
        if let Some((key, error)) = worst {
            return Err(TurnError::because(
                remedy_of_write(error),
                format!("failed to write {key}"),
                error.clone(),
            ));
        }
        for (write, verdict) in writes.iter().zip(verdicts) {
            let failed = || format!("failed to {} {}", write.verb(), write.key());
            match verdict {
                Verdict::Written | Verdict::Done => {}
                Verdict::Stale => return Err(TurnError::new(Remedy::ObserveAgain, failed())),
                Verdict::Refused(why) => {
                    return Err(TurnError::because(Remedy::BackOff, failed(), why.clone()));
                }
                Verdict::Forbidden(why) => {
                    let refusal = Refusal { reason: record::reason(write), message: why.clone() };
                    return Err(TurnError::because(Remedy::BackOff, failed(), refusal));
                }
            }
        }
        Ok(self.performed)
    }
}

fn is_worth_telling(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Written | Verdict::Stale | Verdict::Refused(_) | Verdict::Forbidden(_) => true,
        Verdict::Done => false,
    }
}
