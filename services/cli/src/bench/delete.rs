//! A Deployment's deletion until none of its pods is left.

use std::time::Instant;

use anyhow::Result;

use super::figures::Figure;
use super::workload::{Size, Workload};

/// Deletes a Deployment in the background.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let replicas = size.replicas;
    let cluster = size.cluster().await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", replicas).await?;
    let before = cluster.cpu_seconds();
    let started = Instant::now();
    workload.delete().await?;
    let took = workload.await_pods_gone(0, started).await?;
    let per_pod = (cluster.cpu_seconds() - before) * 1000.0 / f64::from(replicas);
    cluster.stop().await?;
    Ok(vec![
        Figure::of_durations(
            &format!("Deployment of {replicas} pods deleted until none is left"),
            &[took],
            None,
        ),
        Figure::single("CPU per deleted pod", per_pod, "ms", None),
    ])
}
