//! Where a scenario works: a cluster with its nodes Ready, a namespace of its own, and what it has measured so far.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::chart::{self, Chart};
use super::cluster::nats::Counted;
use super::cluster::{Cluster, Layout, Shape};
use super::figures::{Figure, number};
use super::observe::{Collection, Watcher};
use super::options::Options;
use super::progress::Progress;
use super::record::{Record, Spent};
use super::sampler::{Sampler, Used, between};
use super::workload::Workload;

/// How long a new namespace may take to be furnished.
const FURNISHING: Duration = Duration::from_secs(10);
/// How often it is made sure that no process has died while something is waited for.
const CHECK_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const NODES: &str = "/api/v1/nodes";

/// One scenario's surroundings.
pub struct Lab<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// What is measured.
    pub cluster: Cluster,
    /// Looks at its processes.
    pub sampler: Sampler,
    /// Says how far it is.
    pub progress: &'a Progress,
    /// What has been measured.
    pub record: Record,
    namespace: String,
    foreign: bool,
    in_one: bool,
}

/// A moment, and what had been used until then.
pub struct Mark {
    /// When it was.
    pub at: Instant,
    used: Vec<Used>,
    nats: Option<Counted>,
}

impl<'a> Lab<'a> {
    /// Starts the cluster and waits until its nodes are Ready.
    ///
    /// # Errors
    /// It does not start, or not in time.
    pub async fn open(
        options: &'a Options,
        progress: &'a Progress,
        scenario: &str,
        shape: &Shape,
    ) -> Result<Self> {
        let sampler = Sampler::start();
        let cluster = Cluster::start(shape, &sampler).await?;
        let foreign = matches!(shape.layout, Layout::Foreign { .. });
        let namespace =
            if foreign { format!("odeon-bench-{:08x}", rand::random::<u32>()) } else { "bench".to_owned() };
        let record = Record { scenario: scenario.to_owned(), relaxed: shape.relaxed, ..Record::default() };
        let in_one = shape.layout == Layout::Single;
        let mut lab = Self { options, cluster, sampler, progress, record, namespace, foreign, in_one };
        let nodes = lab.await_nodes(shape.agents.iter().map(|crew| crew.nodes).sum()).await?;
        lab.record.cluster = describe(shape, nodes);
        lab.furnish().await?;
        Ok(lab)
    }

    /// Waits until so many nodes are Ready; of a foreign cluster, whatever nodes it has.
    pub async fn await_nodes(&mut self, expected: u32) -> Result<u32> {
        let nodes =
            Watcher::start(&self.cluster.endpoint, &Collection { path: NODES.to_owned(), label: None }, None)
                .await?;
        if self.foreign {
            return match nodes.census().ready {
                0 => bail!("the cluster has no Ready node; pods would never run"),
                some => Ok(some),
            };
        }
        self.progress.counting("waiting for nodes", expected, nodes.counts());
        let what = format!("{} nodes Ready", number(f64::from(expected)));
        nodes.until(&what, self.options.patience_for(expected), |census| census.ready >= expected).await?;
        self.cluster.check()?;
        Ok(expected)
    }

