//! Hosts over a real bucket: from a written object to its children, status and journal; two hosts; a killed one.

use api::Resource;
use api::hooks::{BINDINGS, POLICIES};
use api::journal::Cause;
use api::messages::{AdmissionAnswer, AdmissionQuestion};
use api::views::{Pod, ReplicaSet};
use bus::testing::NatsServer;
use bus::{BusConfig, ChangeTo, Delivery, Expect, Mutation};
use futures::StreamExt;
use serde_json::json;

use super::*;
use crate::laws::Cluster;
use crate::toy::Toy;

/// How long anything may take here.
const DEADLINE: Duration = Duration::from_secs(15);

/// Writes the objects of a cluster text, as users do.
async fn write(bus: &Bus, text: &str) -> Cause {
    let cluster = Cluster::of(text);
    let cause = telemetry::clock::fresh_cause();
    for key in &cluster.keys {
        let value = cluster.view.get(key).unwrap().value();
        let mutation =
            Mutation { key: key.clone(), expect: Expect::Absent, change: ChangeTo::Put(value), cause };
        bus.store().write(mutation).await.unwrap();
    }
    cause
}

/// Changes an object's spec, as users do.
async fn scale(bus: &Bus, view: &View, key: &ObjectKey, replicas: i32) {
    loop {
        let stored = view.get(key).unwrap();
        let mut value = stored.value();
        value["spec"]["replicas"] = replicas.into();
        let cause = telemetry::clock::fresh_cause();
        let (expect, change) = (Expect::At(stored.revision), ChangeTo::Put(value));
        match bus.store().write(Mutation { key: key.clone(), expect, change, cause }).await {
            Ok(revision) => return view.wait_for(revision).await,
            Err(_) => view.wait_for(api::Revision(stored.revision.0 + 1)).await,
        }
    }
}

/// Waits until a predicate holds of the view.
async fn eventually(view: &Arc<View>, what: &str, holds: impl Fn(&bus::Reader<'_>) -> bool) {
    let mut changes = view.changes(view.revision()).unwrap();
    let waiting = async {
        while !holds(&view.read()) {
            changes.next_batch().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never: {what}");
}

/// What a replica set's status counts; `None` while the view does not have it.
fn replicas(reader: &bus::Reader<'_>, name: &str) -> Option<i32> {
    let stored = reader.get(&ObjectKey::namespaced(ReplicaSet::ID, "default", name))?;
    Some(stored.object::<ReplicaSet>().status.replicas)
}

async fn host(bus: &Bus, view: &Arc<View>, identity: &str) -> HostHandle {
    Host::builder(bus, view, identity, &Facts::new()).serve::<Toy>().start().await.unwrap()
}

#[tokio::test]
async fn an_object_leads_to_children_status_and_journal() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    write(&bus, "replicaset early replicas=1").await;
    let host = host(&bus, &view, "controller-a").await;
    let request = write(&bus, "replicaset web replicas=3").await;
    eventually(&view, "web has its pods", |reader| {
        replicas(reader, "web") == Some(3) && replicas(reader, "early") == Some(1)
    })
    .await;
    let pod = view.get(&ObjectKey::namespaced(Pod::ID, "default", "web-0")).unwrap();
    assert_eq!(pod.cause.trace_id, request.trace_id, "the pod is part of the request's trace");
    assert_eq!(pod.metadata.generation, 1);
    assert!(!pod.metadata.uid.as_str().is_empty() && pod.metadata.creation_timestamp.0 > 0);

    let mut entries = bus.journal().follow(Some(0)).await.unwrap();
    let reading = async {
        loop {
            let (_, entry) = entries.next().await.unwrap();
            if entry.cause == pod.cause {
                return entry;
            }
        }
    };
    let entry = tokio::time::timeout(DEADLINE, reading).await.unwrap();
    assert_eq!(entry.parent_span, request.span_id);
    assert_eq!((entry.component.as_str(), entry.outcome.as_str()), ("controller-a", "done"));
    assert_eq!(entry.because, "a replica is missing");
    assert_eq!(entry.trigger, "replicasets.apps/default/web was created");
    assert_eq!(entry.commands.len(), 3);
    assert_eq!(entry.event.unwrap().reason, "SuccessfulCreate");
    host.stop(DEADLINE).await;
}

#[tokio::test]
async fn children_wake_their_owner_and_scaling_deletes() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    let host = host(&bus, &view, "controller-a").await;
    write(&bus, "replicaset web replicas=3").await;
    let pods = |reader: &bus::Reader<'_>| reader.list(Pod::ID, None).count();
    eventually(&view, "three pods", |reader| pods(reader) == 3).await;
    let key = ObjectKey::namespaced(Pod::ID, "default", "web-1");
    let pod = view.get(&key).unwrap();
    let (expect, change) = (Expect::At(pod.revision), ChangeTo::Delete(pod.value()));
    bus.store().write(Mutation { key: key.clone(), expect, change, cause: Cause::default() }).await.unwrap();
    eventually(&view, "the pod is replaced", |reader| {
        reader.get(&key).is_some_and(|again| again.metadata.uid != pod.metadata.uid)
    })
    .await;
    scale(&bus, &view, &ObjectKey::namespaced(ReplicaSet::ID, "default", "web"), 1).await;
    eventually(&view, "one pod", |reader| pods(reader) == 1 && replicas(reader, "web") == Some(1)).await;
    host.stop(DEADLINE).await;
}

#[tokio::test]
async fn two_hosts_share_and_one_takes_over_when_the_other_is_killed() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    let a = host(&bus, &view, "controller-a").await;
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = server.url();
    let b = process.spawn(async move {
        let bus = Bus::connect(BusConfig { servers: vec![url], ..BusConfig::default() }).await.unwrap();
        let view = bus.view().await.unwrap();
        host(&bus, &view, "controller-b").await
    });
    let b = b.await.unwrap();
    let half = COUNT / 2;
    let shared = async {
        a.partitions().changes().wait_for(|owned| owned.len() == half).await.unwrap();
        b.partitions().changes().wait_for(|owned| owned.len() == half).await.unwrap();
    };
    tokio::time::timeout(DEADLINE, shared).await.unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("set-{number}")).collect();
    for name in &names {
        write(&bus, &format!("replicaset {name} replicas=2")).await;
    }
    let all_have = |wanted: i32| {
        let names = names.clone();
        move |reader: &bus::Reader<'_>| names.iter().all(|name| replicas(reader, name) == Some(wanted))
    };
    eventually(&view, "every set has its pods", all_have(2)).await;
    process.shutdown_background();
    for name in &names {
        scale(&bus, &view, &ObjectKey::namespaced(ReplicaSet::ID, "default", name), 3).await;
    }
    eventually(&view, "also those of the killed host", all_have(3)).await;
    drop(b);
    a.stop(DEADLINE).await;
}

