//! `odeon logs`: prints or follows what a container wrote.

use anyhow::{Context, Result};
use futures::{AsyncReadExt, io::BufReader};
use serde_json::Value;
use std::io::Write;

use super::{Scope, encode};
use crate::client::Client;
use crate::resources::{collection_path, find_kind, name_of, object_path, targets};

/// Print the logs of a pod's container
#[derive(clap::Args, Clone, Debug)]
pub struct Logs {
    /// `web-1`, `pod/web-1` or `deployment/web`
    #[arg(value_name = "POD")]
    pod: String,
    #[command(flatten)]
    scope: Scope,
    /// The container [default: the first]
    #[arg(short, long)]
    container: Option<String>,
    /// Go on as more is written
    #[arg(short, long)]
    follow: bool,
    /// The instance before the last restart
    #[arg(short, long)]
    previous: bool,
    /// Prefix lines with their time
    #[arg(long)]
    timestamps: bool,
    /// Only the last lines
    #[arg(long)]
    tail: Option<u64>,
    /// Only what is newer than so many seconds
    #[arg(long)]
    since_seconds: Option<u64>,
}

/// Runs `odeon logs`.
pub async fn logs(client: &Client, options: &Logs) -> Result<()> {
    let namespace = options.scope.namespace(client);
    let pod = pod_name(client, namespace, &options.pod).await?;
    let path =
        format!("{}/log?{}", object_path(find_kind(api::kinds(), "pods")?, namespace, &pod), options.query());
    let mut stream = BufReader::new(client.lines(&path, false).await?);
    let mut buffer = vec![0; 16 * 1024];
    let mut out = std::io::stdout();
    loop {
        let count = stream.read(&mut buffer).await.context("the log stream broke")?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
        out.write_all(chunk).and_then(|()| out.flush()).context("cannot write")?;
    }
}

impl Logs {
    fn query(&self) -> String {
        let mut query = vec![format!("follow={}", self.follow), format!("previous={}", self.previous)];
        query.push(format!("timestamps={}", self.timestamps));
        query.extend(self.container.as_deref().map(|name| format!("container={}", encode(name))));
        query.extend(self.tail.map(|lines| format!("tailLines={lines}")));
        query.extend(self.since_seconds.map(|seconds| format!("sinceSeconds={seconds}")));
        query.join("&")
    }
}

/// A workload stands for the first of its pods.
async fn pod_name(client: &Client, namespace: &str, word: &str) -> Result<String> {
    if !word.contains('/') {
        return Ok(word.to_owned());
    }
    let words = [word.to_owned()];
    let target = targets(api::kinds(), &words)?.into_iter().next().context("name a pod")?;
    let name = target.name.unwrap_or_default();
    if target.kind.id.as_str() == "pods" {
        return Ok(name.to_owned());
    }
    let owner = client.get(&object_path(target.kind, namespace, name)).await?;
    let labels = owner.pointer("/spec/selector/matchLabels").or_else(|| owner.pointer("/spec/selector"));
    let selector = labels
        .and_then(Value::as_object)
        .map(|labels| {
            labels
                .iter()
                .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(",")
        })
        .with_context(|| format!("{word} selects no pods"))?;
    let pods = collection_path(find_kind(api::kinds(), "pods")?, Some(namespace));
    let list = client.get(&format!("{pods}?labelSelector={}", encode(&selector))).await?;
    let first = list.pointer("/items/0").with_context(|| format!("{word} has no pods"))?;
    Ok(name_of(first).to_owned())
}
