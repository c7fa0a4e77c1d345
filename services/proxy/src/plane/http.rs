//! Relays HTTP/1 connections request by request, so that clients move to other backends between them, unnoticed.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::balancer::Balancer;
use super::relay::{read_into, relay, reset, transfer};
use super::tcp::{Upstream, connect};
use crate::http::{Body, Parsed, Request, Response, request, response, speaks_http};

/// Heads longer than this are not waited for.
const LONGEST_HEAD: usize = 64 * 1024;
/// How often a request is sent again.
const MOST_RETRIES: usize = 2;
/// More left of a body than this is moved without looking at it.
const LOOKED_AT: u64 = 64 * 1024;
/// Buffers larger than this are given back between requests.
const KEPT_BUFFER: usize = 4 * 1024;
/// How long a client may take to end after its last response.
const LAST_BYTES: Duration = Duration::from_secs(2);
/// What a client hears whose request nobody can answer.
const NOBODY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves a client whose first connection to a backend is made. It may turn out not to speak HTTP.
pub async fn serve(client: &mut TcpStream, peer: SocketAddr, mut upstream: Upstream, balancer: &Balancer) {
    let metrics = &balancer.metrics;
    let mut inbound = Vec::new();
    let first = {
        let (mut read, _) = client.split();
        tokio::select! {
            // Whoever greets its clients does not speak HTTP.
            stirred = stirred(&upstream.stream) => stirred.map(|()| 0),
            first = read_into(&mut read, &mut inbound) => first,
        }
    };
    let end = match first {
        Err(_) => End::Broken,
        Ok(_) if speaks_http(&inbound) => {
            let (client_read, client_write) = client.split();
            let upstream = Some(upstream);
            let outbound = Vec::new();
            Session { client_read, client_write, peer, balancer, upstream, inbound, outbound }.run().await
        }
        Ok(_) => match upstream.stream.write_all(&inbound).await {
            Ok(()) => {
                metrics.sent.inc_by(inbound.len() as u64);
                return relay(client, &mut upstream.stream, &metrics.sent, &metrics.received).await;
            }
            Err(_) => End::Broken,
        },
    };
    match end {
        End::Orderly => linger(client).await,
        End::Broken => reset(client),
        End::Opaque(mut upstream) => {
            relay(client, &mut upstream.stream, &metrics.sent, &metrics.received).await;
        }
    }
}

/// One client and the backend that it has at the moment.
struct Session<'a> {
    client_read: ReadHalf<'a>,
    client_write: WriteHalf<'a>,
    peer: SocketAddr,
    balancer: &'a Balancer,
    /// None after the backend ended; the next request finds another.
    upstream: Option<Upstream>,
    /// From the client, not dealt with yet.
    inbound: Vec<u8>,
    /// From the backend, not passed on yet.
    outbound: Vec<u8>,
}

/// How a session ends.
enum End {
    /// All that was asked is answered.
    Orderly,
    /// One side broke off.
    Broken,
    /// What comes now cannot be told apart; what came so far is sent.
    Opaque(Upstream),
}

/// What becomes of one request.
enum Outcome {
    /// Answered; the next request may come.
    Next,
    /// Answered; it was the last.
    Last,
    /// The backend ended before it answered anything.
    NoAnswer,
}

