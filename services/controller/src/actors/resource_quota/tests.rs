//! Decisions of ResourceQuotas, as text.

use expect_test::{Expect, expect};

use super::ResourceQuotaActor;
use crate::actors::testing::Cluster;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&cluster.decide::<ResourceQuotaActor>("small").to_string());
    cluster.obeys_the_laws::<ResourceQuotaActor>("small");
}

#[test]
fn what_is_used_is_counted() {
    check(
        r#"resourcequota small {"spec": {"hard": {"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi", "count/configmaps": "2"}}}
           pod a running {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "600m"}, "limits": {"memory": "512Mi"}}}]}}
           pod b failed
           pod c in=other running
           configmap m"#,
        expect![[r#"
            status hard={"count/configmaps":"2","limits.memory":"1Gi","pods":"3","requests.cpu":"1"} used={"count/configmaps":"1","limits.memory":"512Mi","pods":"1","requests.cpu":"600m"}
        "#]],
    );
}

#[test]
fn nothing_changes_nothing() {
    check(
        r#"resourcequota small {"spec": {"hard": {"pods": "3"}}, "status": {"hard": {"pods": "3"}, "used": {"pods": "0"}}}"#,
        expect![""],
    );
}
