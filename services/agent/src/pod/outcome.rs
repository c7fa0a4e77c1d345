//! Remembers what is being done to a pod, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use api::Timestamp;

use super::decide::{PodOp, Step};
use super::lifecycle::AFTER_HOOK;
use super::plan::PodPlan;
use super::state::{Busy, ContainerMemory, Failure, HookState, PodState, Resize, Stopping};

/// What came of a thing that was done.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// A container runs; its image was pulled for it if this says so.
    Started {
        /// What the image's fetching took.
        pulled: Option<Duration>,
    },
    /// The volumes show the configuration of this hash.
    Filled(u64),
    /// A probe or hook answered.
    Answered {
        /// As wished.
        passed: bool,
        /// What it said.
        message: String,
    },
    /// It could not be done.
    Failed {
        /// `ErrImagePull`, `CreateContainerError`, …
        reason: &'static str,
        /// For people.
        message: String,
    },
}

impl PodState {
    /// A step begins.
    pub fn begin(&mut self, step: &Step, now: Timestamp) {
        match &step.op {
            PodOp::CreateSandbox { .. }
            | PodOp::RemoveSandbox { .. }
            | PodOp::FillVolumes { .. }
            | PodOp::Clear => {
                self.sandbox_busy = true;
            }
            PodOp::Run { container, .. } | PodOp::Start { container, .. } => {
                self.memory(container).busy = Some(Busy::Running);
            }
            PodOp::PostStart { container, .. } => self.memory(container).post_start = HookState::Running,
            PodOp::Probe { container, kind, .. } => {
                self.memory(container).probes.entry(*kind).or_default().begin(now)
            }
            PodOp::Resize { container, limits, .. } => {
                let memory = self.memory(container);
                let failure =
                    memory.resize.take().filter(|last| last.to == *limits).and_then(|last| last.failure);
                memory.resize = Some(Resize { to: *limits, failure });
                memory.busy = Some(Busy::Resizing);
            }
            PodOp::PreStop { container, grace, .. } => {
                let deadline = now.plus(*grace).plus(AFTER_HOOK);
                let memory = self.memory(container);
                memory.busy = Some(Busy::Stopping);
                memory.stopping =
                    Some(Stopping { deadline, hook_done: false, signalled: false, killed: None });
                self.killing(container, &step.because);
            }
            PodOp::Terminate { container, grace, .. } => {
                let first = self.memory(container).stopping.is_none();
                self.memory(container).terminate(now, *grace);
                if first {
                    self.killing(container, &step.because);
                }
            }
            PodOp::Kill { container, .. } => self.memory(container).kill(now),
            PodOp::Remove { id } => {
                self.removing.insert(id.clone());
            }
        }
    }

    /// A step has ended.
    pub fn conclude(&mut self, op: &PodOp, outcome: &Outcome, plan: &PodPlan, now: Timestamp) {
        match op {
            PodOp::CreateSandbox { .. } | PodOp::FillVolumes { .. } => {
                self.sandbox_busy = false;
                self.sandbox_outcome(outcome, plan, now);
            }
            PodOp::RemoveSandbox { .. } => self.sandbox_busy = false,
            PodOp::Clear => {
                self.sandbox_busy = false;
                self.sandbox_outcome(outcome, plan, now);
                self.cleared = self.sandbox_failure.is_none();
            }
            PodOp::Run { container, .. } | PodOp::Start { container, .. } => {
                self.run_outcome(container, outcome, plan, now);
            }
            PodOp::PostStart { container, .. } => self.post_start_outcome(container, outcome),
            PodOp::Probe { container, kind, id } => {
                let same = self.memory(container).current.as_ref().is_some_and(|instance| instance.id == *id);
                if same {
                    self.probe_outcome(container, *kind, outcome, plan, now);
                }
            }
            PodOp::Resize { container, .. } => self.resize_outcome(container, outcome, plan, now),
            PodOp::PreStop { container, .. } => {
                let memory = self.memory(container);
                memory.busy = None;
                if let Some(stopping) = &mut memory.stopping {
                    stopping.hook_done = true;
                }
                if let Outcome::Answered { passed: false, message } = outcome {
                    self.warn(
                        "FailedPreStopHook",
                        format!("PreStopHook of container {container} failed: {message}"),
                    );
                }
            }
            PodOp::Terminate { container, .. } => self.memory(container).busy = None,
            PodOp::Kill { .. } => {}
            PodOp::Remove { id } => {
                self.removing.remove(id);
            }
        }
    }

    fn memory(&mut self, container: &Arc<str>) -> &mut ContainerMemory {
        self.containers.entry(Arc::clone(container)).or_default()
    }

    fn sandbox_outcome(&mut self, outcome: &Outcome, plan: &PodPlan, now: Timestamp) {
        match outcome {
            Outcome::Failed { reason, message } => {
                let failure = Failure::after(
                    self.sandbox_failure.as_ref(),
                    reason,
                    message.clone(),
                    now,
                    plan.config_hash,
                );
                if self.sandbox_failure.as_ref().is_none_or(|before| before.message != *message) {
                    self.warn(reason, message.clone());
                }
                self.sandbox_failure = Some(failure);
            }
            Outcome::Filled(hash) => {
                self.filled = Some(*hash);
                self.sandbox_failure = None;
            }
            Outcome::Done | Outcome::Started { .. } | Outcome::Answered { .. } => self.sandbox_failure = None,
        }
    }

