//! Budgets, as text.

use expect_test::{Expect, expect};

use super::DisruptionBudgetActor;
use crate::actors::testing::Cluster;

const PODS: &str = "
    deployment web replicas=4
    replicaset web-1 owner=deployment/web replicas=4
    pod web-1 owner=replicaset/web-1 ready
    pod web-2 owner=replicaset/web-1 ready
    pod web-3 owner=replicaset/web-1 ready
    pod web-4 owner=replicaset/web-1 running
    pod other ready labels=app:other";

/// What a budget of this spec says of the pods: allowed disruptions, healthy, desired, expected.
fn check(spec: &str, pods: &str, expected: Expect) {
    let budget = format!(
        r#"poddisruptionbudget web {{"spec": {{"selector": {{"matchLabels": {{"app": "web"}}}}, {spec}}}}}"#
    );
    let mut cluster = Cluster::of(&format!("{budget}\n{pods}"));
    cluster.obeys_the_laws::<DisruptionBudgetActor>("web");
    let outcome = cluster.turn::<DisruptionBudgetActor>("web");
    let status = outcome.status.unwrap();
    let condition = &status["conditions"][0];
    expected.assert_eq(&format!(
        "allowed {}: {} healthy of {} desired, {} expected; {} {}; granted {}",
        status["disruptionsAllowed"],
        status["currentHealthy"],
        status["desiredHealthy"],
        status["expectedPods"],
        condition["status"],
        condition["reason"],
        status["disruptedPods"],
    ));
}

#[test]
fn numbers_and_shares_are_counted_as_kubernetes_does() {
    check(
        r#""minAvailable": 2"#,
        PODS,
        expect![[r#"allowed 1: 3 healthy of 2 desired, 4 expected; "True" "SufficientPods"; granted null"#]],
    );
    check(
        r#""minAvailable": 3"#,
        PODS,
        expect![[
            r#"allowed 0: 3 healthy of 3 desired, 4 expected; "False" "InsufficientPods"; granted null"#
        ]],
    );
    check(
        r#""minAvailable": "50%""#,
        PODS,
        expect![[r#"allowed 1: 3 healthy of 2 desired, 4 expected; "True" "SufficientPods"; granted null"#]],
    );
    check(
        r#""minAvailable": "51%""#,
        PODS,
        expect![[
            r#"allowed 0: 3 healthy of 3 desired, 4 expected; "False" "InsufficientPods"; granted null"#
        ]],
    );
    check(
        r#""maxUnavailable": 2"#,
        PODS,
        expect![[r#"allowed 1: 3 healthy of 2 desired, 4 expected; "True" "SufficientPods"; granted null"#]],
    );
    check(
        r#""maxUnavailable": "30%""#,
        PODS,
        expect![[r#"allowed 1: 3 healthy of 2 desired, 4 expected; "True" "SufficientPods"; granted null"#]],
    );
    check(
        r#""maxUnavailable": 0"#,
        PODS,
        expect![[
            r#"allowed 0: 3 healthy of 4 desired, 4 expected; "False" "InsufficientPods"; granted null"#
        ]],
    );
}

#[test]
fn pods_that_end_or_are_about_to_are_not_healthy() {
    let granted = r#""minAvailable": 1}, "status": {"disruptedPods": {"web-1": "2025-12-31T23:59:00Z", "web-2": "2025-12-31T23:00:00Z", "gone": "2025-12-31T23:59:00Z"}"#;
    check(
        granted,
        PODS,
        expect![[
            r#"allowed 1: 2 healthy of 1 desired, 4 expected; "True" "SufficientPods"; granted {"web-1":"2025-12-31T23:59:00Z"}"#
        ]],
    );
    check(
        r#""minAvailable": 1"#,
        &PODS.replace("pod web-2 ", "pod web-2 deleted=30 "),
        expect![[r#"allowed 1: 2 healthy of 1 desired, 4 expected; "True" "SufficientPods"; granted null"#]],
    );
}

#[test]
fn without_pods_nothing_is_allowed() {
    check(
        r#""minAvailable": 0"#,
        "",
        expect![[
            r#"allowed 0: 0 healthy of 0 desired, 0 expected; "False" "InsufficientPods"; granted null"#
        ]],
    );
    check(
        r#""maxUnavailable": "100%""#,
        "pod lone ready",
        expect![[
            r#"allowed 0: 1 healthy of 0 desired, 0 expected; "False" "InsufficientPods"; granted null"#
        ]],
    );
}

#[test]
fn granted_evictions_are_forgotten_in_time() {
    let cluster = Cluster::of(&format!(
        r#"poddisruptionbudget web {{"spec": {{"minAvailable": 1, "selector": {{}}}}, "status": {{"disruptedPods": {{"web-1": "2025-12-31T23:59:00Z"}}}}}}
        {PODS}"#
    ));
    let outcome = cluster.decide::<DisruptionBudgetActor>("web");
    assert_eq!(outcome.wake_after, Some(std::time::Duration::from_secs(60)));
}