    /// Makes the namespace and waits until pods may be made in it.
    async fn furnish(&self) -> Result<()> {
        let mut wire = self.cluster.endpoint.connect().await?;
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        wire.send(Method::POST, "/api/v1/namespaces", object.to_string().into()).await?;
        let account = format!("/api/v1/namespaces/{}/serviceaccounts/default", self.namespace);
        let deadline = Instant::now() + FURNISHING;
        while let Err(error) = wire.send(Method::GET, &account, Bytes::new()).await {
            if Instant::now() > deadline {
                return Err(error).context("the namespace got no service account");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// A collection of a namespace: `pods`, `configmaps`.
    pub fn path(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// The Deployments that the options ask for.
    pub fn workload(&self) -> Workload {
        self.workload_of(self.options.deployments, self.options.replicas)
    }

    /// So many Deployments with so many pods each.
    pub fn workload_of(&self, deployments: u32, replicas: u32) -> Workload {
        Workload::new(&self.cluster.endpoint, &self.namespace, deployments, replicas)
    }

    /// Watches the namespace's pods.
    pub async fn watch_pods(&self) -> Result<Watcher> {
        self.watch_pods_beside(None, None).await
    }

    /// Watches those with a label, told apart by whether their node's name begins with the prefix.
    pub async fn watch_pods_beside(&self, label: Option<String>, lost: Option<&str>) -> Result<Watcher> {
        Watcher::start(&self.cluster.endpoint, &Collection { path: self.path("pods"), label }, lost).await
    }

    /// Makes the workload and waits until it is complete.
    pub async fn deploy(&mut self, workload: &Workload, pods: &Watcher) -> Result<()> {
        let wanted = workload.pods();
        self.progress.counting("deploying", wanted, pods.counts());
        workload.create().await?;
        self.reach(pods, "all pods Ready", wanted, |census| census.is_complete(wanted)).await
    }

    /// Waits, with the patience for so many pods, until they are as wanted.
    pub async fn reach(
        &mut self,
        pods: &Watcher,
        what: &str,
        wanted: u32,
        is_reached: impl Fn(&super::observe::Census) -> bool,
    ) -> Result<()> {
        let waited = pods.until(what, self.options.patience_for(wanted), is_reached);
        tokio::pin!(waited);
        loop {
            tokio::select! {
                outcome = &mut waited => return outcome.map(drop),
                // A process that has died explains more than pods that are missing, and sooner.
                () = tokio::time::sleep(CHECK_EVERY) => self.cluster.check()?,
            }
        }
    }

    /// Remembers what has been used so far.
    pub async fn mark(&self) -> Mark {
        Mark { nats: self.cluster.counted().await, used: self.sampler.used(), at: Instant::now() }
    }

    /// What has been used since then.
    pub async fn since(&self, mark: &Mark, what: impl Into<String>) -> Spent {
        let seconds = mark.at.elapsed().as_secs_f64();
        let processes = between(&mark.used, &self.sampler.used());
        let now = self.cluster.counted().await;
        let nats = now.zip(mark.nats).map(|(now, before)| now.since(before));
        Spent { what: what.into(), seconds, processes, nats }
    }

    /// Whose costs are told: in one process, nodes and control plane cannot be told apart.
    pub fn whose(&self) -> &'static str {
        match self.in_one {
            true => "odeon up with hollow nodes and NATS",
            false => "control plane with NATS",
        }
    }

    /// A figure is known.
    pub fn figure(&mut self, figure: Figure) {
        self.record.figures.push(figure);
    }

    /// There is something to see.
    pub fn chart(&mut self, chart: Chart) {
        self.record.charts.push(chart);
    }

    /// Removes what was made, stops what was started, and hands over what was measured.
    pub async fn close(self) -> (Record, Result<()>) {
        self.progress.step("cleaning up");
        let mut record = self.record;
        let samples = self.sampler.samples();
        if samples.len() > 1 {
            record.charts.extend([chart::cpu(&samples), chart::memory(&samples)]);
        }
        let removed = match self.foreign {
            true => {
                remove(&self.cluster, &self.namespace, self.options.patience_for(self.options.pods())).await
            }
            false => Ok(()),
        };
        let stopped = self.cluster.stop().await;
        (record, removed.and(stopped))
    }
}

/// Deletes a namespace and waits until it is gone with everything in it.
async fn remove(cluster: &Cluster, namespace: &str, patience: Duration) -> Result<()> {
    let mut wire = cluster.endpoint.connect().await?;
    let path = format!("/api/v1/namespaces/{namespace}");
    wire.send(Method::DELETE, &path, Bytes::new()).await.context("cannot remove what was made")?;
    let deadline = Instant::now() + patience;
    while wire.send(Method::GET, &path, Bytes::new()).await.is_ok() {
        if Instant::now() > deadline {
            bail!("namespace {namespace} is still being deleted; look after it with kubectl");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn describe(shape: &Shape, nodes: u32) -> String {
    let nodes = format!("{} nodes", number(f64::from(nodes)));
    match &shape.layout {
        Layout::Separate => format!(
            "{nodes}; separate processes: NATS, gateway, {} controller{}, scheduler, {} agent{}",
            shape.controllers,
            if shape.controllers == 1 { "" } else { "s" },
            shape.agents.len(),
            if shape.agents.len() == 1 { "" } else { "s" },
        ),
        Layout::Single => format!("{nodes}; odeon up in one process, and NATS"),
        Layout::Engine => format!("{nodes} with the container engine; odeon up in one process, and NATS"),
        Layout::Foreign { kubeconfig, .. } => format!("{nodes}; the cluster of {}", kubeconfig.display()),
    }
}
