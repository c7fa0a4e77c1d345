//! Registration, heartbeats, and what agents are told.

use std::time::Duration;

use actor::Presence;
use api::messages::Heartbeat;
use api::views::Node;
use api::{ObjectKey, Resource, Revision, Timestamp, Uid};
use bus::{Change, ChangeKind, Stored, View};
use expect_test::expect;
use serde_json::{Value, json};

use super::super::assignment::{assigned, is_news};
use super::super::config_refs::config_refs;
use super::super::presence::{Heard, hear, registered as new_presence, taken_over};
use super::super::register::registered;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn heartbeat(session: u64, epoch: u64) -> Heartbeat {
    Heartbeat {
        node: "n1".into(),
        session,
        epoch,
        assignment: 1,
        revision: Revision(1),
        pods: 0,
        unhealthy: None,
        leaving: false,
    }
}

#[test]
fn only_the_agent_with_the_lease_is_heard() {
    let mut presence = new_presence(7, 3, NOW);
    assert_eq!(hear(&mut presence, &heartbeat(7, 3), true, NOW), Heard::Known { news: false });
    assert_eq!(hear(&mut presence, &heartbeat(7, 2), true, NOW), Heard::Stranger { epoch: 3 });
    assert_eq!(hear(&mut presence, &heartbeat(8, 3), true, NOW), Heard::Stranger { epoch: 0 });
    assert_eq!(hear(&mut Presence::default(), &heartbeat(7, 0), true, NOW), Heard::Stranger { epoch: 0 });
    assert_eq!(presence, new_presence(7, 3, NOW), "strangers leave no trace");
}

#[test]
fn a_keeper_that_takes_over_adopts_the_agent_it_hears_first() {
    let mut presence = taken_over(3, NOW);
    assert_eq!(hear(&mut presence, &heartbeat(7, 3), true, NOW), Heard::Known { news: true });
    assert_eq!(hear(&mut presence, &heartbeat(8, 3), true, NOW), Heard::Stranger { epoch: 0 });
}

#[test]
fn news_is_what_changes_how_the_node_stands() {
    let mut presence = new_presence(7, 3, NOW);
    let unhealthy = Heartbeat { unhealthy: Some("no docker".into()), ..heartbeat(7, 3) };
    assert_eq!(hear(&mut presence, &unhealthy, false, NOW), Heard::Known { news: true });
    assert_eq!(hear(&mut presence, &unhealthy, false, NOW), Heard::Known { news: false });
    assert_eq!(hear(&mut presence, &heartbeat(7, 3), false, NOW), Heard::Known { news: true });
    let later = NOW.plus(Duration::from_secs(3));
    assert_eq!(
        hear(&mut presence, &heartbeat(7, 3), false, later),
        Heard::Known { news: true },
        "it was silent"
    );
}

#[test]
fn the_lease_grows_only_with_an_answer() {
    let mut presence = new_presence(7, 3, NOW);
    let (lease, later) = (presence.lease_until, NOW.plus(Duration::from_secs(1)));
    hear(&mut presence, &heartbeat(7, 3), false, later);
    assert_eq!(presence.lease_until, lease);
    hear(&mut presence, &heartbeat(7, 3), true, later);
    assert_eq!(presence.lease_until, lease.plus(Duration::from_secs(1)));
}

fn offered() -> Value {
    json!({"metadata": {"name": "n1", "labels": {"disk": "ssd"}}, "spec": {"podCIDR": "10.1.0.0/24"}, "status": {
        "allocatable": {"cpu": "4"}, "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64"},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]}})
}

#[test]
fn a_new_node() {
    let key = ObjectKey::cluster(Node::ID, "n1");
    let mut node = registered(None, offered(), &key, 1, &Uid::from("u1"), NOW);
    node["status"].as_object_mut().unwrap().remove("nodeInfo");
    expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Node",
          "metadata": {
            "annotations": {
              "odeon.dev/lease-epoch": "1"
            },
            "creationTimestamp": "2023-11-14T22:13:20Z",
            "labels": {
              "disk": "ssd",
              "kubernetes.io/arch": "amd64",
              "kubernetes.io/hostname": "n1",
              "kubernetes.io/os": "linux"
            },
            "name": "n1",
            "uid": "u1"
          },
          "spec": {
            "podCIDR": "10.1.0.0/24"
          },
          "status": {
            "allocatable": {
              "cpu": "4"
            },
            "conditions": [
              {
                "status": "False",
                "type": "DiskPressure"
              }
            ]
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&node).unwrap());
}

