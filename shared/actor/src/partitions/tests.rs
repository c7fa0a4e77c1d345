//! Partitions among real leases: fair shares, polite leaving, and what happens when a process is killed.

use std::time::Instant;

use api::ResourceId;
use bus::testing::NatsServer;
use tokio::runtime::Runtime;

use super::*;

/// Everything that a killed process runs on: dropping it stops all of its tasks where they are.
struct Process {
    runtime: Option<Runtime>,
}

impl Process {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime: Some(runtime) }
    }

    async fn join(&self, server: &NatsServer, identity: &'static str, count: usize) -> Partitions {
        let url = server.url();
        let joining = async move {
            let config = bus::BusConfig { servers: vec![url], ..bus::BusConfig::default() };
            let bus = Bus::connect(config).await.unwrap();
            Partitions::join(&bus, "test", identity, count).await.unwrap()
        };
        self.runtime.as_ref().unwrap().spawn(joining).await.unwrap()
    }

    fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn owns(partitions: &Partitions, count: usize) {
    let mut changes = partitions.changes();
    let waited = changes.wait_for(|owned| owned.len() == count);
    let waited = tokio::time::timeout(Duration::from_secs(10), waited).await;
    assert!(waited.is_ok(), "owns {} instead of {count}", partitions.owned().len());
}

#[tokio::test]
async fn a_process_that_is_alone_owns_everything_at_once() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let started = Instant::now();
    let partitions = Partitions::join(&bus, "test", "a", COUNT).await.unwrap();
    assert_eq!(partitions.owned().len(), COUNT);
    assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
}

#[tokio::test]
async fn members_share_fairly_and_leave_politely() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let a = Partitions::join(&bus, "test", "a", COUNT).await.unwrap();
    let process = Process::start();
    let b = process.join(&server, "b", COUNT).await;
    owns(&a, COUNT / 2).await;
    owns(&b, COUNT / 2).await;
    assert_eq!(a.owned().0 & b.owned().0, 0, "no partition has two owners");
    b.leave().await;
    assert!(b.owned().is_empty());
    owns(&a, COUNT).await;
}

#[tokio::test]
async fn what_a_killed_process_owned_is_taken_over_within_three_seconds() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let a = Partitions::join(&bus, "test", "a", COUNT).await.unwrap();
    let process = Process::start();
    let b = process.join(&server, "b", COUNT).await;
    owns(&b, COUNT / 2).await;
    owns(&a, COUNT / 2).await;
    let key =
        |number: usize| ObjectKey::namespaced(ResourceId::new("pods"), "default", &format!("web-{number}"));
    let of_b = (0..).map(key).find(|key| b.owns(key)).unwrap();
    let epoch_of_b = b.epoch(&of_b).unwrap();
    process.kill();
    let killed = Instant::now();
    owns(&a, COUNT).await;
    assert!(killed.elapsed() < Duration::from_millis(3_300), "{:?}", killed.elapsed());
    assert!(a.epoch(&of_b).unwrap() > epoch_of_b, "a new owner has a new epoch");
}

#[tokio::test]
async fn one_leads_and_another_follows() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let a = Leadership::campaign(&bus, "scheduler", "a").await.unwrap();
    let b = Leadership::campaign(&bus, "scheduler", "b").await.unwrap();
    a.won().await;
    assert!(a.is_leader() && !b.is_leader() && b.epoch().is_none());
    let epoch = a.epoch().unwrap();
    a.leave().await;
    a.lost().await;
    tokio::time::timeout(Duration::from_secs(5), b.won()).await.unwrap();
    assert!(b.epoch().unwrap() > epoch);
}

#[tokio::test]
async fn ownership_survives_a_restart_of_the_server() {
    let mut server = NatsServer::start().await;
    let bus = server.bus().await;
    let a = Partitions::join(&bus, "test", "a", 4).await.unwrap();
    server.restart().await;
    owns(&a, 4).await;
    let mut connected = bus.connected();
    connected.wait_for(|connected| *connected).await.unwrap();
    owns(&a, 4).await;
}

#[test]
fn keys_spread_over_partitions_the_same_way_for_ever() {
    let shared = Arc::new(Shared::new(COUNT));
    let partitions = Partitions { shared, farewell: Mutex::new(None) };
    let key = |name: &str| ObjectKey::namespaced(ResourceId::new("pods"), "default", name);
    assert_eq!(partitions.of(&key("web-1")), partitions.of(&key("web-1")));
    let mut counts = [0; COUNT];
    (0..1_600).for_each(|number| counts[partitions.of(&key(&format!("web-{number}")))] += 1);
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
    assert_eq!(stable_hash(&["default", "web"]), stable_hash(&["default", "web"]));
    assert_eq!(stable_hash(&[]), 0xcbf2_9ce4_8422_2325);
}
