//! The HorizontalPodAutoscaler actor: sets a workload's replicas by what its pods use.

mod pace;
mod recommend;
mod target;

use std::time::Duration;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{AutoscalerStatus, Condition, HorizontalPodAutoscaler};
use api::{Object, Timestamp};
use serde_json::json;

use self::pace::Pace;
use self::recommend::Recommendation;
pub use self::target::Target;
use super::{condition, normal};

/// How often autoscalers look at their gauges.
pub const EVERY: Duration = Duration::from_secs(15);
/// A reading that is older tells nothing about now.
const STALE: Duration = Duration::from_secs(60);

/// Scales workloads.
#[derive(Debug)]
pub struct AutoscalerActor;

impl ResourceActor for AutoscalerActor {
    type Kind = HorizontalPodAutoscaler;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        Vec::new()
    }

    fn decide(me: &Object<HorizontalPodAutoscaler>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        if me.metadata.is_terminating() {
            return Decision::nothing();
        }
        let mut turn = Turn { me, now, status: me.status.clone(), commands: Vec::new() };
        turn.status.observed_generation = Some(me.metadata.generation).filter(|generation| *generation > 0);
        match Target::of(me, world) {
            Ok(target) => turn.scale(&target, world),
            Err(why) => turn.set("AbleToScale", "False", "FailedGetScale", &why),
        }
        Decision {
            commands: turn.commands,
            status: (turn.status != me.status).then_some(turn.status),
            wake_after: Some(EVERY),
        }
    }
}

struct Turn<'a> {
    me: &'a Object<HorizontalPodAutoscaler>,
    now: Timestamp,
    status: AutoscalerStatus,
    commands: Vec<Write>,
}

impl Turn<'_> {
    fn scale(&mut self, target: &Target, world: &World<'_>) {
        let (least, most) = (self.me.spec.min_replicas.unwrap_or(1), self.me.spec.max_replicas);
        self.status.current_replicas = target.replicas;
        self.set(
            "AbleToScale",
            "True",
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        let desired = match target.replicas {
            0 if least != 0 => {
                let why = "scaling is disabled since the replica count of the target is zero";
                self.set("ScalingActive", "False", "ScalingDisabled", why);
                self.status.desired_replicas = 0;
                return;
            }
            replicas if replicas > most => most,
            replicas if replicas < least => least,
            // Without figures everything stays as it is.
            replicas => self.recommended(target, world).unwrap_or(replicas),
        };
        self.status.desired_replicas = desired;
        if desired != target.replicas {
            self.resize(target, desired);
        }
    }

    /// What metrics and pace lead to; `None` if the metrics say nothing.
    fn recommended(&mut self, target: &Target, world: &World<'_>) -> Option<i32> {
        let readings = world.readings(&self.me.metadata.uid);
        let latest = readings.last().filter(|reading| self.now.since(reading.at) <= STALE);
        let recommendation = match latest {
            Some(latest) => recommend::now(&self.me.spec, target, latest),
            None => Err(recommend::Trouble::nothing_measured(&self.me.spec)),
        };
        let Recommendation { replicas, metric, shown } = match recommendation {
            Ok(recommendation) => recommendation,
            Err(trouble) => {
                self.set("ScalingActive", "False", trouble.reason, &trouble.message);
                return None;
            }
        };
        self.status.current_metrics = shown;
        let why = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.set("ScalingActive", "True", "ValidMetricFound", &why);
        let pace = Pace { me: &self.me.spec, target, readings: &readings, now: self.now };
        let stable = pace.stabilized(replicas);
        match stable.cmp(&replicas) {
            std::cmp::Ordering::Greater => self.set(
                "AbleToScale",
                "True",
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            ),
            std::cmp::Ordering::Less => self.set(
                "AbleToScale",
                "True",
                "ScaleUpStabilized",
                "recent recommendations were lower than current one, applying the lowest recent recommendation",
            ),
            std::cmp::Ordering::Equal => {
                self.set("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
            }
        }
        let limited = pace.limited(stable);
        self.set(
            "ScalingLimited",
            if limited.limit.is_some() { "True" } else { "False" },
            limited.reason(),
            limited.message(),
        );
        Some(limited.replicas)
    }

    fn resize(&mut self, target: &Target, desired: i32) {
        let because = match desired > target.replicas {
            true => "its pods use more than they shall, or are too few",
            false => "its pods use less than they shall, or are too many",
        };
        self.status.last_scale_time = Some(self.now);
        let done = format!("the HPA controller was able to update the target scale to {desired}");
        self.set("AbleToScale", "True", "SucceededRescale", &done);
        self.commands.push(Write::Patch {
            key: target.key.clone(),
            seen: target.revision,
            merge: json!({"spec": {"replicas": desired}}),
            subresource_status: false,
            because: format!("the autoscaler {} sets {desired} replicas: {because}", self.me.key.name),
            event: normal("SuccessfulRescale", format!("New size: {desired}; reason: {because}")),
        });
    }

    /// Sets a condition; its time is that of the last change of its status.
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let since = condition(&self.status.conditions, kind)
            .filter(|known| known.status == status)
            .and_then(|known| known.last_transition_time);
        let new = Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: Some(since.unwrap_or(self.now)),
            ..Condition::default()
        };
        match self.status.conditions.iter_mut().find(|known| known.kind == kind) {
            Some(known) => *known = new,
            None => self.status.conditions.push(new),
        }
    }
}

#[cfg(test)]
mod tests;
