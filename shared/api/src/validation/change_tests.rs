//! Validation of services, nodes, workloads and quotas, and of what of them may change.

use expect_test::expect;

use super::tests::{check, check_change, found, service};

#[test]
fn kinds_of_services() {
    check(
        &service(
            "{type: ExternalName, externalName: A, clusterIP: 10.0.0.1, ports: [{port: 80, targetPort: A}]}",
        ),
        expect![[r#"
            spec.clusterIPs: Forbidden: may not be set for ExternalName services
            spec.externalName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.ports[0].targetPort: Invalid value: "A": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
            spec.ports[0].targetPort: Invalid value: "A": must contain at least one letter (a-z)
        "#]],
    );
    check(
        &service(
            "{type: LoadBalancer, loadBalancerSourceRanges: [x], loadBalancerClass: 'a b', sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, internalTrafficPolicy: Odd, externalTrafficPolicy: Odd, ports: [{port: 80, nodePort: 30000, appProtocol: 'a b'}, {name: b, port: 81, nodePort: 30000}], externalIPs: [127.0.0.1, x]}",
        ),
        expect![[r#"
            spec.ports[0].name: Required value
            spec.ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400
            spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
            spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            spec.ports[1].nodePort: Duplicate value: 30000
            spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            spec.loadBalancerClass: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.externalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"
            spec.internalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"
        "#]],
    );
    check(
        &service(
            "{ipFamilyPolicy: Odd, ipFamilies: [IPv4, IPv4, IPv5], clusterIPs: [None, 10.0.0.1, 10.0.0.2], clusterIP: None, trafficDistribution: Odd, selector: {'a b': c}, ports: [{port: 80, targetPort: ABC}], allocateLoadBalancerNodePorts: true, loadBalancerClass: a, healthCheckNodePort: 5}",
        ),
        expect![[r#"
            spec.ports[0].targetPort: Invalid value: "ABC": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
            spec.ports[0].targetPort: Invalid value: "ABC": must contain at least one letter (a-z)
            spec.selector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.ipFamilies[1]: Duplicate value: "IPv4"
            spec.ipFamilies[2]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"
            spec.ipFamilyPolicy: Unsupported value: "Odd": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"
            spec.clusterIPs: Invalid value: ["None","10.0.0.1","10.0.0.2"]: 'None' must be the first and only value
            spec.clusterIPs: Invalid value: ["None","10.0.0.1","10.0.0.2"]: may only hold up to 2 values
            spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'
            spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'
            spec.healthCheckNodePort: Invalid value: 5: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'
            spec.trafficDistribution: Unsupported value: "Odd": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"
        "#]],
    );
}

#[test]
fn what_of_a_service_may_change() {
    let plain = service("{clusterIP: 10.0.0.1, ports: [{port: 80}]}");
    check_change(&service("{type: ExternalName, externalName: a.io}"), Some(&plain), expect![[""]]);
    check_change(
        &service("{clusterIP: None, ports: [{port: 80}]}"),
        Some(&plain),
        expect![[r#"
        spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set
    "#]],
    );
    let balanced =
        service("{type: LoadBalancer, loadBalancerClass: a.io/b, clusterIP: 10.0.0.1, ports: [{port: 80}]}");
    check_change(
        &balanced.replace("a.io/b", "a.io/c"),
        Some(&balanced),
        expect![[r#"
        spec.loadBalancerClass: Invalid value: "a.io/c": may not change once set
    "#]],
    );
    check_change(&plain, Some(&balanced), expect![[""]]);
}

#[test]
fn endpoints() {
    check(
        "{apiVersion: v1, kind: Endpoints, metadata: {name: e}, subsets: [{}, {addresses: [{ip: x, hostname: A, nodeName: N}, {ip: 127.0.0.1}], ports: [{port: 0, protocol: X}, {port: 1, name: A}]}]}",
        expect![[r#"
            subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`
            subsets[1].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            subsets[1].addresses[0].hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            subsets[1].addresses[0].nodeName: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            subsets[1].addresses[1].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
            subsets[1].ports[0].name: Required value
            subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
            subsets[1].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"
            subsets[1].ports[1].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        "#]],
    );
    check(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, endpoints: [{addresses: ['::1', 127.0.0.1, x], hostname: A, nodeName: 'N ', hints: {forZones: [{name: a}, {name: a}]}, deprecatedTopology: {a b: c}}], ports: [{name: A, port: 0, protocol: X, appProtocol: a b}, {port: 1}, {port: 2}]}",
        expect![[r#"
            endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address
            endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)
            endpoints[0].addresses[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)
            endpoints[0].addresses[2]: Invalid value: "x": must be a valid IPv4 address
            endpoints[0].nodeName: Invalid value: "N ": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            endpoints[0].deprecatedTopology: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            endpoints[0].hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            endpoints[0].hints.forZones[1].name: Duplicate value: "a"
            ports[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"
            ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            ports[2].name: Duplicate value: ""
        "#]],
    );
    let slice = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e}, addressType: IPv4, endpoints: []}";
    check_change(
        &slice.replace("IPv4", "IPv6"),
        Some(slice),
        expect![[r#"
        addressType: Invalid value: "IPv6": field is immutable
    "#]],
    );
}

#[test]
fn nodes() {
    let node = "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {providerID: a, podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24]}}";
    check_change(
        &node.replace("providerID: a", "providerID: b").replace("10.0.0.0/24", "10.1.0.0/24"),
        Some(node),
        expect![[r#"
            spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid
            spec.providerID: Forbidden: node updates may not change providerID except from "" to valid
        "#]],
    );
    check(
        "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {podCIDRs: [10.0.0.0/24, 10.1.0.0/24, x], taints: [{key: '', value: 'a b', effect: ''}]}, status: {addresses: [{type: Hostname, address: a}, {type: Hostname, address: a}], capacity: {cpu: -1}}}",
        expect![[r#"
            metadata.taints[0].key: Invalid value: "": name part must be non-empty
            metadata.taints[0].key: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            metadata.taints[0].value: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            metadata.taints[0].effect: Required value
            status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0
            status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0
            spec.podCIDRs[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24","x"]: may specify no more than one CIDR for each IP family
        "#]],
    );
}

/// A job with these entries in its spec.
fn job(spec: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: j}}, spec: {{{spec}, template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: x}}]}}}}}}}}"
    )
}

#[test]
fn jobs() {
    check(
        &job(
            "parallelism: -1, completions: -1, activeDeadlineSeconds: -1, backoffLimit: -1, ttlSecondsAfterFinished: -1, completionMode: Odd, podReplacementPolicy: Odd, managedBy: x",
        ),
        expect![[r#"
            spec.parallelism: Invalid value: -1: must be greater than or equal to 0
            spec.completions: Invalid value: -1: must be greater than or equal to 0
            spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0
            spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0
            spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0
            spec.managedBy: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")
            spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"
            spec.podReplacementPolicy: Unsupported value: "Odd": supported values: "Failed", "TerminatingOrFailed"
            spec.selector: Required value
        "#]],
    );
    check(
        &job("manualSelector: true, completionMode: Indexed"),
        expect![[r#"
        spec.selector: Required value
    "#]],
    );
    check(
        &job(
            "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {containerName: b, operator: In, values: [3, 1, 1]}}, {action: Count, onPodConditions: [{type: a b, status: Odd}]}, {action: Ignore, onExitCodes: {operator: Near, values: []}, onPodConditions: [{type: a, status: 'True'}]}]}, podReplacementPolicy: TerminatingOrFailed",
        ),
        expect![[r#"
            spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "b": must be one of the container or initContainer names in the pod template
            spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 1
            spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1,1]: must be ordered
            spec.podFailurePolicy.rules[1].onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.podFailurePolicy.rules[1].onPodConditions[0].status: Unsupported value: "Odd": supported values: "False", "True", "Unknown"
            spec.podFailurePolicy.rules[2].onExitCodes.operator: Unsupported value: "Near": supported values: "In", "NotIn"
            spec.podFailurePolicy.rules[2].onExitCodes.values: Invalid value: []: at least one value is required
            spec.podFailurePolicy.rules[2]: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported
            spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"
            spec.selector: Required value
        "#]],
    );
}

#[test]
fn changes_of_jobs() {
    let old = job("completions: 3, parallelism: 1");
    check_change(
        &job("completions: 4, parallelism: 2"),
        Some(&old),
        expect![[r#"
        spec.selector: Required value
        spec.completions: Invalid value: 4: field is immutable
    "#]],
    );
    check_change(
        &old.replace("image: x", "image: y"),
        Some(&old),
        expect![[r#"
        spec.selector: Required value
        spec.template: Invalid value: {"metadata":{},"spec":{"containers":[{"image":"y","imagePullPolicy":"Always","name":"a","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Never","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}: field is immutable
    "#]],
    );
    let paused = job("suspend: true");
    let selected = paused.replace("containers:", "nodeSelector: {k: v}, containers:");
    check_change(
        &selected,
        Some(&paused),
        expect![[r#"
        spec.selector: Required value
    "#]],
    );
}

#[test]
fn cron_jobs() {
    check(
        "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {schedule: '', concurrencyPolicy: Odd, startingDeadlineSeconds: -1, successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1, timeZone: Nowhere/City, jobTemplate: {spec: {manualSelector: true, template: {spec: {restartPolicy: Always, containers: [{name: a, image: x}]}}}}}}",
        expect![[r#"
            spec.schedule: Required value
            spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0
            spec.timeZone: Invalid value: "Nowhere/City": unknown time zone Nowhere/City
            spec.concurrencyPolicy: Unsupported value: "Odd": supported values: "Allow", "Forbid", "Replace"
            spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"
            spec.jobTemplate.spec.manualSelector: Unsupported value: "true": supported values: "nil", "false"
            spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0
            spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
}

#[test]
fn workloads() {
    let selectorless = ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"].map(|kind| {
        let object = format!(
            "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: w}}, spec: {{selector: {{}}, serviceName: s, template: {{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{{name: a, image: x}}]}}}}}}}}"
        );
        found(&object, None)
    });
    expect![[r#"
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`
        spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`
    "#]]
    .assert_eq(&selectorless.concat());
    let set = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {serviceName: s, podManagementPolicy: Odd, updateStrategy: {type: Odd}, ordinals: {start: -1}, persistentVolumeClaimRetentionPolicy: {whenDeleted: Odd, whenScaled: Retain}, selector: {matchLabels: {app: a}}, volumeClaimTemplates: [{metadata: {name: c}, spec: {accessModes: [Often]}}], template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, activeDeadlineSeconds: 5, containers: [{name: a, image: x}]}}}}";
    check(
        set,
        expect![[r#"
        spec.podManagementPolicy: Invalid value: "Odd": must be 'OrderedReady' or 'Parallel'
        spec.updateStrategy: Invalid value: {"Type":"Odd","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'
        spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Odd": supported values: "Retain", "Delete"
        spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0
        spec.volumeClaimTemplates[0].spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
        spec.volumeClaimTemplates[0].spec.resources[storage]: Required value
        spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"
        spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported
    "#]],
    );
    check(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {selector: {matchLabels: {app: a}}, minReadySeconds: -1, revisionHistoryLimit: -1, updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}, template: {metadata: {labels: {app: a}}, spec: {ephemeralContainers: [{name: e, image: x}], containers: [{name: a, image: x}]}}}}",
        expect![[r#"
            spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template
            spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0
            spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero
            spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
}

#[test]
fn autoscalers_and_budgets() {
    check(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, spec: {minReplicas: 0, maxReplicas: 0, scaleTargetRef: {kind: '', name: a/b}, metrics: [{type: ''}, {type: Resource}, {type: Resource, resource: {name: '', target: {type: '', averageUtilization: 0}}}, {type: Pods, pods: {metric: {name: a/b}, target: {type: Value, value: 0}}}, {type: Object, object: {describedObject: {kind: K, name: n}, metric: {name: m}, target: {type: Value}}}, {type: External, external: {metric: {name: m}, target: {type: Value, value: 1, averageValue: 1}}}, {type: ContainerResource, containerResource: {name: cpu, container: '', target: {type: Utilization, averageUtilization: 5}}}], behavior: {scaleUp: {stabilizationWindowSeconds: 4000, selectPolicy: Odd, policies: [{type: Odd, value: 0, periodSeconds: 0}, {type: Pods, value: 1, periodSeconds: 2000}]}, scaleDown: {policies: []}}}}",
        expect![[r#"
            spec.minReplicas: Invalid value: 0: must be greater than or equal to 1
            spec.maxReplicas: Invalid value: 0: must be greater than 0
            spec.scaleTargetRef.kind: Required value
            spec.scaleTargetRef.name: Invalid value: "a/b": may not contain '/'
            spec.metrics[0].type: Required value: must specify a metric source type
            spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "Resource"
            spec.metrics[1].resource: Required value: must populate information for the given metric source
            spec.metrics[2].resource.name: Required value: must specify a resource name
            spec.metrics[2].resource.target.type: Required value: must specify a metric target type
            spec.metrics[2].resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue
            spec.metrics[2].resource.target.averageUtilization: Invalid value: 0: must be greater than 0
            spec.metrics[3].type: Unsupported value: "Pods": supported values: "ContainerResource", "Resource"
            spec.metrics[4].type: Unsupported value: "Object": supported values: "ContainerResource", "Resource"
            spec.metrics[5].type: Unsupported value: "External": supported values: "ContainerResource", "Resource"
            spec.metrics[6].containerResource.container: Required value: must specify a container
            spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600
            spec.behavior.scaleUp.selectPolicy: Unsupported value: "Odd": supported values: "Disabled", "Max", "Min"
            spec.behavior.scaleUp.policies[0].type: Unsupported value: "Odd": supported values: "Percent", "Pods"
            spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero
            spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 0: must be greater than zero
            spec.behavior.scaleUp.policies[1].periodSeconds: Invalid value: 2000: must be less than or equal to 1800
            spec.behavior.scaleDown.policies: Required value: must specify at least one Policy
        "#]],
    );
    check(
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: p}, spec: {minAvailable: 101%, maxUnavailable: -1, unhealthyPodEvictionPolicy: Odd, selector: {matchLabels: {a b: c}}}}",
        expect![[r#"
            spec: Invalid value: {"MinAvailable":"101%","Selector":{"matchLabels":{"a b":"c"}},"MaxUnavailable":-1,"UnhealthyPodEvictionPolicy":"Odd"}: minAvailable and maxUnavailable cannot be both set
            spec.minAvailable: Invalid value: "101%": must not be greater than 100%
            spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0
            spec.selector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.unhealthyPodEvictionPolicy: Unsupported value: "Odd": supported values: "AlwaysAllow", "IfHealthyBudget"
        "#]],
    );
}

#[test]
fn quotas_change_little() {
    let quota = |spec: &str| {
        format!("{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: q}}, spec: {{{spec}}}}}")
    };
    check(
        &quota(
            "hard: {requests.cpu: 1, services: 2}, scopes: [BestEffort, NotBestEffort, Terminating, NotTerminating]",
        ),
        expect![[r#"
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: unsupported scope applied to resource
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: conflicting scopes
            spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: conflicting scopes
        "#]],
    );
    check(
        &quota(
            "hard: {pods: 1}, scopeSelector: {matchExpressions: [{scopeName: Odd, operator: In}, {scopeName: BestEffort, operator: In, values: [a]}, {scopeName: PriorityClass, operator: Exists, values: [a]}, {scopeName: PriorityClass, operator: Near}]}",
        ),
        expect![[r#"
            spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Odd": unsupported scope
            spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector
            spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity
            spec.scopeSelector.matchExpressions.values: Invalid value: ["a"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector
            spec.scopeSelector.matchExpressions.operator: Invalid value: "Near": not a valid selector operator
        "#]],
    );
    check_change(
        &quota("hard: {pods: 1}, scopes: [BestEffort]"),
        Some(&quota("hard: {pods: 1}")),
        expect![[r#"
            spec.scopes: Invalid value: ["BestEffort"]: field is immutable
        "#]],
    );
}

#[test]
fn secrets_and_maps() {
    let secrets = [
        ("kubernetes.io/dockercfg", "{}"),
        ("kubernetes.io/dockercfg", "{.dockercfg: e30x}"),
        ("kubernetes.io/dockerconfigjson", "{.dockerconfigjson: e30x}"),
        ("kubernetes.io/basic-auth", "{}"),
        ("kubernetes.io/ssh-auth", "{}"),
        ("kubernetes.io/service-account-token", "{}"),
    ];
    let text = secrets.map(|(kind, data)| {
        let secret =
            format!("{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, type: {kind}, data: {data}}}");
        found(&secret, None)
    });
    expect![[r#"
        data[.dockercfg]: Required value
        data[.dockercfg]: Invalid value: "<secret contents redacted>": must be valid json
        data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be valid json
        data[username]: Required value
        data[password]: Required value
        data[ssh-privatekey]: Required value
        metadata.annotations[kubernetes.io/service-account.name]: Required value
    "#]]
    .assert_eq(&text.concat());
    check(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b, ..: x, '': y}, binaryData: {a: YQ==}}",
        expect![[r#"
            data[]: Invalid value: "": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            data[..]: Invalid value: "..": must not be '..'
            data[a]: Invalid value: "a": duplicate of key present in binaryData
        "#]],
    );
}

#[test]
fn events() {
    check(
        "{apiVersion: v1, kind: Event, metadata: {name: e, namespace: a}, involvedObject: {kind: Pod, namespace: b}}",
        expect![[r#"
            involvedObject.namespace: Invalid value: "b": does not match event.namespace
        "#]],
    );
}

#[test]
fn certificates() {
    check(
        "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: c}, spec: {request: YQ==, signerName: a, usages: [odd, odd], expirationSeconds: 5}}",
        expect![[r#"
            spec.usages[0]: Unsupported value: "odd": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"
            spec.usages[1]: Unsupported value: "odd": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"
            spec.signerName: Invalid value: "a": must be a fully qualified domain and path of the form 'example.com/signer-name'
            spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)
        "#]],
    );
}
