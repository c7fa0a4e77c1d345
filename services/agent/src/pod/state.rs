//! What is known of a pod on this node: what the engine listed, what is being done, and what must be remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Timestamp;
use k8s_openapi::api::core::v1 as k8s;

use super::probe::{ProbeKind, ProbeMemory};
use crate::runtime::{ContainerId, Exit, Limits, RunState};

/// The first wait of containers that keep failing, after one immediate restart.
const BACK_OFF_FIRST: Duration = Duration::from_secs(10);
/// The longest wait of containers that keep failing.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(300);
/// A container that ran so long has its failures forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// What is known of a pod.
#[derive(Clone, Debug, Default)]
pub struct PodState {
    /// The engine was listed at least once.
    pub observed: bool,
    /// Somebody wants it to end.
    pub stop: Option<Stop>,
    /// The node's lease is about to end, and this pod must not run without one.
    pub fenced: bool,
    /// Its sandbox.
    pub sandbox: Sandbox,
    /// The sandbox is being made or removed, or its volumes are being filled.
    pub sandbox_busy: bool,
    /// How many sandboxes it had.
    pub sandbox_attempts: u32,
    /// Why there is no sandbox yet.
    pub sandbox_failure: Option<Failure>,
    /// Which configuration the volumes show.
    pub filled: Option<u64>,
    /// Its containers by name.
    pub containers: BTreeMap<Arc<str>, ContainerMemory>,
    /// Engine containers that are older than a container's last two instances, or older sandboxes.
    pub surplus: BTreeSet<ContainerId>,
    /// Surplus that is being removed.
    pub removing: BTreeSet<ContainerId>,
    /// Everything is gone from the node.
    pub cleared: bool,
    /// The pod's last address: its status keeps it when the sandbox is gone.
    pub last_address: Option<IpAddr>,
    /// The node's address.
    pub host_address: Option<String>,
    /// When this node took it.
    pub started: Option<Timestamp>,
    /// It succeeded or failed: that never changes again.
    pub ended: Option<Ended>,
    /// The last computed conditions, for their transition times.
    pub conditions: Vec<k8s::PodCondition>,
    /// What happened and was not reported yet: (severity, reason, message).
    pub events: Vec<(String, String, String)>,
}

/// Somebody wants a pod to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// How long it may take.
    pub grace: Duration,
    /// When it was asked for.
    pub since: Timestamp,
    /// Why, in words.
    pub because: &'static str,
}

/// How a pod ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// All its containers succeeded.
    pub succeeded: bool,
    /// `DeadlineExceeded`, or nothing.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
}

/// A pod's sandbox as the engine has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sandbox {
    /// There is none.
    #[default]
    Absent,
    /// It runs.
    Running {
        /// The engine's name for it.
        id: ContainerId,
        /// The pod's address; `None` on the node's network.
        address: Option<IpAddr>,
    },
    /// It was never started, or has ended: it must be made anew.
    Dead {
        /// The engine's name for it.
        id: ContainerId,
    },
}

/// What is known of one container.
#[derive(Clone, Debug, Default)]
pub struct ContainerMemory {
    /// Its newest instance.
    pub current: Option<Instance>,
    /// The instance before.
    pub previous: Option<Instance>,
    /// What is being done to it.
    pub busy: Option<Busy>,
    /// Why it could not be run.
    pub failure: Option<Failure>,
    /// How many instances there were.
    pub attempts: u32,
    /// Exits in a row that needed a restart.
    pub exits: u32,
    /// It is being ended.
    pub stopping: Option<Stopping>,
    /// Its hook after the start.
    pub post_start: HookState,
    /// Its probes' memory.
    pub probes: BTreeMap<ProbeKind, ProbeMemory>,
    /// The last exit's message for its status.
    pub last_words: Option<String>,
    /// The last change of what it gets of the machine.
    pub resize: Option<Resize>,
}

/// A change of what a running container gets of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// What it is to get.
    pub to: Limits,
    /// Why it could not be done.
    pub failure: Option<Failure>,
}

