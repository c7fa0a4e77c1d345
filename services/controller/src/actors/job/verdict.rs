//! Judges whether a job's outcome is clear.

use api::Object;
use api::indexes::Indexes;
use api::journal::EventView;
use api::views::{Job, Pod, SuccessRule};

use super::tally::end_of_indexes;
use super::{Turn, count};
use crate::actors::{condition, normal};

/// The outcome of a job, from the moment at which nothing can change it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It has failed; else it has succeeded.
    pub failed: bool,
    /// CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Verdict {
    /// What was said before stays; else limits, deadline and successes are looked at.
    pub fn of(turn: &Turn<'_>) -> Option<Self> {
        Self::said(turn.me).or_else(|| Self::new(turn))
    }

    /// What the job's status announces.
    pub fn said(me: &Object<Job>) -> Option<Self> {
        let said = |failed: bool, kind: &str| {
            let known = condition(&me.status.conditions, kind).filter(|known| known.status == "True")?;
            Some(Self { failed, reason: known.reason.clone(), message: known.message.clone() })
        };
        said(true, "FailureTarget").or_else(|| said(false, "SuccessCriteriaMet"))
    }

    fn new(turn: &Turn<'_>) -> Option<Self> {
        let fail = |reason: &str, message: &str| {
            Some(Self { failed: true, reason: reason.into(), message: message.into() })
        };
        if let Some(message) = &turn.tally.fatal {
            return fail("PodFailurePolicy", message);
        }
        let limit = turn.me.spec.backoff_limit.unwrap_or(6);
        if turn.tally.failed > limit || restarts_exceed(turn, limit) {
            return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if !turn.me.spec.suspend && turn.deadline().is_some_and(|deadline| deadline <= turn.now) {
            return fail("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        if let Some(verdict) = Self::by_indexes(turn) {
            return Some(verdict);
        }
        let enough = match turn.me.spec.completions {
            None => turn.tally.succeeded > 0,
            Some(completions) => turn.tally.succeeded >= completions,
        };
        (enough && turn.crew.active.is_empty()).then(|| Self {
            failed: false,
            reason: "CompletionsReached".into(),
            message: "Reached expected number of succeeded pods".into(),
        })
    }

    /// What failed and succeeded indexes alone say.
    fn by_indexes(turn: &Turn<'_>) -> Option<Self> {
        let (spec, tally) = (&turn.me.spec, &turn.tally);
        let (completed, end) = (tally.completed.as_ref()?, end_of_indexes(turn.me)?);
        let fail = |reason: &str, message: &str| Self {
            failed: true,
            reason: reason.into(),
            message: message.into(),
        };
        let given_up = tally.given_up.as_ref().map_or(0, |given_up| count(given_up.0.len()));
        if spec.max_failed_indexes.is_some_and(|most| given_up > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(fail("MaxFailedIndexesExceeded", message));
        }
        if given_up > 0 && given_up.saturating_add(tally.succeeded) >= spec.completions.unwrap_or_default() {
            return Some(fail("FailedIndexes", "Job has failed indexes"));
        }
        let rules = spec.success_policy.as_ref().map(|policy| &policy.rules)?;
        let met = rules.iter().position(|rule| is_enough(rule, completed, end))?;
        let message = format!("Matched rules at index {met}");
        Some(Self { failed: false, reason: "SuccessPolicy".into(), message })
    }

    /// The condition that announces the end.
    pub fn target(&self) -> &'static str {
        if self.failed { "FailureTarget" } else { "SuccessCriteriaMet" }
    }

    /// The condition that is the end.
    pub fn end(&self) -> &'static str {
        if self.failed { "Failed" } else { "Complete" }
    }

    /// What Kubernetes tells of the end.
    pub fn event(&self) -> Option<EventView> {
        match self.failed {
            false => normal("Completed", "Job completed".into()),
            true => Some(EventView {
                severity: "Warning".into(),
                reason: self.reason.clone(),
                message: self.message.clone(),
                regarding: None,
            }),
        }
    }
}

/// These indexes are what the rule asks for.
fn is_enough(rule: &SuccessRule, completed: &Indexes, end: u32) -> bool {
    let (have, all) = match &rule.succeeded_indexes {
        None => (completed.0.len(), false),
        Some(asked) => {
            let (have, of) = completed.count_of(asked, end);
            (have, of > 0 && have == of)
        }
    };
    all || rule.succeeded_count.is_some_and(|needed| have > 0 && count(have) >= needed)
}

/// Containers that are restarted in their pods count as failures too.
fn restarts_exceed(turn: &Turn<'_>, limit: i32) -> bool {
    let on_failure = turn.me.spec.template.pointer("/spec/restartPolicy").and_then(|policy| policy.as_str());
    if on_failure != Some("OnFailure") {
        return false;
    }
    let restarts: i32 = turn.crew.active.iter().map(|pod| restarts(pod)).sum();
    match limit {
        0 => restarts > 0,
        limit => restarts >= limit,
    }
}

fn restarts(pod: &Object<Pod>) -> i32 {
    let statuses = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    statuses.map(|status| status.restart_count).sum()
}
