//! A pod's start and a container's replacement on the real engine, against what the engine itself needs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{AsyncBufReadExt, StreamExt};
use serde_json::{Value, json};

use super::engine::Engine;
use crate::bench::figures::Figure;
use crate::bench::lab::Lab;
use crate::bench::targets::Target;
use crate::client::Client;

/// The sample's image; `make demo` makes it.
const IMAGE: &str = "odeon-hello:demo";
/// How often each is measured.
const ROUNDS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts pods one at a time, each followed by the same two containers without us.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (client, engine, path) =
        (Client::connect(Some(&lab.cluster.kubeconfig)).await?, Engine::local(), lab.path("pods"));
    let (mut pods, mut bare, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        lab.progress.step(&format!("pod {} of {ROUNDS}", round + 1));
        let name = format!("bench-{round}");
        pods.push(
            start_pod(&client, &path, &name)
                .await
                .context("a pod did not start (is its image there? `make demo` makes it)")?,
        );
        let started = Instant::now();
        let first = engine.run(IMAGE, None).await?;
        let second = engine.run(IMAGE, Some(&format!("container:{first}"))).await;
        bare.push(started.elapsed());
        replaced.push(replace_container(&client, &engine, &path, &name).await?);
        for id in [Some(first), second.ok()].into_iter().flatten() {
            engine.remove(&id).await?;
        }
        client.delete(&format!("{path}/{name}"), &json!({"gracePeriodSeconds": 0})).await?;
    }
    let overhead = median(&pods).saturating_sub(median(&bare));
    lab.figure(Figure::of_durations("pod created → Running", &pods));
    lab.figure(Figure::of_durations("the engine alone, same two containers", &bare));
    lab.figure(Figure::took("overhead of a pod", overhead).against(Target::AtMost(50.0)));
    lab.figure(
        Figure::of_durations("container killed → running again", &replaced).against(Target::AtMost(1000.0)),
    );
    Ok(())
}

fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

async fn start_pod(client: &Client, path: &str, name: &str) -> Result<Duration> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": IMAGE, "imagePullPolicy": "Never", "env": [{"name": "PORT", "value": "8081"}]}]},
    });
    let started = Instant::now();
    let created = client.create(path, &pod).await?;
    await_pod(client, path, &created, |pod| {
        pod.pointer("/status/phase").is_some_and(|phase| phase == "Running")
    })
    .await?;
    Ok(started.elapsed())
}

async fn replace_container(client: &Client, engine: &Engine, path: &str, name: &str) -> Result<Duration> {
    let pod = client.get(&format!("{path}/{name}")).await?;
    let id =
        pod.pointer("/status/containerStatuses/0/containerID").and_then(Value::as_str).unwrap_or_default();
    let started = Instant::now();
    engine.kill(id.trim_start_matches("docker://")).await?;
    await_pod(client, path, &pod, |pod| {
        pod.pointer("/status/containerStatuses/0/restartCount").is_some_and(|count| count == 1)
            && pod.pointer("/status/containerStatuses/0/state/running").is_some()
    })
    .await?;
    Ok(started.elapsed())
}

/// Watches a pod from the version at hand until it is as wanted.
async fn await_pod(client: &Client, path: &str, from: &Value, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let text = |path: &str| from.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let path = format!(
        "{path}?watch=true&fieldSelector=metadata.name%3D{}&resourceVersion={}",
        text("/metadata/name"),
        text("/metadata/resourceVersion")
    );
    let mut lines = client.lines(&path, false).await?.lines();
    let follow = async {
        while let Some(line) = lines.next().await {
            let event: Value = serde_json::from_str(&line?)?;
            if event.get("object").is_some_and(&wanted) {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, follow).await.context("it took too long")?
}
