//! Reads the gauges of autoscalers: what the pods of their targets use, asked of the nodes that run them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actor::Reading;
use api::messages::{NodeUsage, UsageRequest};
use api::views::HorizontalPodAutoscaler;
use api::{NodeName, Object, Resource, Uid};
use futures::StreamExt;
use futures::stream;
use telemetry::clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Keeper;
use crate::actors::autoscaler::{EVERY, Target};

/// How long a node may take to measure.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nodes that are asked at the same time.
const AT_ONCE: usize = 32;
/// Readings are kept for so long at least: Kubernetes' window for shrinking.
const KEPT: Duration = Duration::from_secs(300);

/// Starts reading.
pub fn start(keeper: &Arc<Keeper>, shells: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (keeper, shutdown) = (Arc::clone(keeper), shutdown.clone());
    shells.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if shutdown.run_until_cancelled(read_all(&keeper)).await.is_none() {
                return;
            }
        }
    });
}

/// One reading for each autoscaler of ours; then they decide.
async fn read_all(keeper: &Keeper) {
    let autoscalers: Vec<Arc<Object<HorizontalPodAutoscaler>>> = {
        let reader = keeper.view.read();
        let all = reader
            .list(HorizontalPodAutoscaler::ID, None)
            .filter(|stored| keeper.partitions.owns(&stored.key));
        all.map(|stored| stored.object()).collect()
    };
    let living: HashSet<&Uid> = autoscalers.iter().map(|autoscaler| &autoscaler.metadata.uid).collect();
    keeper.facts.keep_readings_of(&living);
    for autoscaler in &autoscalers {
        let target = Target::of(autoscaler, &keeper.view.read());
        let Ok(target) = target else { continue };
        let reading = read(keeper, &target).await;
        keeper.facts.note_reading(&autoscaler.metadata.uid, reading, kept(autoscaler));
        keeper.host.wake(&autoscaler.key, "its gauges were read");
    }
}

/// What the target's pods use, as far as their nodes answer.
async fn read(keeper: &Keeper, target: &Target) -> Reading {
    let nodes: BTreeSet<NodeName> = target.pods.iter().filter_map(|pod| pod.spec.node_name.clone()).collect();
    let wanted: HashSet<&Uid> = target.pods.iter().map(|pod| &pod.metadata.uid).collect();
    let usages: Vec<NodeUsage> = stream::iter(nodes)
        .map(|node| async move {
            let subject = format!("odeon.node.{}.usage", bus::token(node.as_str()));
            let answer = keeper.bus.request(&subject, &UsageRequest::default(), PATIENCE).await;
            answer.inspect_err(|error| tracing::debug!(%node, %error, "usage not measured")).ok()
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let pods =
        usages.into_iter().flat_map(|usage| usage.pods).filter(|pod| wanted.contains(&pod.uid)).collect();
    Reading { at: clock::now(), replicas: target.replicas, pods }
}

/// As long as the longest window or period of the autoscaler.
fn kept(autoscaler: &HorizontalPodAutoscaler) -> Duration {
    let behavior = &autoscaler.spec.behavior;
    let rules = [&behavior.scale_up, &behavior.scale_down];
    let windows = rules.iter().filter_map(|rules| rules.stabilization_window_seconds);
    let periods = rules.iter().flat_map(|rules| &rules.policies).map(|policy| policy.period_seconds);
    let longest = windows.chain(periods).max().unwrap_or_default();
    KEPT.max(Duration::from_secs(u64::try_from(longest).unwrap_or_default()))
}
