//! What is collected, as text.

use actor::AnyActor;
use expect_test::{Expect, expect};

use super::Collector;
use crate::actors::testing::Cluster;

fn check(kind: &str, name: &str, cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&cluster.decide_any::<Collector>(kind, name).to_string());
}

/// Lets the collector decide about everything until nothing is left to do, and tells what remains.
fn remains(cluster: &str) -> String {
    let mut cluster = Cluster::of(cluster);
    for _ in 0..20 {
        let before = cluster.objects.clone();
        let all: Vec<(String, String)> = before
            .iter()
            .map(|(key, (value, _))| (value["kind"].as_str().unwrap().to_owned(), key.name.to_string()))
            .collect();
        for (kind, name) in all {
            let is_there =
                cluster.objects.iter().any(|(key, (value, _))| *key.name == *name && value["kind"] == *kind);
            if is_there {
                let outcome = cluster.decide_any::<Collector>(&kind, &name);
                outcome.writes.iter().for_each(|write| cluster.perform(write));
            }
        }
        if before == cluster.objects {
            let keys: Vec<String> =
                before.keys().map(|key| format!("{}/{}", key.resource.plural(), key.name)).collect();
            return keys.join(" ");
        }
    }
    panic!("it does not settle");
}

#[test]
fn what_nobody_owns_any_more_goes() {
    check(
        "pod",
        "web-a",
        "pod web-a owner=replicaset/web ready",
        expect![[r#"
        delete pods/web-a: its owner replicaset web is gone
    "#]],
    );
    assert_eq!(remains("replicaset web owner=deployment/web\npod web-a owner=replicaset/web"), "");
}

#[test]
fn an_owner_of_another_namespace_or_identity_is_no_owner() {
    check(
        "pod",
        "web-a",
        "replicaset web in=other\npod web-a owner=replicaset/web",
        expect![[r#"
        delete pods/web-a: its owner replicaset web is gone
    "#]],
    );
    check(
        "pod",
        "web-a",
        r#"replicaset web {"metadata": {"uid": "another"}}
           pod web-a owner=replicaset/web"#,
        expect![[r#"
            delete pods/web-a: its owner replicaset web is gone
        "#]],
    );
}

#[test]
fn another_owner_keeps_it() {
    check(
        "pod",
        "web-a",
        "configmap keeper\npod web-a owner=replicaset/web co-owner=configmap/keeper",
        expect![[r#"
        patch pods/web-a {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"keeper","uid":"uid-configmap-keeper"}]}}: it stays for another owner: its owner replicaset web is gone
    "#]],
    );
}

#[test]
fn owners_of_unknown_kinds_are_believed() {
    check(
        "pod",
        "web-a",
        r#"pod web-a {"metadata": {"ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "w"}]}}"#,
        expect![[""]],
    );
}

#[test]
fn foreground_deletion_waits_for_blocking_dependents() {
    let cluster = "deployment web deleted finalizers=foregroundDeletion
                   replicaset web-one owner=deployment/web
                   pod web-one-a owner=replicaset/web-one node=n
                   node n";
    check("deployment", "web", cluster, expect![[""]]);
    check(
        "replicaset",
        "web-one",
        cluster,
        expect![[r#"
        delete replicasets/web-one: its owner deployment web is being deleted and waits for it
    "#]],
    );
    assert_eq!(
        remains(cluster),
        "deployments/web nodes/n pods/web-one-a replicasets/web-one",
        "the pod still ends, and everyone waits for it"
    );
    assert_eq!(remains(&cluster.replace("node=n", "")), "nodes/n");
}

#[test]
fn a_circle_does_not_wait_for_itself() {
    let reference = |owner: &str| {
        format!(
            r#"{{"metadata": {{"ownerReferences": [{{"apiVersion": "v1", "kind": "ConfigMap", "name": "{owner}", "uid": "uid-configmap-{owner}", "blockOwnerDeletion": true}}]"#
        )
    };
    let waits = r#", "deletionTimestamp": "1970-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}}"#;
    let cluster = format!(
        "configmap a {}{waits}\nconfigmap b {}}}}}\nconfigmap c {}}}}}",
        reference("c"),
        reference("a"),
        reference("b")
    );
    check(
        "configmap",
        "b",
        &cluster,
        expect![[r#"
            delete configmaps/b: its owner configmap a is being deleted and waits for it
        "#]],
    );
    assert_eq!(remains(&cluster), "");
}

#[test]
fn orphans_are_let_go_before_their_owner() {
    let cluster = "deployment web deleted finalizers=orphan
                   replicaset web-one owner=deployment/web";
    check(
        "deployment",
        "web",
        cluster,
        expect![[r#"
        patch replicasets/web-one {"metadata":{"ownerReferences":null}}: its owner deployments.apps/default/web goes without it
    "#]],
    );
    assert_eq!(remains(cluster), "replicasets/web-one");
}

#[test]
fn other_finalizers_hold_and_forgotten_deletions_are_finished() {
    check("configmap", "a", "configmap a deleted finalizers=example.com/hold", expect![[""]]);
    check(
        "configmap",
        "a",
        "configmap a deleted",
        expect![[r#"
        finish configmaps/a: it was deleted and nothing holds it
    "#]],
    );
    check("pod", "a", "node n\npod a deleted=30 node=n", expect![[""]]);
}

#[test]
fn pods_of_missing_nodes_go() {
    check(
        "pod",
        "a",
        "pod a node=gone running",
        expect![[r#"
        delete pods/a within 0s: its node gone does not exist
    "#]],
    );
    check(
        "pod",
        "a",
        "pod a node=gone deleted=30 created=3",
        expect![[r#"
        delete pods/a within 0s: its node gone does not exist
    "#]],
    );
    check(
        "pod",
        "a",
        "pod a node=late created=3",
        expect![[r#"
        wake after 37s
    "#]],
    );
    assert_eq!(remains("pod a node=gone\npod b node=here\nnode here"), "nodes/here pods/b");
}

#[test]
fn it_concerns_what_has_owners_ends_or_is_bound() {
    let concerned = |line: &str| {
        let (key, (value, revision)) = Cluster::of(line).objects.into_iter().next().unwrap();
        Collector::concerns(&bus::Stored::test_at(key, value, revision))
    };
    assert!(concerned("pod a owner=replicaset/web"));
    assert!(concerned("configmap a deleted"));
    assert!(concerned("pod a node=n"));
    assert!(!concerned("pod a"));
    assert!(!concerned("configmap a"));
}
