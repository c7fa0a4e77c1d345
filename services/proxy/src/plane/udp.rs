//! Serves one UDP socket: a session per client, each with its own socket towards its backend.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::balancer::{Balancer, Lease};
use crate::datagram::{Datagrams, Peer};

/// A session without datagrams in either direction ends after this long.
const IDLE: Duration = Duration::from_secs(30);
/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// More sessions than this per socket are not opened; the oldest idle ones make room first.
const MOST_SESSIONS: usize = 8_192;
/// When there is no room, sessions idle for this long go.
const IDLE_UNDER_PRESSURE: Duration = Duration::from_secs(2);
/// The largest datagram.
const DATAGRAM: usize = 65_535;

thread_local! {
    /// Where all sessions of a thread receive, so that an idle one holds no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; DATAGRAM]);
}

/// Serves until `closed`, which ends the sessions too.
pub async fn serve(socket: std::net::UdpSocket, balancer: Arc<Balancer>, closed: CancellationToken) {
    match Datagrams::new(socket) {
        Ok(socket) => {
            let server = Server {
                socket: Arc::new(socket),
                balancer,
                sessions: HashMap::new(),
                started: Instant::now(),
            };
            closed.run_until_cancelled_owned(server.run()).await;
        }
        Err(error) => warn!(%error, "datagram socket not registered"),
    }
}

struct Server {
    socket: Arc<Datagrams>,
    balancer: Arc<Balancer>,
    sessions: HashMap<Peer, Session>,
    started: Instant,
}

/// What one client and its backend say to each other.
struct Session {
    /// Connected to the backend, so that it hears only that one and learns when nobody listens.
    upstream: Arc<UdpSocket>,
    lease: Lease,
    pulse: Arc<Pulse>,
    balancer: Arc<Balancer>,
    _answers: AbortOnDropHandle<()>,
}

/// When a session was last used, and whether it is of use still.
#[derive(Default)]
struct Pulse {
    /// Milliseconds since the server started.
    last_used: AtomicU64,
    broken: AtomicBool,
}

impl Server {
    async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM];
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = self.socket.receive(&mut buffer) => match received {
                    Ok((length, peer)) => self.forward(peer, buffer.get(..length).unwrap_or_default()).await,
                    // An ICMP error of an earlier answer; the socket itself is well.
                    Err(_) => tokio::task::yield_now().await,
                },
                _ = sweep.tick() => self.sweep(IDLE),
            }
        }
    }

    async fn forward(&mut self, peer: Peer, bytes: &[u8]) {
        let now = self.now();
        if self.sessions.get(&peer).is_some_and(|session| session.over()) {
            self.sessions.remove(&peer);
        }
        if !self.sessions.contains_key(&peer) {
            match self.open(peer).await {
                Some(session) => drop(self.sessions.insert(peer, session)),
                None => return self.balancer.metrics.refused.inc(),
            }
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.pulse.last_used.store(now, Relaxed);
        match session.upstream.try_send(bytes) {
            Ok(count) => {
                session.lease.connected();
                self.balancer.metrics.sent.inc_by(count as u64);
            }
            // A full socket buffer: datagrams may be lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => session.fail(),
        }
    }

    async fn open(&mut self, peer: Peer) -> Option<Session> {
        if self.sessions.len() >= MOST_SESSIONS {
            self.sweep(IDLE_UNDER_PRESSURE);
            if self.sessions.len() >= MOST_SESSIONS {
                return None;
            }
        }
        let lease = self.balancer.choose(peer.client.ip(), &[], Instant::now(), rand::random())?;
        let upstream = Arc::new(connected(lease.address()).await.ok()?);
        // The first send must not find the socket unregistered.
        upstream.writable().await.ok()?;
        let pulse = Arc::new(Pulse::default());
        let answers = Answers {
            socket: Arc::clone(&self.socket),
            upstream: Arc::clone(&upstream),
            pulse: Arc::clone(&pulse),
            balancer: Arc::clone(&self.balancer),
            started: self.started,
        };
        let metrics = &self.balancer.metrics;
        metrics.connections.inc();
        metrics.active.inc();
        let task = AbortOnDropHandle::new(tokio::spawn(answers.run(peer)));
        Some(Session { upstream, lease, pulse, balancer: Arc::clone(&self.balancer), _answers: task })
    }

    fn sweep(&mut self, idle: Duration) {
        let oldest = self.now().saturating_sub(idle.as_millis() as u64);
        self.sessions.retain(|_, session| session.pulse.last_used.load(Relaxed) >= oldest && !session.over());
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Session {
    /// The backend left or does not listen: the client's next datagram goes elsewhere.
    fn over(&self) -> bool {
        if self.pulse.broken.load(Relaxed) {
            self.fail();
            return true;
        }
        self.lease.retired()
    }

    fn fail(&self) {
        self.pulse.broken.store(true, Relaxed);
        self.balancer.metrics.connect_errors.inc();
        self.lease.failed(Instant::now());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.balancer.metrics.active.dec();
    }
}

/// The way back: from one backend to one client.
struct Answers {
    socket: Arc<Datagrams>,
    upstream: Arc<UdpSocket>,
    pulse: Arc<Pulse>,
    balancer: Arc<Balancer>,
    started: Instant,
}

impl Answers {
    async fn run(self, peer: Peer) {
        while self.upstream.readable().await.is_ok() {
            let received = SCRATCH.with_borrow_mut(|scratch| {
                self.upstream
                    .try_recv(scratch)
                    .map(|length| scratch.get(..length).unwrap_or_default().to_vec())
            });
            match received {
                Ok(bytes) => {
                    self.balancer.metrics.received.inc_by(bytes.len() as u64);
                    self.pulse.last_used.store(self.started.elapsed().as_millis() as u64, Relaxed);
                    let _ = self.socket.send(&bytes, peer).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        self.pulse.broken.store(true, Relaxed);
    }
}

async fn connected(backend: SocketAddr) -> io::Result<UdpSocket> {
    let any = match backend {
        SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        SocketAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(backend).await?;
    Ok(socket)
}
