//! Performs a pod's steps with the runtime.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::ask::ask;
use super::claim;
use super::content::Content;
use super::decide::PodOp;
use super::fields::Place;
use super::outcome::Outcome;
use super::plan::{ContainerPlan, FullPod, PodPlan};
use super::probe;
use super::spec::{self, ClusterDns};
use crate::metrics::Metrics;
use crate::runtime::{
    Container, ContainerId, ContainerRuntime, FailureKind, Image, LogOptions, Processes, Role, RunState,
    RuntimeError, Scope,
};

/// The largest message that a container may leave behind.
const LAST_WORDS: usize = 2048;

/// What steps are performed with.
pub struct Hands<R> {
    /// The engine.
    pub runtime: Arc<R>,
    /// The cluster's names.
    pub dns: ClusterDns,
    /// Measures operations.
    pub metrics: Metrics,
}

/// One step's circumstances.
pub struct Circumstances {
    /// The pod.
    pub plan: Arc<PodPlan>,
    /// Where it runs.
    pub place: Place,
    /// The pod's address, for probes.
    pub address: Option<IpAddr>,
    /// Cancelled when the pod is to end: what waits for a registry gives up.
    pub ending: CancellationToken,
}

/// What went wrong, in Kubernetes' words.
struct Trouble(&'static str, String);

impl<R: ContainerRuntime> Hands<R> {
    /// Performs a step to its end.
    pub async fn perform(&self, op: &PodOp, here: &Circumstances) -> Outcome {
        let begun = Instant::now();
        let outcome = match op {
            PodOp::CreateSandbox { attempt } => self.create_sandbox(*attempt, here).await,
            PodOp::FillVolumes { id } => self.fill(id, here).await,
            PodOp::RemoveSandbox { id } | PodOp::Remove { id } => {
                done(self.runtime.remove(id).await, "FailedKillPod")
            }
            PodOp::Run { container, attempt, sandbox } => {
                self.run(container, (*attempt, sandbox), here).await
            }
            PodOp::Start { id, .. } => done(self.runtime.start(id).await, "RunContainerError"),
            PodOp::PostStart { container, id } => Ok(self.hook(container, id, here, Hook::PostStart).await),
            PodOp::PreStop { container, id, grace } => {
                Ok(self.hook(container, id, here, Hook::PreStop(*grace)).await)
            }
            PodOp::Probe { container, id, kind } => Ok(self.probe(container, id, *kind, here).await),
            PodOp::Resize { id, limits, .. } => done(self.runtime.update(id, limits).await, "ResizeError"),
            PodOp::Terminate { id, .. } => done(self.runtime.terminate(id).await, "FailedKillPod"),
            PodOp::Kill { id, .. } => done(self.runtime.kill(id).await, "FailedKillPod"),
            PodOp::Clear => self.clear(here).await,
        };
        let outcome = outcome.unwrap_or_else(|Trouble(reason, message)| Outcome::Failed { reason, message });
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.metrics.operation(op, failed, begun.elapsed());
        outcome
    }

    /// The end of a container's log, for its status.
    pub async fn last_words(&self, id: &ContainerId) -> Option<String> {
        use futures::StreamExt;
        let options = LogOptions { tail: Some(80), ..Default::default() };
        let mut words = Vec::new();
        let mut chunks = self.runtime.logs(id, &options);
        while let Some(Ok(chunk)) = chunks.next().await {
            words.extend_from_slice(&chunk);
        }
        let from = words.len().saturating_sub(LAST_WORDS);
        let text = String::from_utf8_lossy(words.get(from..)?).into_owned();
        (!text.is_empty()).then_some(text)
    }

    async fn create_sandbox(&self, attempt: u32, here: &Circumstances) -> Result<Outcome, Trouble> {
        let plan = &here.plan;
        let full = read(plan, "FailedCreatePodSandBox")?;
        // What is missing is found before anything is made.
        claim::check(&full).map_err(|missing| Trouble("FailedMount", missing))?;
        let content = self.content(&full, here)?;
        for (_, volume) in spec::volumes(plan, &full) {
            self.runtime
                .create_volume(&volume)
                .await
                .map_err(|error| Trouble("FailedMount", error.text()))?;
        }
        let sandbox = spec::sandbox(plan, &full, attempt, &self.dns);
        let trouble = |error: RuntimeError| {
            let text = error.text();
            let reason = if claim::is_about_mount(&text) { "FailedMount" } else { "FailedCreatePodSandBox" };
            Trouble(reason, text)
        };
        let id = self.runtime.create_sandbox(&sandbox).await.map_err(trouble)?;
        if let Err(error) = self.runtime.start(&id).await {
            // A sandbox that cannot start (a taken port, no address left) would block the next one's name.
            self.runtime.remove(&id).await.map_err(trouble)?;
            return Err(trouble(error));
        }
        // Only now: volumes in memory begin when the first container that has them starts.
        self.upload(&id, &full, content, here).await?;
        Ok(Outcome::Filled(plan.config_hash))
    }

    fn content(&self, full: &FullPod, here: &Circumstances) -> Result<Content, Trouble> {
        Content::of(full, &here.place).map_err(|missing| Trouble("FailedMount", missing))
    }

    async fn fill(&self, id: &ContainerId, here: &Circumstances) -> Result<Outcome, Trouble> {
        let full = read(&here.plan, "FailedMount")?;
        let content = self.content(&full, here)?;
        self.upload(id, &full, content, here).await?;
        Ok(Outcome::Filled(here.plan.config_hash))
    }

    async fn upload(
        &self,
        id: &ContainerId,
        full: &FullPod,
        content: Content,
        here: &Circumstances,
    ) -> Result<(), Trouble> {
        if content.volumes.is_empty() {
            return Ok(());
        }
        let security = full.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let group = security.and_then(|security| security.fs_group);
        let version = format!("{:016x}", here.plan.config_hash);
        let tar =
            content.into_tar(group, &version).map_err(|error| Trouble("FailedMount", error.to_string()))?;
        self.runtime.upload(id, "/", tar).await.map_err(|error| Trouble("FailedMount", error.text()))
    }

    async fn run(
        &self,
        name: &str,
        (attempt, sandbox): (u32, &ContainerId),
        here: &Circumstances,
    ) -> Result<Outcome, Trouble> {
        let full = read(&here.plan, "CreateContainerConfigError")?;
        let container = container(&here.plan, name)?;
        let mut spec = spec::container(&here.plan, &full, container, (attempt, sandbox), &here.place)
            .map_err(|missing| Trouble("CreateContainerConfigError", missing))?;
        if let Some(target) = spec::target(&full, container) {
            spec.processes = Processes::Of(self.running(target, here).await?);
        }
        let policy = spec::pull_policy(&full, container);
        let (image, pulled) = tokio::select! {
            image = self.image(&policy, &spec.image) => image?,
            () = here.ending.cancelled() => return Err(Trouble("ErrImagePull", "the pod is being ended".to_owned())),
        };
        spec::refuse_root(&here.plan, &full, container, &image.user)
            .map_err(|why| Trouble("CreateContainerConfigError", why))?;
        let created = self.runtime.create_container(&spec).await;
        let id = created.map_err(|error| Trouble("CreateContainerError", error.text()))?;
        if attempt > 0 {
            self.metrics.restarts.with_label_values::<&str>(&[]).inc();
        }
        match self.runtime.start(&id).await {
            Ok(()) => Ok(Outcome::Started { pulled }),
            // The engine keeps it as a container that failed to start; the listing shows that and the policy decides.
            Err(error) if error.kind == FailureKind::Refused => {
                Err(Trouble("RunContainerError", error.text()))
            }
            Err(error) => Err(Trouble("RunContainerError", error.text())),
        }
    }

    /// The instance of a container that runs now.
    async fn running(&self, name: &str, here: &Circumstances) -> Result<ContainerId, Trouble> {
        let trouble = |why: String| Trouble("CreateContainerError", why);
        let listed = self.runtime.list(&Scope::Pod(here.plan.pod.clone())).await;
        let mut listed = listed.map_err(|error| trouble(error.text()))?.into_iter();
        let runs = |container: &Container| {
            matches!(&container.role, Role::Member(own) if **own == *name)
                && matches!(container.state, RunState::Running { .. })
        };
        let found = listed.find(runs).map(|container| container.id);
        found.ok_or_else(|| trouble(format!("target container \"{name}\" does not run")))
    }

    /// The image, and how long it took if it was fetched.
    async fn image(&self, policy: &str, image: &str) -> Result<(Image, Option<Duration>), Trouble> {
        let present = match policy {
            "Always" => None,
            _ => {
                let found = self.runtime.image(image).await;
                found.map_err(|error| Trouble("ErrImagePull", error.text()))?
            }
        };
        match (policy, present) {
            (_, Some(image)) => Ok((image, None)),
            ("Never", None) => {
                let message = format!("Container image \"{image}\" is not present with pull policy of Never");
                Err(Trouble("ErrImageNeverPull", message))
            }
            (_, None) => {
                let begun = Instant::now();
                let pulled = self.runtime.pull(image).await;
                let outcome = if pulled.is_ok() { "done" } else { "failed" };
                self.metrics.pulls.with_label_values(&[outcome]).inc();
                pulled
                    .map(|image| (image, Some(begun.elapsed())))
                    .map_err(|error| Trouble("ErrImagePull", error.text()))
            }
        }
    }

    async fn probe(
        &self,
        name: &str,
        id: &ContainerId,
        kind: probe::ProbeKind,
        here: &Circumstances,
    ) -> Outcome {
        let plan =
            here.plan.container(name).and_then(|plan| plan.probes.iter().find(|probe| probe.kind == kind));
        match plan {
            Some(plan) => ask(self.runtime.as_ref(), id, here.address, &plan.ask, plan.timeout).await,
            None => Outcome::Done,
        }
    }

    async fn hook(&self, name: &str, id: &ContainerId, here: &Circumstances, hook: Hook) -> Outcome {
        let Ok(full) = here.plan.full() else { return Outcome::Done };
        let spec = full.pod.spec.unwrap_or_default();
        let found = spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .find(|spec| spec.name == name);
        let Some(container) = found else { return Outcome::Done };
        let lifecycle = container.lifecycle.as_ref();
        let (handler, limit) = match hook {
            Hook::PostStart => (lifecycle.and_then(|all| all.post_start.as_ref()), spec::LONGEST_HOOK),
            Hook::PreStop(grace) => (lifecycle.and_then(|all| all.pre_stop.as_ref()), grace),
        };
        match handler {
            Some(handler) => {
                ask(self.runtime.as_ref(), id, here.address, &probe::hook(handler, container), limit).await
            }
            None => Outcome::Done,
        }
    }

    async fn clear(&self, here: &Circumstances) -> Result<Outcome, Trouble> {
        let trouble = |error: RuntimeError| Trouble("FailedKillPod", error.text());
        let pod = &here.plan.pod;
        let mut containers = self.runtime.list(&Scope::Pod(pod.clone())).await.map_err(trouble)?;
        // The sandbox last: the others live in its namespaces.
        containers.sort_by_key(|container| container.sandbox.is_none());
        for container in containers {
            self.runtime.remove(&container.id).await.map_err(trouble)?;
        }
        self.runtime.remove_volumes(pod).await.map_err(trouble)?;
        Ok(Outcome::Done)
    }
}

/// Which hook.
enum Hook {
    PostStart,
    /// With the time that it may take.
    PreStop(Duration),
}

fn done(result: Result<(), RuntimeError>, reason: &'static str) -> Result<Outcome, Trouble> {
    match result {
        Ok(()) => Ok(Outcome::Done),
        // It is gone already.
        Err(error) if error.kind == FailureKind::NotFound => Ok(Outcome::Done),
        Err(error) => Err(Trouble(reason, error.text())),
    }
}

fn read(plan: &PodPlan, reason: &'static str) -> Result<FullPod, Trouble> {
    plan.full().map_err(|error| Trouble(reason, telemetry::chain(&error)))
}

fn container<'a>(plan: &'a PodPlan, name: &str) -> Result<&'a ContainerPlan, Trouble> {
    plan.container(name)
        .ok_or_else(|| Trouble("CreateContainerError", format!("the pod has no container \"{name}\"")))
}
