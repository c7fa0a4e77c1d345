//! `odeon rollout status`: follows a deployment until its pods are the wanted ones.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{AsyncBufReadExt, StreamExt};
use serde_json::Value;

use super::Scope;
use crate::client::Client;
use crate::resources::{collection_path, kinds_for, object_path, targets};

/// Follow a rollout
#[derive(clap::Args, Clone, Debug)]
pub struct Rollout {
    #[command(subcommand)]
    verb: RolloutVerb,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum RolloutVerb {
    /// Wait until a deployment is rolled out
    Status(Status),
}

#[derive(clap::Args, Clone, Debug)]
struct Status {
    /// `deployment/web`
    #[arg(value_name = "RESOURCE", required = true)]
    resource: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Give up after so long: `30s`, `5m` [default: never]
    #[arg(long, value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Reads `90`, `30s`, `5m`, `1h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => (Some(text), 1),
    };
    let seconds = number.and_then(|number| number.parse::<u64>().ok());
    seconds
        .and_then(|seconds| seconds.checked_mul(factor))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is not a duration: use 30s, 5m or 1h"))
}

/// Runs `odeon rollout`.
pub async fn rollout(client: &Client, options: &Rollout) -> Result<()> {
    let RolloutVerb::Status(status) = &options.verb;
    let follow = follow(client, status);
    match status.timeout {
        Some(limit) => {
            tokio::time::timeout(limit, follow).await.context("timed out waiting for the rollout")?
        }
        None => follow.await,
    }
}

async fn follow(client: &Client, options: &Status) -> Result<()> {
    let kinds = kinds_for(client, &options.resource).await?;
    let targets = targets(&kinds, &options.resource)?;
    let Some(target) = targets.first().filter(|target| target.kind.id.as_str() == "deployments.apps") else {
        bail!("rollout status is for deployments");
    };
    let name = target.name.context("name the deployment")?;
    let namespace = options.scope.namespace(client);
    let deployment = client.get(&object_path(target.kind, namespace, name)).await?;
    if report(name, &deployment)? {
        return Ok(());
    }
    let revision = deployment.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0");
    let path = format!(
        "{}?fieldSelector=metadata.name%3D{name}&watch=true&resourceVersion={revision}",
        collection_path(target.kind, Some(namespace))
    );
    let mut lines = client.lines(&path, false).await?.lines();
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?)?;
        if event.get("type").is_some_and(|kind| kind == "DELETED") {
            bail!("the deployment was deleted");
        }
        if let Some(object) = event.get("object")
            && report(name, object)?
        {
            return Ok(());
        }
    }
    bail!("the watch ended before the rollout did")
}

/// Prints where the rollout stands; whether it is done.
fn report(name: &str, deployment: &Value) -> Result<bool> {
    let progress = progress(name, deployment)?;
    println!("{}", progress.text);
    Ok(progress.done)
}

struct Progress {
    text: String,
    done: bool,
}

/// Where a deployment's rollout stands, in kubectl's words.
fn progress(name: &str, deployment: &Value) -> Result<Progress> {
    let number = |path: &str| deployment.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let waiting = |text: String| Ok(Progress { text, done: false });
    if number("/metadata/generation") > number("/status/observedGeneration") {
        return waiting("Waiting for deployment spec update to be observed...".to_owned());
    }
    let conditions = deployment.pointer("/status/conditions").and_then(Value::as_array);
    if conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.get("reason").is_some_and(|reason| reason == "ProgressDeadlineExceeded"))
    {
        bail!("deployment \"{name}\" exceeded its progress deadline");
    }
    let wanted = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (updated, replicas, available) =
        (number("/status/updatedReplicas"), number("/status/replicas"), number("/status/availableReplicas"));
    let prefix = format!("Waiting for deployment \"{name}\" rollout to finish:");
    if updated < wanted {
        return waiting(format!("{prefix} {updated} out of {wanted} new replicas have been updated..."));
    }
    if replicas > updated {
        return waiting(format!("{prefix} {} old replicas are pending termination...", replicas - updated));
    }
    if available < updated {
        return waiting(format!("{prefix} {available} of {updated} updated replicas are available..."));
    }
    Ok(Progress { text: format!("deployment \"{name}\" successfully rolled out"), done: true })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn text(status: Value) -> String {
        let deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
        progress("web", &deployment).map_or_else(|error| format!("error: {error}"), |progress| progress.text)
    }

    #[test]
    fn every_stage_of_a_rollout_has_its_sentence() {
        let stages = [
            json!({"observedGeneration": 1}),
            json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4}),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}),
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
            json!({"observedGeneration": 2, "conditions": [{"reason": "ProgressDeadlineExceeded"}]}),
        ];
        expect![[r#"
            Waiting for deployment spec update to be observed...
            Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...
            Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...
            Waiting for deployment "web" rollout to finish: 2 of 3 updated replicas are available...
            deployment "web" successfully rolled out
            error: deployment "web" exceeded its progress deadline"#]]
        .assert_eq(&stages.map(text).join("\n"));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert!(parse_duration("soon").is_err());
    }
}
