//! What the agent asks of a container engine: a few verbs over domain values.

pub mod docker;
pub mod hollow;
pub mod process;
pub mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use api::messages::Output;
use api::{NodeName, Timestamp, Uid};
use bytes::Bytes;
use futures::stream::BoxStream;

pub use volume::{Medium, Mount, MountSource, VolumeOwner, VolumeSpec};

/// A container engine. `docker` runs containers; `hollow` pretends to.
pub trait ContainerRuntime: process::Processes {
    /// Every container of one node or of one pod, with its state.
    fn list(&self, scope: &Scope) -> impl Future<Output = Result<Vec<Container>, RuntimeError>> + Send;
    /// Tells whose containers changed. Ends when the engine's connection ends; then everything must be listed again.
    fn events(&self, node: Option<&NodeName>) -> BoxStream<'static, Result<Changed, RuntimeError>>;
    /// The id of an image that the engine has.
    fn image(&self, name: &str) -> impl Future<Output = Result<Option<Image>, RuntimeError>> + Send;
    /// Fetches an image from its registry.
    fn pull(&self, name: &str) -> impl Future<Output = Result<Image, RuntimeError>> + Send;
    /// Creates the container that holds a pod's network. Doing it twice gives the same container.
    fn create_sandbox(
        &self,
        spec: &SandboxSpec,
    ) -> impl Future<Output = Result<ContainerId, RuntimeError>> + Send;
    /// Creates a container in a sandbox. Doing it twice gives the same container.
    fn create_container(
        &self,
        spec: &ContainerSpec,
    ) -> impl Future<Output = Result<ContainerId, RuntimeError>> + Send;
    /// Starts a created container.
    fn start(&self, id: &ContainerId) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Sends the container's stop signal.
    fn terminate(&self, id: &ContainerId) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Sends SIGKILL.
    fn kill(&self, id: &ContainerId) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Gives a running container other limits. Limits that are `None` stay as they are.
    fn update(
        &self,
        id: &ContainerId,
        limits: &Limits,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Removes a container, running or not. Removing nothing is fine.
    fn remove(&self, id: &ContainerId) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// What a container wrote to its standard output and error.
    fn logs(&self, id: &ContainerId, options: &LogOptions)
    -> BoxStream<'static, Result<Bytes, RuntimeError>>;
    /// Runs a command in a container to its end.
    fn exec(
        &self,
        id: &ContainerId,
        command: &[String],
    ) -> impl Future<Output = Result<ExecOutcome, RuntimeError>> + Send;
    /// What a container answers over the network to any probe, where containers have no network; `None`: ask the network.
    fn pretended_answer(&self) -> Option<Result<String, String>> {
        None
    }
    /// What a container uses now.
    fn stats(&self, id: &ContainerId) -> impl Future<Output = Result<Stats, RuntimeError>> + Send;
    /// Unpacks a tar archive in a container's file system, volumes included.
    fn upload(
        &self,
        id: &ContainerId,
        path: &str,
        tar: Bytes,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Makes sure that a volume exists.
    fn create_volume(&self, volume: &VolumeSpec) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Removes every volume of a pod.
    fn remove_volumes(&self, pod: &PodRef) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// Removes a persistent volume of a node, by the name that the engine was asked to make it by, and everything in it. Removing
    /// nothing is fine; anything else is left alone.
    fn remove_persistent(
        &self,
        node: &NodeName,
        name: &str,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// What the machine has, and what runs it.
    fn machine(&self) -> impl Future<Output = Result<Machine, RuntimeError>> + Send;
    /// Does the engine answer?
    fn ping(&self) -> impl Future<Output = Result<(), RuntimeError>> + Send;
}

/// An engine's name for a container.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub Arc<str>);

impl ContainerId {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Whom its containers run as, `user` or `user:group` by name or number; empty: root.
    pub user: String,
}

/// One pod on one node, as containers' labels name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodRef {
    /// The node that it is bound to.
    pub node: NodeName,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its identity.
    pub uid: Uid,
}

/// Whose containers to list.
#[derive(Clone, Debug)]
pub enum Scope {
    /// All pods of one node.
    Node(NodeName),
    /// One pod.
    Pod(PodRef),
}

/// Containers of this pod changed: look at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The node that runs the pod.
    pub node: NodeName,
    /// The pod.
    pub uid: Uid,
}

/// What a container is to its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds the network and the volumes.
    Sandbox,
    /// One of the pod's own containers, by name.
    Member(Arc<str>),
}

