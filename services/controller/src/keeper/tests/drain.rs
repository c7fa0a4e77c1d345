//! The drain gate.

use std::collections::HashSet;
use std::time::Duration;

use api::{Revision, Uid};
use bus::View;
use serde_json::{Value, json};

use super::super::drain::{Gate, Offer, gate, offers};

fn asked(offer: Offer, applied: &[u64], waited_ms: u64, grace: i64) -> Gate {
    gate(offer, applied.iter().copied().map(Revision), Duration::from_millis(waited_ms), grace)
}

#[test]
fn the_gate() {
    let withdrawn = Offer::Withdrawn(Revision(10));
    assert_eq!(asked(Offer::Nowhere, &[1], 0, 30), Gate::Open("it is in no service"));
    assert_eq!(asked(Offer::Offered, &[1], 0, 0), Gate::Open("it has no grace period"));
    assert_eq!(asked(Offer::Offered, &[99], 500, 30), Gate::Wait(Duration::from_millis(1500)));
    assert_eq!(asked(Offer::Offered, &[99], 2000, 30), Gate::Open("its proxies took too long"));
    assert_eq!(asked(withdrawn, &[9, 10], 100, 30), Gate::Wait(Duration::from_millis(1900)));
    assert_eq!(asked(withdrawn, &[10, 11], 100, 30), Gate::Open("every proxy has let go of it"));
    assert_eq!(asked(withdrawn, &[], 0, 30), Gate::Open("every proxy has let go of it"));
    assert_eq!(asked(withdrawn, &[9], 2500, 30), Gate::Open("its proxies took too long"));
}

fn slice(name: &str, service: &str, endpoints: &Value) -> Value {
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints, "ports": []})
}

fn endpoint(pod: &str, conditions: &Value) -> Value {
    json!({"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": {"kind": "Pod", "name": pod, "uid": pod}})
}

fn pod(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": app}}})
}

#[test]
fn how_services_offer_pods() {
    let ready = json!({"ready": true, "serving": true, "terminating": false});
    let ending = json!({"ready": false, "serving": true, "terminating": true});
    let view = View::of([
        pod("a", "web"),
        pod("b", "web"),
        pod("c", "web"),
        pod("d", "other"),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}}),
        slice("web-1", "web", &json!([endpoint("a", &ready), endpoint("b", &ending)])),
    ]);
    let pods: HashSet<Uid> = ["a", "b", "c", "d"].map(Uid::from).into();
    let offers = offers(&view.read(), "default", &pods);
    assert_eq!(offers[&Uid::from("a")], Offer::Offered);
    assert_eq!(offers[&Uid::from("b")], Offer::Withdrawn(Revision(6)));
    assert_eq!(
        offers[&Uid::from("c")],
        Offer::Withdrawn(Revision(6)),
        "it has left the slices of a service that selects it"
    );
    assert_eq!(offers[&Uid::from("d")], Offer::Nowhere);
}
