//! The life cycle of one container, step by step: one exhaustive match over what is wanted and what is seen.

use std::sync::Arc;
use std::time::Duration;

use api::Timestamp;

use super::decide::{PodOp, Steps};
use super::phase;
use super::plan::{ContainerPlan, PodPlan};
use super::probe::{ProbeKind, ProbeMemory};
use super::state::{ContainerMemory, HookState, Instance, Stop};
use crate::runtime::{ContainerId, RunState};

/// A container that was sent SIGKILL and still runs is sent it again after this time.
const KILL_AGAIN: Duration = Duration::from_secs(5);
/// What a container has for its stop signal after a hook that used up the whole grace period.
pub const AFTER_HOOK: Duration = Duration::from_secs(2);

/// What is wanted of a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// It runs, as far as its restart policy says.
    Run,
    /// It is not its turn, or it is done.
    Wait,
    /// It ends.
    Stop(Stop),
}

/// Decides a container's next steps.
pub fn next(
    plan: &PodPlan,
    container: &ContainerPlan,
    memory: &ContainerMemory,
    want: &Want,
    sandbox: &ContainerId,
    now: Timestamp,
    steps: &mut Steps,
) {
    let here = Here { plan, container, memory, sandbox, now };
    match (want, memory.current.as_ref().map(|instance| (instance, &instance.state))) {
        (Want::Wait, Some(_) | None) => {}
        (Want::Run, None) => here.begin("it has never run", steps),
        (Want::Run, Some((instance, RunState::Created))) => here.start(instance, steps),
        (Want::Run, Some((instance, RunState::Running { started }))) => here.tend(instance, *started, steps),
        (Want::Run, Some((_, RunState::Exited(_)))) => here.restart(steps),
        (Want::Stop(_), None | Some((_, RunState::Created | RunState::Exited(_)))) => {}
        (Want::Stop(stop), Some((instance, RunState::Running { .. }))) => {
            here.stop(instance, stop.grace, Some(stop), stop.because, steps);
        }
    }
}

/// What a container's steps are decided from.
struct Here<'a> {
    plan: &'a PodPlan,
    container: &'a ContainerPlan,
    memory: &'a ContainerMemory,
    sandbox: &'a ContainerId,
    now: Timestamp,
}

