//! What is said when there is no room, and when it is said again.

use expect_test::expect;

use super::cluster::{apply, brain, check, check_reasons, shown};

#[test]
fn reasons_are_counted_like_kubernetes_does() {
    check_reasons(
        "node n1 cordoned
         node n2 memory=512Mi
         node n3 memory=256Mi
         pod other memory=312Mi on=n2
         pod web-1 memory=512Mi",
        &expect![[r#"
            web-1 waits: 0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory. preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling. (n1 is cordoned; n2 has 200Mi of memory free and the pod asks for 512Mi; n3 has 256Mi of memory free and the pod asks for 512Mi)
        "#]],
    );
}

#[test]
fn every_resource_that_is_short_is_named() {
    check_reasons(
        "node n1 cpu=1 memory=1Gi pods=1
         pod other cpu=900m on=n1
         pod web-1 cpu=500m memory=2Gi gpu=1",
        &expect![[r#"
            web-1 waits: 0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient gpu, 1 Insufficient memory, 1 Too many pods. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling. (n1 has all of its 1 pods, has 100m of cpu free and the pod asks for 500m, has 1Gi of memory free and the pod asks for 2Gi, has 0 of gpu free and the pod asks for 1)
        "#]],
    );
}

#[test]
fn taints_selectors_affinity_and_readiness() {
    check(
        "node n1 taint=dedicated:db:NoSchedule
         node n2 taint=node.kubernetes.io/unreachable::NoExecute
         node n3 unready
         node n4 label=disk:ssd
         pod a selects=disk:hdd
         pod b wants=disk:hdd
         pod c tolerates=dedicated cpu=5
         pod d selects=disk:ssd",
        &expect![[r#"
            a waits: 0/4 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 1 node(s) were not ready. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.
            b waits: 0/4 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {dedicated: db}, 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 1 node(s) were not ready. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.
            c waits: 0/4 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 1 node(s) were not ready, 2 Insufficient cpu. preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.
            d -> n4
        "#]],
    );
}

#[test]
fn host_ports_are_taken_once() {
    check(
        "node n1
         pod a port=80
         pod b port=80
         pod c port=81",
        &expect![[r#"
            a -> n1
            b waits: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
            c -> n1
        "#]],
    );
}

#[test]
fn no_nodes_at_all() {
    check(
        "pod a",
        &expect![[r#"
        a waits: no nodes available to schedule pods
    "#]],
    );
}

#[test]
fn zones_are_required_by_spreading_rules() {
    check(
        "node n1
         pod a app=a spread=DoNotSchedule",
        &expect![[r#"
            a waits: 0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label). preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
}

#[test]
fn gated_bound_ended_and_foreign_pods_are_left_alone() {
    check(
        "node n1
         pod a gated
         pod b on=n1
         pod c phase=Succeeded",
        &expect![[""]],
    );
}

#[test]
fn a_message_is_told_once() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=2\n pod b cpu=2");
    expect![[r#"
        a waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        b waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    apply(
        &mut brain,
        "pod a cpu=2 told=0/1_nodes_are_available:_1_Insufficient_cpu._preemption:_0/1_nodes_are_available:_1_Preemption_is_not_helpful_for_scheduling.",
        10,
    );
    apply(
        &mut brain,
        "pod b cpu=2 told=0/1_nodes_are_available:_1_Insufficient_cpu._preemption:_0/1_nodes_are_available:_1_Preemption_is_not_helpful_for_scheduling.",
        11,
    );
    assert!(!brain.has_work(), "their own conditions are no reason to try again");
    apply(&mut brain, "node n1 cpu=1 zone=a", 12);
    assert!(brain.has_work(), "a changed node is");
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "node n2 cpu=2", 13);
    expect![[r#"
        a -> n2
        b waits: 0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn freed_room_is_used() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1 on=n1\n pod b cpu=1");
    expect![[r#"
        b waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    assert_eq!(brain.waiting(), 1);
    apply(&mut brain, "pod a cpu=1 on=n1 phase=Succeeded", 10);
    expect![[r#"
        b -> n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    assert_eq!(brain.waiting(), 0);
}

#[test]
fn a_binding_that_fails_is_tried_again() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1");
    let outcomes = brain.decide(10);
    apply(&mut brain, "pod a cpu=1 app=changed", 10);
    assert!(!brain.has_work(), "while it is written nothing is decided about it");
    let crate::decide::Outcome::Bind { pod, .. } = &outcomes[0] else { panic!("it fits") };
    brain.failed(&pod.uid, None);
    apply(&mut brain, "pod a cpu=1 app=changed", 11);
    expect![[r#"
        a -> n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}
