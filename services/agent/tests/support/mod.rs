//! A keeper of a few lines, for tests of the agent's side of the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::messages::{
    Assign, AssignedPod, ConfigObject, Heartbeat, HeartbeatAck, PodReport, Register, Registered, Report,
    ReportAck,
};
use api::{ObjectKey, ResourceId, Revision, Uid};
use bus::{Bus, BusConfig};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

/// What the keeper has heard.
#[derive(Default)]
pub struct Heard {
    /// The last registration.
    pub registered: Option<Register>,
    /// How often somebody registered.
    pub registrations: u32,
    /// The last heartbeat.
    pub heartbeat: Option<Heartbeat>,
    /// A heartbeat asked for a complete assignment.
    pub asked_for_full: u32,
    /// The last report of every pod.
    pub pods: HashMap<Uid, PodReport>,
}

/// Answers one node's agent.
pub struct Keeper {
    pub bus: Bus,
    node: String,
    heard: Arc<Mutex<Heard>>,
    pub silent: Arc<AtomicBool>,
    epoch: Arc<AtomicU64>,
    seq: AtomicU64,
    tasks: tokio::task::JoinSet<()>,
}

pub async fn connect(url: &str) -> Bus {
    let config = BusConfig { servers: vec![url.to_owned()], ..Default::default() };
    Bus::connect(config).await.expect("the test's server answers")
}

impl Keeper {
    pub async fn start(url: &str, node: &str) -> Self {
        let bus = connect(url).await;
        let mut keeper = Self {
            bus: bus.clone(),
            node: node.to_owned(),
            heard: Arc::default(),
            silent: Arc::default(),
            epoch: Arc::new(AtomicU64::new(6)),
            seq: AtomicU64::new(0),
            tasks: tokio::task::JoinSet::new(),
        };
        let mut registers = bus.subscribe::<Register>(&keeper.subject("register")).await.unwrap();
        let mut heartbeats = bus.subscribe::<Heartbeat>(&keeper.subject("heartbeat")).await.unwrap();
        let mut reports = bus.subscribe::<Report>(&keeper.subject("report")).await.unwrap();
        let (heard, epoch) = (Arc::clone(&keeper.heard), Arc::clone(&keeper.epoch));
        keeper.tasks.spawn(async move {
            while let Some(delivery) = registers.next().await {
                let epoch = epoch.fetch_add(1, Ordering::SeqCst) + 1;
                {
                    let mut heard = heard.lock().unwrap();
                    heard.registered = Some(delivery.message);
                    heard.registrations += 1;
                }
                delivery.reply.unwrap().send(&Registered { epoch, refused: None }).await.unwrap();
            }
        });
        let (heard, epoch) = (Arc::clone(&keeper.heard), Arc::clone(&keeper.epoch));
        let silent = Arc::clone(&keeper.silent);
        keeper.tasks.spawn(async move {
            while let Some(delivery) = heartbeats.next().await {
                {
                    let mut heard = heard.lock().unwrap();
                    heard.asked_for_full += u32::from(delivery.message.assignment == 0);
                    heard.heartbeat = Some(delivery.message);
                }
                let epoch = epoch.load(Ordering::SeqCst);
                if let (Some(reply), false) = (delivery.reply, silent.load(Ordering::SeqCst)) {
                    let _ = reply.send(&HeartbeatAck { epoch, assignment: 0, revision: Revision(0) }).await;
                }
            }
        });
        let heard = Arc::clone(&keeper.heard);
        keeper.tasks.spawn(async move {
            while let Some(delivery) = reports.next().await {
                for pod in delivery.message.pods {
                    heard.lock().unwrap().pods.insert(pod.uid.clone(), pod);
                }
                let _ = delivery.reply.unwrap().send(&ReportAck::default()).await;
            }
        });
        keeper
    }

    fn subject(&self, verb: &str) -> String {
        format!("odeon.node.{}.{verb}", self.node)
    }