impl Session<'_> {
    async fn run(mut self) -> End {
        loop {
            let request = match self.next_head().await {
                Ok(Some(Parsed::Head(request))) => request,
                Ok(Some(Parsed::Incomplete | Parsed::Opaque)) => return self.give_up().await,
                Ok(None) => return End::Orderly,
                Err(_) => return End::Broken,
            };
            self.balancer.metrics.http_requests.inc();
            match self.answer(&request).await {
                Ok(Outcome::Next) => {}
                Ok(Outcome::Last) => return End::Orderly,
                Ok(Outcome::NoAnswer) | Err(_) => return End::Broken,
            }
            for buffer in [&mut self.inbound, &mut self.outbound] {
                if buffer.is_empty() && buffer.capacity() > KEPT_BUFFER {
                    *buffer = Vec::new();
                }
            }
        }
    }

    /// The next request's head; `None` when the client has ended.
    async fn next_head(&mut self) -> io::Result<Option<Parsed<Request>>> {
        loop {
            if !self.inbound.is_empty() {
                match request(&self.inbound) {
                    Parsed::Incomplete if self.inbound.len() < LONGEST_HEAD => {}
                    parsed => return Ok(Some(parsed)),
                }
            }
            let Some(upstream) = &self.upstream else {
                match read_into(&mut self.client_read, &mut self.inbound).await? {
                    0 => return Ok(None),
                    _ => continue,
                }
            };
            tokio::select! {
                biased;
                read = read_into(&mut self.client_read, &mut self.inbound) => if read? == 0 {
                    return Ok(None);
                },
                // It ended, or says that it will, or shall not be asked any more: the client need not know.
                _ = stirred(&upstream.stream) => self.upstream = None,
                () = upstream.lease.retirement() => self.upstream = None,
            }
        }
    }

    /// Sends what is there and lets go of what follows.
    async fn give_up(mut self) -> End {
        let upstream = match self.upstream.take() {
            Some(upstream) => Some(upstream),
            None => connect(self.peer, self.balancer).await,
        };
        let Some(mut upstream) = upstream else { return End::Broken };
        self.balancer.metrics.sent.inc_by(self.inbound.len() as u64);
        match upstream.stream.write_all(&self.inbound).await {
            Ok(()) => End::Opaque(upstream),
            Err(_) => End::Broken,
        }
    }

    /// Has a request answered, by another backend if the first one ends without a word.
    async fn answer(&mut self, request: &Request) -> io::Result<Outcome> {
        for _ in 0..=MOST_RETRIES {
            let usable = self.upstream.take().filter(|upstream| !upstream.lease.retired());
            let upstream = match usable {
                Some(upstream) => Some(upstream),
                None => connect(self.peer, self.balancer).await,
            };
            let Some(mut upstream) = upstream else {
                self.balancer.metrics.refused.inc();
                self.client_write.write_all(NOBODY).await?;
                return Ok(Outcome::Last);
            };
            match self.exchange(request, &mut upstream.stream).await? {
                Outcome::NoAnswer if request.repeatable => self.balancer.metrics.http_retries.inc(),
                Outcome::Next => {
                    self.upstream = Some(upstream);
                    return Ok(Outcome::Next);
                }
                outcome @ (Outcome::NoAnswer | Outcome::Last) => return Ok(outcome),
            }
        }
        Ok(Outcome::NoAnswer)
    }

    /// One request and its response. A repeatable request stays in `inbound` until it is answered.
    async fn exchange(&mut self, request: &Request, backend: &mut TcpStream) -> io::Result<Outcome> {
        let metrics = &self.balancer.metrics;
        let (mut backend_read, mut backend_write) = backend.split();
        let head = self.inbound.get(..request.length).unwrap_or_default();
        if backend_write.write_all(head).await.is_err() {
            return Ok(Outcome::NoAnswer);
        }
        metrics.sent.inc_by(request.length as u64);
        if !request.repeatable {
            self.inbound.drain(..request.length);
        }
        let mut asking = Asking { body: request.body, whole: request.body.done(), sent: &metrics.sent };
        let mut answering = Answering { buffer: &mut self.outbound, received: &metrics.received };
        let answered = tokio::select! {
            biased;
            answered = answering.run(&mut backend_read, &mut self.client_write, request.is_head) => answered?,
            broken = asking.run(&mut self.client_read, &mut backend_write, &mut self.inbound) => return Err(broken),
        };
        let Some(keep_alive) = answered else { return Ok(Outcome::NoAnswer) };
        if request.repeatable {
            self.inbound.drain(..request.length);
        }
        match keep_alive && request.keep_alive && asking.whole {
            true => Ok(Outcome::Next),
            false => Ok(Outcome::Last),
        }
    }
}

/// The way from client to backend during an exchange.
struct Asking<'a> {
    body: Body,
    /// All of the body was sent.
    whole: bool,
    sent: &'a IntCounter,
}

impl Asking<'_> {
    /// Sends the body, then watches the client. Returns only if the client breaks off.
    async fn run(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        buffer: &mut Vec<u8>,
    ) -> io::Error {
        if !self.whole {
            match pump(from, to, buffer, self.body, self.sent).await {
                Ok(()) => self.whole = true,
                Err(Broken::From(error)) => return error,
                // The backend may have answered without reading all of it.
                Err(Broken::To) => return pending().await,
            }
        }
        while buffer.len() < LONGEST_HEAD {
            match read_into(from, buffer).await {
                Ok(0) => {
                    let _ = to.shutdown().await;
                    return pending().await;
                }
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        pending().await
    }
}

/// The way from backend to client during an exchange.
struct Answering<'a> {
    buffer: &'a mut Vec<u8>,
    received: &'a IntCounter,
}

