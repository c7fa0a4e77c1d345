//! Decisions of ReplicaSets, as text.

use actor::Refusal;
use expect_test::{Expect, expect};
use serde_json::json;

use super::ReplicaSetActor;
use crate::actors::testing::Cluster;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&cluster.decide::<ReplicaSetActor>("web").to_string());
    cluster.obeys_the_laws::<ReplicaSetActor>("web");
}

#[test]
fn makes_all_missing_pods_at_once() {
    check(
        "replicaset web replicas=3",
        expect![[r#"
        create pods/web-7ft2t: 0 of 3 pods exist
          event SuccessfulCreate: Created pod: web-7ft2t
        create pods/web-ss2pd: 0 of 3 pods exist
          event SuccessfulCreate: Created pod: web-ss2pd
        create pods/web-g5sml: 0 of 3 pods exist
          event SuccessfulCreate: Created pod: web-g5sml
    "#]],
    );
}

#[test]
fn pods_are_the_template_with_an_owner() {
    let mut cluster = Cluster::of(
        r#"replicaset web replicas=1 {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}"#,
    );
    let outcome = cluster.turn::<ReplicaSetActor>("web");
    let name = outcome.writes[0].key().name.to_string();
    let mut pod = cluster.objects[outcome.writes[0].key()].0.clone();
    assert!(name.starts_with("web-") && name.len() == 9);
    pod["metadata"]["name"] = json!("web-xxxxx");
    expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Pod",
          "metadata": {
            "annotations": {
              "a": "b"
            },
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generateName": "web-",
            "generation": 1,
            "labels": {
              "app": "web"
            },
            "name": "web-xxxxx",
            "namespace": "default",
            "ownerReferences": [
              {
                "apiVersion": "apps/v1",
                "blockOwnerDeletion": true,
                "controller": true,
                "kind": "ReplicaSet",
                "name": "web",
                "uid": "uid-replicaset-web"
              }
            ],
            "uid": "uid-1"
          },
          "spec": {
            "containers": [
              {
                "image": "v1",
                "name": "web"
              }
            ]
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&pod).unwrap());
}

#[test]
fn replaces_ended_and_terminating_pods() {
    check(
        "replicaset web replicas=3 counts=3/3/3
         pod web-a owner=replicaset/web ready node=n
         pod web-b owner=replicaset/web failed node=n
         pod web-c owner=replicaset/web ready node=n deleted=30",
        expect![[r#"
            create pods/web-7ft2t: 1 of 3 pods exist
              event SuccessfulCreate: Created pod: web-7ft2t
            create pods/web-ss2pd: 1 of 3 pods exist
              event SuccessfulCreate: Created pod: web-ss2pd
            status availableReplicas=1 fullyLabeledReplicas=1 observedGeneration=1 readyReplicas=1 replicas=1
        "#]],
    );
}

#[test]
fn holds_back_replacements_of_pods_that_end_at_once() {
    check(
        "replicaset web replicas=2
         pod web-a owner=replicaset/web failed node=n created=1
         pod web-b owner=replicaset/web failed node=n created=3",
        expect![[r#"
            wake after 2s
        "#]],
    );
}

#[test]
fn keeps_a_few_ended_pods_as_evidence() {
    check(
        "replicaset web replicas=0
         pod a owner=replicaset/web failed created=100
         pod b owner=replicaset/web failed created=200
         pod c owner=replicaset/web failed created=300
         pod d owner=replicaset/web failed created=400
         pod e owner=replicaset/web failed created=500
         pod f owner=replicaset/web failed created=600",
        expect![[r#"
            delete pods/f: it has ended long ago
              event SuccessfulDelete: Deleted pod: f
        "#]],
    );
}

#[test]
fn adopts_what_matches_and_releases_what_does_not() {
    check(
        "replicaset web replicas=2
         pod orphan ready
         pod stranger ready labels=app:db
         pod relabelled owner=replicaset/web ready labels=app:db
         pod others owner=replicaset/db ready
         pod going deleted=30 node=n",
        expect![[r#"
            patch pods/relabelled {"metadata":{"ownerReferences":null}}: it does not match the selector any more
            patch pods/orphan {"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicaSet","name":"web","uid":"uid-replicaset-web"}]}}: it matches the selector and nobody manages it
            create pods/web-7ft2t: 1 of 2 pods exist
              event SuccessfulCreate: Created pod: web-7ft2t
            status availableReplicas=1 fullyLabeledReplicas=1 observedGeneration=1 readyReplicas=1 replicas=1
        "#]],
    );
}

#[test]
fn a_terminating_replica_set_only_counts() {
    check(
        "replicaset web replicas=2 deleted finalizers=foregroundDeletion
         pod orphan ready
         pod web-a owner=replicaset/web ready",
        expect![[r#"
            status availableReplicas=1 fullyLabeledReplicas=1 observedGeneration=1 readyReplicas=1 replicas=1
        "#]],
    );
}

#[test]
fn makes_nothing_in_a_namespace_that_ends() {
    check(
        "namespace default deleted
         replicaset web replicas=2",
        expect![[""]],
    );
}

/// Deletes one pod after the other and tells their order.
fn order_of_deletion(pods: &str) -> String {
    let mut cluster =
        Cluster::of(&format!("deployment app\nreplicaset web replicas=99 owner=deployment/app\n{pods}"));
    let key = cluster.key("replicaset", "web");
    let mut order = Vec::new();
    let pods = cluster.all(api::ResourceId::new("pods"));
    let own = pods.iter().filter(|(_, pod)| pod["metadata"]["ownerReferences"][0]["name"] == "web").count();
    for left in (0..own).rev() {
        cluster.change(&key, |set| set["spec"]["replicas"] = json!(left));
        let outcome = cluster.decide::<ReplicaSetActor>("web");
        let [write] = &outcome.writes[..] else { panic!("{outcome}") };
        order.push(write.key().name.to_string());
        cluster.objects.remove(write.key());
    }
    order.join(" ")
}

#[test]
fn gives_up_what_is_missed_least() {
    let order = order_of_deletion(
        "pod unassigned owner=replicaset/web
         pod pending owner=replicaset/web node=a
         pod unready owner=replicaset/web node=a running
         pod cheap owner=replicaset/web node=a ready annotations=controller.kubernetes.io/pod-deletion-cost:-5
         pod dear owner=replicaset/web node=a ready annotations=controller.kubernetes.io/pod-deletion-cost:5
         pod steady owner=replicaset/web node=a ready",
    );
    expect!["unassigned pending unready cheap steady dear"].assert_eq(&order);
}

#[test]
fn among_ready_pods_crowds_then_newcomers_then_restarts_then_youth_go_first() {
    let order = order_of_deletion(
        "pod crowded-1 owner=replicaset/web node=a ready=900
         pod crowded-2 owner=replicaset/web node=a ready=900
         pod crowded-3 owner=replicaset/web node=a ready=900
         pod new owner=replicaset/web node=b ready=5
         pod restarts owner=replicaset/web node=c ready=600 restarts=4
         pod young owner=replicaset/web node=d ready=600 created=700
         pod old owner=replicaset/web node=e ready=600",
    );
    expect!["crowded-1 crowded-2 new restarts young old crowded-3"].assert_eq(&order);
}

#[test]
fn a_sibling_of_the_same_deployment_makes_a_node_crowded() {
    let order = order_of_deletion(
        "replicaset older replicas=2 owner=deployment/app image=v0
         pod older-1 owner=replicaset/older node=b ready labels=app:web,pod-template-hash:older
         pod older-2 owner=replicaset/older node=b ready labels=app:web,pod-template-hash:older
         pod alone owner=replicaset/web node=a ready
         pod with-siblings owner=replicaset/web node=b ready",
    );
    expect!["with-siblings alone"].assert_eq(&order);
}

#[test]
fn ready_pods_become_available_after_their_time() {
    check(
        "replicaset web replicas=3 settle=10
         pod web-a owner=replicaset/web ready=60
         pod web-b owner=replicaset/web ready=4
         pod web-c owner=replicaset/web running",
        expect![[r#"
            status availableReplicas=1 fullyLabeledReplicas=3 observedGeneration=1 readyReplicas=2 replicas=3
            wake after 6s
        "#]],
    );
}

#[test]
fn what_is_not_admitted_is_a_condition_until_all_is_there() {
    let mut cluster = Cluster::of("replicaset web replicas=2");
    let key = cluster.key("replicaset", "web");
    let refusal = |message: &str| Some(Refusal { reason: "FailedCreate", message: message.to_owned() });
    let conditions = |cluster: &mut Cluster, refusal| {
        cluster.facts.note_refusal(&key, refusal);
        let outcome = cluster.decide::<ReplicaSetActor>("web");
        cluster.write_status(key.resource, "web", &outcome);
        cluster.objects[&key].0["status"]["conditions"].to_string()
    };
    assert_eq!(conditions(&mut cluster, None), "null");
    expect![[r#"[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"pods \"web-a\" is forbidden: no","reason":"FailedCreate","status":"True","type":"ReplicaFailure"}]"#]].assert_eq(&conditions(&mut cluster, refusal("pods \"web-a\" is forbidden: no")));
    // The first one is told, also by a process that does not remember it.
    expect![[r#"[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"pods \"web-a\" is forbidden: no","reason":"FailedCreate","status":"True","type":"ReplicaFailure"}]"#]].assert_eq(&conditions(&mut cluster, refusal("pods \"web-b\" is forbidden: never")));
    expect![[r#"[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"pods \"web-a\" is forbidden: no","reason":"FailedCreate","status":"True","type":"ReplicaFailure"}]"#]].assert_eq(&conditions(&mut cluster, None));
    cluster.turn::<ReplicaSetActor>("web");
    assert_eq!(conditions(&mut cluster, None), "null");
}
