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
        &expect![[""]],
    );
}

#[test]
fn every_resource_that_is_short_is_named() {
    check_reasons(
        "node n1 cpu=1 memory=1Gi pods=1
         pod other cpu=900m on=n1
         pod web-1 cpu=500m memory=2Gi gpu=1",
        &expect![[""]],
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
        &expect![[""]],
    );
}

#[test]
fn host_ports_are_taken_once() {
    check(
        "node n1
         pod a port=80
         pod b port=80
         pod c port=81",
        &expect![[""]],
    );
}

#[test]
fn no_nodes_at_all() {
    check("pod a", &expect![[""]]);
}

#[test]
fn zones_are_required_by_spreading_rules() {
    check(
        "node n1
         pod a app=a spread=DoNotSchedule",
        &expect![[""]],
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
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "pod a cpu=2 told=0/1_nodes_are_available:_1_Insufficient_cpu.", 10);
    apply(&mut brain, "pod b cpu=2 told=0/1_nodes_are_available:_1_Insufficient_cpu.", 11);
    assert!(!brain.has_work(), "their own conditions are no reason to try again");
    apply(&mut brain, "node n1 cpu=1 zone=a", 12);
    assert!(brain.has_work(), "a changed node is");
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "node n2 cpu=2", 13);
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn freed_room_is_used() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1 on=n1\n pod b cpu=1");
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
    assert_eq!(brain.waiting(), 1);
    apply(&mut brain, "pod a cpu=1 on=n1 phase=Succeeded", 10);
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
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
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
}
