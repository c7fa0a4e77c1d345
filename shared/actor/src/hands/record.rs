//! What the journal says about a turn.

use api::journal::{Cause, EventView, JournalEntry};
use api::{ObjectKey, Timestamp, Uid};

use super::plan::Verdict;
use crate::{Remedy, TurnError, Write};

/// Events of one turn that are told one by one; people do not read more.
const MOST_EVENTS: usize = 16;
/// Reasons of one turn that are told; the others say the same of other objects.
const MOST_REASONS: usize = 8;

/// Something could not be created.
const FAILED_CREATE: &str = "FailedCreate";
/// Something could not be deleted.
const FAILED_DELETE: &str = "FailedDelete";

/// One turn's writes and what became of them.
pub(super) struct Record<'a> {
    pub(super) component: &'a str,
    pub(super) object: Option<&'a ObjectKey>,
    pub(super) uid: Uid,
    pub(super) now: Timestamp,
    pub(super) trigger: String,
    pub(super) cause: Cause,
    pub(super) parent: Cause,
    pub(super) writes: &'a [Write],
    pub(super) verdicts: &'a [Verdict],
    /// Objects that were changed.
    pub(super) written: &'a [ObjectKey],
    /// The turn's own object, if its status was written.
    pub(super) status: Option<&'a ObjectKey>,
}

impl Record<'_> {
    /// The verbs that changed something.
    pub(super) fn verbs(&self) -> impl Iterator<Item = &'static str> {
        self.effective().map(Write::verb).chain(self.status.map(|_| "status"))
    }

    /// One entry with everything, and one for every further event. None for a turn that will simply be repeated.
    pub(super) fn entries(&self, error: Option<&TurnError>) -> Vec<JournalEntry> {
        let repeats = error.is_some_and(|error| error.remedy == Remedy::ObserveAgain);
        if self.written.is_empty() && (repeats || error.is_none()) {
            return Vec::new();
        }
        let done = self.effective().filter_map(|write| Some((write, write.event()?.clone())));
        let mut events = done.chain(self.forbidden());
        let mut entry = self.entry(error);
        entry.event = events.next().map(|(_, event)| event);
        let further = events.take(MOST_EVENTS - 1).map(|(write, event)| JournalEntry {
            because: write.because().to_owned(),
            targets: vec![write.key().clone()],
            commands: Vec::new(),
            event: Some(event),
            ..entry.clone()
        });
        let further: Vec<JournalEntry> = further.collect();
        std::iter::once(entry).chain(further).collect()
    }

    fn entry(&self, error: Option<&TurnError>) -> JournalEntry {
        let commands = self.effective().map(|write| format!("{} {}", write.verb(), write.key()));
        let status = self.status.map(|key| format!("status {key}"));
        JournalEntry {
            at_micros: self.now.0,
            component: self.component.to_owned(),
            object: self.object.cloned(),
            uid: self.uid.clone(),
            cause: self.cause,
            parent_span: self.parent.span_id,
            trigger: self.trigger.clone(),
            because: self.because(),
            commands: commands.chain(status).collect(),
            targets: self.written.to_vec(),
            outcome: error.map_or_else(|| "done".to_owned(), |error| telemetry::chain(error)),
            event: None,
            written: None,
        }
    }

    /// Every reason once, in order.
    fn because(&self) -> String {
        let mut reasons: Vec<&str> = Vec::new();
        let told = self.writes.iter().zip(self.verdicts).filter(|(_, verdict)| **verdict != Verdict::Done);
        for (write, _) in told {
            if reasons.len() < MOST_REASONS && !reasons.contains(&write.because()) {
                reasons.push(write.because());
            }
        }
        if reasons.is_empty() && self.status.is_some() {
            reasons.push("what it observes has changed");
        }
        reasons.join("; ")
    }

    /// What was not admitted, as Kubernetes' controllers tell of it.
    fn forbidden(&self) -> impl Iterator<Item = (&Write, EventView)> {
        self.writes.iter().zip(self.verdicts).filter_map(|(write, verdict)| {
            let Verdict::Forbidden(why) = verdict else { return None };
            let (reason, message) = told(self.object, write, why);
            let (severity, reason) = ("Warning".to_owned(), reason.to_owned());
            Some((write, EventView { severity, reason, message, regarding: None }))
        })
    }

    /// The writes that took part in a mutation that happened.
    fn effective(&self) -> impl Iterator<Item = &Write> {
        self.writes
            .iter()
            .zip(self.verdicts)
            .filter(|(write, verdict)| **verdict == Verdict::Written && self.written.contains(write.key()))
            .map(|(write, _)| write)
    }
}

