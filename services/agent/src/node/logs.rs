//! Serves containers' logs to the gateway, as streams.

use std::sync::Arc;

use api::messages::LogsRequest;
use api::{NodeName, Timestamp};
use bus::{BusError, ByteStream, Incoming};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::Agent;
use crate::runtime::{Container, ContainerRuntime, LogOptions, PodRef, RunState};

/// Listens for all nodes of the process.
pub async fn listen<R: ContainerRuntime>(
    agent: &Agent<R>,
) -> Result<BoxStream<'static, Incoming<LogsRequest>>, BusError> {
    let subject = agent.subject("logs");
    let requests = agent.bus.accept_streams::<LogsRequest>(&subject).await?;
    Ok(requests.boxed())
}

/// Serves requests until the subscription ends.
pub async fn run<R: ContainerRuntime>(
    agent: Arc<Agent<R>>,
    mut requests: BoxStream<'static, Incoming<LogsRequest>>,
) {
    while let Some(incoming) = requests.next().await {
        let Some(node) = agent.node_of(&incoming.subject).map(|node| node.name.clone()) else { continue };
        tokio::spawn(serve(Arc::clone(&agent), node, incoming));
    }
}

async fn serve<R: ContainerRuntime>(agent: Arc<Agent<R>>, node: NodeName, incoming: Incoming<LogsRequest>) {
    let request = incoming.request.clone();
    let found = match find(&agent, node, &request).await {
        Ok(found) => found,
        Err(why) => return incoming.refuse(&why).await,
    };
    match incoming.accept().await {
        Ok(stream) => send(&agent, &found, &request, stream).await,
        Err(error) => tracing::debug!(pod = request.pod, %error, "log stream not accepted"),
    }
}

async fn find<R: ContainerRuntime>(
    agent: &Agent<R>,
    node: NodeName,
    request: &LogsRequest,
) -> Result<Container, String> {
    let pod = PodRef {
        node,
        namespace: request.namespace.as_str().into(),
        name: request.pod.as_str().into(),
        uid: request.uid.clone(),
    };
    let (name, container) = (&request.pod, &request.container);
    let mut instances =
        agent.pods.instances(&pod, container).await.map_err(|error| error.text())?.into_iter();
    let newest = instances.next();
    if request.previous {
        return instances.next().ok_or_else(|| {
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found")
        });
    }
    newest.filter(|newest| newest.state != RunState::Created).ok_or_else(|| {
        format!("container \"{container}\" in pod \"{name}\" is waiting to start: ContainerCreating")
    })
}

async fn send<R: ContainerRuntime>(
    agent: &Agent<R>,
    found: &Container,
    request: &LogsRequest,
    mut stream: ByteStream,
) {
    let now = telemetry::clock::now();
    let ago = |seconds: i64| Timestamp(now.0.saturating_sub(seconds.saturating_mul(1_000_000)));
    let options = LogOptions {
        follow: request.follow,
        timestamps: request.timestamps,
        tail: request.tail_lines,
        only: request.only,
        since: request.since_micros.map(Timestamp).or_else(|| request.since_seconds.map(ago)),
    };
    let mut left = request.limit_bytes.unwrap_or(u64::MAX);
    let mut chunks = agent.pods.runtime().logs(&found.id, &options);
    while let Some(chunk) = chunks.next().await {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return stream.close(Some(error.text())).await,
        };
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left = left.saturating_sub(chunk.len() as u64);
        // A reader that has gone needs no more.
        if stream.send(chunk).await.is_err() || left == 0 {
            break;
        }
    }
    stream.close(None).await;
}
