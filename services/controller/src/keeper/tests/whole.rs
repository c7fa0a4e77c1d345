//! The keeper with a real bus and an agent that speaks the messages.

use std::sync::Arc;
use std::time::Duration;

use api::journal::Cause;
use api::lifecycle::{DeleteOptions, Deletion, request_deletion};
use api::messages::{
    Applied, Assign, AssignedPod, Heartbeat, HeartbeatAck, PodReport, Register, Registered, Report,
    ReportAck, RouteTable,
};
use api::views::{Node, Pod};
use api::{ObjectKey, Resource, Revision, Uid};
use bus::testing::NatsServer;
use bus::{Bus, ChangeTo, Expect, Mutation, Reader, Subscription, View};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Config, run};

const PATIENCE: Duration = Duration::from_secs(15);

/// A server, a view of the test's own, and controllers.
struct Cluster {
    server: NatsServer,
    bus: Bus,
    view: Arc<View>,
}

/// A controller with a runtime of its own, so that it can be killed with everything it has spawned.
struct Controller {
    stop: CancellationToken,
    running: JoinHandle<()>,
    runtime: tokio::runtime::Runtime,
}

impl Cluster {
    async fn start() -> Self {
        let server = NatsServer::start().await;
        let bus = server.bus().await;
        let view = bus.view().await.unwrap();
        Self { server, bus, view }
    }

