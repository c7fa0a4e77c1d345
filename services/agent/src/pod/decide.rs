//! Decides what a pod needs next: pure, from what it wants and what is known of it.

use std::sync::Arc;
use std::time::Duration;

use api::Timestamp;
use k8s_openapi::api::core::v1 as k8s;

use super::lifecycle::{self, Want};
use super::phase;
use super::plan::{ContainerKind, ContainerPlan, PodPlan};
use super::probe::ProbeKind;
use super::state::{ContainerMemory, Ended, PodState, Sandbox, Stop};
use super::status;
use crate::runtime::{ContainerId, Limits, RunState};

/// One thing to do. Complete and idempotent: the executor chooses nothing, and doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq)]
pub enum PodOp {
    /// Make the volumes and the sandbox, start it, fill the volumes.
    CreateSandbox {
        /// Counts the pod's sandboxes.
        attempt: u32,
    },
    /// Remove a sandbox.
    RemoveSandbox {
        /// Which.
        id: ContainerId,
    },
    /// Write the current configuration into the volumes.
    FillVolumes {
        /// The sandbox that has them mounted.
        id: ContainerId,
    },
    /// Pull if needed, create and start an instance of a container.
    Run {
        /// The container.
        container: Arc<str>,
        /// Which instance.
        attempt: u32,
        /// In whose namespaces.
        sandbox: ContainerId,
    },
    /// Start an instance that was created.
    Start {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
    },
    /// Run the hook after the start.
    PostStart {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
    },
    /// Ask a probe.
    Probe {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
        /// Which probe.
        kind: ProbeKind,
    },
    /// Change what an instance gets of the machine.
    Resize {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
        /// What it is to get.
        limits: Limits,
    },
    /// Run the hook before the end.
    PreStop {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
        /// How long everything up to the end may take.
        grace: Duration,
    },
    /// Send the stop signal.
    Terminate {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
        /// How long it may take to end.
        grace: Duration,
    },
    /// Send SIGKILL.
    Kill {
        /// The container.
        container: Arc<str>,
        /// The instance.
        id: ContainerId,
    },
    /// Remove an instance that nobody needs.
    Remove {
        /// The instance.
        id: ContainerId,
    },
    /// Remove everything of the pod from the node.
    Clear,
}

/// A thing to do, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub op: PodOp,
    /// Why, in words.
    pub because: String,
}

impl Step {
    /// `run web: it has never run`.
    pub fn describe(&self) -> String {
        let because = &self.because;
        match &self.op {
            PodOp::CreateSandbox { .. } => format!("create sandbox: {because}"),
            PodOp::RemoveSandbox { .. } => format!("remove sandbox: {because}"),
            PodOp::FillVolumes { .. } => format!("fill volumes: {because}"),
            PodOp::Run { container, attempt: 0, .. } => format!("run {container}: {because}"),
            PodOp::Run { container, attempt, .. } => format!("run {container} again ({attempt}): {because}"),
            PodOp::Start { container, .. } => format!("start {container}: {because}"),
            PodOp::PostStart { container, .. } => format!("run postStart hook of {container}: {because}"),
            PodOp::Probe { container, kind, .. } => {
                format!("ask {} probe of {container}: {because}", kind.name())
            }
            PodOp::Resize { container, .. } => format!("resize {container}: {because}"),
            PodOp::PreStop { container, .. } => format!("run preStop hook of {container}: {because}"),
            PodOp::Terminate { container, .. } => format!("terminate {container}: {because}"),
            PodOp::Kill { container, .. } => format!("kill {container}: {because}"),
            PodOp::Remove { .. } => format!("remove an old container: {because}"),
            PodOp::Clear => format!("remove everything: {because}"),
        }
    }
}

/// What follows from what is known.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do now; all of it may be done at the same time.
    pub steps: Vec<Step>,
    /// The complete status.
    pub status: k8s::PodStatus,
    /// How the pod ended, once it has.
    pub ended: Option<Ended>,
    /// When to decide again if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

/// What the pod is to do as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// Run.
    Run,
    /// End, and leave nothing.
    Stop(Stop),
    /// Not run while the node has no lease.
    Fence,
    /// It has ended; what is left of it ends, its logs stay.
    Rest,
}

/// Steps and the earliest time to look again, as they are gathered.
#[derive(Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
    wake_at: Option<Timestamp>,
}