#[tokio::test]
async fn work_goes_on_after_the_server_was_gone() {
    let mut server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    let host = host(&bus, &view, "controller-a").await;
    write(&bus, "replicaset web replicas=1").await;
    eventually(&view, "one pod", |reader| replicas(reader, "web") == Some(1)).await;
    server.restart().await;
    bus.connected().wait_for(|connected| *connected).await.unwrap();
    scale(&bus, &view, &ObjectKey::namespaced(ReplicaSet::ID, "default", "web"), 2).await;
    eventually(&view, "two pods", |reader| replicas(reader, "web") == Some(2)).await;
    host.stop(DEADLINE).await;
}

/// Writes a policy about pods, so that somebody has to be asked about them.
async fn write_policy(bus: &Bus) {
    let rules =
        json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p", "uid": "p"},
        "spec": {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]},
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "p", "uid": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]},
    });
    for (resource, value) in [(POLICIES, policy), (BINDINGS, binding)] {
        let (key, change) = (ObjectKey::cluster(resource, "p"), ChangeTo::Put(value));
        let mutation = Mutation { key, expect: Expect::Absent, change, cause: Cause::default() };
        bus.store().write(mutation).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_created_until_a_gateway_has_admitted_it() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    write_policy(&bus).await;
    let host = host(&bus, &view, "controller-a").await;
    write(&bus, "replicaset web replicas=3").await;
    let mut entries = bus.journal().follow(Some(0)).await.unwrap();
    let reading = async {
        loop {
            let (_, entry) = entries.next().await.unwrap();
            if let Some(event) = entry.event {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(DEADLINE, reading).await.unwrap();
    let words = "Error creating: failed to ask for admission: nobody answers on `odeon.gateway.admit`";
    assert_eq!((event.reason.as_str(), event.message.as_str()), ("FailedCreate", words));
    assert_eq!(view.read().list(Pod::ID, None).count(), 0);

    let mut questions =
        bus.subscribe_queue::<AdmissionQuestion>("odeon.gateway.admit", "gateways").await.unwrap();
    let gateway = tokio::spawn(async move {
        while let Some(Delivery { message, reply, .. }) = questions.next().await {
            let mut object = message.object.unwrap();
            object["metadata"]["labels"] = json!({"admitted-as": message.account});
            object["metadata"]["uid"] = json!(format!("uid-of-{}", message.key.name));
            reply.unwrap().send(&AdmissionAnswer { object: Some(object), refused: None }).await.unwrap();
        }
    });
    eventually(&view, "web has its pods", |reader| replicas(reader, "web") == Some(3)).await;
    for pod in view.read().list(Pod::ID, None) {
        assert_eq!(pod.metadata.uid.as_str(), format!("uid-of-{}", pod.key.name));
        assert_eq!(
            pod.metadata.labels.get("admitted-as").map(|label| &**label),
            Some("replicaset-controller")
        );
    }
    gateway.abort();
    host.stop(DEADLINE).await;
}

#[tokio::test]
async fn hosts_do_not_overshoot_a_quota_together() {
    let server = NatsServer::start().await;
    let (bus, other) = (server.bus().await, server.bus().await);
    let view = bus.view().await.unwrap();
    write(&bus, r#"resourcequota small {"spec": {"hard": {"pods": "9"}}}"#).await;
    let a = host(&bus, &view, "controller-a").await;
    let b = host(&other, &other.view().await.unwrap(), "controller-b").await;
    for number in 0..8 {
        write(&bus, &format!("replicaset set-{number} replicas=3")).await;
    }
    let quota = ObjectKey::namespaced(api::admission::QUOTAS, "default", "small");
    eventually(&view, "nine pods, which the quota tells of", |reader| {
        let pods = reader.list(Pod::ID, None).count();
        assert!(pods <= 9, "{pods} pods");
        let told = reader.get(&quota).map(|quota| quota.value()["status"]["used"]["pods"].clone());
        pods == 9 && told == Some(json!("9"))
    })
    .await;
    a.stop(DEADLINE).await;
    b.stop(DEADLINE).await;
}
