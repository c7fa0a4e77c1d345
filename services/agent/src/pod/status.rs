//! Computes a pod's complete status, as Kubernetes' kubelet would report it.

use std::time::Duration;

use api::Timestamp;
use api::messages::AGENT_CONDITIONS;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff;

use super::decide::{Steps, memory};
use super::phase;
use super::plan::{ContainerKind, ContainerPlan, PodPlan};
use super::state::{ContainerMemory, Ended, Failure, Instance, PodState, Sandbox};
use crate::runtime::{Exit, RunState};

/// A failed pull is shown as what it was for a moment, and then as what follows from it.
const ERROR_SHOWN_FOR: Duration = Duration::from_secs(1);

/// The status, and when it changes by itself.
pub fn compute(
    plan: &PodPlan,
    state: &PodState,
    ended: Option<&Ended>,
    now: Timestamp,
    steps: &mut Steps,
) -> k8s::PodStatus {
    let initialized = phase::is_initialized(plan, state);
    let mut statuses = |kinds: &[ContainerKind], init: bool| -> Option<Vec<k8s::ContainerStatus>> {
        // Of a pod that was rejected there is nothing to tell.
        let told = plan.containers.iter().filter(|_| !plan.is_foreign);
        let wanted = told.filter(|container| kinds.contains(&container.kind));
        let all: Vec<_> = wanted
            .map(|container| {
                Container { plan, state, container, now, initialized: init || initialized }.status(steps)
            })
            .collect();
        (!all.is_empty()).then_some(all)
    };
    let init_container_statuses = statuses(&[ContainerKind::Init, ContainerKind::Sidecar], true);
    let container_statuses = statuses(&[ContainerKind::App], false);
    let ephemeral_container_statuses = statuses(&[ContainerKind::Ephemeral], true);
    let address = match &state.sandbox {
        Sandbox::Running { address, .. } => {
            address.map(|address| address.to_string()).or_else(|| plan.host_address(state))
        }
        Sandbox::Absent | Sandbox::Dead { .. } if ended.is_some() || state.stop.is_some() => {
            state.last_address.map(|address| address.to_string()).or_else(|| plan.status.pod_ip.clone())
        }
        Sandbox::Absent | Sandbox::Dead { .. } => None,
    };
    let host = state.host_address.clone();
    k8s::PodStatus {
        phase: Some(phase::phase(plan, state, ended).to_owned()),
        reason: ended.and_then(|ended| ended.reason.clone()),
        message: ended.and_then(|ended| ended.message.clone()),
        conditions: Some(conditions(plan, state, ended, now)),
        host_ip: host.clone(),
        host_ips: host.map(|ip| vec![k8s::HostIP { ip }]),
        pod_ip: address.clone(),
        pod_ips: address.map(|ip| vec![k8s::PodIP { ip }]),
        start_time: state.started.map(time),
        qos_class: Some(plan.qos.to_owned()),
        init_container_statuses,
        container_statuses,
        ephemeral_container_statuses,
        observed_generation: (plan.generation > 0).then_some(plan.generation),
        nominated_node_name: None,
        ..Default::default()
    }
}

impl PodPlan {
    /// The pod's address if it shares the node's.
    fn host_address(&self, state: &PodState) -> Option<String> {
        state.host_address.clone().filter(|_| self.host_network)
    }
}

/// A time in whole seconds, as `metav1.Time` has it.
pub fn time(at: Timestamp) -> Time {
    Time(jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)).unwrap_or_default())
}

/// One container, about to be described.
struct Container<'a> {
    plan: &'a PodPlan,
    state: &'a PodState,
    container: &'a ContainerPlan,
    now: Timestamp,
    /// It may run now.
    initialized: bool,
}

