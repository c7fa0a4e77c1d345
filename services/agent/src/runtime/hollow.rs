//! Pretends to run containers: for scale, one process performs thousands of nodes, and for tests without an engine.

mod processes;
mod script;
mod settings;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use api::{NodeName, Timestamp, Uid};
use bytes::Bytes;
use dashmap::DashMap;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use self::script::Ending;
use super::{
    Changed, Container, ContainerId, ContainerRuntime, ContainerSpec, ExecOutcome, Exit, FailureKind, Image,
    Limits, LogOptions, Machine, PodRef, Role, RunState, RuntimeError, SandboxSpec, Scope, Stats, VolumeSpec,
};
pub use settings::{HollowConfig, MOST_AGENTS};
use settings::{Part, Span};

/// Events that a slow reader may be behind; then it lists everything.
const EVENTS: usize = 65_536;

/// The variable by which a container says how many thousandths of a processor it pretends to use.
const BURNS: &str = "HOLLOW_CPU_MILLI=";

/// Why something failed that nothing is wrong with.
const TOLD_TO_FAIL: &str = "the hollow runtime was told to fail some";

/// The hollow runtime.
#[derive(Clone)]
pub struct Hollow {
    inner: Arc<Inner>,
}

struct Inner {
    config: HollowConfig,
    /// Containers by pod.
    pods: DashMap<Uid, Mutex<HashMap<ContainerId, Container>>>,
    /// Whose container that is.
    owners: DashMap<ContainerId, Uid>,
    /// Thousandths of a processor that those pretend to use that say so in their environment.
    burns: DashMap<ContainerId, u32>,
    /// When those end that end by themselves.
    endings: DashMap<ContainerId, Ending>,
    events: broadcast::Sender<Changed>,
    ids: AtomicU64,
    addresses: AtomicU32,
    /// Counts container starts, to fail the wished part of them.
    starts: AtomicU64,
    /// Counts fetches of images, likewise.
    pulls: AtomicU64,
    /// Counts answers to probes, likewise.
    probes: AtomicU64,
    /// Counts what takes time, to spread it over its span.
    pauses: AtomicU64,
    /// For tests: the runtime does not answer.
    broken: AtomicBool,
}

impl Hollow {
    /// A runtime that runs nothing yet.
    pub fn new(config: HollowConfig) -> Self {
        let inner = Inner {
            config,
            pods: DashMap::new(),
            owners: DashMap::new(),
            burns: DashMap::new(),
            endings: DashMap::new(),
            events: broadcast::channel(EVENTS).0,
            ids: AtomicU64::new(1),
            addresses: AtomicU32::new(0),
            starts: AtomicU64::new(0),
            pulls: AtomicU64::new(0),
            probes: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Ends a running container, as if its process had exited by itself. False if it does not run.
    pub fn exit(&self, id: &ContainerId, code: i32) -> bool {
        self.inner.exit(id, code)
    }

    /// The runtime stops answering, or answers again.
    pub fn set_broken(&self, broken: bool) {
        self.inner.broken.store(broken, Ordering::Release);
    }

    fn answer(&self, operation: &'static str) -> Result<(), RuntimeError> {
        match self.inner.broken.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(RuntimeError::new(
                operation,
                "hollow",
                FailureKind::Unreachable,
                "it was told not to answer",
            )),
        }
    }
}

/// Nothing runs in it, so least of all root.
fn hollow_image() -> Image {
    Image { user: "65534".to_owned() }
}

impl Inner {
    fn insert(&self, pod: &PodRef, make: impl FnOnce(ContainerId) -> Container) -> ContainerId {
        let pods = self.pods.entry(pod.uid.clone()).or_default();
        let mut containers = lock(&pods);
        let new =
            make(ContainerId(format!("hollow-{:016x}", self.ids.fetch_add(1, Ordering::Relaxed)).into()));
        let same = |known: &&Container| known.role == new.role && known.attempt == new.attempt;
        if let Some(known) = containers.values().find(same) {
            return known.id.clone();
        }
        let id = new.id.clone();
        self.owners.insert(id.clone(), pod.uid.clone());
        containers.insert(id.clone(), new);
        id
    }

    /// Changes a container; says whose it is if there was anything to change.
    fn change(&self, id: &ContainerId, change: impl FnOnce(&mut Container) -> bool) -> Option<Changed> {
        let uid = self.owners.get(id)?.clone();
        let pods = self.pods.get(&uid)?;
        let mut containers = lock(&pods);
        let container = containers.get_mut(id)?;
        change(container).then(|| Changed { node: container.pod.node.clone(), uid: uid.clone() })
    }

    fn exit(&self, id: &ContainerId, code: i32) -> bool {
        let now = telemetry::clock::now();
        let changed = self.change(id, |container| match container.state {
            RunState::Running { started } => {
                let reason = if code == 0 { "Completed" } else { "Error" };
                container.state =
                    RunState::Exited(Exit { code, reason, message: String::new(), started, finished: now });
                true
            }
            RunState::Created | RunState::Exited(_) => false,
        });
        self.tell(changed)
    }

