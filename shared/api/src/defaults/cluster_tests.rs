//! Defaults of what clusters are furnished with: volumes, classes, policies.

use expect_test::expect;

use super::tests::check;

#[test]
fn storage() {
    check(
        "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {hostPath: {path: /data}}}",
        expect![[r#"
            apiVersion: v1
            kind: PersistentVolume
            metadata:
              name: v
            spec:
              hostPath:
                path: /data
                type: ''
              persistentVolumeReclaimPolicy: Retain
              volumeMode: Filesystem
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: s}, provisioner: x.io/y}",
        expect![[r#"
            apiVersion: storage.k8s.io/v1
            kind: StorageClass
            metadata:
              name: s
            provisioner: x.io/y
            reclaimPolicy: Delete
            volumeBindingMode: Immediate
        "#]],
    );
    check(
        "{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: x.io}, spec: {}}",
        expect![[r#"
            apiVersion: storage.k8s.io/v1
            kind: CSIDriver
            metadata:
              name: x.io
            spec:
              attachRequired: true
              fsGroupPolicy: ReadWriteOnceWithFSType
              podInfoOnMount: false
              requiresRepublish: false
              seLinuxMount: false
              storageCapacity: false
              volumeLifecycleModes:
              - Persistent
        "#]],
    );
}

#[test]
fn policies() {
    check(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 2}, min: {memory: 1Mi}}, {type: Pod, max: {cpu: 4}}]}}",
        expect![[r#"
            apiVersion: v1
            kind: LimitRange
            metadata:
              name: l
            spec:
              limits:
              - default:
                  cpu: '2'
                defaultRequest:
                  cpu: '2'
                  memory: 1Mi
                max:
                  cpu: '2'
                min:
                  memory: 1Mi
                type: Container
              - max:
                  cpu: '4'
                type: Pod
        "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n}, spec: {podSelector: {}, egress: [{ports: [{port: 53}]}]}}",
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: n
            spec:
              egress:
              - ports:
                - port: 53
                  protocol: TCP
              podSelector: {}
              policyTypes:
              - Ingress
              - Egress
        "#]],
    );
    check(
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7}",
        expect![[r#"
            apiVersion: scheduling.k8s.io/v1
            kind: PriorityClass
            metadata:
              name: high
            preemptionPolicy: PreemptLowerPriority
            value: 7
        "#]],
    );
    check(
        "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: i}, spec: {controller: x.io/y, parameters: {kind: P, name: p}}}",
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: IngressClass
            metadata:
              name: i
            spec:
              controller: x.io/y
              parameters:
                kind: P
                name: p
                scope: Cluster
        "#]],
    );
}
