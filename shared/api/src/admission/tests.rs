//! Admission, as YAML: the cluster's objects, then the new one; what becomes of it out.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;

struct Objects(Vec<(ResourceId, Value)>);

impl Cluster for Objects {
    fn objects(&self, resource: ResourceId, namespace: Option<&str>) -> Arc<[Value]> {
        let of = self.0.iter().filter(|(known, _)| *known == resource);
        let there = |object: &&(ResourceId, Value)| {
            namespace.is_none_or(|wanted| text(&object.1, "/metadata/namespace") == wanted)
        };
        of.filter(there).map(|(_, object)| object.clone()).collect()
    }
}

fn read(yaml: &str) -> (ResourceId, Value) {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = crate::by_gvk(text(&object, "/apiVersion"), text(&object, "/kind")).unwrap();
    let mut object = kind.decode(object).unwrap().object;
    kind.default(&mut object);
    (kind.id, object)
}

fn check(cluster: &[&str], new: &str, shown: &[&str], expected: Expect) {
    let cluster = Objects(cluster.iter().map(|yaml| read(yaml)).collect());
    let (resource, mut object) = read(new);
    let text = match admit(&mut object, resource, &cluster, &[]) {
        Ok(()) => shown
            .iter()
            .map(|pointer| format!("{}\n", object.pointer(pointer).unwrap_or(&Value::Null)))
            .collect(),
        Err(why) => format!("forbidden: {why}\n"),
    };
    expected.assert_eq(&text);
}

fn pod(name: &str, resources: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: d}}, spec: {{containers: [{{name: web, image: i, resources: {resources}}}]}}}}"
    )
}

const LIMITS: &str = "{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: d}, spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}, min: {memory: 1Mi}, max: {cpu: 2}, maxLimitRequestRatio: {cpu: 5}}, {type: Pod, max: {cpu: 3}}, {type: PersistentVolumeClaim, max: {storage: 5Gi}}]}}";

#[test]
fn limit_ranges() {
    check(
        &[LIMITS],
        &pod("a", "{requests: {memory: 2Mi}}"),
        &["/spec/containers/0/resources", "/metadata/annotations"],
        expect![[r#"
            {"limits":{"cpu":"500m"},"requests":{"cpu":"100m","memory":"2Mi"}}
            {"kubernetes.io/limit-ranger":"LimitRanger plugin set: cpu request for container web; cpu limit for container web"}
        "#]],
    );
    check(&[LIMITS], &pod("a", "{}"), &[], expect![""]);
    check(
        &[LIMITS],
        &pod("a", "{requests: {memory: 2Mi, cpu: 10m}, limits: {cpu: 4}}"),
        &[],
        expect![[r#"
        forbidden: [maximum cpu usage per Container is 2, but limit is 4, cpu max limit to request ratio per Container is 5, but provided ratio is 400.000000, maximum cpu usage per Pod is 3, but limit is 4]
    "#]],
    );
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: d}, spec: {resources: {requests: {storage: 6Gi}}}}";
    check(
        &[LIMITS],
        claim,
        &[],
        expect![[r#"
        forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi
    "#]],
    );
    check(
        &[LIMITS],
        &claim.replace("namespace: d", "namespace: e"),
        &["/spec/volumeMode"],
        expect![[r#"
        "Filesystem"
    "#]],
    );
}

#[test]
fn priorities() {
    let high = "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7, preemptionPolicy: Never}";
    let shown = ["/spec/priority", "/spec/preemptionPolicy", "/spec/priorityClassName"];
    let named = pod("a", "{}").replace("spec: {", "spec: {priorityClassName: high, ");
    check(
        &[high],
        &named,
        &shown,
        expect![[r#"
        7
        "Never"
        "high"
    "#]],
    );
    check(
        &[],
        &named,
        &shown,
        expect![[r#"
        forbidden: no PriorityClass with name high was found
    "#]],
    );
    check(
        &[high],
        &named.replace("priorityClassName", "priority: 3, priorityClassName"),
        &shown,
        expect![[r#"
            forbidden: the integer value of priority (3) must not be provided in pod spec; priority admission controller computed 7 from the given PriorityClass name
        "#]],
    );
    let default = high.replace("value: 7", "value: 5, globalDefault: true").replace("high", "usual");
    check(
        &[high, &default],
        &pod("a", "{}"),
        &shown,
        expect![[r#"
        5
        "Never"
        "usual"
    "#]],
    );
}

#[test]
fn the_newest_default_class_is_chosen() {
    let class = |name: &str, day: u8| {
        format!(
            "{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: {name}, creationTimestamp: '2026-01-0{day}T00:00:00Z', annotations: {{storageclass.kubernetes.io/is-default-class: 'true'}}}}, provisioner: x.io/y}}"
        )
    };
    let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: d}, spec: {resources: {requests: {storage: 6Gi}}}}";
    check(
        &[&class("a", 1), &class("b", 3), &class("c", 2)],
        claim,
        &["/spec/storageClassName"],
        expect![[r#"
        "b"
    "#]],
    );
}

#[test]
fn quotas() {
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: d}, spec: {hard: {pods: 2, requests.cpu: 1, limits.memory: 1Gi, count/configmaps: 1, services.nodeports: 1}}}";
    let full = pod("a", "{requests: {cpu: 600m}, limits: {memory: 512Mi}}");
    check(&[quota], &full, &[], expect![""]);
    check(
        &[quota],
        &pod("a", "{}"),
        &[],
        expect![[r#"
        forbidden: failed quota: q: must specify limits.memory for: web; requests.cpu for: web
    "#]],
    );
    check(
        &[quota, &full],
        &full.replace("name: a", "name: b"),
        &[],
        expect![[r#"
        forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1
    "#]],
    );
    let ended = full.replace("spec: {", "status: {phase: Failed}, spec: {");
    check(&[quota, &ended], &full.replace("name: a", "name: b"), &[], expect![""]);
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: d}}";
    check(
        &[quota, map],
        &map.replace("name: m", "name: n"),
        &[],
        expect![[r#"
        forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1
    "#]],
    );
    check(
        &[quota],
        "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: d}, spec: {type: NodePort, ports: [{port: 1}, {port: 2}]}}",
        &[],
        expect![[r#"
            forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1
        "#]],
    );
    let scoped = quota.replace("hard: {pods: 2,", "scopes: [BestEffort], hard: {pods: 0,");
    check(&[&scoped], &full, &[], expect![""]);
}
