//! Decisions of Deployments, as text, and whole rollouts.

mod rollouts;

use expect_test::{Expect, expect};
use serde_json::json;

use super::DeploymentActor;
use crate::actors::testing::Cluster;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&cluster.decide::<DeploymentActor>("web").to_string());
    cluster.obeys_the_laws::<DeploymentActor>("web");
}

#[test]
fn a_new_deployment_gets_its_first_replica_set() {
    check(
        "deployment web replicas=3",
        expect![[r#"
            create replicasets/web-89bc6cd58 replicas=3: the template of revision 1 has no replica set yet
              event ScalingReplicaSet: Scaled up replica set web-89bc6cd58 from 0 to 3
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}: its template is revision 1
            status Available=False(MinimumReplicasUnavailable) Progressing=True(NewReplicaSetCreated) observedGeneration=1
            wake after 601s
        "#]],
    );
}

#[test]
fn the_replica_set_carries_hash_revision_and_scale() {
    let mut cluster = Cluster::of(
        "deployment web replicas=2 settle=5 annotations=kubernetes.io/change-cause:first,kubectl.kubernetes.io/last-applied-configuration:x",
    );
    let outcome = cluster.turn::<DeploymentActor>("web");
    let set = cluster.objects[outcome.writes[0].key()].0.clone();
    expect![[r#"
        {
          "apiVersion": "apps/v1",
          "kind": "ReplicaSet",
          "metadata": {
            "annotations": {
              "deployment.kubernetes.io/desired-replicas": "2",
              "deployment.kubernetes.io/max-replicas": "3",
              "deployment.kubernetes.io/revision": "1",
              "kubernetes.io/change-cause": "first"
            },
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
            "labels": {
              "app": "web",
              "pod-template-hash": "89bc6cd58"
            },
            "name": "web-89bc6cd58",
            "namespace": "default",
            "ownerReferences": [
              {
                "apiVersion": "apps/v1",
                "blockOwnerDeletion": true,
                "controller": true,
                "kind": "Deployment",
                "name": "web",
                "uid": "uid-deployment-web"
              }
            ],
            "uid": "uid-1"
          },
          "spec": {
            "minReadySeconds": 5,
            "replicas": 2,
            "selector": {
              "matchLabels": {
                "app": "web",
                "pod-template-hash": "89bc6cd58"
              }
            },
            "template": {
              "metadata": {
                "labels": {
                  "app": "web",
                  "pod-template-hash": "89bc6cd58"
                }
              },
              "spec": {
                "containers": [
                  {
                    "image": "v1",
                    "name": "web"
                  }
                ]
              }
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&set).unwrap());
}

#[test]
fn a_new_template_starts_within_the_surge() {
    check(
        "deployment web replicas=4 image=v2 surge=25% unavailable=25%
         replicaset web-one replicas=4 image=v1 owner=deployment/web counts=4/4/4 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:4",
        expect![[r#"
            create replicasets/web-7dc8776475 replicas=1: the template of revision 2 has no replica set yet
              event ScalingReplicaSet: Scaled up replica set web-7dc8776475 from 0 to 1
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/max-replicas":"5"}},"spec":{"replicas":3}}: enough other pods are available
              event ScalingReplicaSet: Scaled down replica set web-one from 4 to 3
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}: its template is revision 2
            status availableReplicas=4 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=4 replicas=4
            wake after 601s
        "#]],
    );
}

#[test]
fn new_pods_grow_and_available_ones_let_old_ones_go() {
    check(
        "deployment web replicas=4 image=v2 surge=1 unavailable=1
         replicaset web-one replicas=3 image=v1 owner=deployment/web counts=3/3/3 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:4
         replicaset web-two replicas=2 image=v2 owner=deployment/web counts=2/1/1 annotations=deployment.kubernetes.io/revision:2,deployment.kubernetes.io/desired-replicas:4",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/max-replicas":"5"}},"spec":{"replicas":2}}: enough other pods are available
              event ScalingReplicaSet: Scaled down replica set web-one from 3 to 2
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}: its template is revision 2
            status availableReplicas=4 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=4 replicas=5 updatedReplicas=2
            wake after 601s
        "#]],
    );
}

#[test]
fn broken_old_pods_go_first() {
    check(
        "deployment web replicas=3 image=v3 surge=1 unavailable=0
         replicaset web-one replicas=3 image=v1 owner=deployment/web counts=3/3/3 created=900
         replicaset web-two replicas=1 image=v2 owner=deployment/web counts=1/0/0 created=800
         replicaset web-three replicas=0 image=v3 owner=deployment/web created=100",
        expect![[r#"
            patch replicasets/web-two {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"3","deployment.kubernetes.io/max-replicas":"4"}},"spec":{"replicas":0}}: its pods are old and not available
              event ScalingReplicaSet: Scaled down replica set web-two from 1 to 0
            patch replicasets/web-three {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}: it follows its deployment
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}: its template is revision 1
            status availableReplicas=3 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=3 replicas=4
            wake after 601s
        "#]],
    );
}

