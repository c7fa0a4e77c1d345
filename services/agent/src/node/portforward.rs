//! Connects clients of the gateway with ports in pods: `kubectl port-forward`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api::NodeName;
use api::messages::PortForwardRequest;
use bus::{BusError, ByteStream, Incoming, StreamReceiver, StreamSender};
use bytes::BytesMut;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Agent;
use crate::runtime::{ContainerRuntime, PodRef, Role, RunState, Scope};

/// How long a port in a pod may take to accept.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes that are read at once.
const PIECE: usize = 32 * 1024;

/// Listens for all nodes of the process.
pub async fn listen<R: ContainerRuntime>(
    agent: &Agent<R>,
) -> Result<BoxStream<'static, Incoming<PortForwardRequest>>, BusError> {
    Ok(agent.bus.accept_streams::<PortForwardRequest>(&agent.subject("portforward")).await?.boxed())
}

/// Serves requests until the subscription ends.
pub async fn run<R: ContainerRuntime>(
    agent: Arc<Agent<R>>,
    mut requests: BoxStream<'static, Incoming<PortForwardRequest>>,
) {
    while let Some(incoming) = requests.next().await {
        let Some(node) = agent.node_of(&incoming.subject).map(|node| node.name.clone()) else { continue };
        tokio::spawn(serve(Arc::clone(&agent), node, incoming));
    }
}

async fn serve<R: ContainerRuntime>(
    agent: Arc<Agent<R>>,
    node: NodeName,
    incoming: Incoming<PortForwardRequest>,
) {
    let connection = match connect(&agent, node, &incoming.request).await {
        Ok(connection) => connection,
        Err(why) => return incoming.refuse(&why).await,
    };
    let pod = incoming.request.pod.clone();
    match incoming.accept().await {
        Ok(stream) => forward(connection, stream).await,
        Err(error) => tracing::debug!(pod, %error, "forwarded port not accepted"),
    }
}

async fn connect<R: ContainerRuntime>(
    agent: &Agent<R>,
    node: NodeName,
    request: &PortForwardRequest,
) -> Result<TcpStream, String> {
    let pod = PodRef {
        node,
        namespace: request.namespace.as_str().into(),
        name: request.pod.as_str().into(),
        uid: request.uid.clone(),
    };
    let listed = agent.pods.runtime().list(&Scope::Pod(pod)).await.map_err(|error| error.text())?;
    let sandbox = listed.into_iter().find(|container| {
        container.role == Role::Sandbox && matches!(container.state, RunState::Running { .. })
    });
    let sandbox = sandbox.ok_or_else(|| "the pod has no running sandbox".to_owned())?;
    // Only pods on the node's own network have no address of their own.
    let address = SocketAddr::new(sandbox.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), request.port);
    match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(format!("failed to connect to {address}: {error}")),
        Err(_) => Err(format!("failed to connect to {address}: no answer within {CONNECT:?}")),
    }
}

/// Passes bytes on until both directions have ended, or either has failed.
async fn forward(connection: TcpStream, stream: ByteStream) {
    let _ = connection.set_nodelay(true);
    let (from_pod, to_pod) = connection.into_split();
    let (to_client, from_client) = stream.split();
    let _ = tokio::try_join!(read(from_pod, to_client), write(from_client, to_pod));
}

/// An error when the client is gone.
async fn read(mut from_pod: OwnedReadHalf, mut to_client: StreamSender) -> Result<(), ()> {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        match from_pod.read_buf(&mut piece).await {
            Ok(0) => break,
            Ok(_) => to_client.send(piece.freeze()).await.map_err(|_| ())?,
            Err(error) => {
                to_client.close(Some(error.to_string())).await;
                return Err(());
            }
        }
    }
    to_client.close(None).await;
    Ok(())
}

/// An error when either side failed; then the other direction ends too.
async fn write(mut from_client: StreamReceiver, mut to_pod: OwnedWriteHalf) -> Result<(), ()> {
    while let Some(piece) = from_client.recv().await {
        let piece = piece.map_err(|_| ())?;
        to_pod.write_all(&piece).await.map_err(|_| ())?;
    }
    to_pod.shutdown().await.map_err(|_| ())
}
