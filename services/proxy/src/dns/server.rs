//! Answers DNS queries over UDP and TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::answer::{Answer, Zone, answer, encode, failure, udp_limit};
use super::upstream::Upstream;
use crate::datagram::{Datagrams, Peer};
use crate::local_route::Cidr;
use crate::metrics::count_answer;
use crate::plane::listen::{Claim, Ports};
use crate::table::Table;

/// Between attempts to listen: the address may be a bridge's that the agent is about to make.
const RETRY: Duration = Duration::from_secs(1);
/// Queries that wait for other servers at once.
const MOST_FORWARDED: usize = 512;
/// TCP clients at once.
const MOST_CLIENTS: usize = 256;
/// A TCP client that says nothing for this long is let go.
const SILENCE: Duration = Duration::from_secs(10);

/// What is known, and who is asked about the rest.
pub struct Dns {
    table: watch::Receiver<Arc<Table>>,
    domain: String,
    service_cidr: Cidr,
    upstream: Upstream,
    forwarded: Semaphore,
    clients: Arc<Semaphore>,
    turn: AtomicUsize,
}

/// A query on its way to an answer.
enum Step {
    /// Nothing is sent: the packet was no query.
    Silence,
    /// A query and its answer.
    Send(Message, Message),
    /// Ask others.
    Forward(Message),
    /// Ask others `further`, about an alias' target.
    Alias { query: Message, reply: Message, further: Message },
}

impl Dns {
    /// A server of `table`'s names that asks `upstreams` (the host's if empty) for others. `own`: where it listens.
    pub fn new(
        table: watch::Receiver<Arc<Table>>,
        domain: &str,
        service_cidr: Cidr,
        upstreams: Vec<SocketAddr>,
        own: Vec<SocketAddr>,
    ) -> Self {
        Self {
            table,
            domain: domain.trim_matches('.').to_ascii_lowercase(),
            service_cidr,
            upstream: Upstream::new(upstreams, own),
            forwarded: Semaphore::new(MOST_FORWARDED),
            clients: Arc::new(Semaphore::new(MOST_CLIENTS)),
            turn: AtomicUsize::new(0),
        }
    }

    /// What to do with a packet of `client`, as far as this server knows by itself.
    fn step(&self, packet: &[u8], client: IpAddr) -> Step {
        let query = match Message::from_vec(packet) {
            Ok(query) if query.metadata.message_type == MessageType::Query => query,
            Ok(_) => return Step::Silence,
            Err(_) => return malformed(packet),
        };
        let table = Arc::clone(&self.table.borrow());
        let zone = Zone { table: &table, domain: &self.domain, service_cidr: self.service_cidr };
        match answer(&query, &zone, self.turn.fetch_add(1, Relaxed)) {
            Answer::Reply(reply) => Step::Send(query, reply),
            Answer::Forward if !served(client) => {
                let reply = failure(&query, ResponseCode::Refused);
                Step::Send(query, reply)
            }
            Answer::Forward => Step::Forward(query),
            Answer::Alias { reply, target } => {
                let kind = query.queries.first().map(Query::query_type);
                let mut further = Message::new(0, MessageType::Query, OpCode::Query);
                further.metadata.recursion_desired = true;
                further.queries.extend(kind.map(|kind| Query::query(target, kind)));
                Step::Alias { query, reply, further }
            }
        }
    }

    /// Finishes a step that needs others.
    async fn finish(&self, step: Step) -> Option<(Message, Message)> {
        match step {
            Step::Silence => None,
            Step::Send(query, reply) => Some((query, reply)),
            Step::Forward(query) => {
                let mut reply =
                    self.ask(&query).await.unwrap_or_else(|| failure(&query, ResponseCode::ServFail));
                reply.metadata.id = query.metadata.id;
                reply.queries = query.queries.clone();
                if query.edns.is_none() {
                    reply.edns = None;
                }
                Some((query, reply))
            }
            Step::Alias { query, mut reply, further } => {
                match self.ask(&further).await {
                    Some(found) => {
                        reply.metadata.response_code = found.metadata.response_code;
                        reply.answers.extend(found.answers);
                        reply.authorities = found.authorities;
                    }
                    None => reply.metadata.response_code = ResponseCode::ServFail,
                }
                Some((query, reply))
            }
        }
    }

