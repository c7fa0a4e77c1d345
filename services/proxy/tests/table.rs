//! The proxy as a whole: it follows a controller over a real bus.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::messages::{Applied, Backend, PortRoutes, RouteTable, ServiceRoutes};
use api::{NodeName, Revision};
use bus::testing::NatsServer;
use bus::{Bus, Subscription};
use proxy::{Config, DnsListen};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

/// A server that says one letter.
async fn backend(name: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.try_write(&[name]);
        }
    });
    address
}

async fn who(address: &str) -> Option<u8> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    timeout(DEADLINE, stream.read_u8()).await.unwrap().ok()
}

fn web(ip: &str, backends: &[SocketAddr]) -> ServiceRoutes {
    let backend = |address: &SocketAddr| Backend {
        ip: address.ip(),
        port: address.port(),
        node: NodeName::from("node-1"),
        pod: String::new(),
        hostname: String::new(),
        ready: true,
        serving: true,
        terminating: false,
    };
    ServiceRoutes {
        namespace: "default".into(),
        name: "web".into(),
        cluster_ips: vec![ip.parse().unwrap()],
        ports: vec![PortRoutes {
            protocol: "TCP".into(),
            port: 80,
            backends: backends.iter().map(backend).collect(),
            ..PortRoutes::default()
        }],
        ..ServiceRoutes::default()
    }
}

/// A controller that answers requests for snapshots with what `table` says, while there is one.
struct Controller {
    bus: Bus,
    table: Arc<Mutex<(u64, Vec<ServiceRoutes>)>>,
    answering: Option<JoinHandle<()>>,
}

impl Controller {
    async fn start(bus: Bus, revision: u64, services: Vec<ServiceRoutes>) -> Self {
        let mut controller = Self { bus, table: Arc::new(Mutex::new((revision, services))), answering: None };
        controller.answer().await;
        controller
    }

    async fn answer(&mut self) {
        let mut asked = self.bus.subscribe_queue::<()>("odeon.proxy.snapshot", "controllers").await.unwrap();
        let table = Arc::clone(&self.table);
        self.answering = Some(tokio::spawn(async move {
            while let Some(question) = asked.next().await {
                let (revision, services) = table.lock().unwrap().clone();
                let full = RouteTable::Full { revision: Revision(revision), services };
                let _ = question.reply.unwrap().send(&full).await;
            }
        }));
    }

    /// Moves on; `heard` says whether the proxies get to know.
    async fn change(&self, revision: u64, services: Vec<ServiceRoutes>, heard: bool) {
        let previous = std::mem::replace(&mut *self.table.lock().unwrap(), (revision, services.clone())).0;
        if heard {
            self.publish(previous, revision, services).await;
        }
    }

    async fn publish(&self, previous: u64, revision: u64, upserts: Vec<ServiceRoutes>) {
        let (previous, revision) = (Revision(previous), Revision(revision));
        let delta = RouteTable::Delta { previous, revision, upserts, removed: Vec::new() };
        self.bus.publish("odeon.proxy.table", &delta).await.unwrap();
    }
}

struct Proxy {
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), proxy::Error>>,
}

impl Proxy {
    fn start(bus: Bus) -> Self {
        let config = Config {
            node_name: "node.1".into(),
            service_cidr: "127.96.0.0/16".parse().unwrap(),
            dns_listen: vec![DnsListen::Nowhere],
            workers: 2,
            ..Config::default()
        };
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(proxy::run(config, bus, shutdown.clone()));
        Self { shutdown, running }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(DEADLINE, self.running).await.unwrap().unwrap().unwrap();
    }
}

async fn applied(acknowledged: &mut Subscription<Applied>, revision: u64) {
    let reached = async {
        while let Some(delivery) = acknowledged.next().await {
            assert_eq!(
                (delivery.subject.as_str(), delivery.message.node.as_str()),
                ("odeon.proxy.node_1.applied", "node.1")
            );
            if delivery.message.revision == Revision(revision) {
                return;
            }
        }
    };
    timeout(DEADLINE, reached).await.expect("the table is acknowledged");
}

#[tokio::test]
async fn changes_are_in_force_when_they_are_acknowledged() {
    let nats = NatsServer::start().await;
    let (a, b) = (backend(b'a').await, backend(b'b').await);
    let mut acknowledged = nats.connect().await.subscribe("odeon.proxy.*.applied").await.unwrap();
    let controller = Controller::start(nats.connect().await, 5, vec![web("127.96.31.1", &[a])]).await;
    let proxy = Proxy::start(nats.connect().await);
    applied(&mut acknowledged, 5).await;
    assert_eq!(who("127.96.31.1:80").await, Some(b'a'));
    controller.change(6, vec![web("127.96.31.1", &[b])], true).await;
    applied(&mut acknowledged, 6).await;
    assert_eq!(who("127.96.31.1:80").await, Some(b'b'));
    applied(&mut acknowledged, 6).await;
    proxy.stop().await;
    assert_eq!(who("127.96.31.1:80").await, None);
}

#[tokio::test]
async fn what_was_missed_is_asked_for() {
    let nats = NatsServer::start().await;
    let (a, b) = (backend(b'a').await, backend(b'b').await);
    let mut acknowledged = nats.connect().await.subscribe("odeon.proxy.*.applied").await.unwrap();
    let controller = Controller::start(nats.connect().await, 5, vec![web("127.96.32.1", &[a])]).await;
    let proxy = Proxy::start(nats.connect().await);
    applied(&mut acknowledged, 5).await;
    controller.change(8, vec![web("127.96.32.1", &[b])], false).await;
    controller.publish(8, 8, Vec::new()).await;
    applied(&mut acknowledged, 8).await;
    assert_eq!(who("127.96.32.1:80").await, Some(b'b'));
    proxy.stop().await;
}

#[tokio::test]
async fn the_table_stays_without_controllers_and_without_the_bus() {
    let mut nats = NatsServer::start().await;
    let (a, b) = (backend(b'a').await, backend(b'b').await);
    let mut acknowledged = nats.connect().await.subscribe("odeon.proxy.*.applied").await.unwrap();
    let mut controller = Controller::start(nats.connect().await, 5, vec![web("127.96.33.1", &[a])]).await;
    let proxy = Proxy::start(nats.connect().await);
    applied(&mut acknowledged, 5).await;
    controller.answering.take().unwrap().abort();
    controller.publish(6, 7, Vec::new()).await;
    assert_eq!(who("127.96.33.1:80").await, Some(b'a'), "nobody answers, so the table stays");
    nats.restart().await;
    assert_eq!(who("127.96.33.1:80").await, Some(b'a'));
    controller.change(9, vec![web("127.96.33.1", &[b])], false).await;
    controller.answer().await;
    applied(&mut acknowledged, 9).await;
    assert_eq!(who("127.96.33.1:80").await, Some(b'b'));
    proxy.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_first_waits_for_a_controller() {
    let nats = NatsServer::start().await;
    let a = backend(b'a').await;
    let mut acknowledged = nats.connect().await.subscribe("odeon.proxy.*.applied").await.unwrap();
    let proxy = Proxy::start(nats.connect().await);
    assert!(
        timeout(Duration::from_millis(1_500), acknowledged.next()).await.is_err(),
        "nothing to acknowledge yet"
    );
    let _controller = Controller::start(nats.connect().await, 5, vec![web("127.96.34.1", &[a])]).await;
    applied(&mut acknowledged, 5).await;
    while who("127.96.34.1:80").await != Some(b'a') {
        sleep(Duration::from_millis(10)).await;
    }
    proxy.stop().await;
}