#[test]
fn waits_for_the_count_of_a_set_that_was_just_sized() {
    check(
        "deployment web replicas=3 image=v2 annotations=deployment.kubernetes.io/revision:2
         replicaset web-one replicas=2 image=v1 owner=deployment/web counts=3/3/3 generation=5 observed=4 annotations=deployment.kubernetes.io/revision:1
         replicaset web-two replicas=1 image=v2 owner=deployment/web counts=1/1/1 annotations=deployment.kubernetes.io/revision:2",
        expect![[r#"
            status availableReplicas=4 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=4 replicas=4 updatedReplicas=1
            wake after 601s
        "#]],
    );
}

#[test]
fn both_limits_zero_still_roll() {
    check(
        "deployment web replicas=2 image=v2 surge=0 unavailable=0 annotations=deployment.kubernetes.io/revision:2
         replicaset web-one replicas=2 image=v1 owner=deployment/web counts=2/2/2 annotations=deployment.kubernetes.io/revision:1
         replicaset web-two replicas=0 image=v2 owner=deployment/web annotations=deployment.kubernetes.io/revision:2",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"2","deployment.kubernetes.io/max-replicas":"2"}},"spec":{"replicas":1}}: enough other pods are available
              event ScalingReplicaSet: Scaled down replica set web-one from 2 to 1
            status availableReplicas=2 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=2 replicas=2
            wake after 601s
        "#]],
    );
}

#[test]
fn undo_takes_the_old_replica_set_up_again_under_a_new_revision() {
    check(
        "deployment web replicas=2 image=v1 annotations=deployment.kubernetes.io/revision:2
         replicaset web-one replicas=0 image=v1 owner=deployment/web created=900 annotations=deployment.kubernetes.io/revision:1
         replicaset web-two replicas=2 image=v2 owner=deployment/web counts=2/2/2 annotations=deployment.kubernetes.io/revision:2,deployment.kubernetes.io/desired-replicas:2",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"2","deployment.kubernetes.io/max-replicas":"3","deployment.kubernetes.io/revision":"3","deployment.kubernetes.io/revision-history":"1"}},"spec":{"replicas":1}}: the rollout has room for new pods
              event ScalingReplicaSet: Scaled up replica set web-one from 0 to 1
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"3"}}}: its template is revision 3
            status availableReplicas=2 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=2 replicas=2 unavailableReplicas=1
            wake after 601s
        "#]],
    );
}

