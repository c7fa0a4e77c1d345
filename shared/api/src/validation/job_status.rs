//! Rules of a job's status, which another controller may write (KEP-4368): what is wrong already is not held against it.

use std::collections::HashSet;

use serde_json::Value;

use super::Errors;
use crate::json::{flag, given, int, items, text};

const CONDITIONS: &str = "status.conditions";

/// A status, and what of it has changed.
struct Change<'a> {
    job: &'a Value,
    old: &'a Value,
}

impl<'a> Change<'a> {
    fn holds(&self, condition: &str) -> bool {
        holds(self.job, condition)
    }

    fn held(&self, condition: &str) -> bool {
        holds(self.old, condition)
    }

    /// Whether any of these conditions or fields (`/active`) has changed.
    fn of(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| match part.starts_with('/') {
            true => at(self.job, part) != at(self.old, part),
            false => self.holds(part) != self.held(part),
        })
    }

    fn text(&self, field: &str) -> &'a str {
        at(self.job, field).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, field: &str) -> i64 {
        at(self.job, field).and_then(Value::as_i64).unwrap_or_default()
    }

    fn is_finished(&self) -> bool {
        self.holds("Complete") || self.holds("Failed")
    }

    fn is_finished_news(&self) -> bool {
        self.is_finished() != (self.held("Complete") || self.held("Failed"))
    }

    fn is_indexed(&self) -> bool {
        text(self.job, "/spec/completionMode") == "Indexed"
    }
}

fn at<'a>(job: &'a Value, field: &str) -> Option<&'a Value> {
    given(job, &format!("/status{field}"))
}

fn holds(job: &Value, condition: &str) -> bool {
    let mut conditions = items(job, "/status/conditions").iter();
    conditions.any(|known| text(known, "/type") == condition && text(known, "/status") == "True")
}

/// Checks what replaces the status of `old`; that nothing counts below zero was checked before.
pub(super) fn check(errors: &mut Errors, job: &Value, old: &Value) {
    let change = Change { job, old };
    uncounted(errors, job);
    endings(errors, &change);
    finished(errors, &change);
    indexes(errors, &change);
    if change.is_finished() && change.number("/terminating") > 0 {
        let detail = "terminating>0 is invalid for finished job";
        if change.is_finished_news() || change.of(&["/terminating"]) {
            errors.invalid("status.terminating", change.number("/terminating"), detail);
        }
    }
    if change.of(&["/ready", "/active"]) && change.number("/ready") > change.number("/active") {
        errors.invalid("status.ready", change.number("/ready"), "cannot set more ready pods than active");
    }
    success(errors, &change);
    history(errors, &change);
}

fn uncounted(errors: &mut Errors, job: &Value) {
    let mut seen = HashSet::new();
    for list in ["succeeded", "failed"] {
        let uids = items(job, &format!("/status/uncountedTerminatedPods/{list}"));
        for (index, uid) in uids.iter().enumerate() {
            let path = format!("status.uncountedTerminatedPods.{list}[{index}]");
            match uid.as_str().unwrap_or_default() {
                "" => errors.invalid(path, "", "must not be empty"),
                uid if !seen.insert(uid) => errors.duplicate(path, uid),
                _ => {}
            }
        }
    }
}

