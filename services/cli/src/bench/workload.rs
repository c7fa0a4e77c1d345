//! A Deployment under measurement: makes it, changes it, and waits until its status or its pods are as wanted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::cluster::BenchCluster;
use crate::client::Client;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the Deployment is looked at; bounds the error of the figures.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Pods that are named when something is missing.
const NAMED: usize = 5;
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Hollow nodes.
    pub nodes: u32,
    /// Pods.
    pub replicas: u32,
}

/// A Deployment on a cluster.
pub struct Workload {
    /// The cluster's API.
    pub client: Client,
    name: String,
}

/// What a Deployment's status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The status is about the present spec.
    pub is_current: bool,
    /// All pods.
    pub replicas: u64,
    /// Those of the present template.
    pub updated: u64,
    /// Those that are Ready.
    pub ready: u64,
    /// Those that can be relied on.
    pub available: u64,
}

impl Size {
    /// Starts a cluster with so many hollow nodes.
    pub async fn cluster(self) -> Result<BenchCluster> {
        BenchCluster::start(&["--runtime", "hollow", "--nodes", &self.nodes.to_string()]).await
    }
}

impl Counts {
    fn of(deployment: &Value) -> Self {
        let number = |path: &str| deployment.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        Self {
            is_current: number("/status/observedGeneration") >= number("/metadata/generation"),
            replicas: number("/status/replicas"),
            updated: number("/status/updatedReplicas"),
            ready: number("/status/readyReplicas"),
            available: number("/status/availableReplicas"),
        }
    }

    /// All pods are of the present template and Ready, and there are no others.
    pub fn is_complete(&self, replicas: u32) -> bool {
        let all = u64::from(replicas);
        self.is_current && [self.replicas, self.updated, self.ready, self.available] == [all; 4]
    }
}

impl Workload {
    /// Creates a Deployment; returns at once.
    pub async fn create(client: Client, name: &str, replicas: u32) -> Result<Self> {
        let labels = json!({"app": name});
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "hollow:1"}]}},
            },
        });
        client.create(DEPLOYMENTS, &object).await?;
        Ok(Self { client, name: name.to_owned() })
    }

    /// Creates a Deployment and waits until it is complete.
    pub async fn deployed(client: Client, name: &str, replicas: u32) -> Result<Self> {
        let workload = Self::create(client, name, replicas).await?;
        workload.await_complete(replicas, Instant::now()).await?;
        Ok(workload)
    }

    /// Changes parts of it.
    pub async fn merge(&self, patch: &Value) -> Result<()> {
        self.client.merge(&self.path(), patch).await.map(drop)
    }

    /// Deletes it; its pods follow.
    pub async fn delete(&self) -> Result<()> {
        self.client.delete(&self.path(), &json!({"propagationPolicy": "Background"})).await.map(drop)
    }

    /// Waits until it is complete; the time since `started`.
    pub async fn await_complete(&self, replicas: u32, started: Instant) -> Result<Duration> {
        self.await_counts(started, |counts| Ok(counts.is_complete(replicas))).await
    }

    /// Waits until its counts are as wanted, or never may be; the time since `started`.
    pub async fn await_counts(
        &self,
        started: Instant,
        wanted: impl Fn(&Counts) -> Result<bool>,
    ) -> Result<Duration> {
        loop {
            let counts = Counts::of(&self.client.get(&self.path()).await?);
            if wanted(&counts)? {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                bail!("{counts:?} after {PATIENCE:?}; {}", self.missing().await?);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until there are no more than so many pods; the time since `started`.
    pub async fn await_pods_gone(&self, left: usize, started: Instant) -> Result<Duration> {
        loop {
            // The whole list is the measure of being gone, and a page of it says how long the list is.
            let page = self.client.get(&format!("{PODS}?limit=1")).await?;
            let shown = page.get("items").and_then(Value::as_array).map_or(0, Vec::len);
            let rest = page.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).unwrap_or(0);
            let count = shown + usize::try_from(rest).unwrap_or(usize::MAX);
            if count <= left {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                bail!("{count} pods instead of {left} after {PATIENCE:?}; {}", self.missing().await?);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The names of its pods.
    pub async fn pods(&self) -> Result<Vec<String>> {
        let list = self.client.get(&format!("{PODS}?labelSelector=app%3D{}", self.name)).await?;
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let name = |pod: &Value| pod.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Ok(items.iter().filter_map(name).collect())
    }

    /// What the pods that are not Ready are doing.
    async fn missing(&self) -> Result<String> {
        let list = self.client.get(PODS).await?;
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pod in items.iter().filter(|pod| !is_ready(pod)) {
            let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or("–").to_owned();
            let deleted = if pod.pointer("/metadata/deletionTimestamp").is_some() { ", deleted" } else { "" };
            let bound = if pod.pointer("/spec/nodeName").is_some() { "bound" } else { "without a node" };
            kinds
                .entry(format!("{}, {bound}{deleted}", text("/status/phase")))
                .or_default()
                .push(text("/metadata/name"));
        }
        let tell = |(kind, names): (&String, &Vec<String>)| {
            let some: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
            format!("{} pods are {kind}: {} …", names.len(), some.join(" "))
        };
        Ok(format!("of {} pods: {}", items.len(), kinds.iter().map(tell).collect::<Vec<_>>().join("; ")))
    }

    fn path(&self) -> String {
        format!("{DEPLOYMENTS}/{}", self.name)
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition.get("status").is_some_and(|status| status == "True")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_is_all_of_the_present_template_and_nothing_else() {
        let deployment = |generation: u64, replicas: u64| {
            json!({
                "metadata": {"generation": generation},
                "status": {"observedGeneration": 2, "replicas": replicas, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3},
            })
        };
        assert!(Counts::of(&deployment(2, 3)).is_complete(3));
        assert!(!Counts::of(&deployment(2, 4)).is_complete(3));
        assert!(!Counts::of(&deployment(3, 3)).is_complete(3));
    }
}