    /// Ends a container after some time, if it and the runtime are still there then.
    fn exit_later(self: &Arc<Self>, id: &ContainerId, after: Duration, code: i32) {
        let (inner, id): (Weak<Self>, _) = (Arc::downgrade(self), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            inner.upgrade().is_some_and(|inner| inner.exit(&id, code))
        });
    }

    fn tell(&self, changed: Option<Changed>) -> bool {
        let happened = changed.is_some();
        if let Some(changed) = changed {
            // Without readers there is nobody to tell.
            let _ = self.events.send(changed);
        }
        happened
    }

    fn address(&self) -> IpAddr {
        self.config.pod_address(self.addresses.fetch_add(1, Ordering::Relaxed)).into()
    }

    fn start_fails(&self) -> bool {
        self.config.hollow_failures.includes(self.starts.fetch_add(1, Ordering::Relaxed))
    }

    fn pull_fails(&self) -> bool {
        self.config.hollow_pull_failures.includes(self.pulls.fetch_add(1, Ordering::Relaxed))
    }

    fn probe_fails(&self) -> bool {
        self.config.hollow_probe_failures.includes(self.probes.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets something of this kind take its time.
    async fn pause(&self, span: Span) {
        if !span.is_zero() {
            tokio::time::sleep(span.at(self.pauses.fetch_add(1, Ordering::Relaxed))).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ContainerRuntime for Hollow {
    async fn list(&self, scope: &Scope) -> Result<Vec<Container>, RuntimeError> {
        self.answer("list containers of")?;
        Ok(match scope {
            Scope::Pod(pod) => self
                .inner
                .pods
                .get(&pod.uid)
                .map(|pods| lock(&pods).values().cloned().collect())
                .unwrap_or_default(),
            Scope::Node(node) => {
                let all =
                    self.inner.pods.iter().flat_map(|pods| lock(&pods).values().cloned().collect::<Vec<_>>());
                all.filter(|container| container.pod.node == *node).collect()
            }
        })
    }

    fn events(&self, node: Option<&NodeName>) -> BoxStream<'static, Result<Changed, RuntimeError>> {
        let node = node.cloned();
        BroadcastStream::new(self.inner.events.subscribe())
            .filter_map(move |event| {
                let wanted = match event {
                    Ok(changed) if node.as_ref().is_none_or(|node| *node == changed.node) => {
                        Some(Ok(changed))
                    }
                    Ok(_) => None,
                    Err(lagged) => Some(Err(RuntimeError {
                        operation: "watch",
                        subject: "events".to_owned(),
                        kind: FailureKind::Unreachable,
                        source: Box::new(lagged),
                    })),
                };
                std::future::ready(wanted)
            })
            .boxed()
    }

    async fn image(&self, _name: &str) -> Result<Option<Image>, RuntimeError> {
        self.answer("inspect image of")?;
        // Where fetching is to take time or to fail, nothing is there before it was fetched.
        let config = &self.inner.config;
        let there = config.hollow_pull_ms.is_zero() && config.hollow_pull_failures == Part::default();
        Ok(there.then(hollow_image))
    }

    async fn pull(&self, name: &str) -> Result<Image, RuntimeError> {
        self.answer("pull image of")?;
        self.inner.pause(self.inner.config.hollow_pull_ms).await;
        if self.inner.pull_fails() {
            return Err(RuntimeError::new("pull image", name, FailureKind::Refused, TOLD_TO_FAIL));
        }
        Ok(hollow_image())
    }

    async fn create_sandbox(&self, spec: &SandboxSpec) -> Result<ContainerId, RuntimeError> {
        self.answer("create sandbox of")?;
        let address = (!spec.host_network).then(|| self.inner.address());
        Ok(self.inner.insert(&spec.pod, |id| Container {
            id,
            pod: spec.pod.clone(),
            role: Role::Sandbox,
            attempt: spec.attempt,
            spec_hash: String::new(),
            grace: spec.grace,
            limits: Limits::default(),
            sandbox: None,
            image: String::new(),
            image_id: String::new(),
            address,
            state: RunState::Created,
        }))
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, RuntimeError> {
        self.answer("create container of")?;
        let Some(pod) = &spec.pod else {
            return Err(RuntimeError::new(
                "create container",
                &spec.name,
                FailureKind::Refused,
                "it has no pod",
            ));
        };
        let id = self.inner.insert(pod, |id| Container {
            id,
            pod: pod.clone(),
            role: Role::Member(Arc::clone(&spec.name)),
            attempt: spec.attempt,
            spec_hash: spec.spec_hash.clone(),
            grace: spec.grace,
            limits: spec.limits,
            sandbox: spec.sandbox.clone(),
            image: spec.image.clone(),
            image_id: format!("hollow:{}", spec.image),
            address: None,
            state: RunState::Created,
        });
        let burns = spec.env.iter().find_map(|variable| variable.strip_prefix(BURNS)?.parse().ok());
        if let Some(milli) = burns {
            self.inner.burns.insert(id.clone(), milli);
        }
        if let Some(ending) = script::ending(&spec.command, &spec.args) {
            self.inner.endings.insert(id.clone(), ending);
        }
        Ok(id)
    }

    async fn start(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.answer("start container of")?;
        self.inner.pause(self.inner.config.hollow_start_ms).await;
        let now = telemetry::clock::now();
        let inner = &self.inner;
        let changed = inner.change(id, |container| {
            let fails = matches!(container.role, Role::Member(_)) && inner.start_fails();
            container.state = if fails { failed(now) } else { RunState::Running { started: now } };
            fails
        });
        self.inner.tell(changed);
        if let Some(ending) = self.inner.endings.get(id).map(|ending| *ending) {
            self.inner.exit_later(id, ending.after, ending.code);
        }
        Ok(())
    }

    async fn update(&self, id: &ContainerId, limits: &Limits) -> Result<(), RuntimeError> {
        self.answer("update container of")?;
        let changed = self.inner.change(id, |container| {
            container.limits = *limits;
            true
        });
        self.inner.tell(changed);
        Ok(())
    }

    async fn terminate(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.answer("terminate container of")?;
        let span = self.inner.config.hollow_stop_ms;
        if span.is_zero() {
            self.inner.exit(id, 0);
            return Ok(());
        }
        let takes = span.at(self.inner.pauses.fetch_add(1, Ordering::Relaxed));
        self.inner.exit_later(id, takes, 0);
        Ok(())
    }

    async fn kill(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.answer("kill container of")?;
        self.inner.exit(id, 137);
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.answer("remove container of")?;
        self.inner.endings.remove(id);
        self.inner.burns.remove(id);
        if let Some((_, uid)) = self.inner.owners.remove(id) {
            if let Some(pods) = self.inner.pods.get(&uid) {
                lock(&pods).remove(id);
            }
            self.inner.pods.remove_if(&uid, |_, pods| lock(pods).is_empty());
        }
        Ok(())
    }

    fn logs(
        &self,
        id: &ContainerId,
        _options: &LogOptions,
    ) -> BoxStream<'static, Result<Bytes, RuntimeError>> {
        let line = format!("{id} is hollow: it writes nothing\n");
        stream::once(std::future::ready(Ok(Bytes::from(line)))).boxed()
    }

    async fn exec(&self, _id: &ContainerId, _command: &[String]) -> Result<ExecOutcome, RuntimeError> {
        self.answer("run a command in")?;
        let code = i64::from(self.inner.probe_fails());
        let output = if code == 0 { String::new() } else { TOLD_TO_FAIL.to_owned() };
        Ok(ExecOutcome { code, output })
    }

    fn pretended_answer(&self) -> Option<Result<String, String>> {
        Some(if self.inner.probe_fails() { Err(TOLD_TO_FAIL.to_owned()) } else { Ok(String::new()) })
    }

    async fn stats(&self, id: &ContainerId) -> Result<Stats, RuntimeError> {
        self.answer("measure")?;
        let burns = self.inner.burns.get(id).map(|milli| *milli).unwrap_or_default();
        let uid = self.inner.owners.get(id).map(|uid| uid.clone());
        let pods = uid.and_then(|uid| self.inner.pods.get(&uid));
        let started = pods.and_then(|pods| match lock(&pods).get(id)?.state {
            RunState::Running { started } => Some(started),
            RunState::Created | RunState::Exited(_) => None,
        });
        let ran = started.map(|started| telemetry::clock::now().since(started)).unwrap_or_default();
        Ok(Stats { cpu: ran * burns / 1000, ..Stats::default() })
    }

    async fn upload(&self, _id: &ContainerId, _path: &str, _tar: Bytes) -> Result<(), RuntimeError> {
        self.answer("upload files to")
    }

    async fn create_volume(&self, _volume: &VolumeSpec) -> Result<(), RuntimeError> {
        self.answer("create volume of")
    }

    async fn remove_volumes(&self, _pod: &PodRef) -> Result<(), RuntimeError> {
        self.answer("remove volumes of")
    }

    async fn remove_persistent(&self, _node: &NodeName, _name: &str) -> Result<(), RuntimeError> {
        self.answer("remove volume of")
    }

    async fn machine(&self) -> Result<Machine, RuntimeError> {
        self.answer("ask about")?;
        Ok(Machine {
            cpu_milli: self.inner.config.hollow_cpus.saturating_mul(1000),
            memory: self.inner.config.hollow_memory_mib.saturating_mul(1024 * 1024),
            storage: 0,
            runtime_version: "hollow://1".to_owned(),
            kernel_version: "hollow".to_owned(),
            os_image: "hollow".to_owned(),
            architecture: "amd64".to_owned(),
            address: None,
            machine_id: "hollow".to_owned(),
        })
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.answer("ping")
    }
}

fn failed(now: Timestamp) -> RunState {
    let message = TOLD_TO_FAIL.to_owned();
    RunState::Exited(Exit { code: 1, reason: "Error", message, started: now, finished: now })
}
