//! Starts an agent: connects to the runtime, adopts what it runs, registers, performs until the end.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use api::NodeName;
use bus::{Bus, BusError};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{Config, RuntimeKind};
use crate::metrics::Metrics;
use crate::node::outbox::{self, Outbox};
use crate::node::{Agent, Node, beat, exec, inbox, logs, object, portforward, register, usage, volumes};
use crate::pod::fields::Place;
use crate::pod::hands::Hands;
use crate::pod::performer::Pods;
use crate::pod::spec::ClusterDns;
use crate::prepare::prepare;
use crate::runtime::docker;
use crate::runtime::{ContainerRuntime, Machine, RuntimeError, Scope};

/// How often the runtime is asked whether it answers.
const PING_EVERY: Duration = Duration::from_secs(3);
/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Before events are watched again after the engine has ended the connection.
const WATCH_AGAIN: Duration = Duration::from_millis(200);

/// Why an agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The runtime.
    #[error("failed to prepare the container runtime")]
    Runtime(#[source] RuntimeError),
    /// The bus.
    #[error("failed to listen for assignments")]
    Bus(#[source] BusError),
    /// The heartbeats.
    #[error("failed to start the heartbeats")]
    Heartbeats(#[source] BusError),
    /// Removing what a cluster has left.
    #[error("failed to clean up cluster `{cluster}`")]
    Cleanup {
        /// Which cluster.
        cluster: String,
        /// Why.
        #[source]
        source: RuntimeError,
    },
}

/// Performs nodes until `shutdown` is cancelled.
pub async fn run(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    prepare(config).await?.run(bus, shutdown).await
}

/// Removes every container, volume, network and sandbox image of a cluster; says how many things it removed.
pub async fn cleanup(cluster: &str) -> Result<usize, Error> {
    docker::cleanup(cluster).await.map_err(|source| Error::Cleanup { cluster: cluster.to_owned(), source })
}

/// Performs nodes of any runtime until `shutdown` is cancelled.
pub async fn perform<R: ContainerRuntime>(
    runtime: R,
    names: Vec<String>,
    config: Config,
    bus: Bus,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let runtime = Arc::new(runtime);
    let machine = limited(runtime.machine().await.map_err(Error::Runtime)?);
    let outbox = Arc::new(Outbox::default());
    let address = node_address(&config, &machine);
    let dns = ClusterDns {
        server: Some(config.dns_ip.unwrap_or(address).to_string()),
        domain: config.cluster_domain.clone(),
    };
    let hands = Hands { runtime: Arc::clone(&runtime), dns, metrics: Metrics::default() };
    let pods = Pods::start(hands, Arc::clone(&outbox));
    let now = telemetry::clock::now();
    let mut nodes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let name = NodeName::from(name.as_str());
        let address = match config.runtime {
            RuntimeKind::Docker => address,
            // Hollow nodes have addresses of their own.
            RuntimeKind::Hollow => config.hollow.node_address(u32::try_from(index).unwrap_or(0)).into(),
        }
        .to_string();
        nodes.push(Node::new(name.clone(), object::object(&name, &machine, &address, &config, now)));
        let place = Place {
            node: name.to_string(),
            host_address: address,
            pod_address: String::new(),
            cpu_milli: machine.cpu_milli,
            memory: machine.memory,
        };
        pods.open_node(&name, place);
    }
    // Watching begins before listing, so that nothing is missed in between.
    let single = if let [only] = names.as_slice() { Some(NodeName::from(only.as_str())) } else { None };
    let watch = spawn(watch(pods.clone(), single.clone()));
    if let Some(node) = single {
        let listed = runtime.list(&Scope::Node(node)).await.map_err(Error::Runtime)?;
        pods.adopt(listed);
    }
    let agent = Arc::new(Agent::new(bus, pods.clone(), nodes, outbox));
    let assignments = inbox::subscribe(&agent).await.map_err(Error::Bus)?;
    let log_requests = logs::listen(&agent).await.map_err(Error::Bus)?;
    let exec_requests = exec::listen(&agent).await.map_err(Error::Bus)?;
    let forward_requests = portforward::listen(&agent).await.map_err(Error::Bus)?;
    let usage_requests = usage::subscribe(&agent).await.map_err(Error::Bus)?;
    let volume_requests = volumes::subscribe(&agent).await.map_err(Error::Bus)?;
    let beating = Arc::clone(&agent);
    let heartbeats = agent.bus.express("heartbeats", move |bus| beat::run(beating, bus));
    let heartbeats = heartbeats.await.map_err(Error::Heartbeats)?;
    let tasks = [
        watch,
        spawn(inbox::run(Arc::clone(&agent), assignments)),
        spawn(logs::run(Arc::clone(&agent), log_requests)),
        spawn(exec::run(Arc::clone(&agent), exec_requests)),
        spawn(portforward::run(Arc::clone(&agent), forward_requests)),
        spawn(usage::run(Arc::clone(&agent), usage_requests)),
        spawn(volumes::run(Arc::clone(&agent), volume_requests)),
        spawn(outbox::run(Arc::clone(&agent))),
        spawn(ping(Arc::clone(&agent))),
        spawn(reconnect(Arc::clone(&agent))),
    ];
    register_all(&agent);
    tracing::info!(nodes = agent.nodes.len(), runtime = machine.runtime_version, "agent performs");
    shutdown.cancelled().await;
    stop(&agent, &config).await;
    drop((tasks, heartbeats));
    Ok(())
}

fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(future))
}

