//! The data plane with real sockets on loopback addresses.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proxy::plane::Plane;
use proxy::plane::listen::Ports;
use proxy::plane::userspace::{Doors, Userspace};
use proxy::route::{Door, Frontend, Owner, Route, Target, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

/// A server that says its name, echoes, and says `bye` when the client has ended.
struct Backend {
    address: SocketAddr,
    task: AbortHandle,
}

impl Backend {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(echo(stream, name));
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

async fn echo(mut stream: TcpStream, name: &'static str) -> std::io::Result<()> {
    stream.write_all(format!("{name}\n").as_bytes()).await?;
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await?;
    write.write_all(b"bye").await
}

fn plane(node_port_addresses: &[&str]) -> Userspace {
    let node_port_addresses = node_port_addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    Userspace::start(Doors { cluster_ips: true, node_port_addresses }, Ports::default(), 2).unwrap()
}

fn vip(transport: Transport, address: &str) -> Frontend {
    Frontend { transport, door: Door::ClusterIp(address.parse().unwrap()) }
}

fn target(backends: &[SocketAddr]) -> Target {
    let owner = Owner { namespace: "default".into(), service: "web".into(), port: "http".into() };
    Target { owner, may_speak_http: true, affinity: None, backends: backends.to_vec() }
}

fn listen(frontend: Frontend, backends: &[SocketAddr]) -> Route {
    Route::Listen { frontend, target: target(backends) }
}

fn set(frontend: Frontend, backends: &[SocketAddr]) -> Route {
    Route::SetBackends { frontend, target: target(backends) }
}

async fn line(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        match timeout(DEADLINE, stream.read_u8()).await?? {
            b'\n' => return Ok(text),
            byte => text.push(byte.into()),
        }
    }
}

async fn who(address: &str) -> std::io::Result<(String, TcpStream)> {
    let mut stream = timeout(DEADLINE, TcpStream::connect(address)).await??;
    Ok((line(&mut stream).await?, stream))
}

async fn ping(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"ping\n").await?;
    assert_eq!(line(stream).await?, "ping");
    Ok(())
}

#[tokio::test]
async fn connections_spread_over_backends() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let plane = plane(&[]);
    plane.apply(vec![listen(vip(Transport::Tcp, "127.96.1.1:80"), &[a.address, b.address])]).await;
    let mut counts = BTreeMap::<String, usize>::new();
    let mut held = Vec::new();
    for _ in 0..100 {
        let (name, stream) = who("127.96.1.1:80").await.unwrap();
        *counts.entry(name).or_default() += 1;
        held.push(stream);
    }
    assert!(counts["a"].abs_diff(counts["b"]) <= 6, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_while_backends_come_and_go() {
    let backends = [Backend::start("a").await, Backend::start("b").await, Backend::start("c").await];
    let address = |i: usize| backends[i % 3].address;
    let plane = plane(&[]);
    let frontend = vip(Transport::Tcp, "127.96.2.1:80");
    plane.apply(vec![listen(frontend, &[address(0)])]).await;
    let (first, mut oldest) = who("127.96.2.1:80").await.unwrap();
    assert_eq!(first, "a");
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut count = 0;
                while !done.load(Relaxed) || count < 10 {
                    let (_, mut stream) = who("127.96.2.1:80").await.unwrap();
                    ping(&mut stream).await.unwrap();
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 1..60 {
        plane.apply(vec![set(frontend, &[address(round)])]).await;
        let (name, mut stream) = who("127.96.2.1:80").await.unwrap();
        assert_eq!(name, ["a", "b", "c"][round % 3], "in force when apply returns");
        ping(&mut stream).await.unwrap();
        ping(&mut oldest).await.unwrap();
    }
    done.store(true, Relaxed);
    for client in clients {
        assert!(timeout(DEADLINE, client).await.unwrap().unwrap() >= 10);
    }
}

#[tokio::test]
async fn each_side_ends_for_itself() {
    let a = Backend::start("a").await;
    let plane = plane(&[]);
    plane.apply(vec![listen(vip(Transport::Tcp, "127.96.3.1:80"), &[a.address])]).await;
    let (_, mut stream) = who("127.96.3.1:80").await.unwrap();
    stream.write_all(b"last words, ").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "last words, bye");
}

#[tokio::test]
async fn dead_backends_are_stepped_over() {
    let (a, dead) = (Backend::start("a").await, Backend::start("dead").await);
    dead.task.abort();
    timeout(DEADLINE, async { while TcpStream::connect(dead.address).await.is_ok() {} }).await.unwrap();
    let plane = plane(&[]);
    plane.apply(vec![listen(vip(Transport::Tcp, "127.96.4.1:80"), &[a.address, dead.address])]).await;
    for _ in 0..50 {
        assert_eq!(who("127.96.4.1:80").await.unwrap().0, "a");
    }
}

#[tokio::test]
async fn nobody_home_is_said_at_once() {
    let plane = plane(&[]);
    let frontend = vip(Transport::Tcp, "127.96.5.1:80");
    plane.apply(vec![listen(frontend, &[])]).await;
    let asked = Instant::now();
    assert!(who("127.96.5.1:80").await.is_err());
    plane.apply(vec![Route::Close { frontend, owner: target(&[]).owner }]).await;
    let closed = async { while TcpStream::connect("127.96.5.1:80").await.is_ok() {} };
    timeout(DEADLINE, closed).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_broken_connection_is_not_an_ended_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plane = plane(&[]);
    let backends = [listener.local_addr().unwrap()];
    plane.apply(vec![listen(vip(Transport::Tcp, "127.96.6.1:80"), &backends)]).await;
    let mut client = TcpStream::connect("127.96.6.1:80").await.unwrap();
    let (backend, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    socket2::SockRef::from(&backend).set_linger(Some(Duration::ZERO)).unwrap();
    drop(backend);
    let error = timeout(DEADLINE, client.read(&mut [0; 8])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_arrives_whole_and_small_talk_goes_on_after_it() {
    const SIZE: usize = 32 * 1024 * 1024;
    let a = Backend::start("a").await;
    let plane = plane(&[]);
    plane.apply(vec![listen(vip(Transport::Tcp, "127.96.7.1:80"), &[a.address])]).await;
    let (_, mut stream) = who("127.96.7.1:80").await.unwrap();
    let sent: Vec<u8> = (0..SIZE).map(|i| (i * 31 + i / 251) as u8).collect();
    for _ in 0..2 {
        let (mut read, mut write) = stream.split();
        let mut received = vec![0; SIZE];
        let both = async { tokio::try_join!(write.write_all(&sent), read.read_exact(&mut received)) };
        timeout(3 * DEADLINE, both).await.unwrap().unwrap();
        assert!(sent == received, "bytes differ");
        for _ in 0..50 {
            ping(&mut stream).await.unwrap();
        }
    }
}

#[tokio::test]
async fn clients_stay_with_their_backend() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let plane = plane(&[]);
    let sticky = Target { affinity: Some(Duration::from_secs(60)), ..target(&[a.address, b.address]) };
    plane.apply(vec![Route::Listen { frontend: vip(Transport::Tcp, "127.96.8.1:80"), target: sticky }]).await;
    let (first, _held) = who("127.96.8.1:80").await.unwrap();
    for _ in 0..20 {
        assert_eq!(who("127.96.8.1:80").await.unwrap().0, first);
    }
}

#[tokio::test]
async fn datagrams_find_a_backend_and_the_way_back() {
    let plane = plane(&[]);
    let frontend = vip(Transport::Udp, "127.96.9.1:53");
    let (a, b) = (udp_backend("a").await, udp_backend("b").await);
    plane.apply(vec![listen(frontend, &[a])]).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect("127.96.9.1:53").await.unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&client).await, "a");
    }
    plane.apply(vec![set(frontend, &[b])]).await;
    assert_eq!(ask(&client).await, "b", "a session does not outlive its backend");
}

