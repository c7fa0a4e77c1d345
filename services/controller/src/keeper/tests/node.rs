//! The Node actor: standing, taints, conditions, eviction.

use std::fmt::Write as _;
use std::sync::Arc;

use actor::{Facts, Presence, ResourceActor, World, Write};
use api::views::Node;
use api::{NodeName, Resource, Timestamp};
use bus::{Change, ChangeKind, Stored, View};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::super::node::NodeActor;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

/// `heard <ms> ago …`, `node …`, `pod …`: what the actor of node n1 does.
fn check(text: &str, expect: &Expect) {
    let (facts, view) = world(text);
    expect.assert_eq(&decided(&facts, &view));
}

fn world(text: &str) -> (Arc<Facts>, Arc<View>) {
    let (facts, view) = (Facts::new(), View::offline());
    for (revision, line) in (1..).zip(text.lines().map(str::trim)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            Some(&"heard") => facts.set_presence("n1".into(), presence(&words)),
            Some(&"node") => view.apply(ChangeKind::Put, Stored::test(node(&words), revision)),
            Some(&"pod") => view.apply(ChangeKind::Put, Stored::test(pod(&words), revision)),
            _ => {}
        }
    }
    (facts, view)
}

fn ago(milliseconds: &str) -> Timestamp {
    Timestamp(NOW.0 - milliseconds.parse::<i64>().unwrap() * 1000)
}

fn presence(words: &[&str]) -> Presence {
    let mut presence = Presence { last_heard: ago(words[1]), session: 7, epoch: 1, ..Presence::default() };
    for word in &words[2..] {
        match word.split_once('=').unwrap_or((word, "")) {
            ("unhealthy", wrong) => presence.unhealthy = Some(wrong.replace('_', " ")),
            ("leaving", _) => presence.leaving = true,
            ("disconnected", _) => presence.connection_lost = true,
            ("by-nobody-yet", _) => presence.session = 0,
            ("lease", left) => presence.lease_until = ago(&format!("{}", -left.parse::<i64>().unwrap())),
            ("ago", _) => {}
            other => panic!("unknown word {other:?}"),
        }
    }
    presence
}

fn node(words: &[&str]) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}, "spec": {}, "status": {
        "capacity": {"cpu": "4"}, "allocatable": {"cpu": "4"},
        "conditions": [{"type": "MemoryPressure", "status": "False"}]}});
    let mut taints = Vec::new();
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("ready", "True") => node["status"]["conditions"].as_array_mut().unwrap().push(json!({
                "type": "Ready", "status": "True", "reason": "AgentReady", "message": "agent is posting heartbeats",
                "lastTransitionTime": "2020-01-01T00:00:00Z"})),
            ("ready", "Unknown") => node["status"]["conditions"].as_array_mut().unwrap().push(json!({
                "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
                "message": "agent stopped posting heartbeats"})),
            ("cordoned", _) => node["spec"]["unschedulable"] = json!(true),
            ("taint", value) => {
                let (key, effect) = value.split_once(':').unwrap();
                taints.push(json!({"key": key, "effect": effect}));
            }
            ("tainted", value) => {
                let (taint, since) = value.split_once('@').unwrap();
                let (key, effect) = taint.split_once(':').unwrap();
                taints.push(json!({"key": key, "effect": effect, "timeAdded": ago(since).to_micro_text()}));
            }
            _ => {}
        }
    }
    if !taints.is_empty() {
        node["spec"]["taints"] = json!(taints);
    }
    node
}

fn pod(words: &[&str]) -> Value {
    let name = words[1];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n1", "tolerations": []}, "status": {"phase": "Running"},
        "metadata": {"name": name, "namespace": "default", "uid": name}});
    for word in &words[2..] {
        match word.split_once('=').unwrap_or((word, "")) {
            ("tolerates", value) => {
                let (key, seconds) = value.split_once(':').unwrap_or((value, ""));
                let mut toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
                if let Ok(seconds) = seconds.parse::<i64>() {
                    toleration["tolerationSeconds"] = json!(seconds);
                }
                pod["spec"]["tolerations"].as_array_mut().unwrap().push(toleration);
            }
            ("unique", _) => pod["metadata"]["annotations"] = json!({"odeon.dev/unique": "true"}),
            ("stateful", _) => {
                pod["metadata"]["ownerReferences"] =
                    json!([{"kind": "StatefulSet", "name": "db", "uid": "db", "controller": true}]);
            }
            ("terminating", grace) => {
                pod["metadata"]["deletionTimestamp"] = json!(NOW);
                pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace.parse::<i64>().unwrap_or(30));
            }
            ("ended", _) => pod["status"]["phase"] = json!("Succeeded"),
            other => panic!("unknown word {other:?}"),
        }
    }
    pod
}

