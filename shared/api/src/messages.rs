//! The messages between controllers, agents and proxies. Every one is a hint or a numbered delta: losing one costs time only.

mod admission;
mod tokens;

pub use admission::{AdmissionAnswer, AdmissionQuestion};
pub use tokens::{TokenAnswer, TokenRequest};

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{NodeName, ObjectKey, ResourceId, Revision, Timestamp, Uid};

/// How often a performer says that it lives, in milliseconds.
pub const HEARTBEAT_EVERY_MS: u64 = 500;
/// How long a node's lease lasts after the keeper acknowledged a heartbeat, in milliseconds.
pub const NODE_LEASE_MS: u64 = 4_000;

/// Performer → keeper, request/reply on `odeon.node.<node>.register`: who I am, what I run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Register {
    /// The node's name.
    pub node: NodeName,
    /// Drawn at every start of the agent process.
    pub session: u64,
    /// The Node object as the agent would have it, in JSON text: labels, capacity, allocatable, addresses, nodeInfo, conditions.
    pub object: String,
    /// Pods that the runtime already runs (adopted after an agent restart).
    pub running: Vec<RunningPod>,
}

/// A pod that the runtime runs, as a returning agent offers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunningPod {
    /// Where its object lived.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
}

/// Keeper → performer, the reply to `Register`. A keeper that does not own the node does not reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registered {
    /// The lease epoch: grows with every registration.
    pub epoch: u64,
    /// Why the registration was refused, if it was.
    pub refused: Option<String>,
}

/// Performer → keeper on `odeon.node.<node>.heartbeat`, every `HEARTBEAT_EVERY_MS`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The node's name.
    pub node: NodeName,
    /// The agent process.
    pub session: u64,
    /// The epoch under which it runs pods.
    pub epoch: u64,
    /// The last assignment it has applied; 0 asks for a full one.
    pub assignment: u64,
    /// It has heard of everything that happened to its pods up to here; 0 if it does not know.
    pub revision: Revision,
    /// Pods it runs, for the keeper's metrics.
    pub pods: u32,
    /// `None` while the runtime answers; else what is wrong, for the Ready condition.
    pub unhealthy: Option<String>,
    /// True in the last heartbeat of an agent that stops in order: the node is NotReady at once.
    pub leaving: bool,
}

/// Keeper → performer, the reply to a heartbeat that asks for one. Extends the lease.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HeartbeatAck {
    /// The epoch that the keeper knows; another one than the agent's means: register again.
    pub epoch: u64,
    /// The last assignment that was sent to the node.
    pub assignment: u64,
    /// Who has applied that assignment has heard of everything up to here.
    pub revision: Revision,
}

/// Keeper → performer on `odeon.node.<node>.assign`. A full one answers the first heartbeat after a
/// registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Assign {
    /// Everything the node shall run. What is not in it is surplus.
    Full {
        /// The lease epoch this is meant for; another epoch's is ignored.
        epoch: u64,
        /// The number of this assignment; never 0.
        seq: u64,
        /// The keeper's view that it was made of.
        revision: Revision,
        /// All pods.
        pods: Vec<AssignedPod>,
    },
    /// Everything too, for a performer that has heard of everything up to `since`: what has not changed is only named. So a keeper
    /// that takes over does not send every pod again. A performer that is elsewhere ignores it.
    Since {
        /// The lease epoch this is meant for.
        epoch: u64,
        /// The revision that the performer's heartbeat told.
        since: Revision,
        /// The number of this assignment.
        seq: u64,
        /// The keeper's view that it was made of.
        revision: Revision,
        /// New and changed pods.
        upserts: Vec<AssignedPod>,
        /// All other pods of the node. What is in neither is surplus.
        kept: Vec<Uid>,
    },
    /// What changed since `previous`. A performer that is elsewhere sends a heartbeat with `assignment: 0`.
    Delta {
        /// The lease epoch this is meant for.
        epoch: u64,
        /// The assignment this one builds on.
        previous: u64,
        /// The number of this assignment.
        seq: u64,
        /// The keeper's view that it was made of.
        revision: Revision,
        /// New and changed pods.
        upserts: Vec<AssignedPod>,
        /// Pods whose objects are gone.
        removed: Vec<Uid>,
    },
}

