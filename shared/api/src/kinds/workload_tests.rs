//! Defaults, rules and tables of workloads, as YAML in and text out.

mod jobs;

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::json::text;
use crate::{KindInfo, Timestamp, Uid, lifecycle};

const UID: &str = "5c5d4a0e-1111-2222-3333-444444444444";

fn read(yaml: &str) -> (&'static KindInfo, Value) {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = crate::by_gvk(text(&object, "/apiVersion"), text(&object, "/kind")).unwrap();
    let decoded = kind.decode(object).unwrap();
    assert_eq!(decoded.unknown, Vec::<String>::new());
    (kind, decoded.object)
}

/// As a new object that the gateway has prepared.
fn created(yaml: &str) -> (&'static KindInfo, Value) {
    let (kind, mut object) = read(yaml);
    kind.default(&mut object);
    lifecycle::prepare_create(
        &mut object,
        kind,
        "",
        &Uid::from(UID),
        Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
    );
    (kind, object)
}

/// Its spec and labels, without what every pod template gets.
fn check_created(yaml: &str, expected: Expect) {
    let (kind, mut object) = created(yaml);
    assert_eq!(kind.validate(&object, None), Vec::new());
    for template in ["/spec/template", "/spec/jobTemplate/spec/template"] {
        if let Some(template) = object.pointer_mut(template).and_then(Value::as_object_mut) {
            template.remove("spec");
        }
    }
    let shown = serde_json::json!({"labels": object.pointer("/metadata/labels"), "spec": object["spec"]});
    expected.assert_eq(&serde_yaml_ng::to_string(&shown).unwrap());
}

/// What is wrong with an object, or with a change of `old` to it.
fn check_wrong(yaml: &str, old: Option<&str>, expected: Expect) {
    let (kind, object) = created(yaml);
    let errors = kind.validate(&object, old.map(|old| created(old).1).as_ref());
    let lines: String = errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect();
    expected.assert_eq(&lines);
}

fn check_row(yaml: &str, expected: Expect) {
    let (kind, object) = read(yaml);
    let cells = kind.cells(&object, Timestamp::parse("2026-01-01T12:00:00Z").unwrap());
    let cells = cells.iter().map(|cell| cell.as_str().map_or(cell.to_string(), str::to_owned));
    let names = kind.columns().iter().map(|column| column.name.to_string());
    let row: Vec<String> = names.zip(cells).map(|(name, cell)| format!("{name}: {cell}")).collect();
    expected.assert_eq(&row.join(" | "));
}

const TEMPLATE: &str = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: x}]}}";
const ENDING: &str = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}";

fn set(kind: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: s}}, spec: {{selector: {{matchLabels: {{app: a}}}}, {TEMPLATE}{spec}}}}}"
    )
}