impl Container<'_> {
    fn status(&self, steps: &mut Steps) -> k8s::ContainerStatus {
        let memory = memory(self.state, self.container);
        let current = memory.current.as_ref();
        let last = memory.previous.as_ref();
        let (state, last) = match current.map(|instance| (instance, &instance.state)) {
            Some((_, RunState::Running { started })) => {
                (running(*started), last.and_then(|last| terminated(last, None)))
            }
            Some((instance, RunState::Exited(exit))) => match self.waiting_to_restart(memory, exit, steps) {
                Some(waiting) => (waiting, terminated(instance, memory.last_words.as_deref())),
                None => {
                    let over = terminated(instance, memory.last_words.as_deref()).unwrap_or_default();
                    (over, last.and_then(|last| terminated(last, None)))
                }
            },
            Some((_, RunState::Created)) | None => {
                (self.waiting(memory, steps), last.and_then(|last| terminated(last, None)))
            }
        };
        let restarts = current.map_or(memory.attempts.saturating_sub(1), |instance| instance.attempt);
        k8s::ContainerStatus {
            name: self.container.name.to_string(),
            image: self.container.image.to_string(),
            image_id: current.map(|instance| instance.image_id.clone()).unwrap_or_default(),
            container_id: current.map(|instance| format!("docker://{}", instance.id)),
            ready: phase::is_ready(self.container, memory),
            started: Some(phase::has_started(self.container, memory)),
            restart_count: i32::try_from(restarts).unwrap_or(i32::MAX),
            state: Some(state),
            last_state: Some(last.unwrap_or_default()),
            resources: Some(self.resources(memory)),
            allocated_resources: self
                .container
                .resources
                .as_ref()
                .and_then(|resources| resources.requests.clone()),
            ..Default::default()
        }
    }

    /// What it gets of the machine now: until a change is done, what it got before.
    fn resources(&self, memory: &ContainerMemory) -> k8s::ResourceRequirements {
        let pending = is_resizing(self.container, memory).then(|| {
            let status = &self.plan.status;
            let mut all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
            all.find(|known| known.name == *self.container.name)?.resources.clone()
        });
        let wanted = || self.container.resources.as_deref().cloned().unwrap_or_default();
        pending.flatten().unwrap_or_else(wanted)
    }

    /// It has never run, or cannot.
    fn waiting(&self, memory: &ContainerMemory, steps: &mut Steps) -> k8s::ContainerState {
        match (&memory.failure, self.initialized) {
            (Some(failure), _) => self.failed(failure, steps),
            (None, false) => waiting("PodInitializing", None),
            (None, true) => {
                let has_inits =
                    self.plan.containers.iter().any(|container| {
                        matches!(container.kind, ContainerKind::Init | ContainerKind::Sidecar)
                    });
                let waits = has_inits && self.container.kind != ContainerKind::Ephemeral;
                waiting(if waits { "PodInitializing" } else { "ContainerCreating" }, None)
            }
        }
    }

    fn failed(&self, failure: &Failure, steps: &mut Steps) -> k8s::ContainerState {
        let shown_until = failure.at.plus(ERROR_SHOWN_FOR);
        match failure.reason {
            "ErrImagePull" if self.now < shown_until => {
                steps.wake_at(shown_until);
                waiting("ErrImagePull", Some(failure.message.clone()))
            }
            "ErrImagePull" => {
                let message =
                    format!("Back-off pulling image \"{}\": {}", self.container.image, failure.message);
                waiting("ImagePullBackOff", Some(message))
            }
            reason => waiting(reason, Some(failure.message.clone())),
        }
    }

    /// It has ended and waits for its restart, which is not allowed yet or has failed.
    fn waiting_to_restart(
        &self,
        memory: &ContainerMemory,
        exit: &Exit,
        steps: &mut Steps,
    ) -> Option<k8s::ContainerState> {
        if self.state.stop.is_some() || !phase::will_restart(self.container, memory, None) {
            return None;
        }
        if let Some(failure) = &memory.failure {
            return Some(self.failed(failure, steps));
        }
        let delay = memory.restart_at()?.since(exit.finished);
        if delay.is_zero() || memory.busy.is_some() {
            return None;
        }
        let pod = &self.plan.pod;
        let message = format!(
            "back-off {}s restarting failed container={} pod={}_{}({})",
            delay.as_secs(),
            self.container.name,
            pod.name,
            pod.namespace,
            pod.uid
        );
        Some(waiting("CrashLoopBackOff", Some(message)))
    }
}

fn running(started: Timestamp) -> k8s::ContainerState {
    let running = k8s::ContainerStateRunning { started_at: Some(time(started)) };
    k8s::ContainerState { running: Some(running), ..Default::default() }
}

fn waiting(reason: &str, message: Option<String>) -> k8s::ContainerState {
    let waiting = k8s::ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    k8s::ContainerState { waiting: Some(waiting), ..Default::default() }
}

fn terminated(instance: &Instance, last_words: Option<&str>) -> Option<k8s::ContainerState> {
    let RunState::Exited(exit) = &instance.state else { return None };
    let message = Some(exit.message.clone()).filter(|message| !message.is_empty());
    let terminated = k8s::ContainerStateTerminated {
        exit_code: exit.code,
        reason: Some(exit.reason.to_owned()),
        message: last_words.map(str::to_owned).or(message),
        started_at: Some(time(exit.started)),
        finished_at: Some(time(exit.finished)),
        container_id: Some(format!("docker://{}", instance.id)),
        signal: None,
    };
    Some(k8s::ContainerState { terminated: Some(terminated), ..Default::default() })
}

