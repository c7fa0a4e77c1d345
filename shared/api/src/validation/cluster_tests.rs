//! Validation of what clusters are furnished with: volumes, classes, policies, quotas.

use expect_test::expect;

use super::tests::{check, check_change};

#[test]
fn volumes() {
    check(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {accessModes: [ReadWriteOncePod, Often], capacity: {cpu: 1}, persistentVolumeReclaimPolicy: Forget, volumeMode: Tape}}",
        expect![[r#"
            spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
            spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"
            spec.persistentVolumeReclaimPolicy: Unsupported value: "Forget": supported values: "Delete", "Recycle", "Retain"
            spec: Required value: must specify a volume type
            spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"
        "#]],
    );
    check(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 0}, hostPath: {path: ../x}, local: {path: /x}}}",
        expect![[r#"
            spec.capacity[storage]: Invalid value: "0": must be greater than zero
            spec.hostPath.path: Invalid value: "../x": must not contain '..'
            spec.local: Forbidden: may not specify more than 1 volume type
            spec.nodeAffinity: Required value: Local volume requires node affinity
        "#]],
    );
    let volume = "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /x}}}";
    check_change(
        &volume.replace("/x", "/y"),
        Some(volume),
        expect![[r#"
        spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation
    "#]],
    );
    check_change(&volume.replace("1Gi", "2Gi"), Some(volume), expect![""]);
}

#[test]
fn claims() {
    let bound = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], volumeName: v, resources: {requests: {storage: 2Gi}}}, status: {phase: Bound, capacity: {storage: 2Gi}}}";
    check(bound, expect![""]);
    check(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {}}",
        expect![[r#"
        spec.accessModes: Required value: at least 1 access mode is required
        spec.resources[storage]: Required value
    "#]],
    );
    check_change(
        &bound.replace("volumeName: v", "volumeName: w"),
        Some(bound),
        expect![[r#"
        spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims
    "#]],
    );
    check_change(
        &bound.replacen("2Gi", "1Gi", 1),
        Some(bound),
        expect![[r#"
        spec.resources.requests.storage: Forbidden: field can not be less than status.capacity
    "#]],
    );
    check_change(&bound.replacen("2Gi", "3Gi", 1), Some(bound), expect![""]);
}

#[test]
fn what_provides_volumes() {
    let class =
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: s}, provisioner: x.io/y}";
    let odd = class.replace("provisioner: x.io/y", "reclaimPolicy: Recycle, volumeBindingMode: Late");
    check(
        &odd,
        expect![[r#"
        provisioner: Required value
        reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"
        volumeBindingMode: Unsupported value: "Late": supported values: "Immediate", "WaitForFirstConsumer"
    "#]],
    );
    check_change(
        &class.replace("x.io/y", "x.io/z"),
        Some(class),
        expect![[r#"
        provisioner: Forbidden: updates to provisioner are forbidden.
    "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: a}, spec: {}}",
        expect![[r#"
            spec.attacher: Required value
            spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName
            spec.nodeName: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.attacher: Required value
            spec.attacher: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: x.io}, spec: {fsGroupPolicy: X, volumeLifecycleModes: [Y]}}",
        expect![[r#"
            spec.fsGroupPolicy: Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"
            spec.volumeLifecycleModes: Unsupported value: "Y": supported values: "Persistent", "Ephemeral"
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: n}, spec: {drivers: [{name: a}, {name: a, nodeID: b}]}}",
        expect![[r#"
            spec.drivers[0].nodeID: Required value
            spec.drivers[1].name: Duplicate value: "a"
        "#]],
    );
}

#[test]
fn ingresses() {
    check(
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {}}",
        expect![[r#"
        spec: Invalid value: []: either `defaultBackend` or `rules` must be specified
    "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {defaultBackend: {}, tls: [{hosts: ['a..b']}], rules: [{host: 10.0.0.1}, {host: '*.a.io', http: {paths: []}}, {host: '*a', http: {paths: [{path: x, pathType: Prefix, backend: {service: {name: s}}}, {path: /, backend: {service: {name: s, port: {name: a, number: 1}}, resource: {kind: K, name: n}}}, {pathType: Regex, backend: {service: {name: S, port: {number: 70000}}}}]}}]}}",
        expect![[r#"
            spec.defaultBackend: Invalid value: "": resource or service backend is required
            spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address
            spec.rules[1].http.paths: Required value
            spec.rules[2].host: Invalid value: "*a": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.rules[2].http.paths[0].path: Invalid value: "x": must be an absolute path
            spec.rules[2].http.paths[0].backend: Required value: port name or number is required
            spec.rules[2].http.paths[1].pathType: Required value: pathType must be specified
            spec.rules[2].http.paths[2].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"
            spec.rules[2].http.paths[2].backend.service.name: Invalid value: "S": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.rules[2].http.paths[2].backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive
            spec.tls[0].hosts[0]: Invalid value: "a..b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: i}, spec: {controller: nginx, parameters: {scope: Namespace}}}",
        expect![[r#"
            spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")
            spec.parameters.kind: Required value
            spec.parameters.name: Required value
            spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'
        "#]],
    );
}

#[test]
fn network_policies() {
    check(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n}, spec: {podSelector: {}, policyTypes: [Sideways], ingress: [{from: [{}, {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16, x]}}]}], egress: [{ports: [{port: 80, endPort: 70}, {port: web, endPort: 3}, {protocol: ICMP}]}]}}",
        expect![[r#"
            spec.ingress[0].from[0]: Required value: must specify a peer
            spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer
            spec.ingress[0].from[2].ipBlock.except[1]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`
            spec.ingress[0].from[2].ipBlock.except[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            spec.egress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`
            spec.egress[0].ports[1].endPort: Invalid value: 3: may not be specified when `port` is non-numeric
            spec.egress[0].ports[2].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"
            spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"
        "#]],
    );
}

#[test]
fn quotas_and_limits() {
    check(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: 1500m, cpu: 500m, chairs: 3, count/deployments.apps: 2, memory: -1}, scopes: [BestEffort, BestEffort, Some]}}",
        expect![[r#"
            spec.hard[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified
            spec.hard[chairs]: Invalid value: "chairs": must be a standard resource for quota
            spec.hard[memory]: Invalid value: "-1": must be greater than or equal to 0
            spec.hard[pods]: Invalid value: "1500m": must be an integer
            spec.scopes: Invalid value: ["BestEffort","BestEffort","Some"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","BestEffort","Some"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","BestEffort","Some"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","BestEffort","Some"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","BestEffort","Some"]: unsupported scope
        "#]],
    );
    check(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, min: {cpu: 2}, max: {cpu: 1}, default: {memory: 1Mi}, defaultRequest: {memory: 2Mi}, maxLimitRequestRatio: {cpu: 500m}}, {type: Pod, default: {cpu: 1}}, {type: Pod}, {type: Thing}, {type: PersistentVolumeClaim}]}}",
        expect![[r#"
            spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1
            spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1
            spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1
            spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1
            spec.limits[0].defaultRequest[memory]: Invalid value: "2Mi": default request value 2Mi is greater than default limit value 1Mi
            spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod'
            spec.limits[2].type: Duplicate value: "Pod"
            spec.limits[3].type: Invalid value: "Thing": must be a standard limit type or fully qualified
            spec.limits[4].limits: Required value: either minimum or maximum storage value is required, but neither was provided
        "#]],
    );
}

#[test]
fn classes_and_templates() {
    let class = "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7}";
    check(
        &class.replace('7', "1000000001"),
        expect![[r#"
        value: Forbidden: maximum allowed value of a user defined priority is 1000000000
    "#]],
    );
    check(
        &class.replace("high", "system-mine"),
        expect![[r#"
            metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class
        "#]],
    );
    check(&class.replace("high", "system-cluster-critical").replace('7', "2000000000"), expect![""]);
    check_change(
        &class.replace('7', "8, preemptionPolicy: Never"),
        Some(class),
        expect![[r#"
        value: Forbidden: may not be changed in an update.
        preemptionPolicy: Invalid value: "Never": field is immutable
    "#]],
    );
    let runtime = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, handler: kata}";
    check_change(
        &runtime.replace("handler: kata", "handler: Kata"),
        Some(runtime),
        expect![[r#"
            handler: Invalid value: "Kata": field is immutable
        "#]],
    );
    check(
        "{apiVersion: v1, kind: PodTemplate, metadata: {name: t}, template: {metadata: {labels: {a: '-'}}, spec: {containers: []}}}",
        expect![[r#"
            template.labels: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            template.spec.containers: Required value
        "#]],
    );
}