impl Here<'_> {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.container.name)
    }

    /// A new instance, unless the last try has failed a moment ago.
    fn begin(&self, because: &str, steps: &mut Steps) {
        if self.memory.busy.is_some() {
            return;
        }
        match &self.memory.failure {
            Some(failure) if failure.config_hash == self.plan.config_hash && failure.retry_at > self.now => {
                steps.wake_at(failure.retry_at);
            }
            Some(_) | None => {
                let attempt = self.memory.next_attempt();
                steps.push(
                    PodOp::Run { container: self.name(), attempt, sandbox: self.sandbox.clone() },
                    because,
                );
            }
        }
    }

    /// An agent that was killed between creating and starting left this behind.
    fn start(&self, instance: &Instance, steps: &mut Steps) {
        match (self.memory.busy, instance.sandbox.as_ref() == Some(self.sandbox)) {
            (Some(_), _) => {}
            (None, true) => {
                steps.push(
                    PodOp::Start { container: self.name(), id: instance.id.clone() },
                    "it was created and not started",
                );
            }
            (None, false) => steps.push(PodOp::Remove { id: instance.id.clone() }, "its sandbox is gone"),
        }
    }

    fn restart(&self, steps: &mut Steps) {
        if !phase::will_restart(self.container, self.memory, Some(self.sandbox)) {
            return;
        }
        match self.memory.restart_at() {
            Some(at) if at > self.now => steps.wake_at(at),
            Some(_) | None => {
                let code = self.memory.exit().map_or(0, |exit| exit.code);
                self.begin(&format!("it has exited with code {code}"), steps);
            }
        }
    }

    /// It runs: is it the right one, is it well?
    fn tend(&self, instance: &Instance, started: Timestamp, steps: &mut Steps) {
        let failed = |kind| self.memory.verdict(kind) == Some(false);
        let grace_of = |kind| {
            let own =
                self.container.probes.iter().find(|probe| probe.kind == kind).and_then(|probe| probe.grace);
            own.unwrap_or(self.plan.grace)
        };
        if self.memory.stopping.is_some() {
            return self.stop(instance, self.plan.grace, None, "it is being ended", steps);
        }
        if instance.hash != self.container.hash {
            return self.stop(instance, self.plan.grace, None, "its definition has changed", steps);
        }
        if self.container.restarts_for.between(&instance.limits, &self.container.limits) {
            return self.stop(instance, self.plan.grace, None, "its resources have changed", steps);
        }
        if instance.limits != self.container.limits {
            self.resize(instance, steps);
        }
        match self.memory.post_start {
            HookState::Pending if self.container.post_start => {
                let op = PodOp::PostStart { container: self.name(), id: instance.id.clone() };
                return steps.push(op, "it has started");
            }
            HookState::Running => return,
            HookState::Failed => {
                return self.stop(instance, self.plan.grace, None, "its postStart hook failed", steps);
            }
            HookState::Pending | HookState::Done => {}
        }
        if failed(ProbeKind::Startup) {
            return self.stop(
                instance,
                grace_of(ProbeKind::Startup),
                None,
                "its startup probe failed",
                steps,
            );
        }
        if failed(ProbeKind::Liveness) {
            return self.stop(
                instance,
                grace_of(ProbeKind::Liveness),
                None,
                "its liveness probe failed",
                steps,
            );
        }
        self.ask(instance, started, steps);
    }

    /// What it gets of the machine changes while it runs. What the engine took without doing it is not asked for again.
    fn resize(&self, instance: &Instance, steps: &mut Steps) {
        let limits = self.container.limits;
        let last = self.memory.resize.as_ref().filter(|last| last.to == limits);
        match (self.memory.busy, last.map(|last| &last.failure)) {
            (Some(_), _) | (None, Some(None)) => {}
            (None, Some(Some(failure))) if failure.retry_at > self.now => steps.wake_at(failure.retry_at),
            (None, Some(Some(_)) | None) => {
                let op = PodOp::Resize { container: self.name(), id: instance.id.clone(), limits };
                steps.push(op, "its resources have changed");
            }
        }
    }

    /// Probes that are due. Until the startup probe has passed, it is the only one.
    fn ask(&self, instance: &Instance, started: Timestamp, steps: &mut Steps) {
        let starting = !phase::has_started(self.container, self.memory);
        for probe in &self.container.probes {
            let startup = probe.kind == ProbeKind::Startup;
            if startup != starting {
                continue;
            }
            let nothing = ProbeMemory::default();
            let memory = self.memory.probes.get(&probe.kind).unwrap_or(&nothing);
            let due = memory.due(probe, started);
            if memory.in_flight {
                continue;
            }
            if due > self.now {
                steps.wake_at(due);
                continue;
            }
            let op = PodOp::Probe { container: self.name(), id: instance.id.clone(), kind: probe.kind };
            steps.push(op, "its probe is due");
        }
    }

    /// Hook, signal, patience, SIGKILL.
    fn stop(
        &self,
        instance: &Instance,
        grace: Duration,
        pod: Option<&Stop>,
        because: &str,
        steps: &mut Steps,
    ) {
        let (container, id) = (self.name(), instance.id.clone());
        let Some(stopping) = &self.memory.stopping else {
            return match (self.memory.busy, grace.is_zero(), self.container.pre_stop) {
                (Some(_), _, _) => {}
                (None, true, _) => steps.push(PodOp::Kill { container, id }, because),
                (None, false, true) => steps.push(PodOp::PreStop { container, id, grace }, because),
                (None, false, false) => steps.push(PodOp::Terminate { container, id, grace }, because),
            };
        };
        // A pod may be told to end sooner than it was told before.
        let hook = if self.container.pre_stop { AFTER_HOOK } else { Duration::ZERO };
        let asked = pod.map(|stop| stop.since.plus(stop.grace).plus(hook));
        let deadline = asked.map_or(stopping.deadline, |asked| asked.min(stopping.deadline));
        match stopping.killed {
            Some(killed) if self.now < killed.plus(KILL_AGAIN) => steps.wake_at(killed.plus(KILL_AGAIN)),
            Some(_) => steps.push(PodOp::Kill { container, id }, "SIGKILL has not ended it"),
            None if self.now >= deadline => {
                steps.push(PodOp::Kill { container, id }, "it has not ended within its grace period");
            }
            None if stopping.hook_done && !stopping.signalled && self.memory.busy.is_none() => {
                steps.push(PodOp::Terminate { container, id, grace }, because);
            }
            None => steps.wake_at(deadline),
        }
    }
}
