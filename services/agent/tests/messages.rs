//! The agent's side of the protocol with its keeper, over a real server and with the hollow runtime.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use agent::runtime::hollow::Hollow;
use agent::runtime::{Container, ContainerRuntime, Role, RunState, Scope};
use bus::testing::NatsServer;
use serde_json::json;
use support::{Keeper, config, is_ready, pod};
use tokio_util::sync::CancellationToken;

/// A hollow agent with its keeper.
struct Stage {
    server: NatsServer,
    keeper: Keeper,
    hollow: Hollow,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn set(stop_pods_on_exit: bool) -> Self {
        let server = NatsServer::start().await;
        let keeper = Keeper::start(&server.url(), "node-a").await;
        let mut config = config("node-a", "test", agent::RuntimeKind::Hollow);
        config.stop_pods_on_exit = stop_pods_on_exit;
        let hollow = Hollow::new(config.hollow.clone());
        let shutdown = CancellationToken::new();
        let bus = support::connect(&server.url()).await;
        let (runtime, token) = (hollow.clone(), shutdown.clone());
        let names = vec!["node-a".to_owned()];
        let running = tokio::spawn(async move {
            agent::run::perform(runtime, names, config, bus, token).await.expect("it performs");
        });
        keeper.until_registered(1).await;
        Self { server, keeper, hollow, shutdown, running }
    }

    async fn containers(&self) -> Vec<Container> {
        self.hollow.list(&Scope::Node("node-a".into())).await.unwrap()
    }

    async fn until_containers(&self, what: &str, wished: impl Fn(&[Container]) -> bool) {
        let wait = async {
            while !wished(&self.containers().await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .unwrap_or_else(|_| panic!("not in time: {what}"));
    }

    async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.running).await.unwrap().unwrap();
    }
}

fn web() -> serde_json::Value {
    json!({ "containers": [{ "name": "web", "image": "web:1" }], "terminationGracePeriodSeconds": 5 })
}

fn members(containers: &[Container]) -> usize {
    let running = |container: &&Container| {
        matches!(container.role, Role::Member(_)) && matches!(container.state, RunState::Running { .. })
    };
    containers.iter().filter(running).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_registers_runs_its_pods_and_reports_their_end() {
    let stage = Stage::set(false).await;
    let node: serde_json::Value =
        stage.keeper.heard(|heard| serde_json::from_str(&heard.registered.as_ref().unwrap().object).unwrap());
    assert_eq!(node["status"]["capacity"]["cpu"], "4");
    assert_eq!(node["metadata"]["labels"]["zone"], "a");
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.35.0+odeon");

    stage.keeper.assign_all(vec![pod("1", json!({}), web())]).await;
    let status = stage.keeper.until_pod("1", "it is ready", is_ready).await;
    assert_eq!(status["phase"], "Running");
    assert!(status["podIP"].as_str().unwrap().starts_with("10.200."), "{status}");

    let mut ending = pod("1", json!({}), web());
    ending.stop = Some(5);
    stage.keeper.assign(vec![ending], Vec::new()).await;
    stage.keeper.until("it is gone", |heard| heard.pods.values().all(|report| report.gone)).await;
    let status = stage.keeper.until_pod("1", "it has ended", |_| true).await;
    assert!(status["containerStatuses"][0]["state"]["terminated"].is_object(), "{status}");
    stage.until_containers("nothing is left", |containers| containers.is_empty()).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_asks_for_everything_and_surplus_ends() {
    let stage = Stage::set(false).await;
    stage.keeper.assign_all(vec![pod("1", json!({}), web()), pod("2", json!({}), web())]).await;
    stage.keeper.until_pod("1", "one is ready", is_ready).await;
    stage.keeper.until_pod("2", "two is ready", is_ready).await;
    let before = stage.keeper.heard(|heard| heard.asked_for_full);
    stage.keeper.lose_one();
    stage.keeper.assign(vec![pod("3", json!({}), web())], Vec::new()).await;
    stage.keeper.until("it asks for everything", |heard| heard.asked_for_full > before).await;
    stage.keeper.assign_all(vec![pod("2", json!({}), web()), pod("3", json!({}), web())]).await;
    stage.keeper.until_pod("3", "three is ready", is_ready).await;
    stage
        .until_containers("one has ended", |containers| {
            containers.iter().all(|container| container.pod.uid.as_str() != "1") && members(containers) == 2
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_run_through_an_outage_of_the_bus() {
    let mut stage = Stage::set(false).await;
    stage.keeper.assign_all(vec![pod("1", json!({}), web())]).await;
    stage.keeper.until_pod("1", "it is ready", is_ready).await;
    let before: Vec<_> = stage.containers().await.into_iter().map(|container| container.id).collect();
    stage.server.restart().await;
    stage.keeper.until_registered(2).await;
    let offered = stage.keeper.heard(|heard| heard.registered.as_ref().unwrap().running.len());
    assert_eq!(offered, 1);
    stage.keeper.assign_all(vec![pod("1", json!({}), web())]).await;
    stage.keeper.until_pod("1", "it is ready", is_ready).await;
    let mut after: Vec<_> = stage.containers().await.into_iter().map(|container| container.id).collect();
    let mut before = before;
    before.sort();
    after.sort();
    assert_eq!(before, after);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lease_only_pods_that_need_not_be_unique_run() {
    let stage = Stage::set(false).await;
    let unique = pod("1", json!({ "annotations": { "odeon.dev/unique": "true" } }), web());
    let common = pod("2", json!({}), web());
    stage.keeper.assign_all(vec![unique, common]).await;
    stage.keeper.until_pod("1", "one is ready", is_ready).await;
    stage.keeper.until_pod("2", "two is ready", is_ready).await;
    stage.keeper.silent.store(true, Ordering::SeqCst);
    let silenced = std::time::Instant::now();
    stage.until_containers("the unique one is stopped", |containers| members(containers) == 1).await;
    assert!(silenced.elapsed() < Duration::from_millis(api::messages::NODE_LEASE_MS));
    stage.keeper.silent.store(false, Ordering::SeqCst);
    stage.until_containers("it runs again", |containers| members(containers) == 2).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ends_is_restarted_in_less_than_a_second() {
    let stage = Stage::set(false).await;
    stage.keeper.assign_all(vec![pod("1", json!({}), web())]).await;
    stage.keeper.until_pod("1", "it is ready", is_ready).await;
    let containers = stage.containers().await;
    let web = containers.iter().find(|container| matches!(container.role, Role::Member(_))).unwrap();
    let ended = std::time::Instant::now();
    assert!(stage.hollow.exit(&web.id, 7));
    let restarted =
        |status: &serde_json::Value| status["containerStatuses"][0]["restartCount"] == 1 && is_ready(status);
    let status = stage.keeper.until_pod("1", "it runs again", restarted).await;
    assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 7);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_leaves_says_so_and_takes_its_pods_along_if_told() {
    let stage = Stage::set(true).await;
    stage.keeper.assign_all(vec![pod("1", json!({}), web())]).await;
    stage.keeper.until_pod("1", "it is ready", is_ready).await;
    stage.shutdown.cancel();
    let left = |heard: &support::Heard| heard.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.leaving);
    stage.keeper.until("it says that it leaves", left).await;
    let hollow = stage.hollow.clone();
    stage.end().await;
    assert!(hollow.list(&Scope::Node("node-a".into())).await.unwrap().is_empty());
}
