//! Cluster texts and the objects that they mean.

use api::views::{Deployment, Namespace, Node, Pod, ReplicaSet, Service};
use api::{NodeName, Resource};
use expect_test::{Expect, expect};

use super::*;

fn objects(text: &str, expect: Expect) {
    let cluster = Cluster::of(text);
    let reader = cluster.view.read();
    let objects = cluster.keys.iter().filter_map(|key| reader.get(key)).map(|stored| {
        let mut value = stored.value();
        value["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        format!("{}\n{}\n{}\n", value["metadata"], value["spec"], value["status"])
    });
    expect.assert_eq(&objects.collect::<String>());
}

#[test]
fn a_pod_with_everything() {
    objects(
        r#"pod other/web-1 running ready=30s node=n1 ip=10.0.0.1 cpu=500m port=http:80 toleration k=v:NoExecute@5s restarts=2 label app=web,tier=front finalizer x annotation a=b terminating=10s age=10m spec.subdomain=s {"spec":{"hostname":"h"}}"#,
        expect![[r#"
            {"annotations":{"a":"b"},"creationTimestamp":"2025-12-31T23:50:00Z","deletionGracePeriodSeconds":10,"deletionTimestamp":"2026-01-01T00:00:10Z","finalizers":["x"],"generation":1,"labels":{"app":"web","tier":"front"},"name":"web-1","namespace":"other","uid":"pod-other-web-1"}
            {"containers":[{"image":"image","name":"app","ports":[{"containerPort":80,"name":"http","protocol":"TCP"}],"resources":{"requests":{"cpu":"500m"}}}],"hostname":"h","nodeName":"n1","restartPolicy":"Always","subdomain":"s","tolerations":[{"effect":"NoExecute","key":"k","operator":"Equal","tolerationSeconds":5,"value":"v"}]}
            {"conditions":[{"lastTransitionTime":"2025-12-31T23:00:00Z","status":"True","type":"Initialized"},{"lastTransitionTime":"2025-12-31T23:00:00Z","status":"True","type":"PodScheduled"},{"lastTransitionTime":"2025-12-31T23:59:30Z","status":"True","type":"ContainersReady"},{"lastTransitionTime":"2025-12-31T23:59:30Z","status":"True","type":"Ready"}],"containerStatuses":[{"name":"app","ready":true,"restartCount":2}],"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}
        "#]],
    );
}

#[test]
fn children_are_like_their_owners() {
    let cluster = Cluster::of(
        "deployment web replicas=3 image=a surge=1
         replicaset web-abc owner=deployment/web replicas=2
         pod web-abc-1 owner=replicaset/web-abc running",
    );
    let reader = cluster.view.read();
    let [deployment, set, pod] = [0, 1, 2].map(|index| reader.get(&cluster.keys[index]).unwrap());
    let set_body = set.object::<ReplicaSet>();
    assert_eq!(deployment.object::<Deployment>().spec.replicas, 3);
    assert_eq!(set.metadata.controller().unwrap().uid, deployment.metadata.uid);
    assert!(set_body.spec.selector.matches(&pod.metadata.labels), "{:?}", pod.metadata.labels);
    assert_eq!(&*pod.metadata.labels["pod-template-hash"], "abc");
    assert_eq!(pod.object::<Pod>().spec.containers[0].image, "a");
}

#[test]
fn nodes_services_and_namespaces() {
    let cluster = Cluster::of(
        "node n1 ready cpu=2 memory=4Gi label zone=a taint k=v:NoSchedule cordoned
         service web selector app=web port=http:80:8080 headless
         namespace x terminating",
    );
    let reader = cluster.view.read();
    let node = reader.get(&cluster.first(Node::ID).unwrap()).unwrap().object::<Node>();
    assert_eq!(node.spec.taints[0].effect, "NoSchedule");
    assert!(node.spec.unschedulable && node.status.allocatable.contains_key("cpu"));
    let service = reader.get(&cluster.first(Service::ID).unwrap()).unwrap().object::<Service>();
    assert_eq!(service.spec.ports[0].port, 80);
    let namespace = reader.get(&cluster.first(Namespace::ID).unwrap()).unwrap();
    assert!(namespace.metadata.is_terminating());
    assert_eq!(namespace.object::<Namespace>().status.phase, "Terminating");
}

#[test]
fn presences_are_facts() {
    let cluster = Cluster::of("presence n1 heard=3s lost unhealthy=\"no engine\"");
    let presence = cluster.facts.presence(&NodeName::from("n1")).unwrap();
    assert_eq!(NOW.since(presence.last_heard), Duration::from_secs(3));
    assert!(presence.connection_lost);
    assert_eq!(presence.unhealthy.as_deref(), Some("no engine"));
}

#[test]
fn mistakes_are_named() {
    let mistake = |text: &str| Cluster::parse(text).err().unwrap().to_string();
    assert_eq!(mistake("gadget x"), "`gadget x`: `gadget` is not a kind");
    assert_eq!(mistake("pod x flying"), "`pod x flying`: `flying` is not a word of a pod");
    assert_eq!(mistake("pod x label"), "`pod x label`: `label` needs a word behind it");
    assert_eq!(mistake("pod x {\"a\":1"), "`pod x {\"a\":1`: a quote or bracket is not closed");
}
