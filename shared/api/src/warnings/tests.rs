//! Warnings of objects in YAML.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::{deprecation, of};
use crate::kinds::by_gvk;

fn warnings(yaml: &str, old: Option<&str>) -> String {
    let read = |yaml: &str| -> Value { serde_yaml_ng::from_str(yaml).unwrap() };
    let object = read(yaml);
    let kind = by_gvk(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()).unwrap();
    let lines = of(kind, &object, old.map(read).as_ref());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&warnings(yaml, None));
}

#[test]
fn of_pods() {
    check(
        "
apiVersion: v1
kind: Pod
metadata:
  name: a.b
  annotations: {scheduler.alpha.kubernetes.io/critical-pod: '', seccomp.security.alpha.kubernetes.io/pod: x}
spec:
  nodeSelector: {beta.kubernetes.io/os: linux, node-role.kubernetes.io/master: ''}
  terminationGracePeriodSeconds: -1
  hostAliases: [{ip: 1.2.3.4}, {ip: 1.2.3.4}]
  imagePullSecrets: [{name: a}, {name: a}, {}]
  overhead: {memory: 100m}
  volumes: [{name: v, gitRepo: {repository: x}}, {name: w, rbd: {}}, {name: x, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1500m}}}}}}]
  topologySpreadConstraints: [{topologyKey: failure-domain.beta.kubernetes.io/zone}]
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: beta.kubernetes.io/arch, operator: Exists}]}]}
    podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}
    podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: a}}]}
  containers:
  - name: c
    resources: {limits: {memory: 1500m}}
    env: [{name: A, value: x}, {name: A, value: $(A)y}, {name: A, value: z}, {name: A, valueFrom: {}}]
    ports: [{containerPort: 80, protocol: TCP, hostPort: 80, hostIP: 1.2.3.4}, {containerPort: 80, protocol: TCP, hostPort: 80}]
  - name: d
    ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP, hostIP: 1.1.1.1}]
",
        expect![[r#"
            metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]
            spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead
            spec.nodeSelector[node-role.kubernetes.io/master]: use "node-role.kubernetes.io/control-plane" instead
            spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/arch is deprecated since v1.14; use "kubernetes.io/arch" instead
            spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead
            spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod
            metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead
            spec.volumes[0].gitRepo: deprecated in v1.11
            spec.volumes[1].rbd: deprecated in v1.28, non-functional in v1.31+
            spec.volumes[2].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer
            spec.hostAliases[1].ip: duplicate ip "1.2.3.4"
            spec.imagePullSecrets[1].name: duplicate name "a"
            spec.imagePullSecrets[2].name: invalid empty name ""
            spec.overhead[memory]: fractional byte value "100m" is invalid, must be an integer
            metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead
            spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer
            spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply
            spec.containers[0].env[3]: hides previous definition of "A", which may be dropped when using apply
            spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]
            spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]
            spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[1]
            spec.containers[1].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:UDP HostIP:1.1.1.1}
            spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1
            spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod
            spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod
        "#]],
    );
}

#[test]
fn of_what_makes_pods() {
    let job = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: j, generation: 1}, spec: {jobTemplate: {spec: {template: {metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/c: x}}, spec: {nodeSelector: {beta.kubernetes.io/os: linux}, containers: [{name: c}]}}}}}}";
    check(
        job,
        expect![[r#"
            spec.jobTemplate.spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead
            spec.jobTemplate.spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead
        "#]],
    );
    assert_eq!(warnings(job, Some(job)), "", "nothing else is wanted than before");
    let other = job.replace("generation: 1", "generation: 2");
    assert_eq!(warnings(&other, Some(job)), warnings(job, None));
    check(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a.b}, spec: {template: {spec: {}}}}",
        expect![[r#"
            metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]
        "#]],
    );
    check(
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {revisionHistoryLimit: -1, template: {spec: {}}, volumeClaimTemplates: [{spec: {resources: {requests: {storage: 100m}}}}]}}",
        expect![[r#"
            spec.volumeClaimTemplates[0].spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer
            spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended
        "#]],
    );
}

#[test]
fn of_other_kinds() {
    for (yaml, expected) in [
        (
            "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: ClusterIP, clusterIP: None, sessionAffinity: ClientIP, externalName: x, externalIPs: [1.2.3.4]}}",
            expect![[r#"
                spec.externalIPs is ignored for headless services
                spec.SessionAffinity is ignored for headless services
                spec.externalName is ignored when spec.type is not "ExternalName"
            "#]],
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {service.kubernetes.io/topology-aware-hints: auto}}, spec: {type: ClusterIP, clusterIP: 10.0.0.1, sessionAffinity: None}}",
            expect![[r#"
                annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead
            "#]],
        ),
        (
            "{apiVersion: v1, kind: PersistentVolume, metadata: {name: p, annotations: {volume.beta.kubernetes.io/storage-class: x}}, spec: {persistentVolumeReclaimPolicy: Recycle}}",
            expect![[r#"
                metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead
                spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.
            "#]],
        ),
        (
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}, spec: {resources: {requests: {storage: 100m}}}}",
            expect![[r#"
                spec.resources.requests[storage]: fractional byte value "100m" is invalid, must be an integer
            "#]],
        ),
        (
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, annotations: {kubernetes.io/ingress.class: x}}, spec: {}}",
            expect![[r#"
                annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead
            "#]],
        ),
        (
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: s, annotations: {kubernetes.io/enforce-mountable-secrets: 'true'}}}",
            expect![[r#"
                metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets
            "#]],
        ),
    ] {
        check(yaml, expected);
    }
    check("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}", expect![[""]]);
    assert_eq!(deprecation("apps", "v1", "Deployment"), None);
    assert!(deprecation("", "v1", "Endpoints").is_some());
}