/// The event of a write that was not admitted: most of Kubernetes' controllers say the same, some have words of their own.
fn told(owner: Option<&ObjectKey>, write: &Write, why: &str) -> (&'static str, String) {
    let (reason, name) = (reason(write), &write.key().name);
    let resource = write.key().resource.as_str();
    match (owner.map(|owner| (owner.resource.as_str(), &owner.name)), resource) {
        (Some(("statefulsets.apps", set)), "pods") => {
            let verb = write.verb();
            (reason, format!("{verb} Pod {name} in StatefulSet {set} failed error: {why}"))
        }
        (Some(("deployments.apps", _)), "replicasets.apps") if reason == FAILED_CREATE => {
            ("ReplicaSetCreateError", format!("Failed to create new replica set \"{name}\": {why}"))
        }
        (Some(("cronjobs.batch", _)), "jobs.batch") if reason == FAILED_CREATE => {
            (reason, format!("Error creating job: {why}"))
        }
        _ if reason == FAILED_DELETE => (reason, format!("Error deleting: {why}")),
        _ => (reason, format!("Error creating: {why}")),
    }
}

/// Kubernetes' word for a write that was not admitted.
pub(super) fn reason(write: &Write) -> &'static str {
    match write {
        Write::Delete { .. } => FAILED_DELETE,
        Write::Create { .. } | Write::Patch { .. } | Write::Finish { .. } | Write::Tell { .. } => {
            FAILED_CREATE
        }
    }
}

#[cfg(test)]
mod tests {
    use api::ResourceId;
    use api::lifecycle::Propagation;
    use expect_test::expect;
    use serde_json::Value;

    use super::*;

    #[test]
    fn controllers_tell_of_refusals_in_their_own_words() {
        let key = |resource, name| ObjectKey::namespaced(ResourceId::new(resource), "default", name);
        let create =
            |key: ObjectKey| Write::Create { key, object: Value::Null, because: String::new(), event: None };
        let delete = |key: ObjectKey| Write::Delete {
            key,
            uid: Uid::from("u"),
            grace: None,
            propagation: Propagation::Background,
            because: String::new(),
            event: None,
        };
        let cases = [
            ("replicasets.apps", create(key("pods", "web-a"))),
            ("replicasets.apps", delete(key("pods", "web-a"))),
            ("statefulsets.apps", create(key("pods", "web-0"))),
            ("statefulsets.apps", delete(key("pods", "web-0"))),
            ("statefulsets.apps", create(key("persistentvolumeclaims", "data-web-0"))),
            ("deployments.apps", create(key("replicasets.apps", "web-1"))),
            ("deployments.apps", delete(key("replicasets.apps", "web-1"))),
            ("cronjobs.batch", create(key("jobs.batch", "web-1"))),
        ];
        let line = |(owner, write): (&'static str, Write)| {
            let (reason, message) = told(Some(&key(owner, "web")), &write, "no");
            format!("{reason}: {message}\n")
        };
        expect![[r#"
            FailedCreate: Error creating: no
            FailedDelete: Error deleting: no
            FailedCreate: create Pod web-0 in StatefulSet web failed error: no
            FailedDelete: delete Pod web-0 in StatefulSet web failed error: no
            FailedCreate: Error creating: no
            ReplicaSetCreateError: Failed to create new replica set "web-1": no
            FailedDelete: Error deleting: no
            FailedCreate: Error creating job: no
        "#]]
        .assert_eq(&cases.into_iter().map(line).collect::<String>());
    }
}