fn register_all<R: ContainerRuntime>(agent: &Arc<Agent<R>>) {
    for node in agent.nodes.values() {
        register::begin(agent, node);
    }
}

async fn stop<R: ContainerRuntime>(agent: &Arc<Agent<R>>, config: &Config) {
    beat::leave(agent).await;
    if config.stop_pods_on_exit {
        agent.pods.stop_all(config.patience(), telemetry::clock::now()).await;
    }
    agent.pods.close().await;
}

/// Tells pods what the engine tells, and looks at all of them after it was not heard for a while.
async fn watch<R: ContainerRuntime>(pods: Pods<R>, node: Option<NodeName>) {
    loop {
        let mut events = pods.runtime().events(node.as_ref());
        while let Some(event) = events.next().await {
            match event {
                Ok(changed) => pods.changed(&changed.uid),
                Err(error) => {
                    tracing::warn!(error = error.text(), "events of the runtime were lost");
                    break;
                }
            }
        }
        tokio::time::sleep(WATCH_AGAIN).await;
        pods.changed_all();
    }
}

/// Keeps track of whether the runtime answers, for the node's Ready condition.
async fn ping<R: ContainerRuntime>(agent: Arc<Agent<R>>) {
    loop {
        let answered = tokio::time::timeout(PING_TIMEOUT, agent.pods.runtime().ping()).await;
        let trouble = match answered {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.text()),
            Err(_) => Some(format!("the container runtime has not answered within {PING_TIMEOUT:?}")),
        };
        if let Some(trouble) = &trouble {
            tracing::warn!(trouble, "the runtime does not answer");
        }
        *agent.unhealthy.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        tokio::time::sleep(PING_EVERY).await;
    }
}

/// After an outage of the bus the keepers may have forgotten this agent.
async fn reconnect<R: ContainerRuntime>(agent: Arc<Agent<R>>) {
    let mut connected = agent.bus.connected();
    let mut before = *connected.borrow_and_update();
    while connected.changed().await.is_ok() {
        let now = *connected.borrow_and_update();
        if now && !before {
            tracing::info!("the bus is back, registering again");
            register_all(&agent);
        }
        before = now;
    }
}

fn node_address(config: &Config, machine: &Machine) -> IpAddr {
    config.node_ip.or(machine.address.map(IpAddr::V4)).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// An agent in a container with limits has no more to give than these.
fn limited(mut machine: Machine) -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let memory =
        read("/sys/fs/cgroup/memory.max").or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    if let Some(limit) = memory.and_then(|text| text.trim().parse::<u64>().ok()) {
        machine.memory = machine.memory.min(limit);
    }
    let cpu = read("/sys/fs/cgroup/cpu.max").and_then(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        Some((quota.parse::<u64>().ok()?, period.parse::<u64>().ok().filter(|period| *period > 0)?))
    });
    if let Some((quota, period)) = cpu {
        machine.cpu_milli = machine.cpu_milli.min(quota.saturating_mul(1000) / period).max(1);
    }
    if machine.storage == 0 && machine.machine_id != "hollow" {
        machine.storage =
            nix::sys::statvfs::statvfs("/").map_or(0, |disk| disk.fragment_size() * disk.blocks());
    }
    machine
}