fn decided(facts: &Facts, view: &View) -> String {
    let world = World::new(view.read(), facts);
    let me = world.get::<Node>(None, "n1").expect("n1 is there");
    let decision = NodeActor::decide(&me, &world, NOW);
    let mut text = String::new();
    for command in &decision.commands {
        match command {
            Write::Delete { key, grace, because, .. } => {
                let how = grace.map_or("in order".to_owned(), |grace| format!("with grace {grace}"));
                writeln!(text, "delete {} {how}: {because}", key.name).unwrap();
            }
            Write::Patch { merge, because, event, .. } => {
                writeln!(
                    text,
                    "patch: {because}{}",
                    event.as_ref().map(|it| format!(" [{}]", it.reason)).unwrap_or_default()
                )
                .unwrap();
                for taint in merge.pointer("/spec/taints").and_then(Value::as_array).into_iter().flatten() {
                    let added = taint["timeAdded"].as_str().and_then(Timestamp::parse);
                    let added =
                        added.map(|at| format!(" {} ms ago", NOW.since(at).as_millis())).unwrap_or_default();
                    writeln!(
                        text,
                        "  taint {}:{}{added}",
                        taint["key"].as_str().unwrap(),
                        taint["effect"].as_str().unwrap()
                    )
                    .unwrap();
                }
                for condition in
                    merge.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
                {
                    let (kind, status) =
                        (condition["type"].as_str().unwrap(), condition["status"].as_str().unwrap());
                    writeln!(text, "  {kind}={status} {}", condition["reason"].as_str().unwrap_or_default())
                        .unwrap();
                }
            }
            other => writeln!(text, "{other:?}").unwrap(),
        }
    }
    if let Some(wake) = decision.wake_after {
        writeln!(text, "look again in {wake:?}").unwrap();
    }
    text
}