#[test]
fn recreate_takes_all_old_pods_down_first() {
    check(
        "deployment web replicas=2 image=v2 recreate
         replicaset web-one replicas=2 image=v1 owner=deployment/web counts=2/2/2 annotations=deployment.kubernetes.io/revision:1",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"2","deployment.kubernetes.io/max-replicas":"2"}},"spec":{"replicas":0}}: all old pods go before new ones come
              event ScalingReplicaSet: Scaled down replica set web-one from 2 to 0
            status availableReplicas=2 Available=True(MinimumReplicasAvailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 readyReplicas=2 replicas=2
            wake after 601s
        "#]],
    );
}

#[test]
fn recreate_waits_for_pods_that_still_end() {
    check(
        "deployment web replicas=2 image=v2 recreate
         replicaset web-one replicas=0 image=v1 owner=deployment/web annotations=deployment.kubernetes.io/revision:1
         pod web-one-a owner=replicaset/web-one node=n deleted=30 labels=app:web,pod-template-hash:one",
        expect![[r#"
            status Available=False(MinimumReplicasUnavailable) observedGeneration=1
        "#]],
    );
}

#[test]
fn recreate_makes_new_pods_when_the_old_ones_are_gone() {
    check(
        "deployment web replicas=2 image=v2 recreate
         replicaset web-one replicas=0 image=v1 owner=deployment/web annotations=deployment.kubernetes.io/revision:1
         pod web-one-a owner=replicaset/web-one node=n failed labels=app:web,pod-template-hash:one",
        expect![[r#"
            create replicasets/web-7dc8776475 replicas=2: the template of revision 2 has no replica set yet
              event ScalingReplicaSet: Scaled up replica set web-7dc8776475 from 0 to 2
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}: its template is revision 2
            status Available=False(MinimumReplicasUnavailable) Progressing=True(NewReplicaSetCreated) observedGeneration=1
            wake after 601s
        "#]],
    );
}

#[test]
fn paused_rolls_nothing_but_scales() {
    check(
        "deployment web replicas=5 image=v2 paused
         replicaset web-one replicas=2 image=v1 owner=deployment/web counts=2/2/2 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:2,deployment.kubernetes.io/max-replicas:3",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"5","deployment.kubernetes.io/max-replicas":"6"}},"spec":{"replicas":5}}: the deployment was scaled
              event ScalingReplicaSet: Scaled up replica set web-one from 2 to 5
            status availableReplicas=2 Available=False(MinimumReplicasUnavailable) Progressing=Unknown(DeploymentPaused) observedGeneration=1 readyReplicas=2 replicas=2 unavailableReplicas=3
        "#]],
    );
}

#[test]
fn resuming_starts_the_clock_anew() {
    check(
        r#"deployment web replicas=1 {"status": {"replicas": 1, "updatedReplicas": 1, "conditions": [{"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused", "lastUpdateTime": "2025-12-31T00:00:00Z", "lastTransitionTime": "2025-12-31T00:00:00Z"}]}}
           replicaset web-one replicas=1 image=v1 owner=deployment/web counts=1/0/0 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:1"#,
        expect![[r#"
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}: its template is revision 1
            status Available=False(MinimumReplicasUnavailable) Progressing=Unknown(DeploymentResumed) observedGeneration=1 replicas=1 unavailableReplicas=1 updatedReplicas=1
            wake after 601s
        "#]],
    );
}

#[test]
fn scaling_during_a_rollout_keeps_the_proportions() {
    check(
        "deployment web replicas=20 image=v2 surge=5 unavailable=2
         replicaset web-one replicas=8 image=v1 owner=deployment/web counts=8/8/8 created=900 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:10,deployment.kubernetes.io/max-replicas:13
         replicaset web-two replicas=5 image=v2 owner=deployment/web counts=5/1/1 created=100 annotations=deployment.kubernetes.io/revision:2,deployment.kubernetes.io/desired-replicas:10,deployment.kubernetes.io/max-replicas:13",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"20","deployment.kubernetes.io/max-replicas":"25"}},"spec":{"replicas":15}}: the deployment was scaled during a rollout
              event ScalingReplicaSet: Scaled up replica set web-one from 8 to 15
            patch replicasets/web-two {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"20","deployment.kubernetes.io/max-replicas":"25"}},"spec":{"replicas":10}}: the deployment was scaled during a rollout
              event ScalingReplicaSet: Scaled up replica set web-two from 5 to 10
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}: its template is revision 2
            status availableReplicas=9 Available=False(MinimumReplicasUnavailable) Progressing=True(FoundNewReplicaSet) observedGeneration=1 readyReplicas=9 replicas=13 unavailableReplicas=16 updatedReplicas=5
            wake after 601s
        "#]],
    );
}

#[test]
fn scaling_to_zero_during_a_rollout() {
    check(
        "deployment web replicas=0 image=v2 surge=1 unavailable=0
         replicaset web-one replicas=2 image=v1 owner=deployment/web counts=2/2/2 created=900 annotations=deployment.kubernetes.io/revision:1,deployment.kubernetes.io/desired-replicas:3,deployment.kubernetes.io/max-replicas:4
         replicaset web-two replicas=2 image=v2 owner=deployment/web counts=2/1/1 created=100 annotations=deployment.kubernetes.io/revision:2,deployment.kubernetes.io/desired-replicas:3,deployment.kubernetes.io/max-replicas:4",
        expect![[r#"
            patch replicasets/web-one {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"0","deployment.kubernetes.io/max-replicas":"1"}},"spec":{"replicas":0}}: the deployment was scaled during a rollout
              event ScalingReplicaSet: Scaled down replica set web-one from 2 to 0
            patch replicasets/web-two {"metadata":{"annotations":{"deployment.kubernetes.io/desired-replicas":"0","deployment.kubernetes.io/max-replicas":"1"}},"spec":{"replicas":0}}: the deployment was scaled during a rollout
              event ScalingReplicaSet: Scaled down replica set web-two from 2 to 0
            patch deployments/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}: its template is revision 2
            status availableReplicas=3 Available=True(MinimumReplicasAvailable) Progressing=True(FoundNewReplicaSet) observedGeneration=1 readyReplicas=3 replicas=4 updatedReplicas=2
            wake after 601s
        "#]],
    );
}

#[test]
fn adopts_matching_replica_sets_and_releases_others() {
    check(
        "deployment web replicas=1
         replicaset orphan replicas=1 image=v1
         replicaset relabelled replicas=1 image=v1 owner=deployment/web labels=app:db
         replicaset others replicas=1 image=v1 owner=deployment/db",
        expect![[r#"
            patch replicasets/relabelled {"metadata":{"ownerReferences":null}}: it does not match the selector any more
            patch replicasets/orphan {"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"Deployment","name":"web","uid":"uid-deployment-web"}]}}: it matches the selector and nobody manages it
        "#]],
    );
}

#[test]
fn a_taken_name_counts_as_a_collision() {
    let mut cluster = Cluster::of("deployment web replicas=1");
    let name = cluster.decide::<DeploymentActor>("web").writes[0].key().name.to_string();
    let stranger = Cluster::of(&format!("replicaset {name} replicas=1 image=other owner=deployment/another"));
    for (key, (value, _)) in stranger.objects {
        cluster.put(key, value);
    }
    let outcome = cluster.turn::<DeploymentActor>("web");
    expect![[r#"
        status collisionCount=1 Available=False(MinimumReplicasUnavailable) observedGeneration=1
    "#]]
    .assert_eq(&outcome.to_string());
    let next = cluster.decide::<DeploymentActor>("web");
    assert_ne!(*next.writes[0].key().name, *name);
    cluster.obeys_the_laws::<DeploymentActor>("web");
}

#[test]
fn a_deployment_that_is_deleted_only_reports() {
    check(
        "deployment web replicas=3 image=v2 deleted finalizers=foregroundDeletion
         replicaset web-one replicas=1 image=v1 owner=deployment/web counts=1/1/1",
        expect![[r#"
            status availableReplicas=1 Available=False(MinimumReplicasUnavailable) observedGeneration=1 readyReplicas=1 replicas=1
        "#]],
    );
}

#[test]
fn old_revisions_beyond_the_limit_go() {
    check(
        "deployment web replicas=1 image=v5 history=1 annotations=deployment.kubernetes.io/revision:5
         replicaset web-a replicas=0 image=v1 owner=deployment/web created=900 annotations=deployment.kubernetes.io/revision:1
         replicaset web-b replicas=0 image=v2 owner=deployment/web created=800 annotations=deployment.kubernetes.io/revision:4
         replicaset web-c replicas=0 image=v3 owner=deployment/web created=700 annotations=deployment.kubernetes.io/revision:3
         replicaset web-d replicas=0 image=v4 owner=deployment/web created=600 generation=3 observed=2 annotations=deployment.kubernetes.io/revision:2
         replicaset web-e replicas=1 image=v5 owner=deployment/web created=500 counts=1/1/1 annotations=deployment.kubernetes.io/revision:5",
        expect![[r#"
            delete replicasets/web-a: more than 1 old revisions are not kept
            delete replicasets/web-c: more than 1 old revisions are not kept
            status availableReplicas=1 Available=True(MinimumReplicasAvailable) Progressing=True(NewReplicaSetAvailable) observedGeneration=1 readyReplicas=1 replicas=1 updatedReplicas=1
        "#]],
    );
}

#[test]
fn a_rollout_that_stands_still_fails_at_its_deadline() {
    let mut cluster = Cluster::of("deployment web replicas=1 deadline=60");
    let created = cluster.turn::<DeploymentActor>("web").writes[0].key().clone();
    let mut told = String::new();
    cluster.change(&created, |set| set["status"] = json!({"observedGeneration": 1, "replicas": 1}));
    for seconds in [1, 10, 61, 62] {
        cluster.now = crate::actors::testing::NOW.plus(std::time::Duration::from_secs(seconds));
        told.push_str(&format!("at {seconds}s\n{}", cluster.turn::<DeploymentActor>("web")));
    }
    cluster.change(&created, |set| {
        set["status"] =
            json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1})
    });
    told.push_str(&format!("ready\n{}", cluster.turn::<DeploymentActor>("web")));
    expect![[r#"
        at 1s
        status Available=False(MinimumReplicasUnavailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 replicas=1 unavailableReplicas=1 updatedReplicas=1
        wake after 61s
        at 10s
        wake after 52s
        at 61s
        wake after 1s
        at 62s
        status Available=False(MinimumReplicasUnavailable) Progressing=False(ProgressDeadlineExceeded) observedGeneration=1 replicas=1 unavailableReplicas=1 updatedReplicas=1
        ready
        status availableReplicas=1 Available=True(MinimumReplicasAvailable) Progressing=True(NewReplicaSetAvailable) observedGeneration=1 readyReplicas=1 replicas=1 updatedReplicas=1
    "#]].assert_eq(&told);
}

#[test]
fn what_a_replica_set_cannot_do_is_told_of_its_deployment() {
    let mut cluster = Cluster::of("deployment web replicas=2");
    cluster.settle::<DeploymentActor>("web");
    let (set, _) = cluster.all(api::ResourceId::new("replicasets.apps")).remove(0);
    let failure =
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no"}]);
    cluster.change(&set, |set| set["status"] = json!({"conditions": failure}));
    let outcome = cluster.turn::<DeploymentActor>("web");
    expect![[r#"
        status Available=False(MinimumReplicasUnavailable) Progressing=True(NewReplicaSetCreated) ReplicaFailure=True(FailedCreate) observedGeneration=1 unavailableReplicas=2
        wake after 601s
    "#]].assert_eq(&outcome.to_string());
    let told = outcome.status.unwrap()["conditions"][2]["message"].clone();
    assert_eq!(told, "no");
    cluster.change(&set, |set| set["status"] = json!({"replicas": 2}));
    expect![[r#"
        status Available=False(MinimumReplicasUnavailable) Progressing=True(ReplicaSetUpdated) observedGeneration=1 replicas=2 unavailableReplicas=2 updatedReplicas=2
        wake after 601s
    "#]].assert_eq(&cluster.turn::<DeploymentActor>("web").to_string());
}