#[test]
fn stateful_sets() {
    check_created(
        &set(
            "StatefulSet",
            ", volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]",
        ),
        expect![[r#"
            labels: null
            spec:
              persistentVolumeClaimRetentionPolicy:
                whenDeleted: Retain
                whenScaled: Retain
              podManagementPolicy: OrderedReady
              replicas: 1
              revisionHistoryLimit: 10
              selector:
                matchLabels:
                  app: a
              template:
                metadata:
                  labels:
                    app: a
              updateStrategy:
                rollingUpdate:
                  partition: 0
                type: RollingUpdate
              volumeClaimTemplates:
              - apiVersion: v1
                kind: PersistentVolumeClaim
                metadata:
                  name: data
                spec:
                  accessModes:
                  - ReadWriteOnce
                  resources:
                    requests:
                      storage: 1Gi
                  volumeMode: Filesystem
                status:
                  phase: Pending
        "#]],
    );
    check_wrong(
        &set(
            "StatefulSet",
            ", podManagementPolicy: Any, updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}, replicas: -1",
        ),
        None,
        expect![[r#"
            spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel'
            spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'
            spec.replicas: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
    check_wrong(
        &set("StatefulSet", ", replicas: 3, serviceName: other"),
        Some(&set("StatefulSet", "")),
        expect![[r#"
            spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden
        "#]],
    );
    check_row(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {replicas: 3, serviceName: '', selector: {}, template: {spec: {containers: [{name: c, image: x}]}}}, status: {replicas: 3, readyReplicas: 2}}",
        expect!["Name: db | Ready: 2/3 | Age: 60m | Containers: c | Images: x"],
    );
}

#[test]
fn containers_of_a_stateful_set_mount_its_claims() {
    let set = |mounted: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: db}}, spec: {{serviceName: '', selector: {{matchLabels: {{app: a}}}}, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: c, image: x, volumeMounts: [{{name: {mounted}, mountPath: /d}}]}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}}}]}}}}"
        )
    };
    check_wrong(&set("data"), None, expect![""]);
    check_wrong(
        &set("other"),
        None,
        expect![[r#"
            spec.template.spec.containers[0].volumeMounts[0].name: Not found: "other"
        "#]],
    );
}

#[test]
fn daemon_sets() {
    check_created(
        &set("DaemonSet", ""),
        expect![[r#"
        labels: null
        spec:
          revisionHistoryLimit: 10
          selector:
            matchLabels:
              app: a
          template:
            metadata:
              labels:
                app: a
          updateStrategy:
            rollingUpdate:
              maxSurge: 0
              maxUnavailable: 1
            type: RollingUpdate
    "#]],
    );
    check_wrong(
        &set("DaemonSet", ", updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}"),
        None,
        expect![[r#"
            spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero
        "#]],
    );
    check_wrong(
        &set("DaemonSet", ", updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"),
        None,
        expect![[r#"
            spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0
        "#]],
    );
    check_wrong(
        &set("DaemonSet", "").replace("{app: a}", "{app: b}"),
        Some(&set("DaemonSet", "")),
        expect![[r#"
            spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable
        "#]],
    );
    check_row(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: log, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {selector: {matchLabels: {app: log}}, template: {spec: {nodeSelector: {disk: ssd}, containers: [{name: c, image: x}]}}}, status: {desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, numberMisscheduled: 0}}",
        expect![
            "Name: log | Desired: 3 | Current: 2 | Ready: 1 | Up-to-date: 0 | Available: 0 | Node Selector: disk=ssd | Age: 60m | Containers: c | Images: x | Selector: app=log"
        ],
    );
}

#[test]
fn replication_controllers_and_revisions() {
    let controller = |spec: &str| {
        format!(
            "{{apiVersion: v1, kind: ReplicationController, metadata: {{name: rc}}, spec: {{{TEMPLATE}{spec}}}}}"
        )
    };
    check_created(
        &controller(""),
        expect![[r#"
        labels:
          app: a
        spec:
          replicas: 1
          selector:
            app: a
          template:
            metadata:
              labels:
                app: a
    "#]],
    );
    check_wrong(
        &controller(", selector: {app: b}"),
        None,
        expect![[r#"
        spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`
    "#]],
    );
    let revision = |data: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: ControllerRevision, metadata: {{name: r, ownerReferences: [{{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}}]}}, revision: 2, data: {data}}}"
        )
    };
    check_wrong(
        &revision("{a: 1}"),
        Some(&revision("{a: 2}")),
        expect![[r#"
        data: Invalid value: {"a":1}: field is immutable
    "#]],
    );
    check_row(
        &revision("{}"),
        expect!["Name: r | Controller: statefulset.apps/db | Revision: 2 | Age: <unknown>"],
    );
}

fn autoscaler(spec: &str) -> String {
    format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: a, creationTimestamp: '2026-01-01T11:00:00Z'}}, spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, {spec}}}}}"
    )
}

#[test]
fn autoscalers() {
    check_created(
        &autoscaler("maxReplicas: 3, behavior: {scaleDown: {selectPolicy: Disabled}}"),
        expect![[r#"
            labels: null
            spec:
              behavior:
                scaleDown:
                  policies:
                  - periodSeconds: 15
                    type: Percent
                    value: 100
                  selectPolicy: Disabled
                scaleUp:
                  policies:
                  - periodSeconds: 15
                    type: Pods
                    value: 4
                  - periodSeconds: 15
                    type: Percent
                    value: 100
                  selectPolicy: Max
                  stabilizationWindowSeconds: 0
              maxReplicas: 3
              metrics:
              - resource:
                  name: cpu
                  target:
                    averageUtilization: 80
                    type: Utilization
                type: Resource
              minReplicas: 1
              scaleTargetRef:
                apiVersion: apps/v1
                kind: Deployment
                name: web
        "#]],
    );
    check_wrong(
        &autoscaler(
            "minReplicas: 4, maxReplicas: 3, metrics: [{type: Pods, pods: {metric: {name: x}, target: {type: AverageValue, averageValue: 1}}}, {type: Resource, resource: {name: cpu, target: {type: Utilization}}}], behavior: {scaleUp: {stabilizationWindowSeconds: 4000, policies: [{type: Pods, value: 0, periodSeconds: 2000}]}}",
        ),
        None,
        expect![[r#"
            spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`
            spec.metrics[0].type: Unsupported value: "Pods": supported values: "ContainerResource", "Resource"
            spec.metrics[1].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization
            spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600
            spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero
            spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800
        "#]],
    );
    let seen = "maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}, {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}]}, status: {currentReplicas: 2, desiredReplicas: 2, currentMetrics: [{type: Resource, resource: {name: cpu, current: {averageUtilization: 12, averageValue: 12m}}}]";
    check_row(
        &autoscaler(seen),
        expect![
            "Name: a | Reference: Deployment/web | Targets: cpu: 12%/50%, memory: <unknown>/1Gi | MinPods: <unset> | MaxPods: 3 | Replicas: 2 | Age: 60m"
        ],
    );
}
