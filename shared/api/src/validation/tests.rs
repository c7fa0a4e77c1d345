//! Validation, as YAML in and sentences out.

use expect_test::{Expect, expect};
use serde_json::Value;

fn ready(yaml: &str) -> Value {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = crate::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let mut object = kind.decode(object).unwrap().object;
    kind.default(&mut object);
    object
}

pub(super) fn check(yaml: &str, expected: Expect) {
    check_change(yaml, None, expected);
}

pub(super) fn check_change(yaml: &str, old: Option<&str>, expected: Expect) {
    expected.assert_eq(&found(yaml, old));
}

/// What validation finds wrong, a line each.
pub(super) fn found(yaml: &str, old: Option<&str>) -> String {
    let object = ready(yaml);
    let kind = crate::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let errors = kind.validate(&object, old.map(ready).as_ref());
    errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect()
}

pub(super) fn pod(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {spec}}}")
}

#[test]
fn a_plain_pod_is_fine() {
    check(&pod("{containers: [{name: web, image: nginx}]}"), expect![[""]]);
}

#[test]
fn containers() {
    check(
        &pod("{}"),
        expect![[r#"
        spec.containers: Required value
    "#]],
    );
    check(
        &pod(
            "{containers: [{}, {name: Web, image: ' x'}, {name: a, image: x}, {name: a, image: y, imagePullPolicy: Often}]}",
        ),
        expect![[r#"
            spec.containers[0].name: Required value
            spec.containers[0].image: Required value
            spec.containers[1].name: Invalid value: "Web": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.containers[3].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"
            spec.containers[3].name: Duplicate value: "a"
            spec.containers[1].image: Invalid value: " x": must not have leading or trailing whitespace
        "#]],
    );
    check(
        &pod(
            "{containers: [{name: a, image: x, ports: [{containerPort: 0}, {containerPort: 70000, name: HTTP, protocol: ICMP}], env: [{name: ''}, {name: 'A=B'}, {name: C, value: x, valueFrom: {fieldRef: {fieldPath: spec.x}}}, {name: D, valueFrom: {}}]}]}",
        ),
        expect![[r#"
            spec.containers[0].ports[0].containerPort: Required value
            spec.containers[0].ports[1].name: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
            spec.containers[0].ports[1].name: Invalid value: "HTTP": must contain at least one letter (a-z)
            spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive
            spec.containers[0].ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
            spec.containers[0].env[0].name: Required value
            spec.containers[0].env[1].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='
            spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field label not supported: spec.x
            spec.containers[0].env[2].valueFrom: Invalid value: "": may not be specified when `value` is not empty
            spec.containers[0].env[3].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`
        "#]],
    );
}

#[test]
fn resources() {
    check(
        &pod(
            "{containers: [{name: a, image: x, resources: {limits: {cpu: 1, memory: -1, disk: 3}, requests: {cpu: 2, memory: 1Mi}}}]}",
        ),
        expect![[r#"
            spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified
            spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers
            spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0
            spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1
            spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource type or fully qualified
            spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers
            spec.containers[0].resources.requests: Invalid value: "1Mi": must be less than or equal to memory limit of -1
        "#]],
    );
}

#[test]
fn volumes_and_mounts() {
    check(
        &pod(
            "{volumes: [{name: v, emptyDir: {}, secret: {secretName: s}}, {name: v}, {name: c, configMap: {}}, {name: h, hostPath: {path: ''}}], containers: [{name: a, image: x, volumeMounts: [{name: v, mountPath: /a}, {name: w, mountPath: /a}, {name: c, mountPath: '', subPath: ../x}]}]}",
        ),
        expect![[r#"
            spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type
            spec.volumes[2].configMap.name: Required value
            spec.volumes[3].hostPath.path: Required value
            spec.containers[0].volumeMounts[1].name: Not found: "w"
            spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique
            spec.containers[0].volumeMounts[2].name: Not found: "c"
            spec.containers[0].volumeMounts[2].mountPath: Required value
            spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain '..'
        "#]],
    );
}

#[test]
fn probes_and_hooks() {
    check(
        &pod(
            "{initContainers: [{name: i, image: x, livenessProbe: {exec: {command: [a]}}}], containers: [{name: a, image: x, livenessProbe: {successThreshold: 2, httpGet: {port: 0, scheme: FTP}}, readinessProbe: {}, startupProbe: {exec: {command: []}, tcpSocket: {port: web}, periodSeconds: -1}}]}",
        ),
        expect![[r#"
            spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"
            spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1
            spec.containers[0].readinessProbe: Required value: must specify a handler type
            spec.containers[0].startupProbe.exec.command: Required value
            spec.containers[0].startupProbe.tcpSocket: Forbidden: may not specify more than 1 handler type
            spec.containers[0].startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0
            spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always
        "#]],
    );
}

#[test]
fn scheduling() {
    check(
        &pod(
            "{restartPolicy: Sometimes, dnsPolicy: Mine, hostname: a.b, activeDeadlineSeconds: 0, nodeSelector: {'a b': c}, tolerations: [{effect: Never}, {key: k, operator: Exists, value: v}, {key: k, tolerationSeconds: 3}], topologySpreadConstraints: [{maxSkew: 0, topologyKey: '', whenUnsatisfiable: X}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}, {key: b, operator: Near}]}]}}, podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: {topologyKey: ''}}]}}, containers: [{name: a, image: x}]}",
        ),
        expect![[r#"
            spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"
            spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"
            spec.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
            spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].operator: Invalid value: "Near": not a valid selector operator
            spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100
            spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Required value: can not be empty
            spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "": name part must be non-empty
            spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero
            spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty
            spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "X": supported values: "DoNotSchedule", "ScheduleAnyway"
            spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive
            spec.hostname: Invalid value: "a.b": must not contain dots
            spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"
            spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"
            spec.tolerations[1].operator: Invalid value: "v": value must be empty when `operator` is 'Exists'
            spec.tolerations[2].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set
        "#]],
    );
}

#[test]
fn metadata() {
    check(
        "{apiVersion: v1, kind: ConfigMap}",
        expect![[r#"
        metadata.name: Required value: name or generateName is required
    "#]],
    );
    check("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: web-}}", expect![[""]]);
    check(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: Web_1, labels: {'a/b/c': x, ok: 'not ok', '/x': y}, finalizers: ['a b'], ownerReferences: [{kind: Pod, name: x}]}}",
        expect![[r#"
            metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            metadata.labels: Invalid value: "/x": prefix part must be non-empty
            metadata.labels: Invalid value: "a/b/c": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')
            metadata.labels: Invalid value: "not ok": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty
            metadata.ownerReferences.uid: Invalid value: "": must not be empty
            metadata.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            metadata.finalizers[0]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified
        "#]],
    );
    check_change(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, finalizers: [a/a, b/b]}}",
        Some(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [a/a], deletionTimestamp: '2026-01-01T00:00:00Z'}}",
        ),
        expect![[r#"
            metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"b/b"}
            metadata.name: Invalid value: "b": field is immutable
        "#]],
    );
}

#[test]
fn pods_hardly_change() {
    let old = pod("{containers: [{name: web, image: nginx:1}]}");
    check_change(
        &pod("{containers: [{name: web, image: nginx:2}], tolerations: [{key: a, operator: Exists}]}"),
        Some(&old),
        expect![""],
    );
    check_change(
        &pod("{containers: [{name: web, image: nginx, imagePullPolicy: Always}], hostname: x}"),
        Some(&old),
        expect![[r#"
        spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
    "#]],
    );
}

fn deployment(spec: &str) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {spec}}}")
}

const TEMPLATE: &str =
    "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: x}]}}";

#[test]
fn deployments() {
    check(
        &deployment("{}"),
        expect![[r#"
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`
        spec.template.spec.containers: Required value
    "#]],
    );
    check(&deployment(&format!("{{selector: {{matchLabels: {{app: web}}}}, {TEMPLATE}}}")), expect![[""]]);
    check(
        &deployment(&format!("{{replicas: -1, selector: {{matchLabels: {{app: db}}}}, {TEMPLATE}}}")),
        expect![[r#"
        spec.replicas: Invalid value: -1: must be greater than or equal to 0
        spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`
    "#]],
    );
    check(
        &deployment(&format!(
            "{{selector: {{matchLabels: {{app: web}}}}, progressDeadlineSeconds: 5, minReadySeconds: 9, strategy: {{rollingUpdate: {{maxSurge: 0, maxUnavailable: 0%}}}}, {TEMPLATE}}}"
        )),
        expect![[r#"
            spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0
            spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds
        "#]],
    );
    check(
        &deployment(&format!(
            "{{selector: {{matchLabels: {{app: web}}}}, strategy: {{type: Recreate, rollingUpdate: {{maxSurge: 1}}}}, {TEMPLATE}}}"
        )),
        expect![[r#"
            spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'
        "#]],
    );
    check(
        &deployment(&format!(
            "{{selector: {{matchLabels: {{app: web}}}}, strategy: {{type: Magic}}, {}}}",
            TEMPLATE.replace("containers", "restartPolicy: Never, containers")
        )),
        expect![[r#"
            spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"
            spec.strategy: Unsupported value: {"Type":"Magic","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"
        "#]],
    );
    check_change(
        &deployment(
            "{selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: x}]}}}",
        ),
        Some(&deployment(&format!("{{selector: {{matchLabels: {{app: web}}}}, {TEMPLATE}}}"))),
        expect![[r#"
            spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable
        "#]],
    );
}

pub(super) fn service(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {spec}}}")
}

#[test]
fn services() {
    check(&service("{ports: [{port: 80}]}"), expect![[""]]);
    check(
        &service("{}"),
        expect![[r#"
        spec.ports: Required value
    "#]],
    );
    check(&service("{clusterIP: None}"), expect![[""]]);
    check(
        &service("{ports: [{port: 80}, {port: 80, nodePort: 30000}, {port: 0, protocol: X, name: a.b}]}"),
        expect![[r#"
            spec.ports[0].name: Required value
            spec.ports[1].name: Required value
            spec.ports[2].name: Invalid value: "a.b": must not contain dots
            spec.ports[2].port: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.ports[2].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"
            spec.ports[2].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'
            spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}
        "#]],
    );
    check(
        &service(
            "{type: Magic, clusterIP: here, sessionAffinity: Yes, externalTrafficPolicy: Local, ports: [{port: 80}]}",
        ),
        expect![[r#"
            spec.sessionAffinity: Unsupported value: "Yes": supported values: "ClientIP", "None"
            spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"
            spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services
        "#]],
    );
    check(
        &service("{type: ExternalName}"),
        expect![[r#"
        spec.externalName: Required value
    "#]],
    );
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: 1web}, spec: {ports: [{port: 80}]}}",
        expect![[r#"
        metadata.name: Invalid value: "1web": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
    "#]],
    );
    check_change(
        &service("{clusterIP: 10.0.0.2, ports: [{port: 80}]}"),
        Some(&service("{clusterIP: 10.0.0.1, ports: [{port: 80}]}")),
        expect![[r#"
        spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set
    "#]],
    );
}

#[test]
fn configuration() {
    check(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, type: kubernetes.io/tls, data: {'a b': YQ==}}",
        expect![[r#"
        data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
        data[tls.crt]: Required value
        data[tls.key]: Required value
    "#]],
    );
    check_change(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}",
        Some("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: a}, immutable: true}"),
        expect![[r#"
            immutable: Forbidden: field is immutable when `immutable` is set
            data: Forbidden: field is immutable when `immutable` is set
        "#]],
    );
    check_change(
        "{apiVersion: v1, kind: Secret, metadata: {name: c}, type: b}",
        Some("{apiVersion: v1, kind: Secret, metadata: {name: c}, type: a}"),
        expect![[r#"
            type: Invalid value: "b": field is immutable
        "#]],
    );
    check(
        "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {taints: [{key: a, effect: X}, {key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}}",
        expect![[r#"
            metadata.taints[0].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"
            metadata.taints[2]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair
        "#]],
    );
    check(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv5, endpoints: [{addresses: []}]}",
        expect![[r#"
        addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"
        endpoints[0].addresses: Required value: must contain at least 1 address
    "#]],
    );
    check(
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {leaseDurationSeconds: 0}}",
        expect![[r#"
        spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0
    "#]],
    );
}
