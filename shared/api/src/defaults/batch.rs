//! Defaults of jobs and cron jobs.

use serde_json::{Value, json};

use super::pod::pod_template_at;
use super::{each_in, pod_template};
use crate::json::{child, set_default};

/// One pod that must succeed, and six that may fail.
pub fn job(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    if spec.get("parallelism").is_none_or(Value::is_null) {
        set_default(spec, "completions", 1);
    }
    set_default(spec, "parallelism", 1);
    // With a limit for each index, there is none for all of them together.
    let per_index = spec.get("backoffLimitPerIndex").is_some_and(|limit| !limit.is_null());
    set_default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    set_default(spec, "completionMode", "NonIndexed");
    set_default(spec, "manualSelector", false);
    set_default(spec, "suspend", false);
    let policy = super::existing(spec, "podFailurePolicy");
    let replacement = if policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    for rule in policy.into_iter().flat_map(|policy| each_in(policy, "rules")) {
        each_in(rule, "onPodConditions").for_each(|pattern| set_default(pattern, "status", "True"));
    }
    set_default(spec, "podReplacementPolicy", replacement);
    pod_template(object);
}

/// Jobs may overlap; three that succeeded and one that failed are kept.
pub fn cron_job(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    super::set_nonzero(spec, "concurrencyPolicy", "Allow");
    set_default(spec, "suspend", false);
    set_default(spec, "successfulJobsHistoryLimit", 3);
    set_default(spec, "failedJobsHistoryLimit", 1);
    set_default(spec, "jobTemplate", json!({}));
    if let Some(template) = super::existing(spec, "jobTemplate") {
        set_default(template, "metadata", json!({}));
    }
    pod_template_at(object, "/spec/jobTemplate/spec/template");
}
