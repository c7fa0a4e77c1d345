//! How long a write takes to be acknowledged, and to reach a watcher.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{AsyncBufReadExt, StreamExt};
use serde_json::json;

use super::cluster::BenchCluster;
use super::figures::Figure;

/// Writes, one after the other.
const WRITES: usize = 300;
/// An event that takes longer than this is lost.
const PATIENCE: Duration = Duration::from_secs(5);
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// Writes ConfigMaps one at a time and watches them arrive.
pub async fn measure() -> Result<Vec<Figure>> {
    let cluster = BenchCluster::start(&["--runtime", "hollow"]).await?;
    let client = cluster.client().await?;
    let list = client.get(PATH).await?;
    let revision = list.pointer("/metadata/resourceVersion").and_then(|revision| revision.as_str()).unwrap_or("0").to_owned();
    let mut events = client.lines(&format!("{PATH}?watch=true&resourceVersion={revision}"), false).await?.lines();
    let (mut acknowledged, mut seen) = (Vec::new(), Vec::new());
    for index in 0..WRITES {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{index}")}, "data": {"a": "b"}});
        let started = Instant::now();
        let write = async {
            client.create(PATH, &object).await?;
            anyhow::Ok(started.elapsed())
        };
        let event = async {
            match tokio::time::timeout(PATIENCE, events.next()).await.context("the watcher got no event")? {
                Some(line) => line.map(|_| started.elapsed()).context("the watch broke"),
                None => bail!("the watch ended"),
            }
        };
        let (write, event) = tokio::try_join!(write, event)?;
        acknowledged.push(write);
        seen.push(event);
    }
    drop(events);
    cluster.stop().await?;
    Ok(vec![
        Figure::of_durations("create a ConfigMap, one client", &acknowledged, None),
        Figure::of_durations("write → watch event", &seen, Some(3.0)),
    ])
}
