//! Where pods go when there is room.

use expect_test::expect;

use super::cluster::{apply, brain, check, check_reasons, shown};

#[test]
fn replicas_are_spread_over_nodes() {
    check(
        "node n1
         node n2
         node n3
         pod web-1 owner=web cpu=100m
         pod web-2 owner=web cpu=100m
         pod web-3 owner=web cpu=100m
         pod web-4 owner=web cpu=100m",
        &expect![[r#"
            web-1 -> n1
            web-2 -> n2
            web-3 -> n3
            web-4 -> n1
        "#]],
    );
}

#[test]
fn replicas_are_spread_over_zones_first() {
    check(
        "node a1 zone=a
         node a2 zone=a
         node b1 zone=b
         pod web-1 owner=web cpu=100m on=a1
         pod web-2 owner=web cpu=100m
         pod web-3 owner=web cpu=100m",
        &expect![[r#"
            web-2 -> b1
            web-3 -> a2
        "#]],
    );
}

#[test]
fn the_emptier_node_is_better() {
    check_reasons(
        "node n1 cpu=4
         node n2 cpu=4
         pod big owner=db cpu=3 on=n1
         pod web-1 owner=web cpu=100m",
        &expect![[r#"
            web-1 -> n2: n2 is the best of 2 nodes that fit, of 2: it has none of its siblings and 97% of room left
        "#]],
    );
}

#[test]
fn priority_goes_before_age() {
    check(
        "node n1 cpu=1
         pod old cpu=1
         pod urgent cpu=1 priority=10",
        &expect![[r#"
            urgent -> n1
            old waits: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
        "#]],
    );
}

#[test]
fn preferred_nodes_are_better_but_not_required() {
    check(
        "node n1 cpu=1
         node n2 cpu=1 label=disk:ssd
         pod a prefers=disk:ssd cpu=1
         pod b prefers=disk:ssd cpu=1",
        &expect![[r#"
            a -> n2
            b -> n1
        "#]],
    );
}

#[test]
fn tainted_with_prefer_no_schedule_is_the_last_choice() {
    check(
        "node n1 taint=old::PreferNoSchedule
         node n2 cpu=1
         pod a cpu=1
         pod b cpu=1",
        &expect![[r#"
            a -> n2
            b -> n1
        "#]],
    );
}

#[test]
fn spreading_rules_hold_within_one_batch() {
    check(
        "node a1 zone=a
         node a2 zone=a
         node b1 zone=b cpu=1
         pod web-1 app=web cpu=500m spread=DoNotSchedule
         pod web-2 app=web cpu=500m spread=DoNotSchedule
         pod web-3 app=web cpu=500m spread=DoNotSchedule
         pod web-4 app=web cpu=500m spread=DoNotSchedule
         pod web-5 app=web cpu=500m spread=DoNotSchedule
         pod web-6 app=web cpu=500m spread=DoNotSchedule",
        &expect![[r#"
            web-1 -> a1
            web-2 -> b1
            web-3 -> a2
            web-4 -> b1
            web-5 -> a1
            web-6 waits: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match pod topology spread constraints. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.
        "#]],
    );
}

#[test]
fn pods_that_must_be_apart_are() {
    check(
        "node n1
         node n2
         pod db-1 app=db apart=db
         pod db-2 app=db apart=db
         pod db-3 app=db apart=db",
        &expect![[r#"
            db-1 -> n1
            db-2 -> n2
            db-3 waits: 0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.
        "#]],
    );
}

#[test]
fn pods_that_are_there_may_refuse_company() {
    check(
        "node n1
         node n2
         pod shy apart=web on=n1
         pod web-1 app=web
         pod web-2 app=web",
        &expect![[r#"
            web-1 -> n2
            web-2 -> n2
        "#]],
    );
}

#[test]
fn pods_that_must_be_near_wait_for_company() {
    let mut brain = brain(
        "node n1
         node n2
         pod side app=side near=main",
    );
    expect![[r#"
        side waits: 0/2 nodes are available: 2 node(s) didn't match pod affinity rules. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "pod main app=main on=n2", 10);
    expect![[r#"
        side -> n2
    "#]]
    .assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn the_first_of_pods_that_want_each_other_goes_anywhere() {
    check(
        "node n1
         node n2
         pod a app=x near=x
         pod b app=x near=x",
        &expect![[r#"
            a -> n1
            b -> n1
        "#]],
    );
}
