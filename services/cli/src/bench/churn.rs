//! Pods that are deleted one by one by many clients, and replaced all the while.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::Method;

use super::figures::Figure;
use super::wire::Endpoint;
use super::workload::{Size, Workload};

/// How often every pod is replaced.
const ROUNDS: usize = 3;
/// Clients that delete at the same time.
const CLIENTS: usize = 16;

/// Deletes all pods, waits until as many new ones are Ready, and again.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let replicas = size.replicas;
    let cluster = size.cluster().await?;
    let endpoint = Endpoint::of(&cluster.directory().join("kubeconfig")).await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", replicas).await?;
    let mut rounds: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let names = workload.pods().await?;
        let started = Instant::now();
        let share = names.len().div_ceil(CLIENTS).max(1);
        let deletions = names.chunks(share).map(|some| delete(&endpoint, some));
        futures::future::try_join_all(deletions).await?;
        workload.await_complete(replicas, started).await?;
        rounds.push(workload.await_pods_gone(usize::try_from(replicas)?, started).await?);
    }
    cluster.stop().await?;
    let total: Duration = rounds.iter().sum();
    let rate = f64::from(replicas) * f64::from(u32::try_from(rounds.len())?) / total.as_secs_f64();
    Ok(vec![
        Figure::of_durations(
            &format!("{replicas} pods deleted until as many others are Ready"),
            &rounds,
            None,
        ),
        Figure::single("pods deleted and replaced", rate, "pods/s", None),
    ])
}

async fn delete(endpoint: &Endpoint, names: &[String]) -> Result<()> {
    let mut wire = endpoint.connect().await?;
    for name in names {
        wire.send(Method::DELETE, &format!("/api/v1/namespaces/default/pods/{name}"), Bytes::new()).await?;
    }
    Ok(())
}