impl Steps {
    /// Do this.
    pub fn push(&mut self, op: PodOp, because: impl Into<String>) {
        self.steps.push(Step { op, because: because.into() });
    }

    /// Look again then.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

/// Decides.
pub fn decide(plan: &PodPlan, state: &PodState, now: Timestamp) -> Decision {
    let ended = state.ended.clone().or_else(|| phase::ended(plan, state, now));
    let mut steps = Steps::default();
    match (goal(state, ended.as_ref()), &state.sandbox) {
        // Until the engine was asked nothing is known, and nothing may be concluded.
        _ if !state.observed => {}
        (Goal::Run, Sandbox::Running { id, .. }) => run(plan, state, id, now, &mut steps),
        (Goal::Run, Sandbox::Dead { .. } | Sandbox::Absent) => renew_sandbox(plan, state, now, &mut steps),
        (Goal::Stop(stop), _) => end(plan, state, &stop, now, &mut steps),
        (Goal::Fence, _) => kill_all(state, "the node's lease is about to end", &mut steps),
        (Goal::Rest, sandbox) => rest(plan, state, sandbox, now, &mut steps),
    }
    remove_surplus(state, &mut steps);
    if let (Some(deadline), Some(started), None) = (plan.deadline, state.started, &ended) {
        steps.wake_at(started.plus(deadline));
    }
    let status = status::compute(plan, state, ended.as_ref(), now, &mut steps);
    Decision { steps: steps.steps, status, ended, wake_at: steps.wake_at }
}

fn goal(state: &PodState, ended: Option<&Ended>) -> Goal {
    match (&state.stop, state.fenced, ended) {
        (Some(stop), _, _) => Goal::Stop(stop.clone()),
        (None, _, Some(_)) => Goal::Rest,
        (None, true, None) => Goal::Fence,
        (None, false, None) => Goal::Run,
    }
}

fn run(plan: &PodPlan, state: &PodState, sandbox: &ContainerId, now: Timestamp, steps: &mut Steps) {
    if plan.volumes && state.filled != Some(plan.config_hash) && !state.sandbox_busy {
        match &state.sandbox_failure {
            Some(failure) if failure.config_hash == plan.config_hash && failure.retry_at > now => {
                steps.wake_at(failure.retry_at);
            }
            Some(_) | None => {
                steps.push(
                    PodOp::FillVolumes { id: sandbox.clone() },
                    "its volumes do not show the current configuration",
                );
            }
        }
    }
    // What runs may go on with yesterday's files; nothing starts without any.
    let empty = plan.volumes && state.filled.is_none();
    for (container, want) in wants(plan, state, sandbox) {
        if empty && memory(state, container).running_since().is_none() {
            continue;
        }
        lifecycle::next(plan, container, memory(state, container), &want, sandbox, now, steps);
    }
}

/// Which containers are to run: init containers one after the other, then the rest.
fn wants<'a>(plan: &'a PodPlan, state: &PodState, sandbox: &ContainerId) -> Vec<(&'a ContainerPlan, Want)> {
    let apps_began = phase::apps_began(plan, state, sandbox);
    let mut blocked = false;
    plan.containers
        .iter()
        .map(|container| {
            let memory = memory(state, container);
            let want = match (container.kind, blocked) {
                (ContainerKind::Ephemeral, _) => Want::Run,
                (_, true) => Want::Wait,
                (ContainerKind::App, false) => Want::Run,
                (ContainerKind::Init, false) if apps_began || phase::init_done(memory, sandbox) => Want::Wait,
                (ContainerKind::Init, false) => {
                    blocked = true;
                    Want::Run
                }
                (ContainerKind::Sidecar, false) => {
                    blocked = !apps_began && !phase::has_started(container, memory);
                    Want::Run
                }
            };
            (container, want)
        })
        .collect()
}

/// Without a running sandbox nothing of the pod has a network: what still runs is killed, and the sandbox is made anew.
fn renew_sandbox(plan: &PodPlan, state: &PodState, now: Timestamp, steps: &mut Steps) {
    if any_running(state) {
        return kill_all(state, "the pod's sandbox has died", steps);
    }
    if state.sandbox_busy {
        return;
    }
    match (&state.sandbox, &state.sandbox_failure) {
        (Sandbox::Dead { id }, _) => {
            steps.push(PodOp::RemoveSandbox { id: id.clone() }, "the sandbox has died")
        }
        (_, Some(failure)) if failure.retry_at > now && failure.config_hash == plan.config_hash => {
            steps.wake_at(failure.retry_at);
        }
        (Sandbox::Absent | Sandbox::Running { .. }, _) => {
            steps.push(PodOp::CreateSandbox { attempt: state.sandbox_attempts }, "the pod has no sandbox");
        }
    }
}

