//! When requests for certificates go, as text.

use expect_test::{Expect, expect};

use super::SigningRequestActor;
use crate::actors::testing::{Cluster, NOW};

/// A request that is so many seconds old, with conditions of the same age.
fn check(seconds: i64, conditions: &[&str], certificate: &str, expect: Expect) {
    let time = serde_json::json!(api::Timestamp(NOW.0 - seconds * 1_000_000));
    let conditions: Vec<_> = conditions
        .iter()
        .map(|kind| serde_json::json!({"type": kind, "status": "True", "lastUpdateTime": time}))
        .collect();
    let object = serde_json::json!({
        "metadata": {"creationTimestamp": time}, "status": {"conditions": conditions, "certificate": certificate},
    });
    let cluster = Cluster::of(&format!("certificatesigningrequest jane {object}"));
    expect.assert_eq(&cluster.decide::<SigningRequestActor>("jane").to_string());
    cluster.obeys_the_laws::<SigningRequestActor>("jane");
}

#[test]
fn decided_requests_go_after_an_hour() {
    check(
        3599,
        &["Approved"],
        "LS0t",
        expect![[r#"
        wake after 1s
    "#]],
    );
    check(
        3600,
        &["Approved"],
        "LS0t",
        expect![[r#"
        delete certificatesigningrequests/jane: it was issued an hour ago
    "#]],
    );
    check(
        3600,
        &["Denied"],
        "",
        expect![[r#"
        delete certificatesigningrequests/jane: it was denied an hour ago
    "#]],
    );
    check(
        3600,
        &["Approved", "Failed"],
        "",
        expect![[r#"
        delete certificatesigningrequests/jane: it failed an hour ago
    "#]],
    );
}

#[test]
fn those_that_wait_go_after_a_day() {
    check(
        3600,
        &["Approved"],
        "",
        expect![[r#"
        wake after 82800s
    "#]],
    );
    check(
        86_400,
        &[],
        "",
        expect![[r#"
        delete certificatesigningrequests/jane: nobody has decided about it for a day
    "#]],
    );
}