    async fn ask(&self, query: &Message) -> Option<Message> {
        let _permit = self.forwarded.try_acquire().ok()?;
        match self.upstream.ask(query).await {
            Ok(found) => Some(found),
            Err(error) => {
                debug!(%error, "query not forwarded");
                None
            }
        }
    }
}

/// Listens at `address` for ever, as soon as that is possible.
pub async fn serve(dns: Arc<Dns>, address: SocketAddr, ports: Ports) {
    let mut known = None;
    loop {
        match open(address, &ports) {
            Ok((datagrams, listener, _claims)) => {
                info!(%address, domain = %dns.domain, "answering dns");
                tokio::join!(serve_udp(&dns, datagrams), serve_tcp(&dns, listener));
            }
            Err(error) if known != Some(error.kind()) => {
                known = Some(error.kind());
                warn!(
                    %address, %error,
                    "dns is not answered here, tried again every second; if another server has the port, \
                     choose an address of this node with --dns-listen"
                );
            }
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}

fn open(address: SocketAddr, ports: &Ports) -> io::Result<(Arc<Datagrams>, TcpListener, (Claim, Claim))> {
    let (mut datagrams, udp) = ports.udp(address, 1)?;
    let (mut listeners, tcp) = ports.tcp(address, 1)?;
    let datagrams = Datagrams::new(datagrams.pop().ok_or(io::ErrorKind::NotFound)?)?;
    let listener = TcpListener::from_std(listeners.pop().ok_or(io::ErrorKind::NotFound)?)?;
    Ok((Arc::new(datagrams), listener, (udp, tcp)))
}

async fn serve_udp(dns: &Arc<Dns>, datagrams: Arc<Datagrams>) {
    let forwarded = TaskTracker::new();
    let mut buffer = vec![0; 4_096];
    loop {
        let Ok((length, peer)) = datagrams.receive(&mut buffer).await else {
            // An ICMP error of an earlier answer; the socket itself is well.
            tokio::task::yield_now().await;
            continue;
        };
        match dns.step(buffer.get(..length).unwrap_or_default(), peer.client.ip()) {
            Step::Silence => {}
            Step::Send(query, reply) => send(&datagrams, peer, &query, reply).await,
            step @ (Step::Forward(_) | Step::Alias { .. }) => {
                let (dns, datagrams) = (Arc::clone(dns), Arc::clone(&datagrams));
                forwarded.spawn(async move {
                    if let Some((query, reply)) = dns.finish(step).await {
                        send(&datagrams, peer, &query, reply).await;
                    }
                });
            }
        }
    }
}

async fn send(datagrams: &Datagrams, peer: Peer, query: &Message, reply: Message) {
    count_answer(reply.metadata.response_code.to_str());
    if let Some(bytes) = encode(reply, udp_limit(query)) {
        let _ = datagrams.send(&bytes, peer).await;
    }
}

async fn serve_tcp(dns: &Arc<Dns>, listener: TcpListener) {
    loop {
        let Ok(permit) = Arc::clone(&dns.clients).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, client)) => {
                let dns = Arc::clone(dns);
                tokio::spawn(async move {
                    let _ = converse(&dns, stream, client.ip()).await;
                    drop(permit);
                });
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// Questions and answers with lengths before them (RFC 1035, 4.2.2).
async fn converse(dns: &Dns, mut stream: TcpStream, client: IpAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut packet = vec![0; timeout(SILENCE, stream.read_u16()).await??.into()];
        timeout(SILENCE, stream.read_exact(&mut packet)).await??;
        let Some((_, reply)) = dns.finish(dns.step(&packet, client)).await else { return Ok(()) };
        count_answer(reply.metadata.response_code.to_str());
        let Some(bytes) = encode(reply, u16::MAX.into()) else { return Ok(()) };
        let length = u16::try_from(bytes.len()).unwrap_or_default();
        stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    }
}

/// A query that cannot be read is told so, if it is one.
fn malformed(packet: &[u8]) -> Step {
    let [high, low, flags, ..] = packet else { return Step::Silence };
    if packet.len() < 12 || flags & 0x80 != 0 {
        return Step::Silence;
    }
    let reply = Message::error_msg(u16::from_be_bytes([*high, *low]), OpCode::Query, ResponseCode::FormErr);
    Step::Send(reply.clone(), reply)
}

/// Whose questions about other names are forwarded: not the internet's, for that would be an open resolver.
fn served(client: IpAddr) -> bool {
    match client {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let carrier_grade = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier_grade
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
