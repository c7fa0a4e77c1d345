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
    let admitted = admit(&mut object, resource, &cluster);
    let text = match admitted.and_then(|()| Ledger::new(&cluster).charge(resource, &object, None)) {
        Ok(_) => shown
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

/// Charges a namespace's quotas for one object after the other; what each comes to, and what is written in the end.
fn charge(cluster: &[&str], new: &[&str], expected: Expect) {
    let cluster = Objects(cluster.iter().map(|yaml| read(yaml)).collect());
    let mut ledger = Ledger::new(&cluster);
    let mut told = String::new();
    for yaml in new {
        let (old, new) = yaml.split_once(" => ").map_or((None, *yaml), |(old, new)| (Some(read(old).1), new));
        let (resource, object) = read(new);
        told += &match ledger.charge(resource, &object, old.as_ref()) {
            Ok(is_counted) => format!("counted: {is_counted}\n"),
            Err(why) => format!("{why}\n"),
        };
    }
    for charge in ledger.charged() {
        told += &format!("{} {:?} {}\n", charge.key, charge.seen, charge.quota["status"]);
    }
    expected.assert_eq(&told);
}

#[test]
fn what_is_told_is_believed_until_it_is_too_much() {
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: d, resourceVersion: '7'}, spec: {hard: {pods: 3, requests.cpu: 1}}, status: {hard: {pods: 3, requests.cpu: 1}, used: {pods: 1, requests.cpu: 200m}}}";
    let small = |name: &str| pod(name, "{requests: {cpu: 100m}}");
    let resized = format!("{} => {}", small("a"), pod("a", "{requests: {cpu: 150m}}"));
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: d}}";
    charge(
        &[quota],
        &[&small("a"), &small("b"), &resized, map],
        expect![[r#"
        counted: true
        counted: true
        counted: true
        counted: false
        resourcequotas/d/q r7 {"hard":{"pods":"3","requests.cpu":"1"},"used":{"pods":"3","requests.cpu":"450m"}}
    "#]],
    );
    // One of the two was there already; the other is gone since.
    let full = quota.replace("used: {pods: 1,", "used: {pods: 3,");
    charge(
        &[&full, &small("a")],
        &[&small("b"), &small("c"), &small("d")],
        expect![[r#"
        counted: true
        counted: true
        exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3
        resourcequotas/d/q r7 {"hard":{"pods":"3","requests.cpu":"1"},"used":{"pods":"3","requests.cpu":"300m"}}
    "#]],
    );
    let fresh = quota.split_once(", status").unwrap().0.to_owned() + "}";
    charge(
        &[&fresh, &small("a")],
        &[&small("b")],
        expect![[r#"
        counted: true
        resourcequotas/d/q r7 {"hard":{"pods":"3","requests.cpu":"1"},"used":{"pods":"2","requests.cpu":"200m"}}
    "#]],
    );
    charge(
        &[&full, &small("a")],
        &[&pod("b", "{}"), map],
        expect![[r#"
        failed quota: q: must specify requests.cpu for: web
        counted: false
    "#]],
    );
}

#[test]
fn services_without_node_ports_use_none() {
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: d, resourceVersion: '7'}, spec: {hard: {services.nodeports: 1, services.loadbalancers: 1}}}";
    let service = |ports: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: d}}, spec: {{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{ports}]}}}}"
        )
    };
    charge(
        &[quota],
        &[&service("{port: 1}, {port: 2}")],
        expect![[r#"
        counted: true
        resourcequotas/d/q r7 {"hard":{"services.loadbalancers":"1","services.nodeports":"1"},"used":{"services.loadbalancers":"1","services.nodeports":"0"}}
    "#]],
    );
    charge(
        &[quota],
        &[&service("{port: 1, nodePort: 30000}, {port: 2, nodePort: 30001}")],
        expect![[r#"
        exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1
    "#]],
    );
}
