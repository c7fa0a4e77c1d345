//! One Deployment on hollow nodes until all its pods are Ready.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::cluster::BenchCluster;
use super::figures::Figure;
use crate::client::Client;

/// How long the pods may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the Deployment is looked at; bounds the error of the figure.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATH: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Deploys `replicas` pods on a tenth as many nodes.
pub async fn measure(replicas: u32) -> Result<Vec<Figure>> {
    let nodes = (replicas / 10).max(1).to_string();
    let cluster = BenchCluster::start(&["--runtime", "hollow", "--nodes", &nodes]).await?;
    let client = cluster.client().await?;
    let before = cluster.cpu_seconds();
    let took = deploy(&client, "bench", replicas).await?;
    let per_pod = (cluster.cpu_seconds() - before) * 1000.0 / f64::from(replicas);
    let memory = cluster.memory();
    cluster.stop().await?;
    Ok(vec![
        Figure::single(&format!("{replicas} pods on {nodes} hollow nodes"), f64::from(replicas) / took.as_secs_f64(), "pods/s", Some(1000.0)),
        Figure::single("CPU per pod, hollow nodes included", per_pod, "ms", None),
        Figure::single("memory with these pods, NATS included", memory, "MiB", None),
    ])
}

/// Creates a Deployment and waits until all its pods are Ready.
pub async fn deploy(client: &Client, name: &str, replicas: u32) -> Result<Duration> {
    let labels = json!({"app": name});
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "hollow:1"}]}},
        },
    });
    let started = Instant::now();
    client.create(PATH, &object).await?;
    await_ready(client, name, replicas, started).await
}

/// Waits until so many pods of a Deployment are Ready; the time since `started`.
pub async fn await_ready(client: &Client, name: &str, replicas: u32, started: Instant) -> Result<Duration> {
    loop {
        let status = client.get(&format!("{PATH}/{name}")).await?;
        let ready = status.pointer("/status/readyReplicas").and_then(Value::as_u64).unwrap_or(0);
        if ready >= u64::from(replicas) {
            return Ok(started.elapsed());
        }
        if started.elapsed() > PATIENCE {
            bail!("{ready} of {replicas} pods are Ready after {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
