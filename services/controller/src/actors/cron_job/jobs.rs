//! The jobs of one cron job as they are now.

use std::cmp::Reverse;
use std::sync::Arc;

use actor::{World, Write};
use api::views::{Condition, CronJob, CronJobSpec, CronJobStatus, Job, JobReference};
use api::{Object, Timestamp};

use super::{SCHEDULED, delete};
use crate::actors::condition;

/// Jobs that were made by schedule; those that someone made by hand run beside them and count for nothing but success.
pub(super) struct Jobs {
    /// Those that have not finished, the oldest first.
    pub active: Vec<Arc<Object<Job>>>,
    /// Those that have finished, the youngest first.
    finished: Vec<Arc<Object<Job>>>,
    /// The latest time for which there is a job.
    latest: Option<Timestamp>,
}

impl Jobs {
    /// Looks at the jobs that the cron job controls.
    pub fn observe(me: &Object<CronJob>, world: &World<'_>) -> Self {
        let mut all: Vec<_> = world.controlled_by::<Job>(&me.metadata.uid).collect();
        all.sort_by_key(|job| (job.metadata.creation_timestamp, job.key.clone()));
        let latest = all.iter().filter_map(|job| scheduled(job)).max();
        let (mut finished, mut active): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|job| job.has_finished());
        active.retain(|job| scheduled(job).is_some() && !job.metadata.is_terminating());
        finished.sort_by_key(|job| (Reverse(job.status.start_time), Reverse(job.key.clone())));
        Self { active, finished, latest }
    }

    /// What is to be said of them, starting from what was said before.
    pub fn status(&self, before: &CronJobStatus) -> CronJobStatus {
        let succeeded = self.finished.iter().filter_map(|job| ended(job, "Complete")).max();
        CronJobStatus {
            active: self.active.iter().map(|job| reference(job)).collect(),
            last_schedule_time: before.last_schedule_time.max(self.latest),
            last_successful_time: before.last_successful_time.max(succeeded),
        }
    }

    /// Deletes the oldest finished jobs beyond the limits. A job whose time is not noted yet stays, for else it would be made again.
    pub fn surplus(&self, spec: &CronJobSpec, noted: Option<Timestamp>) -> Vec<Write> {
        let beyond = |kind: &'static str, limit: Option<i32>| {
            let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
            self.finished.iter().filter(move |job| ended(job, kind).is_some()).skip(limit)
        };
        let succeeded = beyond("Complete", spec.successful_jobs_history_limit);
        let failed = beyond("Failed", spec.failed_jobs_history_limit);
        let surplus = succeeded.chain(failed).filter(|job| !job.metadata.is_terminating());
        let noted = surplus.filter(|job| scheduled(job).is_none_or(|time| Some(time) <= noted));
        noted.map(|job| delete(job, "the history is longer than its limit")).collect()
    }
}

/// The time for which a job was made, if it was made by schedule.
fn scheduled(job: &Object<Job>) -> Option<Timestamp> {
    Timestamp::parse(job.metadata.annotations.get(SCHEDULED)?)
}

/// When a job came to this end.
fn ended(job: &Job, kind: &str) -> Option<Timestamp> {
    let end: &Condition = condition(&job.status.conditions, kind).filter(|end| end.status == "True")?;
    end.last_transition_time
}

fn reference(job: &Object<Job>) -> JobReference {
    JobReference {
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        namespace: job.key.namespace().into(),
        name: Arc::clone(&job.key.name),
        uid: job.metadata.uid.clone(),
    }
}
