//! HTTP/1 clients keep their connections while backends come and go.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use proxy::plane::Plane;
use proxy::plane::listen::Ports;
use proxy::plane::userspace::{Doors, Userspace};
use proxy::route::{Door, Frontend, Owner, Route, Target, Transport};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);
const BIG: usize = 3_000_000;

/// A small web server: `/` says its name, `/big` much, `/chunked` in chunks, `/echo` what was sent, `/last` closes.
#[derive(Clone)]
struct Web {
    name: &'static str,
    address: SocketAddr,
    /// Cancelled: it ends as soon as it is idle, like a server that got SIGTERM.
    stop: CancellationToken,
    /// Open ones.
    connections: Arc<AtomicUsize>,
}

impl Web {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let web = Self { name, address, stop: CancellationToken::new(), connections: Arc::default() };
        let server = web.clone();
        tokio::spawn(async move {
            while let Some(accepted) = server.stop.run_until_cancelled(listener.accept()).await {
                server.connections.fetch_add(1, Relaxed);
                let served = server.clone();
                tokio::spawn(async move {
                    served.clone().converse(accepted.unwrap().0).await;
                    served.connections.fetch_sub(1, Relaxed);
                });
            }
        });
        web
    }

    async fn converse(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(Some((head, body))) = self.stop.run_until_cancelled(message(&mut stream)).await {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let reply = match path.as_str() {
                "/big" => sized(&vec![b'x'; BIG]),
                "/echo" => sized(&body),
                "/chunked" => {
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                        .to_vec()
                }
                "/last" => b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(),
                _ => sized(self.name.as_bytes()),
            };
            if stream.write_all(&reply).await.is_err() || path == "/last" {
                return;
            }
        }
    }
}

fn sized(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// Reads one message: its head and its body. `None` at the end.
async fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let mut body = Vec::new();
    let lower = head.to_ascii_lowercase();
    if let Some((_, rest)) = lower.split_once("content-length: ") {
        body.resize(rest.lines().next()?.parse().ok()?, 0);
        stream.read_exact(&mut body).await.ok()?;
    } else if lower.contains("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let mut chunk = vec![0; usize::from_str_radix(line.trim(), 16).ok()? + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if chunk.len() == 2 {
                break;
            }
            body.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
    } else if lower.starts_with("http/1.1 200") {
        stream.read_to_end(&mut body).await.ok()?;
    }
    Some((head, body))
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: &str) -> Self {
        Self(BufReader::new(timeout(DEADLINE, TcpStream::connect(address)).await.unwrap().unwrap()))
    }

    async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Vec<u8>> {
        timeout(DEADLINE, message(&mut self.0)).await.unwrap().map(|(_, body)| body)
    }

    async fn get(&mut self, path: &str) -> Option<String> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: web\r\n\r\n")).await;
        self.hear().await.map(|body| String::from_utf8(body).unwrap())
    }
}

fn plane() -> Userspace {
    Userspace::start(Doors { cluster_ips: true, node_port_addresses: Vec::new() }, Ports::default(), 2)
        .unwrap()
}

fn route(address: &str, backends: &[&Web]) -> Route {
    let owner = Owner { namespace: "default".into(), service: "web".into(), port: "http".into() };
    let backends = backends.iter().map(|web| web.address).collect();
    let frontend = Frontend { transport: Transport::Tcp, door: Door::ClusterIp(address.parse().unwrap()) };
    Route::Listen { frontend, target: Target { owner, may_speak_http: true, affinity: None, backends } }
}

#[tokio::test]
async fn all_kinds_of_messages_pass_on_one_connection() {
    let (address, plane, a) = ("127.96.21.1:80", plane(), Web::start("a").await);
    plane.apply(vec![route(address, &[&a])]).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.unwrap(), "a");
    assert_eq!(client.get("/big").await.unwrap().len(), BIG);
    assert_eq!(client.get("/chunked").await.unwrap(), "abcde");
    client.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n").await;
    client.send("wxyz\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.hear().await.unwrap(), b"wxyz");
    assert_eq!(client.hear().await.unwrap(), b"a", "a pipelined request");
    let much = "y".repeat(BIG);
    client.send(&format!("POST /echo HTTP/1.1\r\nContent-Length: {BIG}\r\n\r\n{much}")).await;
    assert!(client.hear().await.unwrap() == much.as_bytes());
    assert_eq!(a.connections.load(Relaxed), 1);
    assert_eq!(client.get("/last").await.unwrap(), "until the end");
    assert_eq!(client.hear().await, None);
}

#[tokio::test]
async fn clients_move_between_requests() {
    let (address, plane) = ("127.96.22.1:80", plane());
    let (a, b) = (Web::start("a").await, Web::start("b").await);
    plane.apply(vec![route(address, &[&a])]).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/").await.unwrap(), "a");
    assert_eq!(a.connections.load(Relaxed), 1);
    plane.apply(vec![route(address, &[&b])]).await;
    timeout(DEADLINE, async {
        while a.connections.load(Relaxed) > 0 {
            tokio::task::yield_now().await
        }
    })
    .await
    .unwrap();
    assert_eq!(client.get("/").await.unwrap(), "b");
    plane.apply(vec![route(address, &[])]).await;
    assert_eq!(client.get("/").await.unwrap(), "", "503 without a body");
    assert_eq!(client.hear().await, None);
}

#[tokio::test]
async fn a_backend_that_ends_between_requests_is_not_noticed() {
    let (address, plane) = ("127.96.23.1:80", plane());
    let (a, b) = (Web::start("a").await, Web::start("b").await);
    plane.apply(vec![route(address, &[&a, &b])]).await;
    let mut client = Client::connect(address).await;
    let first = client.get("/").await.unwrap();
    let (gone, left) = if first == "a" { (&a, "b") } else { (&b, "a") };
    gone.stop.cancel();
    assert_eq!(client.get("/").await.unwrap(), left);
}

/// A rolling update under load: servers that end as soon as they are idle are replaced one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_all_backends_are_replaced() {
    let (address, plane) = ("127.96.24.1:80", plane());
    let (mut old, mut new) = (Web::start("0").await, Web::start("1").await);
    plane.apply(vec![route(address, &[&old, &new])]).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut count = 0;
                while !done.load(Relaxed) || count < 50 {
                    client.get("/").await.expect("an answer on the same connection");
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..30 {
        let next = Web::start("next").await;
        plane.apply(vec![route(address, &[&new, &next])]).await;
        old.stop.cancel();
        (old, new) = (new, next);
        let mut probe = Client::connect(address).await;
        for _ in 0..5 {
            probe.get("/").await.unwrap();
        }
    }
    done.store(true, Relaxed);
    for client in clients {
        assert!(timeout(DEADLINE, client).await.unwrap().unwrap() >= 50);
    }
}

#[tokio::test]
async fn what_only_begins_like_http_passes_unchanged() {
    let (address, plane, a) = ("127.96.25.1:80", plane(), Web::start("a").await);
    plane.apply(vec![route(address, &[&a])]).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n").await;
    client.send("x").await;
    assert_eq!(client.hear().await.unwrap(), b"a");
}
