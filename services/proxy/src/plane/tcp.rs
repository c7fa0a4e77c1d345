//! Serves one TCP listener: accepts, finds a backend that answers, relays.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::balancer::{Balancer, Lease};
use super::http;
use super::listen::tune;
use super::relay::{relay, reset};

/// How many backends are tried for one connection.
const ATTEMPTS: usize = 3;
/// How long a backend may take to accept: long enough for one lost SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait when the process is out of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts until `closed`; connections outlive that.
pub async fn serve(
    listener: std::net::TcpListener,
    balancer: Arc<Balancer>,
    closed: CancellationToken,
    connections: TaskTracker,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "listener not registered"),
    };
    let mut complained = false;
    while let Some(accepted) = closed.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((client, peer)) => {
                complained = false;
                connections.spawn(connection(client, peer, Arc::clone(&balancer)));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !std::mem::replace(&mut complained, true) {
                    warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn connection(mut client: TcpStream, peer: SocketAddr, balancer: Arc<Balancer>) {
    let Some(mut backend) = connect(peer, &balancer).await else {
        balancer.metrics.refused.inc();
        return reset(&client);
    };
    let metrics = &balancer.metrics;
    metrics.connections.inc();
    metrics.active.inc();
    match tune(&client) {
        Ok(()) if balancer.may_speak_http() => http::serve(&mut client, peer, backend, &balancer).await,
        Ok(()) => relay(&mut client, &mut backend.stream, &metrics.sent, &metrics.received).await,
        // The client is gone already.
        Err(_) => reset(&backend.stream),
    }
    metrics.active.dec();
}

/// A connection to a backend, and its place there.
pub struct Upstream {
    /// The connection.
    pub stream: TcpStream,
    /// The place.
    pub lease: Lease,
}

/// A connection to some backend that answers.
pub async fn connect(peer: SocketAddr, balancer: &Balancer) -> Option<Upstream> {
    let mut tried = [peer; ATTEMPTS];
    for attempt in 0..ATTEMPTS {
        let asked = Instant::now();
        let mut lease = balancer.choose(peer.ip(), tried.get(..attempt)?, asked, rand::random())?;
        let connecting = async {
            let stream = TcpStream::connect(lease.address()).await?;
            tune(&stream)?;
            io::Result::Ok(stream)
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => {
                lease.connected();
                balancer.metrics.connect_seconds.observe(asked.elapsed().as_secs_f64());
                return Some(Upstream { stream, lease });
            }
            Ok(Err(_)) | Err(_) => {
                balancer.metrics.connect_errors.inc();
                lease.failed(Instant::now());
                *tried.get_mut(attempt)? = lease.address();
            }
        }
    }
    None
}