/// A pod to run, with the ConfigMaps, Secrets, claims and volumes it uses and nothing else of the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AssignedPod {
    /// Where its object lives.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// The object's revision.
    pub revision: Revision,
    /// The Pod object as stored (named MessagePack; read it with `bus::decode`).
    pub object: ByteBuf,
    /// ConfigMaps, Secrets and claims that its spec refers to and that exist, and the volumes of those claims.
    pub config: Vec<ConfigObject>,
    /// `Some(grace seconds)`: its proxies have drained, end it now. While a deleted pod drains this is still `None`.
    pub stop: Option<u32>,
    /// The cluster's services as environment variables are not sent; the DNS server to use is the agent's own.
    pub cluster_domain: String,
}

/// A ConfigMap, a Secret, a claim or a volume; or a token, which only the agent itself adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigObject {
    /// `configmaps`, `secrets`, `persistentvolumeclaims`, `persistentvolumes` or the agent's own `tokens`.
    pub resource: ResourceId,
    /// Its name; its namespace, if it has one, is the pod's.
    pub name: String,
    /// Its revision.
    pub revision: Revision,
    /// The object as stored.
    pub object: ByteBuf,
}

/// Performer → keeper, request/reply on `odeon.node.<node>.report`: how pods are. Repeated until acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The node's name.
    pub node: NodeName,
    /// The agent process.
    pub session: u64,
    /// The epoch under which the pods run.
    pub epoch: u64,
    /// The pods that changed.
    pub pods: Vec<PodReport>,
}

/// Conditions of pods that their agents decide: what a report leaves out of them has ended.
pub const AGENT_CONDITIONS: [&str; 6] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodResizePending",
    "PodResizeInProgress",
];

/// How one pod is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PodReport {
    /// Where its object lives.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// The complete `.status` in JSON text.
    pub status: String,
    /// Everything of a deleted pod is gone from the node: its object may go too.
    pub gone: bool,
    /// What happened, for the journal: `container web exited with code 1, restarting in 10s`.
    pub because: String,
    /// Kubernetes' event for it, if it has one: (severity, reason, message).
    pub events: Vec<(String, String, String)>,
}

/// Keeper → performer, the reply to `Report`, when the statuses are durable.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReportAck {
    /// Uids of pods that do not exist or are bound elsewhere: stop them.
    pub unknown: Vec<Uid>,
    /// Uids whose status could not be written now: send them again.
    pub retry: Vec<Uid>,
}

/// Controller → every proxy on `odeon.proxy.table`, and the reply to a request on `odeon.proxy.snapshot`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RouteTable {
    /// Every Service.
    Full {
        /// The view's revision that this table shows.
        revision: Revision,
        /// All of them.
        services: Vec<ServiceRoutes>,
    },
    /// What changed since `previous`; a proxy that is elsewhere asks for a snapshot. Sent empty every second as a beat.
    ///
    /// A table is a function of its revision, and `upserts` are complete Services. So a proxy at `r` applies a delta with
    /// `previous <= r < revision`, ignores one with `revision <= r`, and asks for a snapshot if `r < previous`.
    Delta {
        /// The table this one builds on.
        previous: Revision,
        /// The table it leads to.
        revision: Revision,
        /// New and changed Services.
        upserts: Vec<ServiceRoutes>,
        /// Services that are gone, as `namespace/name`.
        removed: Vec<String>,
    },
}

/// One Service, as a proxy needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceRoutes {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// Cluster IPs; empty for headless and ExternalName Services.
    pub cluster_ips: Vec<IpAddr>,
    /// `clusterIP: None`: DNS answers with the pods' own addresses.
    pub headless: bool,
    /// DNS answers with pods that are not ready too (`publishNotReadyAddresses`).
    pub publish_not_ready: bool,
    /// `sessionAffinity: ClientIP` with its time-out in seconds.
    pub affinity_seconds: Option<u32>,
    /// `externalTrafficPolicy: Local`: node ports use backends of the own node only.
    pub external_local: bool,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// ExternalName Services: a CNAME.
    pub external_name: Option<String>,
    /// Its ports.
    pub ports: Vec<PortRoutes>,
}