    /// Waits until what was heard is as wished.
    pub async fn until(&self, what: &str, mut wished: impl FnMut(&Heard) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !wished(&self.heard.lock().unwrap()) {
            if tokio::time::Instant::now() > deadline {
                let heard = self.heard.lock().unwrap();
                let pods: Vec<_> = heard.pods.values().collect();
                panic!("not within the deadline: {what}; heartbeat {:?}, pods {pods:#?}", heard.heartbeat);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the agent is registered and asks for its assignments.
    pub async fn until_registered(&self, registrations: u32) {
        let epoch = Arc::clone(&self.epoch);
        self.until("it is registered", move |heard| {
            let now = epoch.load(Ordering::SeqCst);
            heard.registrations >= registrations
                && heard.heartbeat.as_ref().is_some_and(|beat| beat.epoch == now)
        })
        .await;
    }

    pub async fn until_pod(&self, uid: &str, what: &str, mut wished: impl FnMut(&Value) -> bool) -> Value {
        let uid = Uid::from(uid);
        let mut found = Value::Null;
        self.until(what, |heard| {
            let Some(report) = heard.pods.get(&uid) else { return false };
            found = serde_json::from_str(&report.status).unwrap();
            wished(&found)
        })
        .await;
        found
    }

    pub fn heard<T>(&self, read: impl FnOnce(&Heard) -> T) -> T {
        read(&self.heard.lock().unwrap())
    }

    pub async fn assign_all(&self, pods: Vec<AssignedPod>) {
        let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
        let epoch = self.epoch.load(Ordering::SeqCst);
        self.bus
            .publish(&self.subject("assign"), &Assign::Full { epoch, seq, revision: Revision(seq), pods })
            .await
            .unwrap();
    }

    pub async fn assign(&self, upserts: Vec<AssignedPod>, removed: Vec<Uid>) {
        let previous = self.seq.fetch_add(1, Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        let delta = Assign::Delta {
            epoch,
            previous,
            seq: previous + 1,
            revision: Revision(previous + 1),
            upserts,
            removed,
        };
        self.bus.publish(&self.subject("assign"), &delta).await.unwrap();
    }

    /// Forgets to send one.
    pub fn lose_one(&self) {
        self.seq.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn is_ready(status: &Value) -> bool {
    status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}

pub fn pod(uid: &str, metadata: Value, spec: Value) -> AssignedPod {
    let name = format!("pod-{uid}");
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": { "name": name, "namespace": "default", "uid": uid, "labels": { "app": "test" } },
    });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    AssignedPod {
        key: ObjectKey::namespaced(ResourceId::new("pods"), "default", &name),
        uid: uid.into(),
        revision: Revision(1),
        object: ByteBuf::from(bus::encode(&object).unwrap()),
        config: Vec::new(),
        stop: None,
        cluster_domain: "cluster.local".to_owned(),
    }
}

pub fn config_object(resource: &'static str, name: &str, revision: u64, object: Value) -> ConfigObject {
    ConfigObject {
        resource: ResourceId::new(resource),
        name: name.to_owned(),
        revision: Revision(revision),
        object: ByteBuf::from(bus::encode(&object).unwrap()),
    }
}

pub fn config(node: &str, cluster: &str, runtime: agent::RuntimeKind) -> agent::Config {
    agent::Config {
        node_name: Some(node.to_owned()),
        runtime,
        nodes: 1,
        cluster: cluster.to_owned(),
        pod_network: None,
        service_cidr: "10.96.0.0/12".to_owned(),
        node_ip: None,
        dns_ip: None,
        cluster_domain: "cluster.local".to_owned(),
        labels: vec!["zone=a".to_owned()],
        taints: Vec::new(),
        max_pods: 110,
        stop_pods_on_exit: false,
        stop_patience: 10,
        sandbox_binary: None,
        hollow: agent::HollowConfig { hollow_cpus: 4, hollow_memory_mib: 1024, ..Default::default() },
    }
}
