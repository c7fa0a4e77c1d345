//! How fast an autoscaler may follow its metrics: stabilisation windows and policies over the readings of the past.

use std::sync::Arc;
use std::time::Duration;

use actor::Reading;
use api::Timestamp;
use api::views::{AutoscalerSpec, ScalingPolicy, ScalingRules};

use super::{Target, recommend};

/// What an autoscaler may do at one moment.
pub(super) struct Pace<'a> {
    /// What it is told.
    pub me: &'a AutoscalerSpec,
    /// What it scales.
    pub target: &'a Target,
    /// The oldest first.
    pub readings: &'a [Arc<Reading>],
    /// The moment.
    pub now: Timestamp,
}

/// A number of replicas, and what kept it from being another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limited {
    /// So many.
    pub replicas: i32,
    /// What kept it from more or fewer.
    pub limit: Option<Limit>,
}

/// What keeps the replicas from being as recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `maxReplicas`.
    Most,
    /// `minReplicas`.
    Least,
    /// The policies for growing.
    Up,
    /// The policies for shrinking.
    Down,
}

impl Pace<'_> {
    /// The recommendation, unless it is higher than the lowest or lower than the highest of its window.
    pub fn stabilized(&self, replicas: i32) -> i32 {
        let window = |rules: &ScalingRules, default: i32| {
            seconds(rules.stabilization_window_seconds.unwrap_or(default))
        };
        let behavior = &self.me.behavior;
        let up = self.past(window(&behavior.scale_up, 0)).fold(replicas, i32::min);
        let down = self.past(window(&behavior.scale_down, 300)).fold(replicas, i32::max);
        self.target.replicas.max(up).min(down)
    }

    /// The recommendations within a window, but for the present one.
    fn past(&self, window: Duration) -> impl Iterator<Item = i32> {
        let before = self.readings.split_last().map(|(_, before)| before).unwrap_or_default();
        let recent = before.iter().filter(move |reading| self.now.since(reading.at) < window);
        recent.filter_map(|reading| recommend::back_then(self.me, self.target, reading))
    }

    /// As far towards `replicas` as policies and bounds allow.
    pub fn limited(&self, replicas: i32) -> Limited {
        let (least, most) = (self.me.min_replicas.unwrap_or(1), self.me.max_replicas);
        let current = self.target.replicas;
        if replicas > current {
            let up = self.highest().max(current);
            let (bound, limit) = if up < most { (up, Limit::Up) } else { (most, Limit::Most) };
            return Limited { replicas: replicas.min(bound), limit: (replicas > bound).then_some(limit) };
        }
        let down = if replicas < current { self.lowest().min(current) } else { i32::MIN };
        let (bound, limit) = if down > least { (down, Limit::Down) } else { (least, Limit::Least) };
        let clamped = replicas.max(bound).min(most);
        let limit = match () {
            () if replicas > most => Some(Limit::Most),
            () if replicas < bound => Some(limit),
            () => None,
        };
        Limited { replicas: clamped, limit }
    }

    fn highest(&self) -> i32 {
        let rules = &self.me.behavior.scale_up;
        let default = [policy("Pods", 4), policy("Percent", 100)];
        let results = || policies(rules, &default).map(|policy| self.reach_up(policy));
        self.select(rules, results().max(), results().min())
    }

    fn reach_up(&self, policy: &ScalingPolicy) -> i32 {
        let start = self.at_start_of(policy);
        match policy.kind.as_str() {
            "Pods" => start.saturating_add(policy.value),
            _ => share(start, 100 + i64::from(policy.value), Rounding::Up),
        }
    }

    fn reach_down(&self, policy: &ScalingPolicy) -> i32 {
        let start = self.at_start_of(policy);
        match policy.kind.as_str() {
            "Pods" => start.saturating_sub(policy.value),
            _ => share(start, 100 - i64::from(policy.value), Rounding::Down),
        }
    }

    fn lowest(&self) -> i32 {
        let rules = &self.me.behavior.scale_down;
        let default = [policy("Percent", 100)];
        let results = || policies(rules, &default).map(|policy| self.reach_down(policy));
        self.select(rules, results().min(), results().max())
    }

    /// `Max` takes the policy that changes most, `Min` the one that changes least, `Disabled` none.
    fn select(&self, rules: &ScalingRules, most: Option<i32>, least: Option<i32>) -> i32 {
        let chosen = match rules.select_policy.as_deref() {
            Some("Disabled") => None,
            Some("Min") => least,
            _ => most,
        };
        chosen.unwrap_or(self.target.replicas)
    }

    /// The replicas at the beginning of a policy's period.
    fn at_start_of(&self, policy: &ScalingPolicy) -> i32 {
        let period = seconds(policy.period_seconds);
        let first = self.readings.iter().find(|reading| self.now.since(reading.at) <= period);
        first.map_or(self.target.replicas, |reading| reading.replicas)
    }
}

impl Limited {
    /// CamelCase, as Kubernetes names it.
    pub fn reason(&self) -> &'static str {
        match self.limit {
            None => "DesiredWithinRange",
            Some(Limit::Most) => "TooManyReplicas",
            Some(Limit::Least) => "TooFewReplicas",
            Some(Limit::Up) => "ScaleUpLimit",
            Some(Limit::Down) => "ScaleDownLimit",
        }
    }

    /// In Kubernetes' words.
    pub fn message(&self) -> &'static str {
        match self.limit {
            None => "the desired count is within the acceptable range",
            Some(Limit::Most) => "the desired replica count is more than the maximum replica count",
            Some(Limit::Least) => "the desired replica count is less than the minimum replica count",
            Some(Limit::Up) => "the desired replica count is increasing faster than the maximum scale rate",
            Some(Limit::Down) => "the desired replica count is decreasing faster than the maximum scale rate",
        }
    }
}

fn policy(kind: &str, value: i32) -> ScalingPolicy {
    ScalingPolicy { kind: kind.into(), value, period_seconds: 15 }
}

fn policies<'a>(
    rules: &'a ScalingRules,
    default: &'a [ScalingPolicy],
) -> impl Iterator<Item = &'a ScalingPolicy> {
    if rules.policies.is_empty() { default.iter() } else { rules.policies.iter() }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

fn share(of: i32, percent: i64, rounding: Rounding) -> i32 {
    let hundredths = i64::from(of).saturating_mul(percent.max(0));
    let result = match rounding {
        Rounding::Up => hundredths.saturating_add(99) / 100,
        Rounding::Down => hundredths / 100,
    };
    i32::try_from(result).unwrap_or(i32::MAX)
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
