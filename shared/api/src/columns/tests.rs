//! Tables, as YAML in and text out.

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::Timestamp;

/// All cells of each object in the YAML stream, as `kubectl get -o wide` would print them at 12:00.
pub(super) fn check(yaml: &str, expected: Expect) {
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    let mut lines = String::new();
    let mut header = true;
    for document in yaml.split("---") {
        let object: Value = serde_yaml_ng::from_str(document).unwrap();
        let kind =
            crate::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
                .unwrap();
        if std::mem::take(&mut header) {
            let names: Vec<&str> = kind.columns().iter().map(|column| &*column.name).collect();
            lines.push_str(&format!("{}\n", names.join(" | ")));
        }
        let cells = kind.cells(&object, now);
        let cells: Vec<String> =
            cells.iter().map(|cell| cell.as_str().map_or(cell.to_string(), str::to_owned)).collect();
        lines.push_str(&format!("{}\n", cells.join(" | ")));
    }
    expected.assert_eq(&lines);
}

fn pod(rest: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, creationTimestamp: '2026-01-01T11:55:00Z'}}, spec: {{nodeName: n1, containers: [{{name: a}}, {{name: b}}]}}, status: {rest}}}"
    )
}

#[test]
fn pods() {
    let rows = [
        pod("{phase: Pending}"),
        pod("{phase: Running, podIP: 10.1.0.4, containerStatuses: [{name: a, ready: true, restartCount: 0, state: {running: {}}}, {name: b, ready: true, restartCount: 2, state: {running: {}}, lastState: {terminated: {finishedAt: '2026-01-01T11:57:00Z'}}}]}"),
        pod("{phase: Running, containerStatuses: [{name: a, ready: true, restartCount: 0, state: {running: {}}}, {name: b, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}}]}"),
        pod("{phase: Succeeded, containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}]}"),
        pod("{phase: Failed, containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 3}}}]}"),
        pod("{phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}, {name: b, ready: true, restartCount: 0, state: {running: {}}}]}"),
        pod("{phase: Failed, reason: Evicted}"),
        pod("{phase: Running}").replace("name: web,", "name: web, deletionTimestamp: '2026-01-01T12:00:00Z',"),
        pod("{phase: Pending, initContainerStatuses: [{name: i, restartCount: 0, state: {terminated: {exitCode: 0}}}, {name: j, restartCount: 1, state: {running: {}}}]}").replace("containers: [{name: a}", "initContainers: [{name: i}, {name: j}], containers: [{name: a}"),
        pod("{phase: Pending, initContainerStatuses: [{name: i, restartCount: 1, state: {terminated: {exitCode: 1, reason: Error}}}]}").replace("containers: [{name: a}", "initContainers: [{name: i}], containers: [{name: a}"),
        pod("{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated}, {type: g, status: 'True'}]}").replace("nodeName: n1", "readinessGates: [{conditionType: g}, {conditionType: h}]"),
        pod("{phase: Running, initContainerStatuses: [{name: s, started: true, ready: true, restartCount: 1, state: {running: {}}}], containerStatuses: [{name: a, ready: true, restartCount: 0, state: {running: {}}}]}").replace("containers: [{name: a}", "initContainers: [{name: s, restartPolicy: Always}], containers: [{name: a}"),
    ];
    check(
        &rows.join("\n---\n"),
        expect![[r#"
        Name | Ready | Status | Restarts | Age | IP | Node | Nominated Node | Readiness Gates
        web | 0/2 | Pending | 0 | 5m | <none> | n1 | <none> | <none>
        web | 2/2 | Running | 2 (3m ago) | 5m | 10.1.0.4 | n1 | <none> | <none>
        web | 1/2 | CrashLoopBackOff | 5 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | Completed | 0 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | ExitCode:3 | 0 | 5m | <none> | n1 | <none> | <none>
        web | 1/2 | Running | 0 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | Evicted | 0 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | Terminating | 0 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | Init:1/2 | 1 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | Init:Error | 1 | 5m | <none> | n1 | <none> | <none>
        web | 0/2 | SchedulingGated | 0 | 5m | <none> | <none> | <none> | 1/2
        web | 2/3 | Running | 1 | 5m | <none> | n1 | <none> | <none>
    "#]],
    );
}

#[test]
fn nodes() {
    check(
        "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/worker: '', node-role.kubernetes.io/edge: ''}, creationTimestamp: '2025-12-30T12:00:00Z'}, status: {conditions: [{type: Ready, status: 'True'}], addresses: [{type: InternalIP, address: 10.0.0.1}], nodeInfo: {kubeletVersion: v1.35.0, osImage: Debian, kernelVersion: '6.1', containerRuntimeVersion: docker://28}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, spec: {unschedulable: true}, status: {conditions: [{type: Ready, status: Unknown}]}}",
        expect![[r#"
            Name | Status | Roles | Age | Version | Internal-IP | External-IP | OS-Image | Kernel-Version | Container-Runtime
            n1 | Ready | edge,worker | 2d | v1.35.0 | 10.0.0.1 | <none> | Debian | 6.1 | docker://28
            n2 | NotReady,SchedulingDisabled | <none> | <unknown> |  | <none> | <none> | <unknown> | <unknown> | <unknown>
        "#]],
    );
}

#[test]
fn workloads() {
    check(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, creationTimestamp: '2026-01-01T09:00:00Z'}, spec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {spec: {containers: [{name: a, image: x}, {name: b, image: y}]}}}, status: {readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2}}",
        expect![[r#"
            Name | Ready | Up-to-date | Available | Age | Containers | Images | Selector
            web | 2/3 | 3 | 2 | 3h | a,b | x,y | app=web
        "#]],
    );
    check(
        "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, creationTimestamp: '2026-01-01T09:00:00Z'}, spec: {replicas: 3, selector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}, template: {spec: {containers: [{name: a, image: x}]}}}, status: {replicas: 3}}",
        expect![[r#"
            Name | Desired | Current | Ready | Age | Containers | Images | Selector
            web | 3 | 3 | 0 | 3h | a | x | app in (a,b)
        "#]],
    );
}

#[test]
fn services() {
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: web, creationTimestamp: '2026-01-01T11:59:30Z'}, spec: {type: NodePort, clusterIP: 10.96.0.5, ports: [{port: 80, nodePort: 30080, protocol: TCP}, {port: 53, protocol: UDP}], selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: lb}, spec: {type: LoadBalancer, clusterIP: 10.96.0.6}}
---
{apiVersion: v1, kind: Service, metadata: {name: ext}, spec: {type: ExternalName, externalName: example.com}}",
        expect![[r#"
            Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector
            web | NodePort | 10.96.0.5 | <none> | 80:30080/TCP,53/UDP | 30s | app=web
            lb | LoadBalancer | 10.96.0.6 | <pending> | <none> | <unknown> | <none>
            ext | ExternalName | <none> | example.com | <none> | <unknown> | <none>
        "#]],
    );
    check(
        "{apiVersion: v1, kind: Endpoints, metadata: {name: web}, subsets: [{addresses: [{ip: 10.1.0.1}, {ip: 10.1.0.2}], ports: [{port: 80}, {port: 81}]}]}",
        expect![[r#"
            Name | Endpoints | Age
            web | 10.1.0.1:80,10.1.0.1:81,10.1.0.2:80 + 1 more... | <unknown>
        "#]],
    );
    check(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-x}, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}]}",
        expect![[r#"
            Name | AddressType | Ports | Endpoints | Age
            web-x | IPv4 | 80 | 10.1.0.1,10.1.0.2 | <unknown>
        "#]],
    );
}

#[test]
fn small_kinds() {
    for (yaml, expected) in [
        (
            "{apiVersion: v1, kind: Namespace, metadata: {name: blue}, status: {phase: Active}}",
            expect![[r#"
            Name | Status | Age
            blue | Active | <unknown>
        "#]],
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}, binaryData: {x: YQ==}}",
            expect![[r#"
            Name | Data | Age
            c | 2 | <unknown>
        "#]],
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, type: Opaque, data: {a: YQ==}}",
            expect![[r#"
            Name | Type | Data | Age
            s | Opaque | 1 | <unknown>
        "#]],
        ),
        (
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}",
            expect![[r#"
            Name | Secrets | Age
            default | 0 | <unknown>
        "#]],
        ),
        (
            "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {holderIdentity: me}}",
            expect![[r#"
            Name | Holder | Age
            l | me | <unknown>
        "#]],
        ),
        (
            "{apiVersion: v1, kind: Event, metadata: {name: e}, type: Warning, reason: BackOff, message: 'no luck ', count: 3, involvedObject: {kind: Pod, name: web}, source: {component: agent, host: n1}, firstTimestamp: '2026-01-01T11:00:00Z', lastTimestamp: '2026-01-01T11:59:00Z'}",
            expect![[r#"
            Last Seen | Type | Reason | Object | Subobject | Source | Message | First Seen | Count | Name
            60s | Warning | BackOff | pod/web |  | agent, n1 | no luck | 60m | 3 | e
        "#]],
        ),
    ] {
        check(yaml, expected);
    }
}
