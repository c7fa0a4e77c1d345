//! A node's death until its pods are Ready elsewhere.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::cluster::BenchCluster;
use super::figures::Figure;
use super::workload::Workload;
use crate::client::Client;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const REPLICAS: u32 = 30;

/// Kills an agent process and waits until no pod is on its node and all are Ready.
pub async fn measure() -> Result<Vec<Figure>> {
    let cluster = BenchCluster::start(&["--runtime", "hollow", "--nodes", "2"]).await?;
    let client = cluster.client().await?;
    let mut agent = start_agent(&cluster)?;
    await_node(&client, "doomed").await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", REPLICAS).await?;
    let doomed = pods_on(&client, "doomed").await?;
    if doomed == 0 {
        bail!("no pod was placed on the node that is to die");
    }
    let started = Instant::now();
    agent.kill().await.context("cannot kill the agent")?;
    let took = loop {
        if pods_on(&client, "doomed").await? == 0 {
            break workload.await_complete(REPLICAS, started).await?;
        }
        if started.elapsed() > PATIENCE {
            bail!("pods of the dead node are still there after {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    cluster.stop().await?;
    Ok(vec![Figure::of_durations(
        &format!("node killed until its {doomed} pods are Ready elsewhere"),
        &[took],
        Some(5000.0),
    )])
}

fn start_agent(cluster: &BenchCluster) -> Result<Child> {
    let read = |name: &str| {
        std::fs::read_to_string(cluster.directory().join(name)).with_context(|| format!("no {name}"))
    };
    Command::new(std::env::current_exe()?)
        .args([
            "agent",
            "--runtime",
            "hollow",
            "--node-name",
            "doomed",
            "--metrics-listen",
            "127.0.0.1:0",
            "--nats",
        ])
        .arg(read("nats.url")?)
        .args(["--nats-user", "control", "--nats-password"])
        .arg(read("nats.password")?)
        .env("ODEON_LOG", "warn")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start an agent")
}

async fn await_node(client: &Client, name: &str) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Ok(node) = client.get(&format!("/api/v1/nodes/{name}")).await {
            let conditions =
                node.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            if conditions.iter().any(|condition| {
                condition.get("type").is_some_and(|kind| kind == "Ready")
                    && condition.get("status").is_some_and(|status| status == "True")
            }) {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("the node did not become Ready");
}

async fn pods_on(client: &Client, node: &str) -> Result<usize> {
    let pods = client.get(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")).await?;
    Ok(pods.get("items").and_then(Value::as_array).map_or(0, Vec::len))
}
