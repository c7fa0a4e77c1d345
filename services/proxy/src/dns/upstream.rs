//! Asks the host's own resolvers about names that are none of the cluster's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one resolver may take for one question.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often all resolvers are asked.
const ROUNDS: usize = 2;
/// How long the host's configuration is believed to be unchanged.
const BELIEVED: Duration = Duration::from_secs(5);
/// Where the host says whom it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Docker's own resolver: a loopback address that is never ours.
const DOCKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// The resolvers to ask.
pub struct Upstream {
    /// Given by the user; otherwise the host's.
    fixed: Vec<SocketAddr>,
    /// Where we listen ourselves: never to be asked.
    own: Vec<SocketAddr>,
    read: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

/// Nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// There is nobody to ask.
    #[error("no DNS server is known for names outside the cluster")]
    Nobody,
    /// All were asked.
    #[error("no DNS server answered")]
    Silent(#[source] io::Error),
}

impl Upstream {
    /// Asks `fixed`, or the host's resolvers if it is empty, but never `own`.
    pub fn new(fixed: Vec<SocketAddr>, own: Vec<SocketAddr>) -> Self {
        Self { fixed, own, read: Mutex::default() }
    }

    /// Asks one resolver after the other.
    pub async fn ask(&self, query: &Message) -> Result<Message, UpstreamError> {
        let mut query = query.clone();
        query.metadata.id = rand::random();
        let bytes = query.to_vec().map_err(|error| UpstreamError::Silent(io::Error::other(error)))?;
        let mut failure = UpstreamError::Nobody;
        for server in self.servers().repeat(ROUNDS) {
            match timeout(PATIENCE, exchange(server, &query, &bytes)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => failure = UpstreamError::Silent(error),
                Err(_) => failure = UpstreamError::Silent(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(failure)
    }

    fn servers(&self) -> Vec<SocketAddr> {
        if !self.fixed.is_empty() {
            return self.fixed.clone();
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, servers)) = read.as_ref().filter(|(when, _)| when.elapsed() < BELIEVED) {
            return servers.clone();
        }
        let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let mut servers = nameservers(&text);
        servers.retain(|server| !self.own.iter().any(|own| same(*own, *server)));
        *read = Some((Instant::now(), servers.clone()));
        servers
    }
}

/// Over UDP, and over TCP if the answer did not fit.
async fn exchange(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let answer = over_udp(server, query, bytes).await?;
    match answer.metadata.truncation {
        true => over_tcp(server, query, bytes).await.or(Ok(answer)),
        false => Ok(answer),
    }
}

async fn over_udp(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; 4_096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Anything else is forged or late.
        if let Some(answer) = buffer.get(..length).and_then(|bytes| answers(query, bytes)) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut buffer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut buffer).await?;
    answers(query, &buffer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn answers(query: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let same = |a: &Query, b: &Query| a.name == b.name && a.query_type == b.query_type;
    let asked = answer.queries.iter().zip(&query.queries).all(|(a, b)| same(a, b));
    (answer.metadata.id == query.metadata.id && asked).then_some(answer)
}

/// The `nameserver` lines of resolv.conf(5).
fn nameservers(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|rest| rest.split_whitespace().next());
    addresses.filter_map(|address| Some(SocketAddr::new(address.parse().ok()?, 53))).collect()
}

/// Whether asking `server` is asking ourselves at `own`.
fn same(own: SocketAddr, server: SocketAddr) -> bool {
    let everywhere = own.ip().is_unspecified() && own.port() == server.port();
    let local = || match server.ip() {
        ip if ip == DOCKER => false,
        // Another process' stub resolver; had we its port, it would not run.
        IpAddr::V4(ip) if ip.is_loopback() => ip == Ipv4Addr::LOCALHOST,
        ip => std::net::UdpSocket::bind((ip, 0)).is_ok(),
    };
    own == server || (everywhere && local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read() {
        let text = "# nameserver 9.9.9.9\nsearch lan\nnameserver 10.0.0.2 # office\nnameserver fd00::1\nnameserver x\n";
        let expected: [SocketAddr; 2] = ["10.0.0.2:53".parse().unwrap(), "[fd00::1]:53".parse().unwrap()];
        assert_eq!(nameservers(text), expected);
    }

    #[test]
    fn nobody_asks_itself() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(same(at("172.17.0.1:53"), at("172.17.0.1:53")));
        assert!(same(at("0.0.0.0:53"), at("127.0.0.1:53")));
        assert!(!same(at("0.0.0.0:53"), at("127.0.0.11:53")));
        assert!(!same(at("0.0.0.0:53"), at("127.0.0.53:53")));
        assert!(!same(at("0.0.0.0:53"), at("192.0.2.1:53")));
        assert!(!same(at("0.0.0.0:5353"), at("127.0.0.1:53")));
    }
}
