//! Validation of written statuses.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::status;
use crate::by_gvk;
use crate::json::text;

/// An object of this kind and name with this status instead of that one.
fn check(kind: &str, rest: &str, [old, new]: [&str; 2], expected: Expect) {
    let (api_version, word) = kind.rsplit_once('/').unwrap_or(("v1", kind));
    let object = |status: &str| -> Value {
        let text = format!(
            "{{apiVersion: {api_version}, kind: {word}, metadata: {{name: a, namespace: d, uid: u}}, {rest}status: {status}}}"
        );
        serde_yaml_ng::from_str(&text).unwrap()
    };
    let (old, new) = (object(old), object(new));
    let kind = by_gvk(text(&new, "/apiVersion"), word).unwrap();
    let told: String = status(kind.id, &new, &old)
        .iter()
        .map(|error| format!("{}: {}\n", error.field, error.message))
        .collect();
    expected.assert_eq(&told);
}

#[test]
fn counts_of_what_makes_pods() {
    let nothing = "{}";
    check(
        "apps/v1/Deployment",
        "",
        [
            "{collisionCount: 2}",
            "{replicas: 1, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 3, unavailableReplicas: -1, collisionCount: 1}",
        ],
        expect![[r#"
            status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0
            status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas
            status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas
            status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas
            status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas
            status.collisionCount: Invalid value: 1: cannot be decremented
        "#]],
    );
    check(
        "apps/v1/ReplicaSet",
        "",
        [nothing, "{replicas: 1, fullyLabeledReplicas: 2, readyReplicas: -1}"],
        expect![[r#"
            status.readyReplicas: Invalid value: -1: must be greater than or equal to 0
            status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas
            status.availableReplicas: Invalid value: 0: cannot be greater than readyReplicas
        "#]],
    );
    check(
        "ReplicationController",
        "",
        [nothing, "{replicas: 2, readyReplicas: 1, availableReplicas: 2}"],
        expect![[r#"
            status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas
        "#]],
    );
    check(
        "apps/v1/StatefulSet",
        "",
        [
            "{collisionCount: 1}",
            "{replicas: 1, currentReplicas: 2, availableReplicas: 1, observedGeneration: -1}",
        ],
        expect![[r#"
            status.observedGeneration: Invalid value: -1: must be greater than or equal to 0
            status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas
            status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas
            status.collisionCount: Invalid value: null: cannot be decremented
        "#]],
    );
    check(
        "apps/v1/Deployment",
        "",
        [nothing, "{replicas: 2, readyReplicas: 2, availableReplicas: 2}"],
        expect![[""]],
    );
}

#[test]
fn other_counts() {
    let nothing = "{}";
    check(
        "apps/v1/DaemonSet",
        "",
        [nothing, "{numberReady: -1, currentNumberScheduled: -2}"],
        expect![[r#"
        status.currentNumberScheduled: Invalid value: -2: must be greater than or equal to 0
        status.numberReady: Invalid value: -1: must be greater than or equal to 0
    "#]],
    );
    check(
        "autoscaling/v2/HorizontalPodAutoscaler",
        "",
        [nothing, "{currentReplicas: -1, desiredReplicas: -1}"],
        expect![[r#"
            status.currentReplicas: Invalid value: -1: must be greater than or equal to 0
            status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
    check(
        "policy/v1/PodDisruptionBudget",
        "",
        [nothing, "{expectedPods: -1, disruptionsAllowed: -1}"],
        expect![[r#"
            status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0
            status.expectedPods: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
}

#[test]
fn balancers() {
    let ingress = "{loadBalancer: {ingress: [{ip: 1.2.3, ipMode: Odd}, {hostname: 1.2.3.4, ipMode: VIP}, {ip: 10.0.0.1}, {ip: 10.0.0.2, ipMode: Proxy, hostname: A_B}]}}";
    check(
        "Service",
        "spec: {type: LoadBalancer}, ",
        ["{}", ingress],
        expect![[r#"
        status.loadBalancer.ingress[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
        status.loadBalancer.ingress[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"
        status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set
        status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address
        status.loadBalancer.ingress[2].ipMode: Required value: must be specified when `ip` is set
        status.loadBalancer.ingress[3].hostname: Invalid value: "A_B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
    "#]],
    );
    check(
        "Service",
        "spec: {type: ClusterIP}, ",
        ["{}", ingress],
        expect![[r#"
        status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is LoadBalancer
    "#]],
    );
    check(
        "networking.k8s.io/v1/Ingress",
        "",
        ["{}", "{loadBalancer: {ingress: [{ip: 1.2.3}, {hostname: 1.2.3.4}]}}"],
        expect![[r#"
            status.loadBalancer.ingress[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address
        "#]],
    );
}

#[test]
fn pods() {
    let over = "{qosClass: Burstable, containerStatuses: [{name: c, state: {terminated: {exitCode: 1}}}], initContainerStatuses: [{name: side, state: {terminated: {exitCode: 0}}}]}";
    let again = "{qosClass: Guaranteed, nominatedNodeName: 'a b', conditions: [{type: Ready}, {type: 'a b'}], containerStatuses: [{name: c, state: {running: {}}}], initContainerStatuses: [{name: side, state: {running: {}}}], hostIP: 10.0.0.1, hostIPs: [{ip: 10.0.0.2}], podIPs: [{ip: x}, {ip: 10.0.0.1}]}";
    let spec = |policy: &str| {
        format!(
            "spec: {{restartPolicy: {policy}, initContainers: [{{name: side, restartPolicy: Always}}]}}, "
        )
    };
    check(
        "Pod",
        &spec("Never"),
        [over, again],
        expect![[r#"
        metadata.conditions[1].Type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        status.nominatedNodeName: Invalid value: "a b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        status.qosClass: Invalid value: "Guaranteed": field is immutable
        status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state
        status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
        status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`
    "#]],
    );
    let runs = "{qosClass: Burstable, containerStatuses: [{name: c, state: {running: {}}}], podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.1}]}";
    check(
        "Pod",
        &spec("OnFailure"),
        [over, runs],
        expect![[r#"
        status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.1"}]: may specify no more than one IP for each IP family
        status.podIPs[1]: Duplicate value: {"ip":"10.0.0.1"}
    "#]],
    );
}

#[test]
fn jobs() {
    let condition = |kind: &str| format!("{{type: {kind}, status: 'True'}}");
    let conditions = |kinds: &[&str]| kinds.iter().map(|kind| condition(kind)).collect::<Vec<_>>().join(", ");
    let begun = "{startTime: '2026-01-01T00:00:00Z', succeeded: 2, failed: 1}";
    let complete = format!(
        "{{startTime: '2026-01-01T00:00:00Z', active: 1, succeeded: 1, ready: 2, completedIndexes: '0', failedIndexes: '1', uncountedTerminatedPods: {{succeeded: [a, ''], failed: [a]}}, conditions: [{}]}}",
        conditions(&["Complete", "Failed"])
    );
    check(
        "batch/v1/Job",
        "",
        [begun, &complete],
        expect![[r#"
        status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty
        status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"
        status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions
        status.completionTime: Required value: completionTime is required for Complete jobs
        status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition
        status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition
        status.active: Invalid value: 1: active>0 is invalid for finished job
        status.uncountedTerminatedPods: Invalid value: {"failed":["a"],"succeeded":["a",""]}: uncountedTerminatedPods needs to be empty for finished job
        status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode
        status.failedIndexes: Invalid value: "1": cannot set non-null failedIndexes when backoffLimitPerIndex is null
        status.ready: Invalid value: 2: cannot set more ready pods than active
        status.failed: Invalid value: 0: cannot decrease the failed counter
        status.succeeded: Invalid value: 1: cannot decrease the succeeded counter
    "#]],
    );
    let good = format!(
        "{{startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-02T00:00:00Z', succeeded: 2, failed: 1, conditions: [{}]}}",
        conditions(&["SuccessCriteriaMet", "Complete"])
    );
    check("batch/v1/Job", "", [begun, &good], expect![[""]]);
    check(
        "batch/v1/Job",
        "",
        [&good, begun],
        expect![[r#"
        status.conditions: Invalid value: cannot disable the terminal Complete=True condition
        status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition
    "#]],
    );
    check(
        "batch/v1/Job",
        "",
        [&good, &good.replace("01-02", "01-03")],
        expect![[r#"
        status.completionTime: Invalid value: "2026-01-03T00:00:00Z": completionTime cannot be mutated
    "#]],
    );
}

#[test]
fn the_rest() {
    check(
        "Namespace",
        "",
        ["{phase: Active}", "{phase: Terminating}"],
        expect![[r#"
            status.Phase: Invalid value: "Terminating": may only be 'Active' if `deletionTimestamp` is empty
        "#]],
    );
    check(
        "ResourceQuota",
        "",
        ["{}", "{hard: {chairs: '1'}, used: {pods: '-1'}}"],
        expect![[r#"
            status.hard[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified
            status.hard[chairs]: Invalid value: "chairs": must be a standard resource for quota
            status.used[pods]: Invalid value: "-1": must be greater than or equal to 0
        "#]],
    );
    check(
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce]}, ",
        ["{}", "{phase: Bound, capacity: {storage: '-1'}}"],
        expect![[r#"
            status.capacity[storage]: Invalid value: "-1": must be greater than or equal to 0
        "#]],
    );
    check("batch/v1/CronJob", "", ["{}", "{active: []}"], expect![""]);
}
