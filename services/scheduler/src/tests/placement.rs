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
        &expect![[""]],
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
        &expect![[""]],
    );
}

#[test]
fn the_emptier_node_is_better() {
    check_reasons(
        "node n1 cpu=4
         node n2 cpu=4
         pod big owner=db cpu=3 on=n1
         pod web-1 owner=web cpu=100m",
        &expect![[""]],
    );
}

#[test]
fn priority_goes_before_age() {
    check(
        "node n1 cpu=1
         pod old cpu=1
         pod urgent cpu=1 priority=10",
        &expect![[""]],
    );
}

#[test]
fn preferred_nodes_are_better_but_not_required() {
    check(
        "node n1 cpu=1
         node n2 cpu=1 label=disk:ssd
         pod a prefers=disk:ssd cpu=1
         pod b prefers=disk:ssd cpu=1",
        &expect![[""]],
    );
}

#[test]
fn tainted_with_prefer_no_schedule_is_the_last_choice() {
    check(
        "node n1 taint=old::PreferNoSchedule
         node n2 cpu=1
         pod a cpu=1
         pod b cpu=1",
        &expect![[""]],
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
        &expect![[""]],
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
        &expect![[""]],
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
        &expect![[""]],
    );
}

#[test]
fn pods_that_must_be_near_wait_for_company() {
    let mut brain = brain(
        "node n1
         node n2
         pod side app=side near=main",
    );
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
    apply(&mut brain, "pod main app=main on=n2", 10);
    expect![[""]].assert_eq(&shown(&brain.decide(10), false));
}

#[test]
fn the_first_of_pods_that_want_each_other_goes_anywhere() {
    check(
        "node n1
         node n2
         pod a app=x near=x
         pod b app=x near=x",
        &expect![[""]],
    );
}