    fn run_outcome(&mut self, container: &Arc<str>, outcome: &Outcome, plan: &PodPlan, now: Timestamp) {
        let memory = self.memory(container);
        memory.busy = None;
        match outcome {
            Outcome::Failed { reason, message } => {
                let known = memory.failure.as_ref().is_some_and(|before| before.message == *message);
                memory.failure = Some(Failure::after(
                    memory.failure.as_ref(),
                    reason,
                    message.clone(),
                    now,
                    plan.config_hash,
                ));
                if !known {
                    self.warn("Failed", format!("Error: {reason}: {message}"));
                }
            }
            Outcome::Started { pulled } => {
                memory.failure = None;
                let image = plan.container(container).map(|plan| plan.image.to_string()).unwrap_or_default();
                if let Some(took) = pulled {
                    let message = format!("Successfully pulled image \"{image}\" in {took:.1?}");
                    self.note("Pulled", message);
                }
                self.note("Started", format!("Started container {container}"));
            }
            Outcome::Done | Outcome::Filled(_) | Outcome::Answered { .. } => memory.failure = None,
        }
    }

    fn resize_outcome(&mut self, container: &Arc<str>, outcome: &Outcome, plan: &PodPlan, now: Timestamp) {
        let memory = self.memory(container);
        memory.busy = None;
        let Some(resize) = &mut memory.resize else { return };
        let before = resize.failure.take();
        match outcome {
            Outcome::Failed { reason, message } => {
                let known = before.as_ref().is_some_and(|before| before.message == *message);
                let failure = Failure::after(before.as_ref(), reason, message.clone(), now, plan.config_hash);
                resize.failure = Some(failure);
                if !known {
                    self.warn(reason, format!("Resize of container {container} failed: {message}"));
                }
            }
            Outcome::Done | Outcome::Started { .. } | Outcome::Filled(_) | Outcome::Answered { .. } => {
                self.note("ResizeCompleted", format!("Resized container {container}"));
            }
        }
    }

    fn post_start_outcome(&mut self, container: &Arc<str>, outcome: &Outcome) {
        let (state, said) = match outcome {
            Outcome::Answered { passed: false, message } | Outcome::Failed { message, .. } => {
                (HookState::Failed, Some(message.clone()))
            }
            Outcome::Answered { .. } | Outcome::Done | Outcome::Started { .. } | Outcome::Filled(_) => {
                (HookState::Done, None)
            }
        };
        self.memory(container).post_start = state;
        if let Some(message) = said {
            self.warn(
                "FailedPostStartHook",
                format!("PostStartHook of container {container} failed: {message}"),
            );
        }
    }

    fn probe_outcome(
        &mut self,
        container: &Arc<str>,
        kind: super::probe::ProbeKind,
        outcome: &Outcome,
        plan: &PodPlan,
        now: Timestamp,
    ) {
        let Some(container_plan) = plan.container(container) else { return };
        let Some(probe) = container_plan.probes.iter().find(|probe| probe.kind == kind) else { return };
        let (passed, said) = match outcome {
            Outcome::Answered { passed, message } => (*passed, message.as_str()),
            Outcome::Failed { message, .. } => (false, message.as_str()),
            Outcome::Done | Outcome::Started { .. } | Outcome::Filled(_) => (true, ""),
        };
        let memory = self.memory(container).probes.entry(kind).or_default();
        let before = memory.verdict;
        memory.answer(probe, passed, now);
        if !passed && memory.verdict == Some(false) && before != Some(false) {
            self.warn("Unhealthy", format!("{} probe failed: {said}", kind.name()));
        }
    }

    fn killing(&mut self, container: &str, because: &str) {
        let message = match because.strip_prefix("its ").filter(|why| why.ends_with("probe failed")) {
            Some(why) => {
                let probe = why.trim_end_matches(" failed");
                format!("Container {container} failed {probe}, will be restarted")
            }
            None => format!("Stopping container {container}"),
        };
        self.note("Killing", message);
    }

    fn note(&mut self, reason: &str, message: String) {
        self.events.push(("Normal".to_owned(), reason.to_owned(), message));
    }

    fn warn(&mut self, reason: &str, message: String) {
        self.events.push(("Warning".to_owned(), reason.to_owned(), message));
    }
}

impl ContainerMemory {
    fn terminate(&mut self, now: Timestamp, grace: Duration) {
        self.busy = Some(Busy::Stopping);
        match &mut self.stopping {
            Some(stopping) => stopping.signalled = true,
            None => {
                let deadline = now.plus(grace);
                self.stopping = Some(Stopping { deadline, hook_done: true, signalled: true, killed: None });
            }
        }
    }

    fn kill(&mut self, now: Timestamp) {
        match &mut self.stopping {
            Some(stopping) => stopping.killed = Some(now),
            None => {
                self.stopping =
                    Some(Stopping { deadline: now, hook_done: true, signalled: true, killed: Some(now) });
            }
        }
    }
}