/// Ends everything in order and leaves nothing: the containers, then the sidecars in reverse, then the sandbox and the volumes.
fn end(plan: &PodPlan, state: &PodState, stop: &Stop, now: Timestamp, steps: &mut Steps) {
    stop_members(plan, state, stop, now, steps);
    let idle = !state.sandbox_busy && state.containers.values().all(|memory| memory.busy.is_none());
    if !any_running(state) && idle && !state.cleared {
        match &state.sandbox_failure {
            Some(failure) if failure.reason == "FailedKillPod" && failure.retry_at > now => {
                steps.wake_at(failure.retry_at);
            }
            Some(_) | None => steps.push(PodOp::Clear, stop.because),
        }
    }
}

/// The pod has ended: what still runs is stopped and the sandbox goes; the containers stay for their logs.
fn rest(plan: &PodPlan, state: &PodState, sandbox: &Sandbox, now: Timestamp, steps: &mut Steps) {
    if any_running(state) {
        let stop = Stop { grace: plan.grace, since: now, because: "the pod has ended" };
        return stop_members(plan, state, &stop, now, steps);
    }
    match sandbox {
        Sandbox::Absent => {}
        Sandbox::Running { .. } | Sandbox::Dead { .. } if state.sandbox_busy => {}
        Sandbox::Running { id, .. } | Sandbox::Dead { id } => {
            steps.push(PodOp::RemoveSandbox { id: id.clone() }, "the pod has ended");
        }
    }
}

fn stop_members(plan: &PodPlan, state: &PodState, stop: &Stop, now: Timestamp, steps: &mut Steps) {
    let Some(sandbox) = sandbox_id(state) else { return kill_all(state, stop.because, steps) };
    let mut blocked = false;
    let late = now >= stop.since.plus(stop.grace);
    let sidecars = plan.of_kind(ContainerKind::Sidecar).rev();
    let others = plan.containers.iter().filter(|container| container.kind != ContainerKind::Sidecar);
    let running = |container: &ContainerPlan| memory(state, container).running_since().is_some();
    let others_run = others.clone().any(running);
    let want = Want::Stop(stop.clone());
    let end = |container: &ContainerPlan, steps: &mut Steps| {
        lifecycle::next(plan, container, memory(state, container), &want, sandbox, now, steps);
    };
    for container in others {
        end(container, steps);
    }
    for container in sidecars {
        if !blocked && (!others_run || late) {
            end(container, steps);
        }
        blocked |= running(container) && !late;
    }
    if any_running(state) {
        steps.wake_at(stop.since.plus(stop.grace).max(now.plus(Duration::from_millis(100))));
    }
}

/// Containers run without the sandbox that they belong to, or must end this moment.
fn kill_all(state: &PodState, because: &str, steps: &mut Steps) {
    for (name, memory) in &state.containers {
        let Some(instance) = memory.current.as_ref() else { continue };
        let being_killed = memory.stopping.as_ref().is_some_and(|stopping| stopping.killed.is_some());
        if matches!(instance.state, RunState::Running { .. }) && !being_killed {
            steps.push(PodOp::Kill { container: Arc::clone(name), id: instance.id.clone() }, because);
        }
    }
}

/// Only an instance and the one before it are kept.
fn remove_surplus(state: &PodState, steps: &mut Steps) {
    for id in state.surplus.difference(&state.removing) {
        steps.push(PodOp::Remove { id: id.clone() }, "a newer instance has replaced it");
    }
}

fn sandbox_id(state: &PodState) -> Option<&ContainerId> {
    match &state.sandbox {
        Sandbox::Running { id, .. } | Sandbox::Dead { id } => Some(id),
        Sandbox::Absent => None,
    }
}

fn any_running(state: &PodState) -> bool {
    state.containers.values().any(|memory| memory.running_since().is_some())
}

/// A container of which nothing is known yet is like one that was never made.
pub fn memory<'a>(state: &'a PodState, container: &ContainerPlan) -> &'a ContainerMemory {
    static NOTHING: std::sync::LazyLock<ContainerMemory> = std::sync::LazyLock::new(ContainerMemory::default);
    state.containers.get(&container.name).unwrap_or(&NOTHING)
}
