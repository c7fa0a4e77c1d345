//! Decisions of Services, as text.

use expect_test::{Expect, expect};
use serde_json::json;

use super::ServiceActor;
use crate::actors::testing::Cluster;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&shown(&cluster));
    cluster.obeys_the_laws::<ServiceActor>("web");
}

/// What is there when the actor has come to rest.
fn shown(cluster: &Cluster) -> String {
    let mut cluster = cluster.clone();
    cluster.settle::<ServiceActor>("web");
    let mut text = String::new();
    for (key, slice) in cluster.all(api::ResourceId::new("endpointslices.discovery.k8s.io")) {
        let empty = Vec::new();
        let ports = slice["ports"].as_array().unwrap_or(&empty);
        let ports: Vec<String> =
            ports.iter().map(|port| format!("{}:{}", port["name"].as_str().unwrap(), port["port"])).collect();
        text.push_str(&format!(
            "{} {} {}\n",
            key.name,
            slice["addressType"].as_str().unwrap_or("?"),
            ports.join(",")
        ));
        for endpoint in slice["endpoints"].as_array().unwrap_or(&empty) {
            let flags = ["ready", "serving", "terminating"]
                .into_iter()
                .filter(|flag| endpoint["conditions"][flag] == true);
            let flags: Vec<&str> = flags.collect();
            let [ip, node, pod, hostname] = ["/addresses/0", "/nodeName", "/targetRef/name", "/hostname"]
                .map(|at| api::json::text(endpoint, at));
            text.push_str(&format!("  {ip} {pod} {node} {hostname} {}\n", flags.join("+")));
        }
    }
    for (_, endpoints) in cluster.all(api::ResourceId::new("endpoints")) {
        text.push_str(&format!("endpoints {}\n", endpoints["subsets"]));
    }
    text
}