/// What a condition says, and why.
type Judgement = (bool, Option<&'static str>, Option<String>);

fn conditions(
    plan: &PodPlan,
    state: &PodState,
    ended: Option<&Ended>,
    now: Timestamp,
) -> Vec<k8s::PodCondition> {
    let sandbox = matches!(state.sandbox, Sandbox::Running { .. });
    let succeeded = ended.is_some_and(|ended| ended.succeeded);
    let containers = containers_ready(plan, state, succeeded, ended.is_some());
    let ready = match (containers.0, missing_gates(plan)) {
        (true, missing) if !missing.is_empty() => {
            let message = format!("the status of pod readiness gate {} is not \"True\"", missing.join(", "));
            (false, Some("ReadinessGatesNotReady"), Some(message))
        }
        (true | false, _) => containers.clone(),
    };
    let own = [
        ("PodReadyToStartContainers", (sandbox, None, None)),
        ("Initialized", initialized(plan, state, succeeded)),
        ("Ready", ready),
        ("ContainersReady", containers),
    ];
    let kept = plan.status.conditions.iter().flatten();
    let kept = kept.filter(|condition| !AGENT_CONDITIONS.contains(&condition.type_.as_str()));
    let own = own.into_iter().chain(pending(plan)).chain(resizing(plan, state));
    let own = own.map(|(kind, judgement)| condition(plan, state, kind, judgement, now));
    own.chain(kept.cloned()).collect()
}

fn condition(
    plan: &PodPlan,
    state: &PodState,
    kind: &str,
    judgement: Judgement,
    now: Timestamp,
) -> k8s::PodCondition {
    let (holds, reason, message) = judgement;
    let status = if holds { "True" } else { "False" };
    let before = state
        .conditions
        .iter()
        .chain(plan.status.conditions.iter().flatten())
        .find(|condition| condition.type_ == kind)
        .filter(|condition| condition.status == status);
    let since =
        before.and_then(|condition| condition.last_transition_time.clone()).unwrap_or_else(|| time(now));
    k8s::PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        message,
        last_transition_time: Some(since),
        observed_generation: (plan.generation > 0).then_some(plan.generation),
        ..Default::default()
    }
}

fn is_resizing(container: &ContainerPlan, memory: &ContainerMemory) -> bool {
    let current = memory.current.as_ref().filter(|_| memory.running_since().is_some());
    current.is_some_and(|instance| instance.limits != container.limits)
}

/// Resources that there is no room for.
fn pending(plan: &PodPlan) -> Option<(&'static str, Judgement)> {
    let pending = plan.resize_pending.as_ref()?;
    Some(("PodResizePending", (true, Some(pending.reason), Some(pending.message.clone()))))
}

/// Running containers that do not get what they ask for yet.
fn resizing(plan: &PodPlan, state: &PodState) -> Option<(&'static str, Judgement)> {
    let mut pending = plan.containers.iter().map(|container| (container, memory(state, container)));
    let (_, memory) = pending.find(|(container, memory)| is_resizing(container, memory))?;
    let failure = memory.resize.as_ref().and_then(|resize| resize.failure.as_ref());
    let message = failure.map(|failure| failure.message.clone());
    Some(("PodResizeInProgress", (true, failure.map(|_| "Error"), message)))
}

fn initialized(plan: &PodPlan, state: &PodState, succeeded: bool) -> Judgement {
    if succeeded {
        return (true, Some("PodCompleted"), None);
    }
    let incomplete: Vec<&str> = plan
        .containers
        .iter()
        .filter(|container| match container.kind {
            ContainerKind::Init => !phase::is_ready(container, memory(state, container)),
            ContainerKind::Sidecar => !phase::has_started(container, memory(state, container)),
            ContainerKind::App | ContainerKind::Ephemeral => false,
        })
        .map(|container| &*container.name)
        .collect();
    match incomplete.is_empty() || phase::is_initialized(plan, state) {
        true => (true, None, None),
        false => {
            let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
            (false, Some("ContainersNotInitialized"), Some(message))
        }
    }
}

fn containers_ready(plan: &PodPlan, state: &PodState, succeeded: bool, ended: bool) -> Judgement {
    if succeeded {
        return (false, Some("PodCompleted"), None);
    }
    if ended {
        return (false, Some("PodFailed"), None);
    }
    let unready: Vec<&str> = plan
        .containers
        .iter()
        .filter(|container| !matches!(container.kind, ContainerKind::Init | ContainerKind::Ephemeral))
        .filter(|container| !phase::is_ready(container, memory(state, container)))
        .map(|container| &*container.name)
        .collect();
    match unready.is_empty() {
        true => (true, None, None),
        false => {
            let message = format!("containers with unready status: [{}]", unready.join(" "));
            (false, Some("ContainersNotReady"), Some(message))
        }
    }
}

fn missing_gates(plan: &PodPlan) -> Vec<&str> {
    let holds = |gate: &str| plan.foreign_condition(gate).is_some_and(|condition| condition.status == "True");
    plan.readiness_gates.iter().map(String::as_str).filter(|gate| !holds(gate)).collect()
}