#[test]
fn a_known_node_keeps_what_its_user_wrote() {
    let key = ObjectKey::cluster(Node::ID, "n1");
    let existing = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "uid": "u0", "resourceVersion": "5", "labels": {"team": "a", "disk": "hdd"}, "annotations": {"note": "mine"}},
        "spec": {"unschedulable": true, "podCIDR": "10.9.0.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "2"}, "conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "True"}]}});
    let mut node = registered(Some(&existing), offered(), &key, 4, &Uid::from("u1"), NOW);
    node["status"].as_object_mut().unwrap().remove("nodeInfo");
    expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Node",
          "metadata": {
            "annotations": {
              "note": "mine",
              "odeon.dev/lease-epoch": "4"
            },
            "labels": {
              "disk": "ssd",
              "kubernetes.io/arch": "amd64",
              "kubernetes.io/hostname": "n1",
              "kubernetes.io/os": "linux",
              "team": "a"
            },
            "name": "n1",
            "uid": "u0"
          },
          "spec": {
            "podCIDR": "10.9.0.0/24",
            "taints": [
              {
                "effect": "NoSchedule",
                "key": "a"
              }
            ],
            "unschedulable": true
          },
          "status": {
            "allocatable": {
              "cpu": "4"
            },
            "conditions": [
              {
                "status": "False",
                "type": "DiskPressure"
              },
              {
                "status": "Unknown",
                "type": "Ready"
              }
            ]
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&node).unwrap());
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default", "uid": "p", "generation": 1}, "spec": {
        "nodeName": "n1", "imagePullSecrets": [{"name": "registry"}],
        "volumes": [{"configMap": {"name": "files"}}, {"secret": {"secretName": "keys"}},
            {"projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "deep"}}]}}],
        "initContainers": [{"envFrom": [{"configMapRef": {"name": "early"}}, {"secretRef": {"name": "quiet"}}]}],
        "containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "one", "key": "k"}}},
            {"valueFrom": {"secretKeyRef": {"name": "two", "key": "k"}}}, {"value": "plain"}]}]}})
}

#[test]
fn everything_that_a_pod_uses_goes_with_it() {
    let refs: Vec<String> = config_refs(&Stored::test(pod(), 1)).iter().map(ToString::to_string).collect();
    expect![[r#"
        configmaps/default/early
        configmaps/default/files
        configmaps/default/more
        configmaps/default/one
        secrets/default/deep
        secrets/default/keys
        secrets/default/quiet
        secrets/default/registry
        secrets/default/two"#]]
    .assert_eq(&refs.join("\n"));
    let view = View::of([
        pod(),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "default"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "foreign", "namespace": "default"}}),
    ]);
    let reader = view.read();
    let stored = reader.pods_on(&"n1".into()).next().unwrap();
    let (told, _) = assigned(&reader, stored, Some(5));
    let config: Vec<&str> = told.config.iter().map(|object| object.name.as_str()).collect();
    assert_eq!((config, told.stop, told.uid.as_str()), (vec!["keys"], Some(5), "p"));
    assert_eq!(bus::decode::<Value>(&told.object).unwrap()["spec"], pod()["spec"]);
}

#[test]
fn a_status_alone_is_no_news() {
    let change = |previous: Option<Value>, now: Value| Change {
        kind: ChangeKind::Put,
        object: Stored::test(now, 2),
        previous: previous.map(|value| Stored::test(value, 1)),
    };
    let (mut reported, mut labelled, mut unbound) = (pod(), pod(), pod());
    reported["status"] = json!({"phase": "Running"});
    labelled["metadata"]["labels"] = json!({"a": "b"});
    unbound["spec"].as_object_mut().unwrap().remove("nodeName");
    assert!(is_news(&change(None, pod())));
    assert!(!is_news(&change(Some(pod()), reported)));
    assert!(is_news(&change(Some(pod()), labelled)));
    assert!(is_news(&change(Some(unbound), pod())));
}