async fn udp_backend(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((_, client)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(name.as_bytes(), client).await;
        }
    });
    address
}

async fn ask(client: &UdpSocket) -> String {
    let mut buffer = [0; 64];
    client.send(b"who?").await.unwrap();
    let length = timeout(DEADLINE, client.recv(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_port_in_use_hurts_nobody_else_and_is_taken_when_free() {
    let a = Backend::start("a").await;
    let squatter = TcpListener::bind("127.97.1.1:0").await.unwrap();
    let port = squatter.local_addr().unwrap().port();
    let plane = plane(&["127.97.1.1", "127.97.1.2"]);
    let node_port = Frontend { transport: Transport::Tcp, door: Door::NodePort(port) };
    plane
        .apply(vec![
            listen(node_port, &[a.address]),
            listen(vip(Transport::Tcp, "127.96.10.1:80"), &[a.address]),
        ])
        .await;
    assert_eq!(who("127.96.10.1:80").await.unwrap().0, "a");
    assert_eq!(who(&format!("127.97.1.2:{port}")).await.unwrap().0, "a");
    assert_eq!(plane.retry(), 1);
    drop(squatter);
    assert_eq!(plane.retry(), 0);
    assert_eq!(who(&format!("127.97.1.1:{port}")).await.unwrap().0, "a");
}

#[tokio::test]
async fn two_clusters_do_not_share_an_address() {
    let a = Backend::start("a").await;
    let (ours, theirs) = (plane(&[]), plane(&[]));
    let frontend = vip(Transport::Tcp, "127.96.11.1:80");
    ours.apply(vec![listen(frontend, &[a.address])]).await;
    theirs.apply(vec![listen(frontend, &[])]).await;
    assert_eq!((ours.retry(), theirs.retry()), (0, 1));
    for _ in 0..20 {
        assert_eq!(who("127.96.11.1:80").await.unwrap().0, "a");
    }
}

#[tokio::test]
async fn a_node_port_goes_from_one_service_to_another() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let plane = plane(&[]);
    let frontend = vip(Transport::Tcp, "127.96.12.1:80");
    plane.apply(vec![listen(frontend, &[a.address])]).await;
    let other = Owner { namespace: "default".into(), service: "other".into(), port: "http".into() };
    let theirs = Target { owner: other, ..target(&[b.address]) };
    plane.apply(vec![Route::Listen { frontend, target: theirs }]).await;
    plane.apply(vec![Route::Close { frontend, owner: target(&[]).owner }]).await;
    let taken = async { while !who("127.96.12.1:80").await.is_ok_and(|(name, _)| name == "b") {} };
    timeout(DEADLINE, taken).await.unwrap();
}
