//! How long a write takes to be acknowledged, and to reach a watcher.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::bench::chart;
use crate::bench::figures::Figure;
use crate::bench::lab::Lab;
use crate::bench::targets::Target;

/// Writes, one after the other.
const WRITES: usize = 2000;
/// The first ones warm everything up.
const WARM_UP: usize = 200;
/// An event that takes longer than this is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes ConfigMaps one at a time and watches them arrive.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (path, endpoint) = (lab.path("configmaps"), lab.cluster.endpoint.clone());
    lab.progress.step("writing one at a time");
    let mut wire = endpoint.connect().await?;
    let list: Value = serde_json::from_slice(&wire.send(Method::GET, &path, Bytes::new()).await?)?;
    let revision =
        list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0").to_owned();
    let mut events =
        endpoint.connect().await?.lines(&format!("{path}?watch=true&resourceVersion={revision}")).await?;
    let (mut acknowledged, mut seen) = (Vec::new(), Vec::new());
    let mark = lab.mark().await;
    for index in 0..WRITES {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{index}")}, "data": {"a": "b"}});
        let body = Bytes::from(object.to_string());
        let started = Instant::now();
        let write = async {
            wire.send(Method::POST, &path, body).await?;
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
    let spent = lab.since(&mark, format!("{WRITES} writes one after the other")).await;
    lab.record.phases.push(spent);
    lab.figure(Figure::of_durations("create a ConfigMap until acknowledged, one client", &acknowledged));
    lab.figure(Figure::of_durations("write → watch event", &seen).against(Target::AtMost(1.0)));
    lab.figure(Figure::of_tail("write → watch event, 99 %", &seen).against(Target::AtMost(3.0)));
    let sets =
        [("until acknowledged".to_owned(), acknowledged), ("until seen by a watcher".to_owned(), seen)];
    lab.chart(chart::distribution("How long a write takes", &sets));
    Ok(())
}
