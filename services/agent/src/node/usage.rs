//! Measures what containers use, when someone asks: nobody pays for figures that nobody reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::messages::{ContainerUsage, NodeUsage, PodUsage, USAGE_WINDOW_MS, UsageRequest};
use api::{NodeName, Uid};
use bus::{BusError, Reply, Subscription};
use futures::StreamExt;
use futures::stream;

use super::Agent;
use crate::runtime::{Container, ContainerId, ContainerRuntime, Role, RunState, RuntimeError, Scope, Stats};

/// Processor time is compared over so long at least.
const WINDOW: Duration = Duration::from_millis(USAGE_WINDOW_MS);
/// What was measured before tells nothing any more.
const STALE: Duration = Duration::from_secs(60);
/// Containers that are measured at the same time.
const AT_ONCE: usize = 8;

/// The last measurements, by container.
#[derive(Debug, Default)]
pub struct Meter(Mutex<HashMap<ContainerId, Sample>>);

/// Processor time up to a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    cpu: Duration,
    /// How fast it grew before, in billionths of a processor; `None` for the first sample.
    rate: Option<u64>,
}

/// Subscribes for all nodes of the process.
pub async fn subscribe<R: ContainerRuntime>(
    agent: &Agent<R>,
) -> Result<Subscription<UsageRequest>, BusError> {
    agent.bus.subscribe(&agent.subject("usage")).await
}

/// Answers until the subscription ends.
pub async fn run<R: ContainerRuntime>(agent: Arc<Agent<R>>, mut requests: Subscription<UsageRequest>) {
    while let Some(delivery) = requests.next().await {
        let Some(node) = agent.node_of(&delivery.subject).map(|node| node.name.clone()) else { continue };
        if let Some(reply) = delivery.reply {
            tokio::spawn(answer(Arc::clone(&agent), node, reply));
        }
    }
}

async fn answer<R: ContainerRuntime>(agent: Arc<Agent<R>>, node: NodeName, reply: Reply) {
    match measure(&agent, &node).await {
        Ok(usage) => {
            if let Err(error) = reply.send(&usage).await {
                tracing::debug!(%node, %error, "usage not sent");
            }
        }
        // Who asked hears nothing, as of a node that is lost.
        Err(error) => tracing::warn!(%node, error = error.text(), "usage not measured"),
    }
}

/// Measures all running containers of a node: twice, if the last time was too long ago.
async fn measure<R: ContainerRuntime>(agent: &Agent<R>, node: &NodeName) -> Result<NodeUsage, RuntimeError> {
    let runtime = agent.pods.runtime().as_ref();
    let running = |container: &Container| {
        matches!((&container.role, &container.state), (Role::Member(_), RunState::Running { .. }))
    };
    let mut containers = runtime.list(&Scope::Node(node.clone())).await?;
    containers.retain(running);
    if containers.iter().any(|container| agent.meter.is_stale(&container.id)) {
        for (id, stats) in sample(runtime, &containers).await {
            agent.meter.note(&id, stats, Instant::now());
        }
        tokio::time::sleep(WINDOW).await;
    }
    let mut pods: BTreeMap<Uid, PodUsage> = BTreeMap::new();
    let measured = sample(runtime, &containers).await;
    let now = Instant::now();
    for container in &containers {
        let (Role::Member(name), Some(stats)) = (&container.role, measured.get(&container.id)) else {
            continue;
        };
        let Some(cpu) = agent.meter.rate(&container.id, *stats, now) else { continue };
        let uid = &container.pod.uid;
        let usage =
            pods.entry(uid.clone()).or_insert_with(|| PodUsage { uid: uid.clone(), containers: Vec::new() });
        usage.containers.push(ContainerUsage { name: Arc::clone(name), cpu_nano: cpu, memory: stats.memory });
    }
    agent.meter.forget_stale(now);
    Ok(NodeUsage { at: telemetry::clock::now(), pods: pods.into_values().collect() })
}

/// What each container has used so far; those that are gone meanwhile are left out.
async fn sample<R: ContainerRuntime>(runtime: &R, containers: &[Container]) -> HashMap<ContainerId, Stats> {
    let ids: Vec<ContainerId> = containers.iter().map(|container| container.id.clone()).collect();
    stream::iter(ids)
        .map(|id| async move {
            let stats = runtime.stats(&id).await.ok()?;
            Some((id, stats))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

impl Meter {
    fn samples(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stale(&self, id: &ContainerId) -> bool {
        self.samples().get(id).is_none_or(|sample| sample.at.elapsed() > STALE)
    }

    fn note(&self, id: &ContainerId, stats: Stats, at: Instant) {
        self.samples().insert(id.clone(), Sample { at, cpu: stats.cpu, rate: None });
    }

    /// Billionths of a processor since the last sample, which this one replaces. So soon after it that the figure would be noise, the
    /// one before stands.
    fn rate(&self, id: &ContainerId, stats: Stats, now: Instant) -> Option<u64> {
        let mut samples = self.samples();
        let before = *samples.get(id)?;
        let elapsed = now.duration_since(before.at);
        if elapsed < WINDOW {
            return before.rate;
        }
        let used = stats.cpu.saturating_sub(before.cpu).as_nanos();
        let rate = u64::try_from(used.checked_mul(1_000_000_000)?.checked_div(elapsed.as_nanos())?).ok();
        samples.insert(id.clone(), Sample { at: now, cpu: stats.cpu, rate });
        rate
    }

    fn forget_stale(&self, now: Instant) {
        self.samples().retain(|_, sample| now.duration_since(sample.at) <= STALE);
    }
}
