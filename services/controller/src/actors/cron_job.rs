//! The CronJob actor: makes a job at each time of a schedule, and keeps some of those that have finished.

mod jobs;

use std::time::Duration;

use actor::{Decision, Propagation, ResourceActor, Wake, World, Write};
use api::cron::Schedule;
use api::json::child;
use api::views::{CronJob, Job};
use api::{Object, ObjectKey, Resource, Timestamp};
use serde_json::{Value, json};

use self::jobs::Jobs;
use super::normal;
use super::ownership::{controller_reference, namespace_ends, references_json};

/// On a job: the time that it was made for.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// Makes the jobs of CronJobs.
#[derive(Debug)]
pub struct CronJobActor;

impl ResourceActor for CronJobActor {
    type Kind = CronJob;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::Owned(Job::ID)]
    }

    fn decide(me: &Object<CronJob>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let jobs = Jobs::observe(me, world);
        let status = jobs.status(&me.status);
        let mut commands = jobs.surplus(&me.spec, me.status.last_schedule_time);
        let mut wake_after = None;
        let rests =
            me.metadata.is_terminating() || me.spec.suspend || namespace_ends(world, me.key.namespace());
        if !rests && let Some(schedule) = schedule_of(me) {
            let since = status.last_schedule_time.unwrap_or(me.metadata.creation_timestamp);
            if let Some(due) = due(me, &schedule, since, now) {
                commands.extend(run(me, &jobs, &schedule, due));
            }
            wake_after = schedule.next(now).map(|next| next.since(now));
        }
        Decision { commands, status: (status != me.status).then_some(status), wake_after }
    }
}

/// The schedule by the clock that it names. The gateway lets no other pass; one that cannot be read makes nothing.
fn schedule_of(me: &Object<CronJob>) -> Option<Schedule> {
    let schedule = Schedule::parse(&me.spec.schedule).ok()?;
    match me.spec.time_zone.as_deref() {
        Some(zone) => schedule.in_zone(zone),
        None => Some(schedule),
    }
}

/// The latest time since the last job that is not too long ago. Times before it are skipped.
fn due(me: &Object<CronJob>, schedule: &Schedule, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let latest = schedule.latest(since, now)?;
    let deadline = me.spec.starting_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    deadline.is_none_or(|seconds| now.since(latest) <= Duration::from_secs(seconds)).then_some(latest)
}

/// Makes the job of a time, as far as those that run allow it. The status notes the time when the job is there to be seen.
fn run(me: &Object<CronJob>, jobs: &Jobs, schedule: &Schedule, due: Timestamp) -> Vec<Write> {
    let mut writes = Vec::new();
    match me.spec.concurrency_policy.as_str() {
        "Forbid" if !jobs.active.is_empty() => return writes,
        "Replace" => {
            writes.extend(jobs.active.iter().map(|job| delete(job, "a newer job replaces it")));
        }
        _ => {}
    }
    let name = name_of(me, due);
    writes.push(Write::Create {
        key: ObjectKey::namespaced(Job::ID, me.key.namespace(), &name),
        object: job(me, &name, &schedule.local_text(due)),
        because: format!("it is scheduled for {due}"),
        event: normal("SuccessfulCreate", format!("Created job {name}")),
    });
    writes
}

/// A function of the scheduled minute: deciding twice asks for the same job twice.
fn name_of(me: &Object<CronJob>, scheduled: Timestamp) -> String {
    format!("{}-{}", me.key.name, scheduled.0.div_euclid(60_000_000))
}

fn job(me: &Object<CronJob>, name: &str, scheduled: &str) -> Value {
    let template = &me.spec.job_template;
    let mut object = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": me.key.namespace(),
            "ownerReferences": references_json(&[controller_reference("batch/v1", "CronJob", &me.metadata)]),
        },
        "spec": template.get("spec").cloned().unwrap_or_default(),
    });
    let Some(metadata) = child(&mut object, "metadata") else { return object };
    for field in ["labels", "annotations"] {
        let value = template.pointer("/metadata").and_then(|metadata| metadata.get(field));
        metadata.insert(field.into(), value.filter(|value| value.is_object()).cloned().unwrap_or(json!({})));
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.insert(SCHEDULED.into(), json!(scheduled));
    }
    object
}

fn delete(job: &Object<Job>, because: &str) -> Write {
    Write::Delete {
        key: job.key.clone(),
        uid: job.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: because.into(),
        event: normal("SuccessfulDelete", format!("Deleted job {}", job.key.name)),
    }
}

#[cfg(test)]
mod tests;
