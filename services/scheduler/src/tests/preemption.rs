//! Who has to go for a more important pod, and what is kept for whom meanwhile.

use expect_test::expect;

use super::cluster::{apply, brain, check, shown};

#[test]
fn the_least_important_go_and_no_more_than_have_to() {
    check(
        "node n1 cpu=4
         pod a cpu=1 on=n1 priority=5
         pod b cpu=1 on=n1
         pod c cpu=1 on=n1
         pod d cpu=1 on=n1 priority=20
         pod urgent cpu=2 priority=10",
        &expect![[r#"
            urgent waits: 0/1 nodes are available: 1 Insufficient cpu. c (priority 0) and b (priority 0) have to leave n1
        "#]],
    );
}

#[test]
fn older_pods_stay_rather_than_younger_ones() {
    check(
        "node n1 cpu=2
         pod old cpu=1 on=n1 born=1
         pod young cpu=1 on=n1 born=2
         pod urgent cpu=1 priority=10",
        &expect![[r#"
            urgent waits: 0/1 nodes are available: 1 Insufficient cpu. young (priority 0) has to leave n1
        "#]],
    );
}

#[test]
fn the_node_that_loses_least_is_taken() {
    check(
        "node n1 cpu=2
         node n2 cpu=2
         node n3 cpu=2
         pod a cpu=2 on=n1 priority=5
         pod b cpu=1 on=n2
         pod c cpu=1 on=n2
         pod d cpu=2 on=n3
         pod urgent cpu=2 priority=10",
        &expect![[r#"
            urgent waits: 0/3 nodes are available: 3 Insufficient cpu. d (priority 0) has to leave n3
        "#]],
    );
}

#[test]
fn disruption_budgets_are_respected_where_that_is_possible() {
    check(
        "node n1 cpu=2
         node n2 cpu=2
         budget web allows=1
         budget db allows=0
         pod web-1 app=web cpu=1 on=n1
         pod other cpu=1 on=n1 priority=5
         pod db cpu=2 app=db on=n2
         pod urgent cpu=2 priority=10",
        &expect![[r#"
            urgent waits: 0/2 nodes are available: 2 Insufficient cpu. web-1 (priority 0) and other (priority 5) have to leave n1
        "#]],
    );
    check(
        "node n1 cpu=2
         budget db allows=0
         pod db-1 app=db cpu=1 on=n1
         pod db-2 app=db cpu=1 on=n1
         pod urgent cpu=1 priority=10",
        &expect![[r#"
            urgent waits: 0/1 nodes are available: 1 Insufficient cpu. db-2 (priority 0) has to leave n1
        "#]],
    );
}

#[test]
fn nobody_goes_where_that_does_not_help() {
    check(
        "node n1 cpu=2
         node n2 cordoned
         node n3 cpu=1
         node n4 cpu=4
         pod a cpu=2 on=n1
         pod b cpu=1 on=n3
         pod c cpu=1 on=n4
         pod d cpu=2 on=n4 priority=10
         pod urgent cpu=3 priority=10
         pod patient cpu=3 priority=5 never",
        &expect![[r#"
            urgent waits: 0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: 0/4 nodes are available: 1 Insufficient cpu, 3 Preemption is not helpful for scheduling.
            patient waits: 0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.
        "#]],
    );
}

#[test]
fn ports_and_company_are_made_room_for_too() {
    check(
        "node n1
         pod a port=80 on=n1
         pod b app=b on=n1
         pod urgent port=80 priority=10
         pod shy apart=b priority=10",
        &expect![[r#"
            urgent waits: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. a (priority 0) has to leave n1
            shy waits: 0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. b (priority 0) has to leave n1
        "#]],
    );
}

#[test]
fn each_pod_of_a_class_makes_room_for_itself() {
    check(
        "node n1 cpu=1
         node n2 cpu=1
         pod a cpu=1 on=n1
         pod b cpu=1 on=n2
         pod urgent-1 owner=urgent cpu=1 priority=10
         pod urgent-2 owner=urgent cpu=1 priority=10
         pod urgent-3 owner=urgent cpu=1 priority=10",
        &expect![[r#"
            urgent-1 waits: 0/2 nodes are available: 2 Insufficient cpu. a (priority 0) has to leave n1
            urgent-2 waits: 0/2 nodes are available: 2 Insufficient cpu. b (priority 0) has to leave n2
            urgent-3 waits: 0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 Insufficient cpu.
        "#]],
    );
}

#[test]
fn room_is_kept_until_the_victims_have_gone() {
    let mut brain =
        brain("node n1 cpu=2\n pod a cpu=1 on=n1\n pod b cpu=1 on=n1\n pod urgent cpu=2 priority=10");
    expect![[r#"
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. b (priority 0) and a (priority 0) have to leave n1
    "#]].assert_eq(&shown(&brain.decide(10), false));
    apply(
        &mut brain,
        "pod urgent cpu=2 priority=10 nominated=n1 told=0/1_nodes_are_available:_1_Insufficient_cpu.",
        10,
    );
    apply(&mut brain, "pod a cpu=1 on=n1 leaving", 11);
    assert!(!brain.has_work(), "its own status and a victim's mark are no reason to try again");
    apply(&mut brain, "gone a", 12);
    apply(&mut brain, "pod small cpu=1", 13);
    expect![[r#"
        small waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    "#]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "gone b", 14);
    expect![[r#"
        urgent -> n1
        small waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn a_more_important_pod_takes_the_room_that_is_kept_for_another() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1 on=n1\n pod urgent cpu=1 priority=10");
    expect![[r#"
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. a (priority 0) has to leave n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "pod vital cpu=1 priority=20", 10);
    expect![[r#"
        vital waits: 0/1 nodes are available: 1 Insufficient cpu. others are leaving n1 already
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    apply(
        &mut brain,
        "pod urgent cpu=1 priority=10 nominated=n1 told=0/1_nodes_are_available:_1_Insufficient_cpu.",
        11,
    );
    apply(&mut brain, "gone a", 12);
    expect![[r#"
        vital -> n1
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    "#]].assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn the_next_scheduler_keeps_the_room_too() {
    let mut brain = brain(
        "node n1 cpu=1\n pod urgent cpu=1 priority=10 nominated=n1\n pod a cpu=1 on=n1 leaving\n pod other cpu=1 priority=5",
    );
    expect![[r#"
        other waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Insufficient cpu.
    "#]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "gone a", 12);
    expect![[r#"
        urgent -> n1
        other waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
    "#]].assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn who_could_not_be_evicted_is_tried_again() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1 on=n1\n pod urgent cpu=1 priority=10");
    expect![[r#"
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. a (priority 0) has to leave n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    brain.spared(&"a".into());
    brain.failed(&"urgent".into(), None);
    apply(&mut brain, "pod urgent cpu=1 priority=10", 10);
    expect![[r#"
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. a (priority 0) has to leave n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn a_preemptor_that_is_deleted_leaves_its_room_to_others() {
    let mut brain = brain("node n1 cpu=1\n pod a cpu=1 on=n1\n pod urgent cpu=1 priority=10");
    brain.decide(10);
    apply(&mut brain, "pod small cpu=1", 10);
    apply(&mut brain, "gone a", 11);
    apply(&mut brain, "gone urgent", 12);
    expect![[r#"
        small -> n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn what_one_pod_takes_of_a_budget_is_not_there_for_the_next() {
    check(
        "node n1 cpu=1
         node n2 cpu=1
         node n3 cpu=1
         budget web allows=1
         pod web-1 app=web cpu=1 on=n1
         pod web-2 app=web cpu=1 on=n2
         pod other cpu=1 on=n3 priority=5
         pod urgent-1 cpu=1 priority=10
         pod urgent-2 cpu=1 priority=10",
        &expect![[r#"
            urgent-1 waits: 0/3 nodes are available: 3 Insufficient cpu. web-1 (priority 0) has to leave n1
            urgent-2 waits: 0/3 nodes are available: 3 Insufficient cpu. other (priority 5) has to leave n3
        "#]],
    );
}

#[test]
fn a_pod_that_never_preempts_takes_room_that_is_kept_for_less_important_ones() {
    let mut brain =
        brain("node n1 cpu=2\n pod a cpu=1 on=n1\n pod b cpu=1 on=n1\n pod urgent cpu=2 priority=10");
    brain.decide(10);
    apply(&mut brain, "gone a", 10);
    apply(&mut brain, "pod polite cpu=1 priority=20 never", 11);
    expect![[r#"
        urgent waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Insufficient cpu.
    "#]].assert_eq(&shown(&brain.decide(10), false));
    expect![[r#"
        polite -> n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn a_pod_that_asks_for_less_leaves_room() {
    let mut brain = brain("node n1 cpu=2\n pod a cpu=2 on=n1\n pod b cpu=1");
    brain.decide(10);
    apply(&mut brain, "pod a cpu=1 on=n1", 10);
    expect![[r#"
        b -> n1
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}
