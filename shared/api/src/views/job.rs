//! Jobs and CronJobs, for their own actors.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, LabelSelector, resource};
use crate::{Timestamp, Uid};

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// Desired.
    pub spec: JobSpec,
    /// Observed.
    pub status: JobStatus,
}
resource!(Job, "jobs.batch", JobStatus);

/// `spec` of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JobSpec {
    /// How many pods may run at the same time.
    pub parallelism: i32,
    /// How many pods must succeed; `None`: the first success ends it.
    pub completions: Option<i32>,
    /// `NonIndexed` or `Indexed`.
    pub completion_mode: String,
    /// How many pods may fail.
    pub backoff_limit: Option<i32>,
    /// Of an indexed job: how many pods of one index may fail; then the index has failed, and others go on.
    pub backoff_limit_per_index: Option<i32>,
    /// How many indexes may fail.
    pub max_failed_indexes: Option<i32>,
    /// Seconds that it may take.
    pub active_deadline_seconds: Option<i64>,
    /// Seconds that it stays after it has finished.
    pub ttl_seconds_after_finished: Option<i32>,
    /// No pods for now.
    pub suspend: bool,
    /// What failures of pods mean.
    pub pod_failure_policy: Option<PodFailurePolicy>,
    /// Which indexes are enough.
    pub success_policy: Option<SuccessPolicy>,
    /// `TerminatingOrFailed` or `Failed`: when a pod is replaced.
    pub pod_replacement_policy: String,
    /// Who looks after it, if not Odeon.
    pub managed_by: Option<String>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods to make, as JSON.
    pub template: Value,
}

/// Rules about failed pods; the first one that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodFailurePolicy {
    /// In order.
    pub rules: Vec<PodFailureRule>,
}

/// When an indexed job has succeeded although not all indexes have; the first rule that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuccessPolicy {
    /// In order.
    pub rules: Vec<SuccessRule>,
}

/// One rule: which indexes, or how many of them, are enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SuccessRule {
    /// `0-2,5`; `None`: any.
    pub succeeded_indexes: Option<String>,
    /// So many of them; `None`: all.
    pub succeeded_count: Option<i32>,
}

/// One rule: what to do with pods that ended like this.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodFailureRule {
    /// `FailJob`, `FailIndex`, `Ignore` or `Count`.
    pub action: String,
    /// A container ended with such a code.
    pub on_exit_codes: Option<ExitCodes>,
    /// The pod has one of these conditions.
    pub on_pod_conditions: Vec<PodConditionPattern>,
}

/// Which exit codes a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExitCodes {
    /// Only this container's.
    pub container_name: Option<String>,
    /// `In` or `NotIn`.
    pub operator: String,
    /// The codes.
    pub values: Vec<i32>,
}

/// A condition that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodConditionPattern {
    /// `DisruptionTarget`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

/// `status` of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JobStatus {
    /// `Complete`, `Failed`, `Suspended`, and what announces the first two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When it was first seen, or last resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Timestamp>,
    /// Pods that run or will run.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub active: i32,
    /// Pods that succeeded and are counted; of an indexed job, indexes.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub succeeded: i32,
    /// Pods that failed and are counted.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub failed: i32,
    /// Pods that are ending because they were deleted.
    pub terminating: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Of an indexed job: `0-2,5`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub completed_indexes: String,
    /// Of an indexed job with a limit per index: the indexes that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_indexes: Option<String>,
    /// Pods that are about to be counted.
    pub uncounted_terminated_pods: UncountedPods,
}

/// Ended pods between two steps of counting: each loses its finalizer only after it is listed here, and leaves this list for the
/// counters only after it has lost it, so none is counted twice and none is missed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UncountedPods {
    /// Uids of succeeded ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub succeeded: Vec<Uid>,
    /// Uids of failed ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Uid>,
}

/// A job that is made again and again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CronJob {
    /// Desired.
    pub spec: CronJobSpec,
    /// Observed.
    pub status: CronJobStatus,
}
resource!(CronJob, "cronjobs.batch", CronJobStatus);

/// `spec` of a cron job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CronJobSpec {
    /// When, in cron's notation; see [`crate::cron`].
    pub schedule: String,
    /// Where the schedule's clock hangs; UTC if nothing is said.
    pub time_zone: Option<String>,
    /// How late a job may start.
    pub starting_deadline_seconds: Option<i64>,
    /// `Allow`, `Forbid` or `Replace`.
    pub concurrency_policy: String,
    /// No jobs for now.
    pub suspend: bool,
    /// How many succeeded jobs are kept.
    pub successful_jobs_history_limit: Option<i32>,
    /// How many failed jobs are kept.
    pub failed_jobs_history_limit: Option<i32>,
    /// The jobs to make, as JSON.
    pub job_template: Value,
}

/// `status` of a cron job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CronJobStatus {
    /// Its jobs that have not finished.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<JobReference>,
    /// The scheduled time of the latest job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Timestamp>,
    /// When a job last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Timestamp>,
}

/// One entry of `status.active`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JobReference {
    /// `batch/v1`.
    pub api_version: String,
    /// `Job`.
    pub kind: String,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Uid,
}

impl Job {
    /// The status of a condition is `True`.
    pub fn has_condition(&self, kind: &str) -> bool {
        let is_true = |condition: &Condition| condition.kind == kind && condition.status == "True";
        self.status.conditions.iter().any(is_true)
    }

    /// It is complete or has failed: nothing of it changes any more.
    pub fn has_finished(&self) -> bool {
        self.has_condition("Complete") || self.has_condition("Failed")
    }
}
