//! The scheduler with a real bus.

use std::sync::Arc;
use std::time::Duration;

use api::journal::Cause;
use api::views::Pod;
use api::{ObjectKey, Resource};
use bus::testing::NatsServer;
use bus::{Bus, ChangeTo, Expect, JournalFilter, Mutation, Reader, View};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Config, run};

async fn write(bus: &Bus, value: Value) {
    let key = bus::Stored::test(value.clone(), 1).key.clone();
    let mutation =
        Mutation { key, expect: Expect::Absent, change: ChangeTo::Put(value), cause: Cause::default() };
    let revision = bus.store().write(mutation).await.unwrap();
    bus.view().await.unwrap().wait_for(revision).await;
}

async fn eventually(view: &Arc<View>, what: &str, holds: impl Fn(&Reader<'_>) -> bool) {
    let waiting = async {
        loop {
            let mut changes = view.changes(view.revision()).unwrap();
            if holds(&view.read()) {
                return;
            }
            changes.next_batch().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(15), waiting).await.is_ok(), "not in time: {what}");
}

fn node(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}, "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": "1Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name,
            "creationTimestamp": telemetry::clock::now()},
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Pending"}})
}

fn read(reader: &Reader<'_>, name: &str) -> Arc<api::Object<Pod>> {
    reader.get(&ObjectKey::namespaced(Pod::ID, "default", name)).unwrap().object()
}

fn bound(reader: &Reader<'_>, name: &str) -> bool {
    read(reader, name).spec.node_name.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_bound_explained_and_bound_later() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    let stop = CancellationToken::new();
    let two = ["a", "b"].map(|name| {
        let (server_url, stop) = (server.url(), stop.clone());
        tokio::spawn(async move {
            let config = bus::BusConfig { servers: vec![server_url], ..bus::BusConfig::default() };
            let bus = Bus::connect(config).await.unwrap();
            run(Config { identity: Some(name.to_owned()) }, bus, stop).await.unwrap();
        })
    });
    write(&bus, node("n1", "2")).await;
    for name in 0..20 {
        write(&bus, pod(&format!("web-{name}"), "100m")).await;
    }
    eventually(&view, "all are bound", |reader| (0..20).all(|name| bound(reader, &format!("web-{name}"))))
        .await;
    write(&bus, pod("late", "1")).await;
    let told = |reader: &Reader<'_>| {
        let conditions = &read(reader, "late").status.conditions;
        conditions.iter().any(|it| {
            it.message.starts_with("0/1 nodes are available: 1 Insufficient cpu. preemption: ")
                && it.reason == "Unschedulable"
        })
    };
    eventually(&view, "it says why not", told).await;
    write(&bus, node("n2", "2")).await;
    eventually(&view, "it is bound", |reader| bound(reader, "late")).await;
    let late = read(&view.read(), "late");
    assert_eq!(late.spec.node_name, Some("n2".into()));
    let scheduled = late.status.conditions.iter().find(|it| it.kind == "PodScheduled").unwrap();
    assert_eq!((scheduled.status.as_str(), scheduled.message.as_str()), ("True", ""));
    let filter = JournalFilter::object(&late.key);
    let events = async {
        loop {
            let entries = bus.journal().read(&filter, 10).await.unwrap();
            let reasons: Vec<String> =
                entries.into_iter().filter_map(|(_, entry)| entry.event).map(|event| event.reason).collect();
            if reasons.len() >= 2 {
                return reasons;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let events = tokio::time::timeout(Duration::from_secs(15), events).await.expect("the journal tells");
    assert_eq!(events, ["FailedScheduling", "Scheduled"]);
    stop.cancel();
    for scheduler in two {
        scheduler.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn less_important_pods_make_room() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    let stop = CancellationToken::new();
    let config = Config { identity: Some("a".to_owned()) };
    let scheduler = tokio::spawn(run(config, server.bus().await, stop.clone()));
    write(&bus, node("n1", "1")).await;
    write(&bus, pod("small", "1")).await;
    eventually(&view, "it is bound", |reader| bound(reader, "small")).await;
    let mut urgent = pod("urgent", "1");
    urgent["spec"]["priority"] = json!(1000);
    write(&bus, urgent).await;
    let promised = |reader: &Reader<'_>| {
        read(reader, "small").metadata.is_terminating()
            && read(reader, "urgent").status.nominated_node_name == Some("n1".into())
    };
    eventually(&view, "one leaves for the other", promised).await;
    let small = read(&view.read(), "small");
    let disrupted = small.status.conditions.iter().find(|it| it.kind == "DisruptionTarget").unwrap();
    assert_eq!((disrupted.status.as_str(), disrupted.reason.as_str()), ("True", "PreemptionByScheduler"));
    assert!(!bound(&view.read(), "urgent"), "the victim has its grace");
    let gone = Mutation {
        key: small.key.clone(),
        expect: Expect::At(small.revision),
        change: ChangeTo::Delete(view.get(&small.key).unwrap().value()),
        cause: Cause::default(),
    };
    bus.store().write(gone).await.unwrap();
    eventually(&view, "the room is used", |reader| bound(reader, "urgent")).await;
    assert_eq!(read(&view.read(), "urgent").status.nominated_node_name, None);
    stop.cancel();
    scheduler.await.unwrap().unwrap();
}