/// One port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortRoutes {
    /// Empty if the Service has one unnamed port.
    pub name: String,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The port of the cluster IP.
    pub port: u16,
    /// The port on every node; 0 if none.
    pub node_port: u16,
    /// `appProtocol`: `http`, `kubernetes.io/h2c`, …; empty: detect.
    pub app_protocol: String,
    /// Where connections may go.
    pub backends: Vec<Backend>,
}

/// One endpoint behind a port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// The pod's address.
    pub ip: IpAddr,
    /// The container's port.
    pub port: u16,
    /// The node it runs on; empty if unknown.
    pub node: NodeName,
    /// The pod's name; empty for hand-made endpoints.
    pub pod: String,
    /// For DNS of headless Services: the pod's hostname.
    pub hostname: String,
    /// May receive new connections.
    pub ready: bool,
    /// Still answers though it ends: used if no backend is ready (KEP-1669).
    pub serving: bool,
    /// Its pod is being deleted.
    pub terminating: bool,
}

/// Proxy → controllers on `odeon.proxy.<node>.applied`: the table that it serves. Sent after every change and every second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Applied {
    /// The node whose proxy this is.
    pub node: NodeName,
    /// Every change up to here is in force.
    pub revision: Revision,
}

/// Gateway → agent on `odeon.node.<node>.logs` (a stream): `kubectl logs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogsRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: Uid,
    /// The container's name.
    pub container: String,
    /// Keep the stream open.
    pub follow: bool,
    /// The terminated instance before this one.
    pub previous: bool,
    /// Prefix each line with its RFC 3339 time.
    pub timestamps: bool,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// Only what is newer than this many seconds.
    pub since_seconds: Option<i64>,
    /// Only what is newer than this time (microseconds since the epoch).
    pub since_micros: Option<i64>,
    /// Stop after so many bytes.
    pub limit_bytes: Option<u64>,
    /// Only what was written to this one; `None`: to either.
    pub only: Option<Output>,
}

/// Where a container writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Standard output, and everything that goes over a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Gateway → agent on `odeon.node.<node>.exec` (a stream of `conversation::Said`): `kubectl exec` and `attach`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: Uid,
    /// The container's name.
    pub container: String,
    /// What to run; empty: talk to the container's own process.
    pub command: Vec<String>,
    /// The client will write to standard input.
    pub stdin: bool,
    /// The client reads standard output.
    pub stdout: bool,
    /// The client reads standard error.
    pub stderr: bool,
    /// Over a terminal; standard error is part of standard output then.
    pub tty: bool,
}

/// Gateway → agent on `odeon.node.<node>.portforward` (a stream of the connection's bytes): one connection into a pod.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PortForwardRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: Uid,
    /// The port in the pod.
    pub port: u16,
}

/// Keeper → agent, request/reply on `odeon.node.<node>.volume`: nobody wants this volume of the built-in driver any more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VolumeRemoval {
    /// The driver's name for it.
    pub handle: String,
}

/// The reply to a `VolumeRemoval`, when nothing of the volume is left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VolumeRemoved {
    /// Why it is still there, if it is.
    pub refused: Option<String>,
}

/// Processor time is compared over so long at least, in milliseconds.
pub const USAGE_WINDOW_MS: u64 = 1_000;

/// Gateway → agent on `odeon.node.<node>.usage` (a request): what do the node's containers use? Answered with [`NodeUsage`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UsageRequest {}

/// What the running containers of a node use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeUsage {
    /// When it was measured.
    pub at: Timestamp,
    /// By pod.
    pub pods: Vec<PodUsage>,
}

/// What the running containers of a pod use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PodUsage {
    /// The pod.
    pub uid: Uid,
    /// By container.
    pub containers: Vec<ContainerUsage>,
}

/// What a container uses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ContainerUsage {
    /// Its name.
    pub name: Arc<str>,
    /// Billionths of a processor.
    pub cpu_nano: u64,
    /// Bytes.
    pub memory: u64,
}
