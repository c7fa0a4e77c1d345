//! Tables of what clusters are furnished with: volumes, classes, policies, quotas.

use expect_test::expect;

use super::tests::check;

#[test]
fn storage() {
    check(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {capacity: {storage: 5Gi}, accessModes: [ReadOnlyMany, ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, storageClassName: fast, volumeMode: Filesystem, claimRef: {namespace: d, name: c}}, status: {phase: Bound}}",
        expect![[r#"
            Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass | VolumeAttributesClass | Reason | Age | VolumeMode
            v | 5Gi | RWO,ROX | Retain | Bound | d/c | fast | <unset> |  | 60m | Filesystem
        "#]],
    );
    check(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {volumeName: v, storageClassName: fast, volumeMode: Filesystem}, status: {phase: Bound, accessModes: [ReadWriteOncePod], capacity: {storage: 5Gi}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, deletionTimestamp: '2026-01-01T11:00:00Z'}, status: {phase: Pending, capacity: {storage: 5Gi}}}",
        expect![[r#"
            Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age | VolumeMode
            c | Bound | v | 5Gi | RWOP | fast | <unset> | <unknown> | Filesystem
            c | Terminating |  |  |  |  | <unset> | <unknown> | <unset>
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: x.io/y, reclaimPolicy: Delete, volumeBindingMode: Immediate}",
        expect![[r#"
            Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion | Age
            fast (default) | x.io/y | Delete | Immediate | false | <unknown>
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: a}, spec: {attacher: x.io, nodeName: n1, source: {persistentVolumeName: v}}, status: {attached: true}}",
        expect![[r#"
            Name | Attacher | PV | Node | Attached | Age
            a | x.io | v | n1 | true | <unknown>
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: x.io}, spec: {attachRequired: false, tokenRequests: [{audience: a}, {audience: b}], volumeLifecycleModes: [Persistent, Ephemeral]}}",
        expect![[r#"
            Name | AttachRequired | PodInfoOnMount | StorageCapacity | TokenRequests | RequiresRepublish | Modes | Age
            x.io | false | false | false | a,b | false | Persistent,Ephemeral | <unknown>
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: n1}, spec: {drivers: [{name: x.io}]}}",
        expect![[r#"
            Name | Drivers | Age
            n1 | 1 | <unknown>
        "#]],
    );
}

#[test]
fn ingresses_and_network_policies() {
    check(
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, spec: {ingressClassName: nginx, tls: [{}], rules: [{host: a.io}, {host: b.io}, {host: c.io}, {host: d.io}]}, status: {loadBalancer: {ingress: [{hostname: lb.io}, {ip: 10.0.0.1}]}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: b}, spec: {defaultBackend: {}}}",
        expect![[r#"
            Name | Class | Hosts | Address | Ports | Age
            a | nginx | a.io,b.io,c.io + 1 more... | 10.0.0.1,lb.io | 80, 443 | <unknown>
            b | <none> | * |  | 80 | <unknown>
        "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: a}, spec: {controller: x.io/y, parameters: {apiGroup: x.io, kind: P, name: p}}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: b}, spec: {controller: x.io/y}}",
        expect![[r#"
            Name | Controller | Parameters | Age
            a | x.io/y | P.x.io/p | <unknown>
            b | x.io/y | <none> | <unknown>
        "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {matchLabels: {app: web}}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: b}, spec: {podSelector: {}}}",
        expect![[r#"
            Name | Pod-Selector | Age
            a | app=web | <unknown>
            b | <none> | <unknown>
        "#]],
    );
}

#[test]
fn quotas_and_classes() {
    check(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, status: {hard: {pods: '4', limits.cpu: '2', requests.cpu: '1'}, used: {pods: '1', limits.cpu: 500m}}}",
        expect![[r#"
            Name | Request | Limit | Age
            q | pods: 1/4, requests.cpu: 0/1 | limits.cpu: 500m/2 | <unknown>
        "#]],
    );
    check(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: l, creationTimestamp: '2026-01-01T11:00:00Z'}}",
        expect![[r#"
            Name | Created At
            l | 2026-01-01T11:00:00Z
        "#]],
    );
    check(
        "{apiVersion: v1, kind: PodTemplate, metadata: {name: t}, template: {metadata: {labels: {b: c, a: b}}, spec: {containers: [{name: x, image: i}, {name: y, image: j}]}}}",
        expect![[r#"
            Name | Containers | Images | Pod Labels
            t | x,y | i,j | a=b,b=c
        "#]],
    );
    check(
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7, preemptionPolicy: Never}",
        expect![[r#"
            Name | Value | Global-Default | Age | PreemptionPolicy
            high | 7 | false | <unknown> | Never
        "#]],
    );
    check(
        "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, handler: kata}",
        expect![[r#"
            Name | Handler | Age
            kata | kata | <unknown>
        "#]],
    );
}