/// One instance of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The engine's name for it.
    pub id: ContainerId,
    /// Counts instances, from 0: the restart count.
    pub attempt: u32,
    /// What it was made from.
    pub hash: String,
    /// In whose namespaces it was made.
    pub sandbox: Option<ContainerId>,
    /// Its image's name.
    pub image: String,
    /// Its image's content.
    pub image_id: String,
    /// What it gets of the machine.
    pub limits: Limits,
    /// What it does.
    pub state: RunState,
}

/// What is being done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Pulled, made and started.
    Running,
    /// Being given something else of the machine.
    Resizing,
    /// Its hook or signal is on the way.
    Stopping,
    /// It is being removed.
    Removing,
}

/// The end of a container in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopping {
    /// When it is killed.
    pub deadline: Timestamp,
    /// The hook before the end has been run.
    pub hook_done: bool,
    /// The stop signal was sent.
    pub signalled: bool,
    /// SIGKILL was sent, then.
    pub killed: Option<Timestamp>,
}

/// The hook after the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookState {
    /// It has not run.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// It succeeded, or there is none.
    Done,
    /// It failed: the container is killed.
    Failed,
}

/// Why something could not be done, and when it is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// How often in a row.
    pub times: u32,
    /// When it failed.
    pub at: Timestamp,
    /// When to try again.
    pub retry_at: Timestamp,
    /// The configuration it failed with: another one is tried at once.
    pub config_hash: u64,
}

impl Failure {
    /// One more failure in a row, after `before`.
    pub fn after(
        before: Option<&Self>,
        reason: &'static str,
        message: String,
        now: Timestamp,
        config_hash: u64,
    ) -> Self {
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        let wait = match reason {
            "ErrImagePull" | "ErrImageNeverPull" | "RunContainerError" => {
                restart_delay(times.saturating_add(1))
            }
            // These wait for the cluster, not for a registry.
            _ => Duration::from_secs(2),
        };
        Self { reason, message, times, at: now, retry_at: now.plus(wait), config_hash }
    }
}

impl ContainerMemory {
    /// It runs, as far as is known.
    pub fn running_since(&self) -> Option<Timestamp> {
        match self.current.as_ref()?.state {
            RunState::Running { started } => Some(started),
            RunState::Created | RunState::Exited(_) => None,
        }
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<&Exit> {
        match &self.current.as_ref()?.state {
            RunState::Exited(exit) => Some(exit),
            RunState::Created | RunState::Running { .. } => None,
        }
    }

    /// The number of the next instance.
    pub fn next_attempt(&self) -> u32 {
        let known = self.current.as_ref().map_or(0, |instance| instance.attempt.saturating_add(1));
        known.max(self.attempts)
    }

    /// When it may be restarted after it ended: at once the first time, then later and later.
    pub fn restart_at(&self) -> Option<Timestamp> {
        self.exit().map(|exit| exit.finished.plus(restart_delay(self.exits)))
    }

    /// A newly seen exit counts, unless the container ran for long.
    pub fn count_exit(&mut self, exit: &Exit) {
        let ran = exit.finished.since(exit.started);
        self.exits = if ran >= FORGIVEN_AFTER { 1 } else { self.exits.saturating_add(1) };
    }

    /// What a probe has decided.
    pub fn verdict(&self, kind: ProbeKind) -> Option<bool> {
        self.probes.get(&kind).and_then(|probe| probe.verdict)
    }
}

/// 0, 10 s, 20 s, 40 s … 300 s.
pub fn restart_delay(exits: u32) -> Duration {
    match exits {
        0 | 1 => Duration::ZERO,
        more => BACK_OFF_FIRST
            .saturating_mul(1_u32.checked_shl(more - 2).unwrap_or(u32::MAX))
            .min(BACK_OFF_LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_later_ones_wait() {
        let delays: Vec<u64> = (1..=8).map(|exits| restart_delay(exits).as_secs()).collect();
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(restart_delay(u32::MAX).as_secs(), 300);
    }
}