#[test]
fn a_registered_node_becomes_ready() {
    check(
        "heard 100 ago\n node",
        &expect![[r#"
        patch: it is ready: agent is posting heartbeats [NodeReady]
          MemoryPressure=False 
          Ready=True AgentReady
    "#]],
    );
}

#[test]
fn a_node_that_is_well_needs_nothing() {
    check("heard 1900 ago\n node ready=True\n pod web", &expect![[""]]);
}

#[test]
fn a_silent_node_is_lost_after_two_seconds() {
    check(
        "heard 2000 ago\n node ready=True\n pod web",
        &expect![[r#"
        patch: its taints follow from how it stands; it is not ready: agent stopped posting heartbeats [NodeNotReady]
          taint node.kubernetes.io/unreachable:NoSchedule 0 ms ago
          taint node.kubernetes.io/unreachable:NoExecute 0 ms ago
          MemoryPressure=False 
          Ready=Unknown NodeStatusUnknown
        look again in 2s
    "#]],
    );
}

#[test]
fn a_disconnected_node_is_lost_after_one_second() {
    check(
        "heard 1500 ago disconnected\n node ready=True",
        &expect![[r#"
        patch: its taints follow from how it stands; it is not ready: agent stopped posting heartbeats [NodeNotReady]
          taint node.kubernetes.io/unreachable:NoSchedule 500 ms ago
          taint node.kubernetes.io/unreachable:NoExecute 500 ms ago
          MemoryPressure=False 
          Ready=Unknown NodeStatusUnknown
    "#]],
    );
    check(
        "heard 400 ago disconnected\n node ready=True",
        &expect![[r#"
        look again in 600ms
    "#]],
    );
}

#[test]
fn a_node_that_leaves_is_not_ready_at_once() {
    check(
        "heard 10 ago leaving\n node ready=True",
        &expect![[r#"
        patch: its taints follow from how it stands; it is not ready: agent stopped in order [NodeNotReady]
          taint node.kubernetes.io/not-ready:NoSchedule 10 ms ago
          taint node.kubernetes.io/not-ready:NoExecute 10 ms ago
          MemoryPressure=False 
          Ready=False AgentStopped
    "#]],
    );
}

#[test]
fn an_unhealthy_runtime_is_said() {
    check(
        "heard 10 ago unhealthy=docker_does_not_answer\n node ready=True\n pod web",
        &expect![[r#"
        patch: its taints follow from how it stands; it is not ready: docker does not answer [NodeNotReady]
          taint node.kubernetes.io/not-ready:NoSchedule 0 ms ago
          taint node.kubernetes.io/not-ready:NoExecute 0 ms ago
          MemoryPressure=False 
          Ready=False AgentNotReady
        look again in 2s
    "#]],
    );
}

#[test]
fn nobody_concludes_anything_before_listening_for_a_full_period() {
    check(
        "heard 500 ago by-nobody-yet\n node ready=Unknown taint=node.kubernetes.io/unreachable:NoExecute",
        &expect![[r#"
            look again in 1.5s
        "#]],
    );
    check("node ready=True", &expect![[""]]);
}

#[test]
fn a_node_that_returns_is_cleared_and_keeps_its_users_taints() {
    check(
        "heard 10 ago
         node ready=Unknown taint=dedicated:NoSchedule taint=node.kubernetes.io/unreachable:NoExecute",
        &expect![[r#"
            patch: its taints follow from how it stands; it is ready: agent is posting heartbeats [NodeReady]
              taint dedicated:NoSchedule
              MemoryPressure=False 
              Ready=True AgentReady
        "#]],
    );
}

#[test]
fn cordoning_taints() {
    check(
        "heard 10 ago\n node ready=True cordoned",
        &expect![[r#"
        patch: its taints follow from how it stands
          taint node.kubernetes.io/unschedulable:NoSchedule 0 ms ago
    "#]],
    );
    check(
        "heard 10 ago\n node ready=True taint=node.kubernetes.io/unschedulable:NoSchedule",
        &expect![[r#"
        patch: its taints follow from how it stands
    "#]],
    );
}

#[test]
fn pods_leave_a_lost_node_after_their_own_toleration() {
    check(
        "heard 5000 ago lease=-1000
         node ready=Unknown tainted=node.kubernetes.io/unreachable:NoSchedule@3000 tainted=node.kubernetes.io/unreachable:NoExecute@3000
         pod default
         pod short tolerates=node.kubernetes.io/unreachable:1
         pod long tolerates=node.kubernetes.io/unreachable:10
         pod forever tolerates=node.kubernetes.io/unreachable
         pod ended ended",
        &expect![[r#"
            delete default with grace 0: its node has the taint node.kubernetes.io/unreachable, which it tolerates for 2 s
            delete short with grace 0: its node has the taint node.kubernetes.io/unreachable, which it tolerates for 1 s
            look again in 7s
        "#]],
    );
}

#[test]
fn deletions_on_a_lost_node_are_finished() {
    check(
        "heard 3000 ago lease=500
         node ready=Unknown tainted=node.kubernetes.io/unreachable:NoSchedule@1000 tainted=node.kubernetes.io/unreachable:NoExecute@1000
         pod going terminating=30
         pod held terminating=0
         pod mine terminating=30 unique",
        &expect![[r#"
            delete going with grace 0: its node's agent cannot confirm that it has ended
            look again in 500ms
        "#]],
    );
}

#[test]
fn unique_pods_wait_for_the_end_of_the_lease() {
    let node = "node ready=Unknown tainted=node.kubernetes.io/unreachable:NoSchedule@3000 tainted=node.kubernetes.io/unreachable:NoExecute@3000";
    check(
        &format!("heard 4500 ago lease=700\n {node}\n pod db-0 stateful\n pod one unique"),
        &expect![[r#"
        delete db-0 in order: its node has the taint node.kubernetes.io/unreachable, which it tolerates for 2 s
        delete one in order: its node has the taint node.kubernetes.io/unreachable, which it tolerates for 2 s
        look again in 700ms
    "#]],
    );
    check(
        &format!("heard 6000 ago lease=-1\n {node}\n pod db-0 stateful terminating=30"),
        &expect![[r#"
        delete db-0 with grace 0: its node's agent cannot confirm that it has ended
    "#]],
    );
}

#[test]
fn a_users_taint_evicts_in_order() {
    check(
        "heard 10 ago
         node ready=True taint=dedicated:NoExecute
         pod web",
        &expect![[r#"
            patch: its taints follow from how it stands
              taint dedicated:NoExecute 0 ms ago
            look again in 2s
        "#]],
    );
    check(
        "heard 10 ago
         node ready=True tainted=dedicated:NoExecute@2500
         pod web
         pod gone terminating
         pod patient tolerates=dedicated:5
         pod friend tolerates=dedicated",
        &expect![[r#"
            delete web in order: its node has the taint dedicated, which it tolerates for 2 s
            look again in 2.5s
        "#]],
    );
}

#[test]
fn a_pod_wakes_its_node_only_while_that_drives_pods_out() {
    let (_, view) = world("node ready=True\n pod web");
    let wake = |view: &View| {
        let reader = view.read();
        let object = reader.pods_on(&NodeName::from("n1")).next().unwrap().clone();
        let change = Change { kind: ChangeKind::Put, object, previous: None };
        let wakes = NodeActor::wakes();
        let actor::Wake::By { resource, keys } = wakes[0] else { panic!("it wakes by a function") };
        assert_eq!(resource, Some(api::views::Pod::ID));
        keys(&change, &reader).len()
    };
    assert_eq!(wake(&view), 0);
    let (_, view) = world("node ready=True taint=a:NoExecute\n pod web");
    assert_eq!(wake(&view), 1);
}

#[test]
fn the_laws_hold() {
    let pods = "pod a node=n1 running ready
        pod b node=n1 running ready terminating=30s
        pod db-0 node=n1 running annotation odeon.dev/unique=true";
    for presence in [
        "heard=100ms",
        "heard=100ms unhealthy=\"no engine\"",
        "heard=100ms leaving",
        "heard=5s",
        "heard=100ms session=0",
        "heard=3s lost",
    ] {
        actor::laws::hold_for::<NodeActor>(&format!("presence n1 {presence}\n >node n1 ready\n {pods}"));
        actor::laws::hold_for::<NodeActor>(&format!(
            "presence n1 {presence}\n >node n1 ready taint a=b:NoExecute\n {pods}"
        ));
    }
}
