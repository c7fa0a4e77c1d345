//! Decisions of DaemonSets, as text.

use actor::laws::{Cluster, Laws, NOW, check, decide, story};
use expect_test::expect;

use super::DaemonSetActor;

const NODES: &str = "
    node a ready label zone=x
    node b ready cordoned taint node.kubernetes.io/unschedulable:NoSchedule
    node c ready taint dedicated=db:NoSchedule
    node d ready taint dedicated=db:NoExecute";

#[test]
fn each_node_that_fits_gets_one() {
    check::<DaemonSetActor>(
        &format!("daemonset log{NODES}"),
        expect![[r#"
        create controllerrevision log-5bc7cdb667: the template has no revision yet; this is number 1
        create pod log-btx7l image=image: the node has none: a [SuccessfulCreate]
        create pod log-mwlnd image=image: the node has none: b [SuccessfulCreate]
        status desiredNumberScheduled=2 numberUnavailable=2 observedGeneration=1
    "#]],
    );
    check::<DaemonSetActor>(
        &format!(
            "daemonset log {{\"spec\": {{\"template\": {{\"spec\": {{\"nodeSelector\": {{\"zone\": \"x\"}}}}}}}}}}{NODES}"
        ),
        expect![[r#"
            create controllerrevision log-5bf47bd65b: the template has no revision yet; this is number 1
            create pod log-btx7l image=image: the node has none: a [SuccessfulCreate]
            status desiredNumberScheduled=1 numberUnavailable=1 observedGeneration=1
        "#]],
    );
}

#[test]
fn a_daemon_is_tied_to_its_node() {
    let (_, decision) = decide::<DaemonSetActor>(&Cluster::of("daemonset log\nnode a ready"), NOW);
    let Some(actor::Write::Create { object, .. }) = decision.commands.last() else { panic!("{decision:?}") };
    expect![[r#"
        {
          "affinity": {
            "nodeAffinity": {
              "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                  {
                    "matchFields": [
                      {
                        "key": "metadata.name",
                        "operator": "In",
                        "values": [
                          "a"
                        ]
                      }
                    ]
                  }
                ]
              }
            }
          },
          "containers": [
            {
              "image": "image",
              "name": "app"
            }
          ],
          "restartPolicy": "Always",
          "tolerations": [
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/not-ready",
              "operator": "Exists"
            },
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/unreachable",
              "operator": "Exists"
            },
            {
              "effect": "NoSchedule",
              "key": "node.kubernetes.io/disk-pressure",
              "operator": "Exists"
            },
            {
              "effect": "NoSchedule",
              "key": "node.kubernetes.io/memory-pressure",
              "operator": "Exists"
            },
            {
              "effect": "NoSchedule",
              "key": "node.kubernetes.io/pid-pressure",
              "operator": "Exists"
            },
            {
              "effect": "NoSchedule",
              "key": "node.kubernetes.io/unschedulable",
              "operator": "Exists"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&object["spec"]).unwrap());
}

#[test]
fn pods_leave_nodes_that_do_not_fit_and_ended_ones_are_replaced() {
    check::<DaemonSetActor>(
        &format!(
            "daemonset log{NODES}
    pod log-a owner=daemonset/log failed node=a
    pod log-c owner=daemonset/log ready node=c
    pod log-d owner=daemonset/log ready node=d"
        ),
        expect![[r#"
            create controllerrevision log-5bc7cdb667: the template has no revision yet; this is number 1
            delete pod log-a: it has ended [SuccessfulDelete]
            create pod log-mwlnd image=image: the node has none: b [SuccessfulCreate]
            delete pod log-d: its node does not fit any more [SuccessfulDelete]
            status currentNumberScheduled=1 desiredNumberScheduled=2 numberMisscheduled=2 numberUnavailable=2 observedGeneration=1
        "#]],
    );
}

/// Three nodes with pods of an older template.
fn old(words: &str) -> String {
    let node = |name: &str| {
        format!(
            "node {name} ready\npod log-{name} owner=daemonset/log ready node={name} label app=log label controller-revision-hash=old\n"
        )
    };
    format!("daemonset log image=b {words}\n{}{}{}", node("a"), node("b"), node("c"))
}

#[test]
fn a_new_template_reaches_node_after_node() {
    check::<DaemonSetActor>(
        &old("spec.updateStrategy.type=RollingUpdate"),
        expect![[r#"
        create controllerrevision log-69757b5646: the template has no revision yet; this is number 1
        delete pod log-a: it is of an older template [SuccessfulDelete]
        status currentNumberScheduled=3 desiredNumberScheduled=3 numberAvailable=3 numberReady=3 observedGeneration=1
    "#]],
    );
    check::<DaemonSetActor>(
        &old("spec.updateStrategy.rollingUpdate.maxUnavailable=50%"),
        expect![[r#"
        create controllerrevision log-69757b5646: the template has no revision yet; this is number 1
        delete pod log-a: it is of an older template [SuccessfulDelete]
        delete pod log-b: it is of an older template [SuccessfulDelete]
        status currentNumberScheduled=3 desiredNumberScheduled=3 numberAvailable=3 numberReady=3 observedGeneration=1
    "#]],
    );
    check::<DaemonSetActor>(
        &old("spec.updateStrategy.type=OnDelete"),
        expect![[r#"
        create controllerrevision log-69757b5646: the template has no revision yet; this is number 1
        status currentNumberScheduled=3 desiredNumberScheduled=3 numberAvailable=3 numberReady=3 observedGeneration=1
    "#]],
    );
    story::<DaemonSetActor>(
        &old(
            "spec.updateStrategy.rollingUpdate.maxSurge=2 spec.updateStrategy.rollingUpdate.maxUnavailable=0",
        ),
        expect![[r#"
            daemonset log:
              create controllerrevision log-69757b5646: the template has no revision yet; this is number 1
              create pod log-btx7l image=b: the node has one of an older template: a [SuccessfulCreate]
              create pod log-mwlnd image=b: the node has one of an older template: b [SuccessfulCreate]
              status
            daemonset log:
              create pod log-44gxf image=b: the node has one of an older template: c [SuccessfulCreate]
              delete pod log-a: one of the present template has taken over [SuccessfulDelete]
              delete pod log-b: one of the present template has taken over [SuccessfulDelete]
              status
            daemonset log:
              delete pod log-c: one of the present template has taken over [SuccessfulDelete]
              status
        "#]],
    );
}

#[test]
fn daemon_sets_obey() {
    Laws::of::<DaemonSetActor>().hold(&format!("daemonset log{NODES}"));
    Laws::of::<DaemonSetActor>().hold(&old("spec.updateStrategy.rollingUpdate.maxUnavailable=1"));
    Laws::of::<DaemonSetActor>().hold(&old(
        "spec.updateStrategy.rollingUpdate.maxSurge=1 spec.updateStrategy.rollingUpdate.maxUnavailable=0",
    ));
}
