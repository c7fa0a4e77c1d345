//! One Deployment on hollow nodes until all its pods are Ready, and what they cost in CPU and memory.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::figures::Figure;
use super::workload::{Size, Workload};

/// Memory is read when nothing has happened for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// Creates the Deployment and waits.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let Size { nodes, replicas } = size;
    let cluster = size.cluster().await?;
    let client = cluster.client().await?;
    let before = cluster.cpu_seconds();
    let started = Instant::now();
    let workload = Workload::create(client, "bench", replicas).await?;
    let took = workload.await_complete(replicas, started).await?;
    let per_pod = (cluster.cpu_seconds() - before) * 1000.0 / f64::from(replicas);
    tokio::time::sleep(SETTLE).await;
    let memory = cluster.memory();
    cluster.stop().await?;
    Ok(vec![
        Figure::single(
            &format!("{replicas} pods on {nodes} hollow nodes"),
            f64::from(replicas) / took.as_secs_f64(),
            "pods/s",
            Some(1000.0),
        ),
        Figure::single("CPU per pod, hollow nodes and NATS included", per_pod, "ms", Some(1.7)),
        Figure::single(
            &format!("memory with {replicas} pods, hollow nodes and NATS included"),
            memory,
            "MiB",
            Some(150.0),
        ),
    ])
}
