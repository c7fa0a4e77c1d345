//! Many watchers of the same objects, each on a connection of its own: how soon all of them have a change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bench::chart;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::sampler::{Role, Used, sum};
use crate::bench::wire::{Endpoint, Lines};

/// Changes that are watched.
const WRITES: usize = 30;
/// Between one and the next.
const EVERY: Duration = Duration::from_millis(100);
/// An event that takes longer than this is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Watches that are opened at the same time.
const OPENING: usize = 32;

/// Opens the watches, writes, and waits until everyone has seen everything.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (many, endpoint, path) = (lab.options.watchers, lab.cluster.endpoint.clone(), lab.path("configmaps"));
    let shown = number(f64::from(many));
    lab.progress.step(&format!("opening {shown} watches"));
    let resident = |used: &[Used]| sum(used, Role::Control).resident_mib;
    let before = resident(&lab.sampler.used());
    let mark = lab.mark().await;
    let watches = open(&endpoint, &path, usize::try_from(many)?).await?;
    let opened = mark.at.elapsed();
    lab.progress.step(&format!("writing to {shown} watchers"));
    let written: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let mut readers = JoinSet::new();
    for watch in watches {
        readers.spawn(read(watch, Arc::clone(&written)));
    }
    let mut wire = endpoint.connect().await?;
    for index in 0..WRITES {
        let name = format!("watched-{index}");
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
        written.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        wire.send(Method::POST, &path, object.to_string().into()).await?;
        tokio::time::sleep(EVERY).await;
    }
    let (mut all, mut last) = (Vec::new(), vec![Duration::ZERO; WRITES]);
    while let Some(reader) = readers.join_next().await {
        let latencies = reader??;
        for (slowest, latency) in last.iter_mut().zip(&latencies) {
            *slowest = (*slowest).max(*latency);
        }
        all.extend(latencies);
    }
    let spent = lab.since(&mark, format!("{shown} watchers")).await;
    lab.figure(Figure::took(format!("{shown} watches opened"), opened));
    lab.figure(Figure::of_durations(format!("write → event at each of {shown} watchers"), &all));
    lab.figure(Figure::of_durations(format!("write → event at the last of {shown} watchers"), &last));
    if spent.knows_processes() {
        let each = (resident(&lab.sampler.used()) - before) * 1024.0 / f64::from(many);
        lab.figure(Figure::single("memory per watcher", each.max(0.0), "KiB"));
    }
    lab.chart(chart::distribution(
        &format!("From a write until {shown} watchers have it"),
        &[("each watcher".to_owned(), all), ("the last one".to_owned(), last)],
    ));
    lab.record.phases.push(spent);
    Ok(())
}

/// Watches that begin now.
async fn open(endpoint: &Endpoint, path: &str, many: usize) -> Result<Vec<Lines>> {
    let list = endpoint.connect().await?.send(Method::GET, &format!("{path}?limit=1"), Bytes::new()).await?;
    let list: Value = serde_json::from_slice(&list)?;
    let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0");
    let query = format!("{path}?watch=true&resourceVersion={version}");
    let one = async || endpoint.connect().await?.lines(&query).await;
    let mut watches = Vec::new();
    while watches.len() < many {
        let some = (0..OPENING.min(many - watches.len())).map(|_| one());
        watches.extend(futures::future::try_join_all(some).await?);
    }
    Ok(watches)
}

/// How long each write took to arrive; the n-th event is the n-th write's.
async fn read(mut watch: Lines, written: Arc<Mutex<Vec<Instant>>>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while latencies.len() < WRITES {
        tokio::time::timeout(PATIENCE, watch.next()).await.context("a watcher got no event")??;
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.extend(written.get(latencies.len()).map(Instant::elapsed));
    }
    Ok(latencies)
}
