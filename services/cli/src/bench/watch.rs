//! How long a write takes to be acknowledged, and to reach a watcher.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::cluster::BenchCluster;
use super::figures::Figure;
use super::wire::Endpoint;

/// Writes, one after the other.
const WRITES: usize = 2000;
/// The first ones warm everything up.
const WARM_UP: usize = 200;
/// An event that takes longer than this is lost.
const PATIENCE: Duration = Duration::from_secs(5);
const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// Writes ConfigMaps one at a time and watches them arrive.
pub async fn measure() -> Result<Vec<Figure>> {
    let cluster = BenchCluster::start(&["--runtime", "hollow"]).await?;
    let endpoint = Endpoint::of(&cluster.directory().join("kubeconfig")).await?;
    let mut wire = endpoint.connect().await?;
    let list: Value = serde_json::from_slice(&wire.send(Method::GET, PATH, Bytes::new()).await?)?;
    let revision =
        list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0").to_owned();
    let mut events =
        endpoint.connect().await?.lines(&format!("{PATH}?watch=true&resourceVersion={revision}")).await?;
    let (mut acknowledged, mut seen) = (Vec::new(), Vec::new());
    for index in 0..WRITES {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{index}")}, "data": {"a": "b"}});
        let body = Bytes::from(object.to_string());
        let started = Instant::now();
        let write = async {
            wire.send(Method::POST, PATH, body).await?;
            anyhow::Ok(started.elapsed())
        };
        let event = async {
            tokio::time::timeout(PATIENCE, events.next()).await.context("the watcher got no event")??;
            anyhow::Ok(started.elapsed())
        };
        let (write, event) = tokio::try_join!(write, event)?;
        if index >= WARM_UP {
            acknowledged.push(write);
            seen.push(event);
        }
    }
    drop(events);
    cluster.stop().await?;
    Ok(vec![
        Figure::of_durations("create a ConfigMap until acknowledged, one client", &acknowledged, None),
        Figure::of_durations("write → watch event", &seen, Some(1.0)),
        Figure::of_tail("write → watch event, 99 %", &seen, Some(3.0)),
    ])
}