/// How a job may end, and when.
fn endings(errors: &mut Errors, change: &Change<'_>) {
    let complete = change.holds("Complete");
    if complete && change.holds("Failed") && change.of(&["Complete", "Failed"]) {
        errors.wrong(CONDITIONS, "cannot set Complete=True and Failed=true conditions");
    }
    if complete && change.holds("FailureTarget") && change.of(&["Complete", "FailureTarget"]) {
        errors.wrong(CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions");
    }
    let (begun, ended) = (change.text("/startTime"), change.text("/completionTime"));
    let news = change.of(&["Complete", "/completionTime"]);
    if !ended.is_empty() && !complete && news {
        let detail = "cannot set completionTime when there is no Complete=True condition";
        errors.invalid("status.completionTime", ended, detail);
    }
    if ended.is_empty() && complete && news {
        errors.required("status.completionTime", "completionTime is required for Complete jobs");
    }
    let moved = change.of(&["/startTime", "/completionTime"]);
    if moved && !ended.is_empty() && !begun.is_empty() && ended < begun {
        let detail = "completionTime cannot be set before startTime";
        errors.invalid("status.completionTime", ended, detail);
    }
    if change.holds("Failed") && !change.holds("FailureTarget") && change.of(&["Failed", "FailureTarget"]) {
        let detail = "cannot set Failed=True condition without the FailureTarget=true condition";
        errors.wrong(CONDITIONS, detail);
    }
    if complete && !change.holds("SuccessCriteriaMet") && change.of(&["Complete", "SuccessCriteriaMet"]) {
        let detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        errors.wrong(CONDITIONS, detail);
    }
}

fn finished(errors: &mut Errors, change: &Change<'_>) {
    if !change.is_finished() {
        return;
    }
    let news = |field: &str| change.is_finished_news() || change.of(&[field]);
    if change.number("/active") > 0 && news("/active") {
        let active = change.number("/active");
        errors.invalid("status.active", active, "active>0 is invalid for finished job");
    }
    if change.text("/startTime").is_empty() && news("/startTime") {
        errors.required("status.startTime", "startTime is required for finished job");
    }
    let lists = ["succeeded", "failed"];
    let left = lists.map(|list| items(change.job, &format!("/status/uncountedTerminatedPods/{list}")).len());
    if left.iter().sum::<usize>() > 0 && news("/uncountedTerminatedPods") {
        let uncounted = at(change.job, "/uncountedTerminatedPods").cloned().unwrap_or_default();
        let detail = "uncountedTerminatedPods needs to be empty for finished job";
        errors.invalid("status.uncountedTerminatedPods", uncounted, detail);
    }
}

fn indexes(errors: &mut Errors, change: &Change<'_>) {
    let completed = change.text("/completedIndexes");
    if change.of(&["/completedIndexes"]) && !completed.is_empty() && !change.is_indexed() {
        let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.invalid("status.completedIndexes", completed, detail);
    }
    let failed = at(change.job, "/failedIndexes").and_then(Value::as_str);
    let limited = int(change.job, "/spec/backoffLimitPerIndex").is_some();
    if let Some(failed) = failed.filter(|_| change.of(&["/failedIndexes"]) && !limited) {
        let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.invalid("status.failedIndexes", failed, detail);
    }
}

fn success(errors: &mut Errors, change: &Change<'_>) {
    let met = change.holds("SuccessCriteriaMet");
    for other in ["Failed", "FailureTarget"] {
        if met && change.holds(other) {
            let detail = format!("cannot set SuccessCriteriaMet=True and {other}=true conditions");
            errors.wrong(CONDITIONS, &detail);
        }
    }
    if given(change.job, "/spec/successPolicy").is_some() && !met && change.holds("Complete") {
        let detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        errors.wrong(CONDITIONS, detail);
    }
}

/// What does not go back.
fn history(errors: &mut Errors, change: &Change<'_>) {
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if change.held(condition) && !change.holds(condition) {
            errors.wrong(CONDITIONS, &format!("cannot disable the terminal {condition}=True condition"));
        }
    }
    // Indexed jobs that are as wide as they are long may be scaled down.
    let elastic = change.is_indexed()
        && given(change.job, "/spec/completions") == given(change.job, "/spec/parallelism");
    for (field, may_shrink) in [("failed", false), ("succeeded", elastic)] {
        let (now, before) =
            (int(change.job, &format!("/status/{field}")), int(change.old, &format!("/status/{field}")));
        if now.unwrap_or_default() < before.unwrap_or_default() && !may_shrink {
            let detail = format!("cannot decrease the {field} counter");
            errors.invalid(format!("status.{field}"), now.unwrap_or_default(), &detail);
        }
    }
    let ended = change.text("/completionTime");
    let before = at(change.old, "/completionTime").and_then(Value::as_str);
    if !ended.is_empty() && before.is_some_and(|before| before != ended) {
        errors.invalid("status.completionTime", ended, "completionTime cannot be mutated");
    }
    let begun = at(change.old, "/startTime").is_some();
    if begun && change.of(&["/startTime"]) && !flag(change.job, "/spec/suspend") {
        errors.required("status.startTime", "startTime cannot be removed for unsuspended job");
    }
    if change.held("SuccessCriteriaMet") && !change.holds("SuccessCriteriaMet") {
        errors.wrong(CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition");
    }
    if change.held("Complete") && !change.held("SuccessCriteriaMet") && change.holds("SuccessCriteriaMet") {
        let detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.wrong(CONDITIONS, detail);
    }
}
