//! Jobs and cron jobs as `kubectl get` shows them.

use std::time::Duration;

use serde_json::{Value, json};

use super::workload::template_at;
use super::{AGE, NAME, age, ago, human_duration, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{flag, int, items, text};
use crate::kinds::Column;

/// Columns of jobs.
pub const JOB: &[Column] = &[
    NAME,
    shown("Status", "string", "Whether it runs, or how it ended."),
    shown("Completions", "string", "Pods that succeeded, of those that must."),
    shown("Duration", "string", "How long it takes, or took."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
    wide("Selector", "string", "Which pods it counts as its own."),
];

/// Columns of cron jobs.
pub const CRON_JOB: &[Column] = &[
    NAME,
    shown("Schedule", "string", "When it makes jobs."),
    shown("Timezone", "string", "By which clock."),
    shown("Suspend", "boolean", "It makes none for now."),
    shown("Active", "integer", "Its jobs that have not finished."),
    shown("Last Schedule", "string", "How long ago it last made one."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
    wide("Selector", "string", "Which pods its jobs count as their own."),
];

/// Cells of a job.
pub fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let succeeded = int(object, "/status/succeeded").unwrap_or(0);
    let completions = match (int(object, "/spec/completions"), int(object, "/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, Some(parallelism @ 2..)) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let mut cells = vec![
        name(object),
        json!(status(object)),
        json!(completions),
        json!(duration(object, now)),
        age(object, now),
    ];
    cells.extend(template_at(object, "/spec"));
    cells
}

fn status(object: &Value) -> &'static str {
    let is_true = |kind: &str| {
        items(object, "/status/conditions")
            .iter()
            .any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
    };
    let ended = ["Complete", "Failed"].into_iter().find(|kind| is_true(kind));
    let deleted = || (!text(object, "/metadata/deletionTimestamp").is_empty()).then_some("Terminating");
    let announced =
        || ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|kind| is_true(kind));
    ended.or_else(deleted).or_else(announced).unwrap_or("Running")
}

fn duration(object: &Value, now: Timestamp) -> String {
    let time = |pointer: &str| Timestamp::parse(text(object, pointer));
    let Some(start) = time("/status/startTime") else { return String::new() };
    let took: Duration = time("/status/completionTime").unwrap_or(now).since(start);
    human_duration(took)
}

/// Cells of a cron job.
pub fn cron_job(object: &Value, now: Timestamp) -> Vec<Value> {
    let last = text(object, "/status/lastScheduleTime");
    let mut cells = vec![
        name(object),
        json!(text(object, "/spec/schedule")),
        json!(or_none(text(object, "/spec/timeZone"))),
        json!(if flag(object, "/spec/suspend") { "True" } else { "False" }),
        json!(items(object, "/status/active").len()),
        json!(if last.is_empty() { "<none>".to_owned() } else { ago(last, now) }),
        age(object, now),
    ];
    cells.extend(template_at(object, "/spec/jobTemplate/spec"));
    cells
}
