//! Judges containers and the pod as a whole by Kubernetes' rules: started, ready, restarted, ended.

use api::Timestamp;

use super::decide::memory;
use super::plan::{ContainerKind, ContainerPlan, PodPlan};
use super::probe::ProbeKind;
use super::state::{ContainerMemory, Ended, HookState, PodState, Sandbox};
use crate::runtime::{ContainerId, RunState};

/// An init container has done its work in this sandbox.
pub fn init_done(memory: &ContainerMemory, sandbox: &ContainerId) -> bool {
    let in_this = memory.current.as_ref().is_some_and(|instance| instance.sandbox.as_ref() == Some(sandbox));
    in_this && memory.exit().is_some_and(|exit| exit.code == 0)
}

/// One of the pod's own containers has run in this sandbox: then every init container had succeeded.
pub fn apps_began(plan: &PodPlan, state: &PodState, sandbox: &ContainerId) -> bool {
    plan.of_kind(ContainerKind::App).any(|container| {
        let instance = memory(state, container).current.as_ref();
        instance.is_some_and(|instance| {
            instance.sandbox.as_ref() == Some(sandbox) && instance.state != RunState::Created
        })
    })
}

/// It runs, its hook after the start is over, and its startup probe, if any, has passed.
pub fn has_started(container: &ContainerPlan, memory: &ContainerMemory) -> bool {
    let hook_done = !container.post_start || memory.post_start == HookState::Done;
    let probed = container.probes.iter().any(|probe| probe.kind == ProbeKind::Startup);
    memory.running_since().is_some()
        && hook_done
        && (!probed || memory.verdict(ProbeKind::Startup) == Some(true))
}

/// It may receive connections; an init container is ready when it has succeeded.
pub fn is_ready(container: &ContainerPlan, memory: &ContainerMemory) -> bool {
    let probed = container.probes.iter().any(|probe| probe.kind == ProbeKind::Readiness);
    match container.kind {
        ContainerKind::Ephemeral => false,
        ContainerKind::Init => memory.exit().is_some_and(|exit| exit.code == 0),
        ContainerKind::Sidecar | ContainerKind::App => {
            has_started(container, memory) && (!probed || memory.verdict(ProbeKind::Readiness) == Some(true))
        }
    }
}

/// It has ended and will run again.
pub fn will_restart(
    container: &ContainerPlan,
    memory: &ContainerMemory,
    sandbox: Option<&ContainerId>,
) -> bool {
    let Some(exit) = memory.exit() else { return false };
    match container.kind {
        ContainerKind::Sidecar => true,
        ContainerKind::Ephemeral => false,
        // Its work was lost with the sandbox.
        ContainerKind::Init if exit.code == 0 => sandbox.is_some_and(|sandbox| !init_done(memory, sandbox)),
        ContainerKind::Init | ContainerKind::App => container.restarts.after(exit.code),
    }
}

/// What the kubelet says of a pod for another operating system.
const FOREIGN: &str = "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS";

/// How the pod has ended, if it has: decided once, and final.
pub fn ended(plan: &PodPlan, state: &PodState, now: Timestamp) -> Option<Ended> {
    if let Some(phase) = plan.status.phase.as_deref().filter(|phase| matches!(*phase, "Succeeded" | "Failed"))
    {
        return Some(Ended {
            succeeded: phase == "Succeeded",
            reason: plan.status.reason.clone(),
            message: plan.status.message.clone(),
        });
    }
    if plan.is_foreign {
        return Some(Ended {
            succeeded: false,
            reason: Some("PodOSNotSupported".to_owned()),
            message: Some(FOREIGN.to_owned()),
        });
    }
    if let (Some(deadline), Some(started)) = (plan.deadline, state.started)
        && now >= started.plus(deadline)
    {
        return Some(Ended {
            succeeded: false,
            reason: Some("DeadlineExceeded".to_owned()),
            message: Some("Pod was active on the node longer than the specified deadline".to_owned()),
        });
    }
    // A pod that is being deleted is judged by what its containers did before they were told to end.
    if !state.observed || state.stop.is_some() || state.fenced {
        return None;
    }
    let sandbox = match &state.sandbox {
        Sandbox::Running { id, .. } | Sandbox::Dead { id } => Some(id),
        Sandbox::Absent => None,
    };
    let over = |container: &ContainerPlan| {
        let memory = memory(state, container);
        let over = memory.busy.is_none() && !will_restart(container, memory, sandbox);
        memory.exit().filter(|_| over)
    };
    let failed_init =
        plan.of_kind(ContainerKind::Init).any(|init| over(init).is_some_and(|exit| exit.code != 0));
    if failed_init {
        return Some(Ended { succeeded: false, reason: None, message: None });
    }
    let mut exits = plan.of_kind(ContainerKind::App).map(over);
    let succeeded = exits.try_fold(true, |all, exit| exit.map(|exit| all && exit.code == 0))?;
    plan.of_kind(ContainerKind::App).next().map(|_| Ended { succeeded, reason: None, message: None })
}

/// The pod's phase.
pub fn phase(plan: &PodPlan, state: &PodState, ended: Option<&Ended>) -> &'static str {
    if let Some(ended) = ended {
        return if ended.succeeded { "Succeeded" } else { "Failed" };
    }
    let sandbox = match &state.sandbox {
        Sandbox::Running { id, .. } | Sandbox::Dead { id } => Some(id),
        Sandbox::Absent => None,
    };
    if !is_initialized(plan, state) && !sandbox.is_some_and(|sandbox| apps_began(plan, state, sandbox)) {
        return "Pending";
    }
    let began = |container: &ContainerPlan| match memory(state, container).current.as_ref() {
        Some(instance) => instance.state != RunState::Created,
        None => false,
    };
    if plan.of_kind(ContainerKind::App).all(began) { "Running" } else { "Pending" }
}

/// Every init container has succeeded, and every sidecar has started.
pub fn is_initialized(plan: &PodPlan, state: &PodState) -> bool {
    plan.containers.iter().all(|container| {
        let memory = memory(state, container);
        match container.kind {
            ContainerKind::Init => memory.exit().is_some_and(|exit| exit.code == 0),
            ContainerKind::Sidecar => has_started(container, memory) || memory.attempts > 1,
            ContainerKind::App | ContainerKind::Ephemeral => true,
        }
    })
}