impl Answering<'_> {
    /// Passes a response on. Returns whether another may follow, or `None` if there was none.
    async fn run(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        to_head: bool,
    ) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let mut silent = true;
        loop {
            let Some(head) = self.head(from, to_head, silent).await? else { return Ok(None) };
            silent = false;
            let Some(Response { length, mut body, keep_alive, interim }) = head else {
                // No HTTP, or no clear end: it goes on until the backend ends.
                to.write_all(self.buffer).await?;
                transfer(from, to, u64::MAX, self.received).await?;
                return Ok(Some(false));
            };
            let rest = self.buffer.get(length..).unwrap_or_default();
            let taken = length + body.take(rest).map_err(|_| io::ErrorKind::InvalidData)?;
            to.write_all(self.buffer.get(..taken).unwrap_or_default()).await?;
            self.received.inc_by(taken as u64);
            self.buffer.drain(..taken);
            if interim {
                continue;
            }
            return match pump(from, to, self.buffer, body, self.received).await {
                Ok(()) => Ok(Some(keep_alive && self.buffer.is_empty())),
                Err(Broken::From(error)) => Err(error),
                Err(Broken::To) => Err(io::ErrorKind::BrokenPipe.into()),
            };
        }
    }

    /// A response's head: `None` if the backend ended before it said anything, `Some(None)` if it is none.
    async fn head(
        &mut self,
        from: &mut ReadHalf<'_>,
        to_head: bool,
        silent: bool,
    ) -> io::Result<Option<Option<Response>>> {
        loop {
            if !self.buffer.is_empty() {
                match response(self.buffer, to_head) {
                    Parsed::Head(head) => return Ok(Some(Some(head))),
                    Parsed::Incomplete if self.buffer.len() < LONGEST_HEAD => {}
                    Parsed::Incomplete | Parsed::Opaque => return Ok(Some(None)),
                }
            }
            match read_into(from, self.buffer).await {
                Ok(0) | Err(_) if silent && self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Which side of a transfer failed.
enum Broken {
    From(io::Error),
    To,
}

/// Moves the rest of a body, which begins with what is in `buffer`; what is left there comes after it.
async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    buffer: &mut Vec<u8>,
    mut body: Body,
    bytes: &IntCounter,
) -> Result<(), Broken> {
    loop {
        let taken = body.take(buffer).map_err(|_| Broken::From(io::ErrorKind::InvalidData.into()))?;
        if taken > 0 {
            to.write_all(buffer.get(..taken).unwrap_or_default()).await.map_err(|_| Broken::To)?;
            bytes.inc_by(taken as u64);
            buffer.drain(..taken);
        }
        let unseen = match body {
            _ if body.done() => return Ok(()),
            Body::Exactly(left) if left > LOOKED_AT => Some(left),
            Body::UntilClose => Some(u64::MAX),
            Body::Exactly(_) | Body::Chunks(_) => None,
        };
        if let Some(most) = unseen {
            let missing = transfer(from, to, most, bytes).await.map_err(Broken::From)?;
            return match missing == 0 || body == Body::UntilClose {
                true => Ok(()),
                false => Err(Broken::From(io::ErrorKind::UnexpectedEof.into())),
            };
        }
        if read_into(from, buffer).await.map_err(Broken::From)? == 0 {
            return Err(Broken::From(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Waits until the other side speaks or ends. Fails if it broke off, which is told only once.
async fn stirred(stream: &TcpStream) -> io::Result<()> {
    stream.peek(&mut [0]).await.map(drop)
}

/// Ends a connection so that its last response arrives even if the client has sent more than was read.
async fn linger(client: &mut TcpStream) {
    let (mut read, mut write) = client.split();
    let ended = async {
        write.shutdown().await?;
        let mut ignored = Vec::new();
        while read_into(&mut read, &mut ignored).await? > 0 {
            ignored.clear();
        }
        io::Result::Ok(())
    };
    let _ = timeout(LAST_BYTES, ended).await;
}
