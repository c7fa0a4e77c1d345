//! A Deployment's rolling update, with the limits that Kubernetes has by default.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;

use super::figures::Figure;
use super::workload::{Counts, Size, Workload};

/// Rolls a new template out over all pods; fails if fewer were available than the limit allows.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let replicas = size.replicas;
    let cluster = size.cluster().await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", replicas).await?;
    let fewest = u64::from(replicas - replicas / 4);
    let before = cluster.cpu_seconds();
    let started = Instant::now();
    workload.merge(&json!({"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}})).await?;
    let took = workload
        .await_counts(started, |counts: &Counts| match counts.available >= fewest {
            true => Ok(counts.is_complete(replicas)),
            false => bail!("only {} pods were available, {fewest} have to be", counts.available),
        })
        .await?;
    let per_pod = (cluster.cpu_seconds() - before) * 1000.0 / f64::from(replicas);
    let gone = workload.await_pods_gone(usize::try_from(replicas)?, started).await?;
    cluster.stop().await?;
    Ok(vec![
        Figure::of_durations(
            &format!("rolling update of {replicas} pods, 25 % / 25 %"),
            &[took],
            Some(2000.0),
        ),
        Figure::of_durations("… until the old pods are gone", &[gone], None),
        Figure::single("CPU per replaced pod", per_pod, "ms", None),
    ])
}
