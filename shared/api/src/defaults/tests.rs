//! Defaults, as YAML.

use expect_test::{Expect, expect};
use serde_json::Value;

pub(super) fn check(yaml: &str, expected: Expect) {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = crate::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let mut object = kind.decode(object).unwrap().object;
    kind.default(&mut object);
    let once = object.clone();
    kind.default(&mut object);
    assert_eq!(object, once, "defaulting twice changes nothing");
    expected.assert_eq(&serde_yaml_ng::to_string(&object).unwrap());
}

#[test]
fn pods() {
    check(
        "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: init, image: 'registry:5000/busybox:1'}]
  containers: [{name: web, image: nginx}]
  volumes: [{name: scratch}, {name: config, configMap: {name: c}}]
",
        expect![[r#"
            apiVersion: v1
            kind: Pod
            metadata:
              name: web
            spec:
              containers:
              - image: nginx
                imagePullPolicy: Always
                name: web
                resources: {}
                terminationMessagePath: /dev/termination-log
                terminationMessagePolicy: File
              dnsPolicy: ClusterFirst
              enableServiceLinks: true
              initContainers:
              - image: registry:5000/busybox:1
                imagePullPolicy: IfNotPresent
                name: init
                resources: {}
                terminationMessagePath: /dev/termination-log
                terminationMessagePolicy: File
              preemptionPolicy: PreemptLowerPriority
              priority: 0
              restartPolicy: Always
              schedulerName: default-scheduler
              securityContext: {}
              serviceAccount: default
              serviceAccountName: default
              terminationGracePeriodSeconds: 30
              volumes:
              - emptyDir: {}
                name: scratch
              - configMap:
                  defaultMode: 420
                  name: c
                name: config
        "#]],
    );
}

#[test]
fn containers() {
    check(
        "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  containers:
  - name: web
    image: nginx@sha256:0
    ports: [{containerPort: 80}]
    livenessProbe: {httpGet: {port: 80}}
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {limits: {cpu: 1, memory: 64Mi}, requests: {memory: 32Mi}}
",
        expect![[r#"
            apiVersion: v1
            kind: Pod
            metadata:
              name: web
            spec:
              containers:
              - env:
                - name: IP
                  valueFrom:
                    fieldRef:
                      apiVersion: v1
                      fieldPath: status.podIP
                image: nginx@sha256:0
                imagePullPolicy: IfNotPresent
                livenessProbe:
                  failureThreshold: 3
                  httpGet:
                    path: /
                    port: 80
                    scheme: HTTP
                  periodSeconds: 10
                  successThreshold: 1
                  timeoutSeconds: 1
                name: web
                ports:
                - containerPort: 80
                  hostPort: 80
                  protocol: TCP
                resources:
                  limits:
                    cpu: '1'
                    memory: 64Mi
                  requests:
                    cpu: '1'
                    memory: 32Mi
                terminationMessagePath: /dev/termination-log
                terminationMessagePolicy: File
              dnsPolicy: ClusterFirst
              enableServiceLinks: true
              hostNetwork: true
              preemptionPolicy: PreemptLowerPriority
              priority: 0
              restartPolicy: Always
              schedulerName: default-scheduler
              securityContext: {}
              serviceAccount: default
              serviceAccountName: default
              terminationGracePeriodSeconds: 30
        "#]],
    );
}

#[test]
fn deployments() {
    check(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: nginx:1.27}]}}}
",
        expect![[r#"
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            spec:
              progressDeadlineSeconds: 600
              replicas: 1
              revisionHistoryLimit: 10
              selector:
                matchLabels:
                  app: web
              strategy:
                rollingUpdate:
                  maxSurge: 25%
                  maxUnavailable: 25%
                type: RollingUpdate
              template:
                metadata:
                  labels:
                    app: web
                spec:
                  containers:
                  - image: nginx:1.27
                    imagePullPolicy: IfNotPresent
                    name: web
                    resources: {}
                    terminationMessagePath: /dev/termination-log
                    terminationMessagePolicy: File
                  dnsPolicy: ClusterFirst
                  restartPolicy: Always
                  schedulerName: default-scheduler
                  securityContext: {}
                  terminationGracePeriodSeconds: 30
        "#]],
    );
}

#[test]
fn services() {
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}, {name: dns, port: 53, protocol: UDP, targetPort: dns}]}}",
        expect![[r#"
        apiVersion: v1
        kind: Service
        metadata:
          name: web
        spec:
          internalTrafficPolicy: Cluster
          ipFamilies:
          - IPv4
          ipFamilyPolicy: SingleStack
          ports:
          - port: 80
            protocol: TCP
            targetPort: 80
          - name: dns
            port: 53
            protocol: UDP
            targetPort: dns
          sessionAffinity: None
          type: ClusterIP
    "#]],
    );
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, sessionAffinity: ClientIP, ports: [{port: 80}]}}",
        expect![[r#"
        apiVersion: v1
        kind: Service
        metadata:
          name: web
        spec:
          allocateLoadBalancerNodePorts: true
          externalTrafficPolicy: Cluster
          internalTrafficPolicy: Cluster
          ipFamilies:
          - IPv4
          ipFamilyPolicy: SingleStack
          ports:
          - port: 80
            protocol: TCP
            targetPort: 80
          sessionAffinity: ClientIP
          sessionAffinityConfig:
            clientIP:
              timeoutSeconds: 10800
          type: LoadBalancer
    "#]],
    );
    check(
        "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: ExternalName, externalName: example.com}}",
        expect![[r#"
        apiVersion: v1
        kind: Service
        metadata:
          name: web
        spec:
          externalName: example.com
          sessionAffinity: None
          type: ExternalName
    "#]],
    );
}

#[test]
fn small_kinds() {
    check(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==}, stringData: {b: bee}}",
        expect![[r#"
        apiVersion: v1
        data:
          a: YQ==
          b: YmVl
        kind: Secret
        metadata:
          name: s
        type: Opaque
    "#]],
    );
    check(
        "{apiVersion: v1, kind: Namespace, metadata: {name: blue}}",
        expect![[r#"
        apiVersion: v1
        kind: Namespace
        metadata:
          labels:
            kubernetes.io/metadata.name: blue
          name: blue
        spec:
          finalizers:
          - kubernetes
    "#]],
    );
    check(
        "{apiVersion: v1, kind: Node, metadata: {name: n}, status: {capacity: {cpu: 2}}}",
        expect![[r#"
        apiVersion: v1
        kind: Node
        metadata:
          name: n
        status:
          allocatable:
            cpu: '2'
          capacity:
            cpu: '2'
    "#]],
    );
}
