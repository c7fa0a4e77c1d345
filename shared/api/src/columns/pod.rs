//! Pods as `kubectl get pods` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{flag, int, items, text};
use crate::kinds::Column;

/// Columns of pods.
pub const POD: &[Column] = &[
    NAME,
    shown("Ready", "string", "Containers that are ready, of all containers."),
    shown("Status", "string", "What the pod is doing or why it is not."),
    shown("Restarts", "string", "How often containers were restarted, and when last."),
    AGE,
    wide("IP", "string", "The pod's address."),
    wide("Node", "string", "The node it is bound to."),
    wide("Nominated Node", "string", "The node that is being cleared for it."),
    wide("Readiness Gates", "string", "Extra conditions that hold, of all extra conditions."),
];

/// Cells of a pod.
pub fn pod(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let restarts = match (summary.restarts, summary.last_restart) {
        (0, _) | (_, None) => summary.restarts.to_string(),
        (count, Some(last)) => format!("{count} ({} ago)", super::human_duration(now.since(last))),
    };
    vec![
        name(pod),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.reason),
        json!(restarts),
        age(pod, now),
        json!(or_none(text(pod, "/status/podIP"))),
        json!(or_none(text(pod, "/spec/nodeName"))),
        json!(or_none(text(pod, "/status/nominatedNodeName"))),
        json!(readiness_gates(pod)),
    ]
}

/// What a row says of the containers together.
#[derive(Debug, Default)]
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let phase = [text(pod, "/status/reason"), text(pod, "/status/phase")]
            .into_iter()
            .find(|text| !text.is_empty());
        let mut summary = Self {
            total: items(pod, "/spec/containers").len(),
            reason: phase.unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let gated = |condition: &Value| {
            text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated"
        };
        if items(pod, "/status/conditions").iter().any(gated) {
            summary.reason = "SchedulingGated".into();
        }
        let sidecars = summary.add_init_containers(pod);
        if !sidecars.initializing || condition(pod, "Initialized") == Some("True") {
            summary.add_containers(pod, sidecars);
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
            match text(pod, "/status/reason") {
                "NodeLost" => summary.reason = "Unknown".into(),
                _ if !ended => summary.reason = "Terminating".into(),
                _ => {}
            }
        }
        summary
    }

    /// Counts init containers; the first that has not finished gives the reason.
    fn add_init_containers(&mut self, pod: &Value) -> Sidecars {
        let specs = items(pod, "/spec/initContainers");
        let sidecar = |name: &str| {
            specs.iter().any(|spec| text(spec, "/name") == name && text(spec, "/restartPolicy") == "Always")
        };
        self.total += specs.iter().filter(|spec| text(spec, "/restartPolicy") == "Always").count();
        let mut sidecars = Sidecars::default();
        for (index, status) in items(pod, "/status/initContainerStatuses").iter().enumerate() {
            let restartable = sidecar(text(status, "/name"));
            let restarts = int(status, "/restartCount").unwrap_or(0);
            self.restarts += restarts;
            self.last_restart = self.last_restart.max(finished_last(status));
            if restartable {
                sidecars.restarts += restarts;
                sidecars.last_restart = sidecars.last_restart.max(finished_last(status));
            }
            let terminated = status.pointer("/state/terminated");
            if terminated.is_some_and(|state| int(state, "/exitCode").unwrap_or(0) == 0) {
                continue;
            }
            if restartable && flag(status, "/started") {
                self.ready += usize::from(flag(status, "/ready"));
                continue;
            }
            let waiting = text(status, "/state/waiting/reason");
            self.reason = match terminated {
                Some(state) => format!("Init:{}", ended(state)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{index}/{}", specs.len()),
            };
            sidecars.initializing = true;
            break;
        }
        sidecars
    }

    /// Counts containers; the first one that is not running gives the reason.
    fn add_containers(&mut self, pod: &Value, sidecars: Sidecars) {
        self.restarts = sidecars.restarts;
        self.last_restart = sidecars.last_restart;
        let mut running = false;
        for status in items(pod, "/status/containerStatuses").iter().rev() {
            self.restarts += int(status, "/restartCount").unwrap_or(0);
            self.last_restart = self.last_restart.max(finished_last(status));
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(state) = status.pointer("/state/terminated") {
                self.reason = ended(state);
            } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = condition(pod, "Ready") == Some("True");
            self.reason = if ready { "Running".into() } else { "NotReady".into() };
        }
    }
}

/// Restarts of init containers that keep running beside the others.
#[derive(Clone, Copy, Debug, Default)]
struct Sidecars {
    restarts: i64,
    last_restart: Option<Timestamp>,
    initializing: bool,
}

fn finished_last(status: &Value) -> Option<Timestamp> {
    Timestamp::parse(text(status, "/lastState/terminated/finishedAt"))
}

/// Why a container ended.
fn ended(state: &Value) -> String {
    match (text(state, "/reason"), int(state, "/signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", int(state, "/exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = items(pod, "/status/conditions");
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)
        .map(|condition| text(condition, "/status"))
}

fn readiness_gates(pod: &Value) -> String {
    let gates = items(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let hold =
        gates.iter().filter(|gate| condition(pod, text(gate, "/conditionType")) == Some("True")).count();
    format!("{hold}/{}", gates.len())
}