/// A container as the engine lists it.
#[derive(Clone, Debug)]
pub struct Container {
    /// The engine's name for it.
    pub id: ContainerId,
    /// Its pod.
    pub pod: PodRef,
    /// What it is to the pod.
    pub role: Role,
    /// Counts instances of the same container of the same pod, from 0.
    pub attempt: u32,
    /// The part of the pod's spec that it was made from.
    pub spec_hash: String,
    /// The pod's grace period when it was made, for pods that nobody knows any more.
    pub grace: Duration,
    /// What it gets of the machine.
    pub limits: Limits,
    /// Whose network it uses; `None` for a sandbox.
    pub sandbox: Option<ContainerId>,
    /// The image's name.
    pub image: String,
    /// The image's content.
    pub image_id: String,
    /// A running sandbox's address on the pod network.
    pub address: Option<IpAddr>,
    /// What it does.
    pub state: RunState,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    /// It was never started.
    Created,
    /// It runs.
    Running {
        /// Since when.
        started: Timestamp,
    },
    /// It ended, or could not be started.
    Exited(Exit),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// The exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`.
    pub reason: &'static str,
    /// What the engine says about it.
    pub message: String,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

/// A pod's network namespace to be made.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// The pod.
    pub pod: PodRef,
    /// Counts the pod's sandboxes.
    pub attempt: u32,
    /// The pod's grace period, kept as a label.
    pub grace: Duration,
    /// The pod shares the node's network.
    pub host_network: bool,
    /// The pod's host name.
    pub hostname: String,
    /// Name servers; empty: the engine's own.
    pub dns_servers: Vec<String>,
    /// Search domains.
    pub dns_searches: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Lines for `/etc/hosts`: (address, name).
    pub hosts: Vec<(String, String)>,
    /// Ports of the node that lead to the pod.
    pub host_ports: Vec<HostPort>,
    /// The pod's volumes, all mounted, so that they can be filled and last as long as the sandbox.
    pub mounts: Vec<Mount>,
    /// Paths of persistent volumes: those that are still empty are opened to every user, and to this group.
    pub open: (Vec<String>, Option<i64>),
    /// Kernel parameters of the namespace.
    pub sysctls: BTreeMap<String, String>,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The container's port.
    pub container: u16,
    /// The node's port.
    pub host: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// The node's address, or empty for all.
    pub address: String,
}

/// A container to be made in a sandbox.
#[derive(Clone, Debug, Default)]
pub struct ContainerSpec {
    /// The pod.
    pub pod: Option<PodRef>,
    /// The container's name in the pod.
    pub name: Arc<str>,
    /// Counts its instances.
    pub attempt: u32,
    /// The part of the pod's spec that it is made from.
    pub spec_hash: String,
    /// The pod's grace period, kept as a label.
    pub grace: Duration,
    /// Whose namespaces it joins.
    pub sandbox: Option<ContainerId>,
    /// The image.
    pub image: String,
    /// Replaces the image's entry point, if not empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments, if not empty.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Replaces the image's working directory.
    pub working_dir: Option<String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// `uid` or `uid:gid`.
    pub user: Option<String>,
    /// Additional groups.
    pub groups: Vec<String>,
    /// All capabilities and devices.
    pub privileged: bool,
    /// Capabilities to add.
    pub capabilities_add: Vec<String>,
    /// Capabilities to drop.
    pub capabilities_drop: Vec<String>,
    /// The root file system cannot be written.
    pub read_only: bool,
    /// What the engine shall ask of the kernel's guards: `no-new-privileges`, `seccomp=…`, `apparmor=…`, `label=…`.
    pub security_options: Vec<String>,
    /// Sees all of `/proc`.
    pub unmasked: bool,
    /// What it gets of the machine.
    pub limits: Limits,
    /// A terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin: bool,
    /// Standard input ends with the first client that attaches to it and goes.
    pub stdin_once: bool,
    /// Whose processes it sees.
    pub processes: Processes,
    /// Shares the machine's shared memory and semaphores rather than the sandbox's.
    pub host_ipc: bool,
}

/// What a container gets of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Share of the processors under contention (1024 is one processor).
    pub cpu_shares: Option<i64>,
    /// In billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// In bytes.
    pub memory: Option<i64>,
}

/// Whose processes a container sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Processes {
    /// Its own.
    #[default]
    Own,
    /// Those of all containers of its sandbox.
    OfSandbox,
    /// Those of this container.
    Of(ContainerId),
    /// All of the machine's.
    OfHost,
}

/// Which part of a log.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Keep on until the container ends.
    pub follow: bool,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    /// Only what is newer.
    pub since: Option<Timestamp>,
    /// Only what was written to this one; `None`: to either.
    pub only: Option<Output>,
}

/// How a command in a container ended.
#[derive(Clone, Debug, Default)]
pub struct ExecOutcome {
    /// The exit code.
    pub code: i64,
    /// The beginning of what it wrote.
    pub output: String,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Processor time so far.
    pub cpu: Duration,
    /// Memory now, in bytes, without the page cache.
    pub memory: u64,
}

/// What the machine has, and what runs it.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// In thousandths of a processor.
    pub cpu_milli: u64,
    /// In bytes.
    pub memory: u64,
    /// In bytes.
    pub storage: u64,
    /// `docker://20.10.24`.
    pub runtime_version: String,
    /// The kernel.
    pub kernel_version: String,
    /// The operating system's name.
    pub os_image: String,
    /// `amd64`, `arm64`, as Kubernetes says it.
    pub architecture: String,
    /// The node's own address on the pod network.
    pub address: Option<Ipv4Addr>,
    /// Identifies the machine.
    pub machine_id: String,
}

/// Why an operation of the engine failed, as far as the agent reacts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The engine does not answer.
    Unreachable,
    /// There is no such thing.
    NotFound,
    /// The thing is in another state than the operation needs.
    Conflict,
    /// Anything else; the engine says why.
    Refused,
}

/// An operation of the engine failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} `{subject}`")]
pub struct RuntimeError {
    /// The verb.
    pub operation: &'static str,
    /// What it was done to.
    pub subject: String,
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// What the engine says.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl RuntimeError {
    /// An error with words of our own as its source.
    pub fn new(operation: &'static str, subject: &str, kind: FailureKind, why: &str) -> Self {
        Self { operation, subject: subject.to_owned(), kind, source: why.into() }
    }

    /// The whole chain in one line, for statuses.
    pub fn text(&self) -> String {
        telemetry::chain(self)
    }
}