#[test]
fn a_service_shows_its_pods() {
    check(
        r#"service web
           pod web-a ready node=n1 ip=10.1.0.1
           pod web-b running node=n2 ip=10.1.0.2
           pod web-c ready node=n2 ip=10.1.0.3 deleted=30
           pod web-d pending node=n2
           pod web-e failed node=n2 ip=10.1.0.5
           pod other ready ip=10.1.0.6 labels=app:db"#,
        expect![[r#"
            web-zzlmw IPv4 web:8080
              10.1.0.1 web-a n1  ready+serving
              10.1.0.2 web-b n2  
              10.1.0.3 web-c n2  serving+terminating
            endpoints [{"addresses":[{"ip":"10.1.0.1","nodeName":"n1","targetRef":{"kind":"Pod","name":"web-a","namespace":"default","uid":"uid-pod-web-a"}}],"notReadyAddresses":[{"ip":"10.1.0.2","nodeName":"n2","targetRef":{"kind":"Pod","name":"web-b","namespace":"default","uid":"uid-pod-web-b"}}],"ports":[{"name":"web","port":8080,"protocol":"TCP"}]}]
        "#]],
    );
}

#[test]
fn a_service_without_pods_has_one_empty_slice() {
    check(
        "service web",
        expect![[r#"
        web-zzlmw IPv4 
        endpoints []
    "#]],
    );
}

#[test]
fn named_ports_are_resolved_per_pod() {
    check(
        r#"service web port=80:http
           pod web-a ready ip=10.1.0.1 {"spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}}
           pod web-b ready ip=10.1.0.2 {"spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 9090}]}]}}
           pod web-c ready ip=10.1.0.3"#,
        expect![[r#"
            web-c7g99 IPv4 web:9090
              10.1.0.2 web-b   ready+serving
            web-hgw26 IPv4 
              10.1.0.3 web-c   ready+serving
            web-zzlmw IPv4 web:8080
              10.1.0.1 web-a   ready+serving
            endpoints [{"addresses":[{"ip":"10.1.0.1","targetRef":{"kind":"Pod","name":"web-a","namespace":"default","uid":"uid-pod-web-a"}}],"ports":[{"name":"web","port":8080,"protocol":"TCP"}]},{"addresses":[{"ip":"10.1.0.2","targetRef":{"kind":"Pod","name":"web-b","namespace":"default","uid":"uid-pod-web-b"}}],"ports":[{"name":"web","port":9090,"protocol":"TCP"}]},{"addresses":[{"ip":"10.1.0.3","targetRef":{"kind":"Pod","name":"web-c","namespace":"default","uid":"uid-pod-web-c"}}]}]
        "#]],
    );
}

#[test]
fn headless_services_name_their_pods_and_may_publish_unready_ones() {
    check(
        r#"service web ip=None {"spec": {"publishNotReadyAddresses": true, "ports": []}}
           pod web-0 running ip=10.1.0.1 {"spec": {"hostname": "web-0", "subdomain": "web"}}
           pod web-1 running ip=10.1.0.2 {"spec": {"hostname": "web-1", "subdomain": "other"}}"#,
        expect![[r#"
            web-zzlmw IPv4 
              10.1.0.1 web-0  web-0 ready
              10.1.0.2 web-1   ready
            endpoints [{"addresses":[{"hostname":"web-0","ip":"10.1.0.1","targetRef":{"kind":"Pod","name":"web-0","namespace":"default","uid":"uid-pod-web-0"}},{"ip":"10.1.0.2","targetRef":{"kind":"Pod","name":"web-1","namespace":"default","uid":"uid-pod-web-1"}}]}]
        "#]],
    );
}

#[test]
fn address_families_have_slices_of_their_own() {
    check(
        "service web
         pod web-a ready ip=10.1.0.1
         pod web-b ready ip=fd00::2",
        expect![[r#"
            web-c7g99 IPv6 web:8080
              fd00::2 web-b   ready+serving
            web-zzlmw IPv4 web:8080
              10.1.0.1 web-a   ready+serving
            endpoints [{"addresses":[{"ip":"10.1.0.1","targetRef":{"kind":"Pod","name":"web-a","namespace":"default","uid":"uid-pod-web-a"}},{"ip":"fd00::2","targetRef":{"kind":"Pod","name":"web-b","namespace":"default","uid":"uid-pod-web-b"}}],"ports":[{"name":"web","port":8080,"protocol":"TCP"}]}]
        "#]],
    );
}

#[test]
fn what_is_made_is_cleaned_up_when_the_selector_goes() {
    let mut cluster = Cluster::of("service web\npod web-a ready ip=10.1.0.1\nendpointslice by-hand");
    cluster.settle::<ServiceActor>("web");
    let key = cluster.key("service", "web");
    cluster.change(&key, |service| service["spec"]["selector"] = json!({}));
    expect![[r#"
        by-hand ? 
    "#]]
    .assert_eq(&shown(&cluster));
    cluster.obeys_the_laws::<ServiceActor>("web");
}

#[test]
fn external_names_and_hand_made_endpoints_are_left_alone() {
    check(
        "service web type=ExternalName\nendpointslice by-hand\nendpoints web",
        expect![[r#"
        by-hand ? 
        endpoints null
    "#]],
    );
    check(
        "service web selector=\nendpointslice by-hand\nendpoints web",
        expect![[r#"
        by-hand ? 
        endpoints null
    "#]],
    );
}

/// A service with so many ready pods, at rest.
fn crowd(count: usize) -> Cluster {
    let pods: Vec<String> =
        (0..count).map(|n| format!("pod web-{n:04} ready ip=10.1.{}.{}", n / 250, n % 250)).collect();
    let mut cluster = Cluster::of(&format!("service web\n{}", pods.join("\n")));
    cluster.settle::<ServiceActor>("web");
    cluster
}

fn slice_sizes(cluster: &Cluster) -> Vec<usize> {
    let slices = cluster.all(api::ResourceId::new("endpointslices.discovery.k8s.io"));
    let mut sizes: Vec<usize> =
        slices.iter().map(|(_, slice)| slice["endpoints"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn slices_hold_a_hundred() {
    assert_eq!(slice_sizes(&crowd(250)), [50, 100, 100]);
}

#[test]
fn a_change_of_one_pod_writes_one_slice() {
    let mut cluster = crowd(250);
    let key = cluster.key("pod", "web-0007");
    cluster.change(&key, |pod| pod["status"]["conditions"] = json!([]));
    let outcome = cluster.turn::<ServiceActor>("web");
    let kinds: Vec<&str> = outcome.writes.iter().map(|write| write.key().resource.plural()).collect();
    assert_eq!(kinds, ["endpointslices", "endpoints"]);
}

#[test]
fn replaced_pods_fill_the_gaps_that_their_predecessors_leave() {
    let mut cluster = crowd(250);
    for n in [3, 4, 5] {
        let key = cluster.key("pod", &format!("web-{n:04}"));
        cluster.objects.remove(&key);
        let new = Cluster::of(&format!("pod web-{} ready ip=10.2.0.{n}", 9000 + n));
        for (key, (value, _)) in new.objects {
            cluster.put(key, value);
        }
    }
    let outcome = cluster.turn::<ServiceActor>("web");
    assert_eq!(outcome.writes.len(), 2, "{outcome}");
    assert_eq!(slice_sizes(&cluster), [50, 100, 100]);
}

#[test]
fn the_legacy_object_holds_a_thousand() {
    let cluster = crowd(1100);
    let (_, endpoints) = &cluster.all(api::ResourceId::new("endpoints"))[0];
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().unwrap().len(), 1000);
    assert_eq!(endpoints["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"], "truncated");
}

mod wakes {
    use std::sync::Arc;

    use bus::{Change, ChangeKind, Stored, View};

    use super::super::selecting;
    use super::*;

    /// The services that a change of a pod wakes.
    fn woken(before: Option<&str>, after: Option<&str>) -> String {
        let stored = |line: &str| {
            let cluster = Cluster::of(line);
            let (key, (value, revision)) = cluster.objects.into_iter().next().unwrap();
            Stored::test_at(key, value, revision)
        };
        let view = View::offline();
        for service in ["service web", "service db selector=app:db", "service all selector=tier:x"] {
            view.apply(ChangeKind::Put, stored(service));
        }
        let (previous, now) = (before.map(stored), after.map(stored));
        let kind = if now.is_some() { ChangeKind::Put } else { ChangeKind::Deleted };
        let object = now.or_else(|| previous.clone()).unwrap();
        let change = Change { kind, object, previous };
        let keys: Vec<Arc<str>> = selecting(&change, &view.read()).into_iter().map(|key| key.name).collect();
        keys.join(" ")
    }

    #[test]
    fn only_what_endpoints_show_wakes() {
        let quiet = Some("pod a running ip=10.1.0.1");
        assert_eq!(woken(None, Some("pod a pending")), "");
        assert_eq!(woken(Some("pod a pending"), quiet), "web");
        assert_eq!(woken(quiet, Some("pod a running ip=10.1.0.1 restarts=3")), "");
        assert_eq!(woken(quiet, Some("pod a ready ip=10.1.0.1")), "web");
        assert_eq!(woken(quiet, Some("pod a running ip=10.1.0.1 deleted=30")), "web");
        assert_eq!(woken(quiet, Some("pod a failed ip=10.1.0.1")), "web");
        assert_eq!(woken(quiet, None), "web");
        assert_eq!(woken(Some("pod a pending"), None), "");
    }

    #[test]
    fn the_service_of_the_former_labels_wakes_too() {
        assert_eq!(
            woken(Some("pod a ready ip=10.1.0.1"), Some("pod a ready ip=10.1.0.1 labels=app:db")),
            "db web"
        );
    }
}
