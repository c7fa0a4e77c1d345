//! A steady mix of changes at a rate: pods deleted, Deployments scaled and rolled, ConfigMaps written, all at the same time.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bench::chart;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::load::Ask;
use crate::bench::sampler::Role;
use crate::bench::wire::{Endpoint, Wire};
use crate::bench::workload::Workload;

/// Deployments that share the pods, unless it is said how many.
const DEPLOYMENTS: u32 = 10;
/// Clients that share the rate.
const CLIENTS: u32 = 8;
/// Pods whose names a client knows at a time.
const NAMES: usize = 500;

/// What the mix is: of a hundred changes, so many are of this kind.
const MIX: [(u32, Change); 4] =
    [(50, Change::DeletePod), (20, Change::Scale), (5, Change::Roll), (25, Change::Configure)];

/// One kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// A pod is deleted; another takes its place.
    DeletePod,
    /// A Deployment gets a few pods more, or loses them again.
    Scale,
    /// A Deployment gets a new template.
    Roll,
    /// A ConfigMap is made.
    Configure,
}

/// One client's work.
struct Churner {
    endpoint: Endpoint,
    workload: Workload,
    pods: String,
    config_maps: String,
    client: u32,
    /// Pods that may be deleted.
    names: Vec<String>,
}

/// Deploys, changes things for a while, and waits until everything is as it was.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let workload = spread(lab.workload());
    let pods = lab.watch_pods().await?;
    lab.deploy(&workload, &pods).await?;
    let (all, rate, length) = (workload.pods(), lab.options.rate, lab.options.length());
    lab.progress.counting(&format!("{} changes per second", number(f64::from(rate))), all, pods.counts());
    pods.restart();
    let mark = lab.mark().await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let churner = Churner {
            endpoint: lab.cluster.endpoint.clone(),
            workload: workload.clone(),
            pods: lab.path("pods"),
            config_maps: lab.path("configmaps"),
            client,
            names: Vec::new(),
        };
        let pace = Duration::from_secs(1) * CLIENTS / rate;
        clients.spawn(churner.run(pace, mark.at + pace * client / CLIENTS, mark.at + length));
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let spent = lab.since(&mark, format!("{} changes per second", number(f64::from(rate)))).await;
    lab.progress.counting("settling", all, pods.counts());
    let settling = Instant::now();
    workload.scale(workload.replicas).await?;
    lab.reach(&pods, "all pods Ready again", all, |census| census.is_complete(all)).await?;
    let settled = settling.elapsed();
    let fewest = f64::from(pods.census().fewest_ready) / f64::from(all) * 100.0;
    lab.figure(Figure::of_rate(
        format!("changes of {} at {}/s asked for", workload.describe(), number(f64::from(rate))),
        latencies.len(),
        spent.took(),
    ));
    lab.figure(Figure::of_durations("… each change until acknowledged", &latencies));
    lab.figure(Figure::single("… fewest Ready at any moment", fewest, "%"));
    lab.figure(Figure::took("… until everything is Ready again", settled));
    if spent.knows_processes() {
        let changes = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        lab.figure(Figure::single(
            format!("CPU per change, {}", lab.whose()),
            spent.cpu_per(Role::Control, changes),
            "ms",
        ));
    }
    lab.chart(chart::course("Pods while everything changes", &pods.course()));
    lab.chart(chart::distribution("How long changes take", &[("until acknowledged".to_owned(), latencies)]));
    lab.record.phases.push(spent);
    Ok(())
}

/// One Deployment says little about a mix: its pods are shared among several.
fn spread(workload: Workload) -> Workload {
    if workload.deployments > 1 {
        return workload;
    }
    let deployments = DEPLOYMENTS.min(workload.replicas);
    workload.sized(deployments, workload.replicas / deployments)
}

impl Churner {
    /// Sends a change whenever it is time, until it is over; a server that is too slow gets fewer.
    async fn run(mut self, pace: Duration, first: Instant, until: Instant) -> Result<Vec<Duration>> {
        let mut wire = self.endpoint.connect().await?;
        let mut latencies = Vec::new();
        let mut due = first;
        while due < until {
            tokio::time::sleep_until(due.into()).await;
            if Instant::now() >= until {
                break;
            }
            let change = choose(rand::random_range(0..100));
            if let Some(Ask { method, path, body }) = self.ask(change, latencies.len(), &mut wire).await? {
                let started = Instant::now();
                let (status, answer) = wire.exchange(method, &path, body).await?;
                // Somebody else may have deleted the pod, or changed the Deployment, at the same moment.
                let expected = [StatusCode::NOT_FOUND, StatusCode::CONFLICT].contains(&status);
                anyhow::ensure!(
                    status.is_success() || expected,
                    "{status}: {}",
                    String::from_utf8_lossy(&answer)
                );
                latencies.push(started.elapsed());
            }
            due += pace;
        }
        Ok(latencies)
    }

    async fn ask(&mut self, change: Change, number: usize, wire: &mut Wire) -> Result<Option<Ask>> {
        let deployment = self.workload.path(rand::random_range(0..self.workload.deployments));
        Ok(match change {
            Change::DeletePod => {
                if self.names.is_empty() {
                    self.names = names(wire, &self.pods).await?;
                }
                self.names.pop().map(|name| Ask::delete(format!("{}/{name}", self.pods)))
            }
            Change::Scale => {
                let few = self.workload.replicas / 10;
                let replicas = rand::random_range(self.workload.replicas - few..=self.workload.replicas);
                Some(Ask::merge(deployment, &json!({"spec": {"replicas": replicas}})))
            }
            Change::Roll => {
                let version = format!("{}-{number}", self.client);
                let labels = json!({"metadata": {"labels": {"version": version}}});
                Some(Ask::merge(deployment, &json!({"spec": {"template": labels}})))
            }
            Change::Configure => {
                let name = format!("churn-{}-{number}", self.client);
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
                Some(Ask::create(&self.config_maps, &object))
            }
        })
    }
}

/// Some pods' names, in no order, so that clients seldom choose the same.
async fn names(wire: &mut Wire, path: &str) -> Result<Vec<String>> {
    let body = wire.send(Method::GET, &format!("{path}?limit={NAMES}"), Bytes::new()).await?;
    let page: Value = serde_json::from_slice(&body)?;
    let items = page.get("items").and_then(Value::as_array).into_iter().flatten();
    let alive = items.filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    let name = |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let mut names: Vec<String> = alive.filter_map(name).collect();
    names.sort_by_cached_key(|_| rand::random::<u64>());
    // What is known grows old: a part of it is enough.
    names.truncate(NAMES / 10);
    Ok(names)
}

/// The change of a number below a hundred.
fn choose(drawn: u32) -> Change {
    let mut upto = 0;
    let found = MIX.iter().find(|(share, _)| {
        upto += share;
        drawn < upto
    });
    found.map_or(Change::Configure, |(_, change)| *change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_a_whole() {
        assert_eq!(MIX.iter().map(|(share, _)| share).sum::<u32>(), 100);
        assert_eq!(
            [0, 49, 50, 69, 70, 75, 99].map(choose),
            [
                Change::DeletePod,
                Change::DeletePod,
                Change::Scale,
                Change::Scale,
                Change::Roll,
                Change::Configure,
                Change::Configure
            ]
        );
    }
}
