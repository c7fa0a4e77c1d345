//! Which pods a node drives out, and when: after their own toleration; those that must be unique not before the node's lease has ended.

use std::sync::Arc;
use std::time::Duration;

use actor::{Propagation, Write};
use api::journal::EventView;
use api::views::{Pod, Taint, Toleration};
use api::{NodeName, Object, Timestamp};

use super::node::{NOT_READY, UNREACHABLE};
use super::standing::Standing;

/// How long a pod that says nothing about a taint stays.
const DEFAULT_TOLERATION: Duration = Duration::from_secs(2);
/// Asks for a pod that must never run twice, not even during a partition.
const UNIQUE: &str = "odeon.dev/unique";

/// What to do about a node's pods now, and when to look again.
#[derive(Debug, Default)]
pub struct Eviction {
    /// Deletions.
    pub commands: Vec<Write>,
    /// The next pod's time.
    pub wake_after: Option<Duration>,
}

/// Decides about all pods of a node.
pub fn evictions(
    node: &NodeName,
    standing: &Standing,
    taints: &[Taint],
    lease_until: Timestamp,
    pods: impl Iterator<Item = Arc<Object<Pod>>>,
    now: Timestamp,
) -> Eviction {
    let mut eviction = Eviction::default();
    let drives_out: Vec<&Taint> = taints.iter().filter(|taint| taint.effect == "NoExecute").collect();
    if drives_out.is_empty() && !standing.is_gone() {
        return eviction;
    }
    for pod in pods {
        let step = match standing.is_gone() {
            true => step_without_agent(&pod, standing, &drives_out, lease_until),
            false => step_with_agent(&pod, standing, &drives_out),
        };
        let Some(Step { at, grace, because }) = step else { continue };
        if at > now {
            let wait = at.since(now);
            eviction.wake_after = Some(eviction.wake_after.map_or(wait, |known| known.min(wait)));
            continue;
        }
        // A unique pod is marked now and looked at again when the lease has ended.
        if grace.is_none() && standing.is_gone() {
            let wait = lease_until.since(now);
            eviction.wake_after = Some(eviction.wake_after.map_or(wait, |known| known.min(wait)));
        }
        eviction.commands.push(delete(node, &pod, grace, because));
    }
    eviction
}

/// What comes next for one pod.
struct Step {
    at: Timestamp,
    /// `Some(0)`: gone at once.
    grace: Option<i64>,
    because: String,
}

/// The agent ends pods and confirms it.
fn step_with_agent(pod: &Object<Pod>, standing: &Standing, taints: &[&Taint]) -> Option<Step> {
    if pod.metadata.is_terminating() || pod.has_ended() {
        return None;
    }
    let (at, taint, tolerated) = due(pod, standing, taints)?;
    Some(Step { at, grace: None, because: says(taint, tolerated) })
}

/// Nobody confirms anything: deletions are finished here.
fn step_without_agent(
    pod: &Object<Pod>,
    standing: &Standing,
    taints: &[&Taint],
    lease_until: Timestamp,
) -> Option<Step> {
    if pod.metadata.is_terminating() {
        // Only finalizers hold it when its grace is zero.
        let held = pod.metadata.deletion_grace_period_seconds == Some(0);
        let because = "its node's agent cannot confirm that it has ended".to_owned();
        let at = if is_unique(pod) { lease_until } else { Timestamp::default() };
        return (!held).then_some(Step { at, grace: Some(0), because });
    }
    if pod.has_ended() {
        return None;
    }
    let (at, taint, tolerated) = due(pod, standing, taints)?;
    let grace = if is_unique(pod) && at < lease_until { None } else { Some(0) };
    Some(Step { at, grace, because: says(taint, tolerated) })
}

/// When the pod has to go, because of which taint, and after how long a toleration. `None`: it may stay.
fn due<'a>(
    pod: &Object<Pod>,
    standing: &Standing,
    taints: &[&'a Taint],
) -> Option<(Timestamp, &'a Taint, Duration)> {
    let each = taints.iter().filter_map(|taint| {
        let tolerated = tolerated_for(taint, &pod.spec.tolerations)?;
        let since = match (taint.key.as_str(), standing) {
            (NOT_READY | UNREACHABLE, Standing::Left(since) | Standing::Lost(since)) => *since,
            _ => taint.time_added.unwrap_or_default(),
        };
        Some((since.plus(tolerated), *taint, tolerated))
    });
    each.min_by_key(|(at, _, _)| *at)
}

/// How long the taint is tolerated; `None` is for ever. Of several tolerations the shortest counts, as in Kubernetes.
fn tolerated_for(taint: &Taint, tolerations: &[Toleration]) -> Option<Duration> {
    let mut matching = tolerations.iter().filter(|toleration| toleration.covers(taint)).peekable();
    if matching.peek().is_none() {
        return Some(DEFAULT_TOLERATION);
    }
    let seconds = matching.filter_map(|toleration| toleration.toleration_seconds).min()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Whether a second one of it must never run.
pub fn is_unique(pod: &Object<Pod>) -> bool {
    pod.metadata.controller().is_some_and(|owner| &*owner.kind == "StatefulSet")
        || pod.metadata.annotations.get(UNIQUE).is_some_and(|value| &**value == "true")
}

fn says(taint: &Taint, tolerated: Duration) -> String {
    format!("its node has the taint {}, which it tolerates for {} s", taint.key, tolerated.as_secs())
}

fn delete(node: &NodeName, pod: &Object<Pod>, grace: Option<i64>, because: String) -> Write {
    let name = format!("{}/{}", pod.key.namespace(), pod.key.name);
    let event = (!pod.metadata.is_terminating()).then(|| EventView {
        severity: "Normal".to_owned(),
        reason: "TaintManagerEviction".to_owned(),
        message: format!("Deleting pod {name} from node {node}: {because}"),
        regarding: Some(pod.key.clone()),
    });
    Write::Delete {
        key: pod.key.clone(),
        uid: pod.metadata.uid.clone(),
        grace,
        propagation: Propagation::Background,
        because,
        event,
    }
}