    fn controller(&self, name: &str) -> Controller {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, stop) = (self.server.url(), CancellationToken::new());
        let (config, token) = (Config { identity: Some(name.to_owned()) }, stop.clone());
        let running = runtime.spawn(async move {
            let config_of_bus = bus::BusConfig { servers: vec![url], ..bus::BusConfig::default() };
            run(config, Bus::connect(config_of_bus).await.unwrap(), token).await.unwrap();
        });
        Controller { stop, running, runtime }
    }

    async fn create(&self, value: Value) {
        let key = bus::Stored::test(value.clone(), 1).key.clone();
        let mutation =
            Mutation { key, expect: Expect::Absent, change: ChangeTo::Put(value), cause: Cause::default() };
        let revision = self.bus.store().write(mutation).await.unwrap();
        self.view.wait_for(revision).await;
    }

    /// As the gateway does it.
    async fn delete_pod(&self, name: &str) {
        let key = pod_key(name);
        loop {
            let stored = self.view.get(&key).unwrap();
            let kind = api::kinds::kind(Pod::ID).unwrap();
            let deletion =
                request_deletion(&stored.value(), kind, &DeleteOptions::default(), telemetry::clock::now());
            let change = match deletion.unwrap() {
                Deletion::Mark(marked) => ChangeTo::Put(marked),
                Deletion::Remove(last) => ChangeTo::Delete(last),
                Deletion::Already => return,
            };
            let mutation = Mutation {
                key: key.clone(),
                expect: Expect::At(stored.revision),
                change,
                cause: Cause::default(),
            };
            if self.bus.store().write(mutation).await.is_ok() {
                return;
            }
        }
    }

    async fn eventually(&self, what: &str, holds: impl Fn(&Reader<'_>) -> bool) {
        let waiting = async {
            loop {
                let mut changes = self.view.changes(self.view.revision()).unwrap();
                if holds(&self.view.read()) {
                    return;
                }
                changes.next_batch().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not in time: {what}");
    }

    async fn eventually_ready(&self, status: &str) {
        let key = ObjectKey::cluster(Node::ID, "n1");
        let holds = |reader: &Reader<'_>| {
            reader.get(&key).is_some_and(|stored| {
                let node = stored.object::<Node>();
                node.status.conditions.iter().any(|it| it.kind == "Ready" && it.status == status)
            })
        };
        self.eventually(&format!("n1 is Ready={status}"), holds).await;
    }
}

impl Controller {
    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        self.runtime.shutdown_background();
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

/// An agent that registers, posts heartbeats, and keeps assignments for the test to read.
struct Agent {
    bus: Bus,
    session: u64,
    epoch: u64,
    assignments: Subscription<Assign>,
    /// The assignment that its heartbeats name.
    applied: watch::Sender<u64>,
    /// What the keeper says that it has heard of.
    heard: watch::Receiver<Revision>,
    beating: JoinHandle<()>,
}

impl Agent {
    async fn start(cluster: &Cluster, session: u64) -> Self {
        let bus = cluster.server.connect().await;
        let assignments = bus.subscribe::<Assign>("odeon.node.n1.assign").await.unwrap();
        let epoch = register(&bus, session).await;
        let applied = watch::Sender::new(0);
        let (told, heard) = watch::channel(Revision(0));
        let (beats, seen) = (bus.clone(), applied.subscribe());
        let beating = tokio::spawn(async move {
            loop {
                let heartbeat = Heartbeat {
                    node: "n1".into(),
                    session,
                    epoch,
                    assignment: *seen.borrow(),
                    revision: *told.borrow(),
                    pods: 0,
                    unhealthy: None,
                    leaving: false,
                };
                let subject = "odeon.node.n1.heartbeat";
                let answer =
                    beats.request::<_, HeartbeatAck>(subject, &heartbeat, Duration::from_millis(500)).await;
                if let Ok(ack) = answer
                    && ack.assignment == heartbeat.assignment
                {
                    told.send_replace(ack.revision);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { bus, session, epoch, assignments, applied, heard, beating }
    }

    /// The next assignment that builds on what this agent has; others are skipped, as an agent does.
    async fn next(&mut self) -> Assign {
        loop {
            let delivery = tokio::time::timeout(PATIENCE, self.assignments.next())
                .await
                .expect("an assignment")
                .unwrap();
            let (previous, seq) = match &delivery.message {
                Assign::Full { seq, epoch, .. } if *epoch == self.epoch => (None, *seq),
                Assign::Since { seq, epoch, .. } if *epoch == self.epoch => (None, *seq),
                Assign::Delta { previous, seq, epoch, .. } if *epoch == self.epoch => (Some(*previous), *seq),
                _ => continue,
            };
            if previous.is_none_or(|previous| previous == *self.applied.borrow()) {
                self.applied.send_replace(seq);
                return delivery.message;
            }
        }
    }

    /// Reads assignments until one names the pod so.
    async fn told(&mut self, name: &str, as_wanted: impl Fn(&AssignedPod) -> bool) -> AssignedPod {
        loop {
            let (Assign::Full { pods, .. }
            | Assign::Since { upserts: pods, .. }
            | Assign::Delta { upserts: pods, .. }) = self.next().await;
            if let Some(pod) = pods.into_iter().find(|pod| &*pod.key.name == name && as_wanted(pod)) {
                return pod;
            }
        }
    }

    async fn report(&self, name: &str, status: &Value, gone: bool) -> ReportAck {
        let pod = PodReport {
            key: pod_key(name),
            uid: Uid::from(name),
            status: status.to_string(),
            gone,
            because: "container main started".to_owned(),
            events: vec![("Normal".to_owned(), "Started".to_owned(), "Started container main".to_owned())],
        };
        let report = Report { node: "n1".into(), session: self.session, epoch: self.epoch, pods: vec![pod] };
        self.bus.request("odeon.node.n1.report", &report, PATIENCE).await.unwrap()
    }

    fn dies(&self) {
        self.beating.abort();
    }
}

async fn register(bus: &Bus, session: u64) -> u64 {
    let object =
        json!({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4"}, "conditions": []}})
            .to_string();
    let question = Register { node: "n1".into(), session, object, running: Vec::new() };
    for _ in 0..100 {
        let answer = bus
            .request::<_, Registered>("odeon.node.n1.register", &question, Duration::from_millis(500))
            .await;
        match answer {
            Ok(Registered { epoch, refused: None }) => return epoch,
            Ok(refused) => panic!("{refused:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("nobody answers a registration")
}

fn pod_key(name: &str) -> ObjectKey {
    ObjectKey::namespaced(Pod::ID, "default", name)
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1, "labels": {"app": "web"},
            "creationTimestamp": telemetry::clock::now()},
        "spec": {"nodeName": "n1", "terminationGracePeriodSeconds": 7, "containers": [{"name": "main", "image": "i",
            "envFrom": [{"configMapRef": {"name": "settings"}}]}]},
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_lives_and_dies_on_a_node() {
    let cluster = Cluster::start().await;
    let controller = cluster.controller("a");
    let settings = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default", "uid": "s"}, "data": {"a": value}});
    cluster.create(settings("1")).await;
    let mut agent = Agent::start(&cluster, 7).await;
    cluster.eventually_ready("True").await;
    cluster.create(pod("web-1")).await;
    let told = agent.told("web-1", |_| true).await;
    assert_eq!((told.config.len(), told.stop), (1, None));

    let ack = agent.report("web-1", &json!({"phase": "Running", "podIP": "10.1.0.1"}), false).await;
    assert!(ack.unknown.is_empty() && ack.retry.is_empty(), "{ack:?}");
    let running = |reader: &Reader<'_>| {
        reader.get(&pod_key("web-1")).is_some_and(|stored| {
            let pod = stored.object::<Pod>();
            pod.status.phase == "Running" && pod.status.conditions.iter().any(|it| it.kind == "PodScheduled")
        })
    };
    cluster.eventually("its status is written", running).await;
    assert_eq!(agent.report("nobody", &json!({}), false).await.unknown, [Uid::from("nobody")]);

    cluster.delete_pod("web-1").await;
    let told = agent.told("web-1", |pod| pod.stop.is_some()).await;
    assert_eq!(told.stop, Some(7));
    agent.report("web-1", &json!({"phase": "Succeeded"}), true).await;
    cluster.eventually("the pod is gone", |reader| reader.get(&pod_key("web-1")).is_none()).await;
    loop {
        if let Assign::Delta { removed, .. } = agent.next().await
            && removed == [Uid::from("web-1")]
        {
            break;
        }
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_nodes_pods_are_given_up_and_a_returning_agent_has_a_new_epoch() {
    let cluster = Cluster::start().await;
    let controller = cluster.controller("a");
    let mut agent = Agent::start(&cluster, 7).await;
    cluster.eventually_ready("True").await;
    cluster.create(pod("web-1")).await;
    agent.told("web-1", |_| true).await;
    agent.dies();
    cluster.eventually_ready("Unknown").await;
    cluster.eventually("the pod is given up", |reader| reader.get(&pod_key("web-1")).is_none()).await;

    let mut returned = Agent::start(&cluster, 8).await;
    assert!(returned.epoch > agent.epoch);
    let Assign::Full { pods, .. } = returned.next().await else { panic!("everything at first") };
    assert!(pods.is_empty(), "what it still runs is surplus");
    cluster.eventually_ready("True").await;
    let stale = agent.report("web-1", &json!({"phase": "Running"}), false).await;
    assert_eq!(stale.retry, [Uid::from("web-1")], "an older session writes nothing");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_takes_over_names_what_the_agent_knows() {
    let cluster = Cluster::start().await;
    let first = cluster.controller("a");
    let mut agent = Agent::start(&cluster, 7).await;
    cluster.eventually_ready("True").await;
    cluster.create(pod("web-1")).await;
    agent.told("web-1", |_| true).await;
    let assigned = cluster.view.get(&pod_key("web-1")).unwrap().revision;
    let heard = agent.heard.clone().wait_for(|heard| *heard >= assigned).await.map(|heard| *heard);
    assert!(heard.is_ok(), "the agent hears how far its assignments reach");
    let second = cluster.controller("b");
    first.kill();
    loop {
        if let Assign::Since { kept, upserts, .. } = agent.next().await {
            assert_eq!((kept, upserts.len()), (vec![Uid::from("web-1")], 0));
            break;
        }
    }
    cluster.create(pod("web-2")).await;
    agent.told("web-2", |_| true).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_keeper_takes_over_without_losing_the_node() {
    let cluster = Cluster::start().await;
    let first = cluster.controller("a");
    let mut agent = Agent::start(&cluster, 7).await;
    cluster.eventually_ready("True").await;
    let second = cluster.controller("b");
    first.kill();
    cluster.create(pod("web-1")).await;
    agent.told("web-1", |_| true).await;
    let node = cluster.view.get(&ObjectKey::cluster(Node::ID, "n1")).unwrap();
    let ready =
        node.object::<Node>().status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True");
    assert!(ready, "the node was heard all the time");
    assert_eq!(super::super::register::epoch_of(&node), agent.epoch);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_stops_when_its_proxies_have_let_go() {
    let cluster = Cluster::start().await;
    let controller = cluster.controller("a");
    let mut agent = Agent::start(&cluster, 7).await;
    let mut tables = agent.bus.subscribe::<RouteTable>("odeon.proxy.table").await.unwrap();
    cluster.eventually_ready("True").await;
    cluster
        .create(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default", "uid": "svc"},
            "spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}}))
        .await;
    cluster.create(pod("web-1")).await;
    agent.told("web-1", |_| true).await;
    let ready = json!({"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]});
    agent.report("web-1", &ready, false).await;
    // A proxy that is alive, but has not applied anything yet.
    let proxy = agent.bus.clone();
    let apply = async |revision| {
        proxy.publish("odeon.proxy.n1.applied", &Applied { node: "n1".into(), revision }).await.unwrap();
    };
    let mut offered = false;
    while !offered {
        let RouteTable::Delta { upserts, revision, .. } = tables.next().await.unwrap().message else {
            continue;
        };
        offered = upserts
            .iter()
            .any(|it| it.ports.iter().any(|port| port.backends.iter().any(|backend| backend.ready)));
        apply(revision).await;
    }
    let full: RouteTable = agent.bus.request("odeon.proxy.snapshot", &(), PATIENCE).await.unwrap();
    assert!(matches!(full, RouteTable::Full { services, .. } if services.len() == 1));
    cluster.delete_pod("web-1").await;
    let mut withdrawn = false;
    while !withdrawn {
        let RouteTable::Delta { upserts, revision, .. } = tables.next().await.unwrap().message else {
            continue;
        };
        withdrawn = upserts
            .iter()
            .any(|it| it.ports.iter().all(|port| !port.backends.iter().any(|backend| backend.ready)));
        if withdrawn {
            apply(revision).await;
        }
    }
    assert_eq!(agent.told("web-1", |pod| pod.stop.is_some()).await.stop, Some(7));
    controller.stop().await;
}
