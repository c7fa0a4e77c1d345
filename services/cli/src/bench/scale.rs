//! A Deployment's growth to ten times its size, and back.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::figures::Figure;
use super::workload::{Size, Workload};

/// Scales up until all are Ready, and down until the others are gone.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let (many, few) = (size.replicas, (size.replicas / 10).max(1));
    let cluster = size.cluster().await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", few).await?;
    let started = Instant::now();
    workload.merge(&json!({"spec": {"replicas": many}})).await?;
    let up = workload.await_complete(many, started).await?;
    let started = Instant::now();
    workload.merge(&json!({"spec": {"replicas": few}})).await?;
    workload.await_complete(few, started).await?;
    let down = workload.await_pods_gone(usize::try_from(few)?, started).await?;
    cluster.stop().await?;
    Ok(vec![
        Figure::of_durations(&format!("scale {few} → {many} until all are Ready"), &[up], None),
        Figure::of_durations(&format!("scale {many} → {few} until the others are gone"), &[down], None),
    ])
}
