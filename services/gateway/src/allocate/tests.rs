//! What Services are given, and what they give back.

use bus::{ChangeKind, Stored};

use super::*;

fn config() -> Config {
    Config {
        service_cidr: "10.0.0.0/29".parse().unwrap(),
        node_port_range: "30000-30001".parse().unwrap(),
        ..Config::default()
    }
}

fn service(name: &str, spec: Value) -> Value {
    value!({
        "apiVersion": "v1", "kind": "Service", "spec": spec,
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
    })
}

/// Allocates and writes, as the pipeline does.
fn create(view: &View, name: &str, spec: Value) -> Result<Value, String> {
    let mut object = service(name, spec);
    let reservations = for_object(view, &config(), &mut object, None).map_err(|errors| {
        errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ")
    })?;
    let mut revision = view.revision().0;
    let key = ObjectKey::namespaced(ResourceId::new("services"), "default", name);
    let mut apply = |key: ObjectKey, object: Value| {
        revision += 1;
        view.apply(ChangeKind::Put, Stored::test_at(key, object, revision));
    };
    apply(key, object.clone());
    for reservation in reservations {
        if let ChangeTo::Put(object) = reservation.change {
            apply(reservation.key, object);
        }
    }
    Ok(object)
}

#[test]
fn no_address_is_given_out_twice() {
    let view = View::offline();
    let mut given: Vec<String> = (0..6)
        .map(|n| create(&view, &format!("s{n}"), value!({"type": "ClusterIP"})).unwrap())
        .map(|service| json::text(&service, "/spec/clusterIP").to_owned())
        .collect();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 6);
    let full = create(&view, "s7", value!({"type": "ClusterIP"})).unwrap_err();
    assert_eq!(full, "spec.clusterIPs: Internal error: failed to allocate a serviceIP: range is full");
}

#[test]
fn an_address_of_one_s_own_choice_must_be_free_and_in_range() {
    let view = View::offline();
    create(&view, "a", value!({"clusterIP": "10.0.0.3"})).unwrap();
    let taken = create(&view, "b", value!({"clusterIP": "10.0.0.3"})).unwrap_err();
    assert!(taken.ends_with("failed to allocate IP 10.0.0.3: provided IP is already allocated"), "{taken}");
    assert!(
        create(&view, "b", value!({"clusterIP": "10.0.1.3"})).unwrap_err().contains("not in the valid range")
    );
    let headless = create(&view, "c", value!({"clusterIP": "None"})).unwrap();
    assert_eq!(headless["spec"]["clusterIPs"], value!(["None"]));
}

#[test]
fn node_ports_are_per_protocol() {
    let view = View::offline();
    let ports = |protocol: &str| value!({"type": "NodePort", "ports": [{"port": 80, "protocol": protocol}]});
    for name in ["a", "b"] {
        create(&view, name, ports("TCP")).unwrap();
    }
    assert!(create(&view, "c", ports("TCP")).unwrap_err().contains("range is full"));
    create(&view, "c", ports("UDP")).unwrap();
}

#[test]
fn what_a_service_held_that_is_gone_is_free() {
    let view = View::offline();
    create(&view, "a", value!({"clusterIP": "10.0.0.3"})).unwrap();
    let key = ObjectKey::namespaced(ResourceId::new("services"), "default", "a");
    let last = view.get(&key).unwrap().value();
    view.apply(ChangeKind::Deleted, Stored::test_at(key, last, 10));
    create(&view, "b", value!({"clusterIP": "10.0.0.3"})).unwrap();
}

#[test]
fn a_replacement_keeps_what_was_allocated_and_returns_what_it_does_not_need() {
    let view = View::offline();
    let old = create(&view, "a", value!({"type": "NodePort", "ports": [{"port": 80}]})).unwrap();
    let mut same = service("a", value!({"type": "NodePort", "ports": [{"port": 80}]}));
    inherit(&mut same, &old);
    assert_eq!(same["spec"], old["spec"]);
    assert!(for_object(&view, &config(), &mut same, Some(&old)).unwrap().is_empty());
    let mut smaller = service("a", value!({"type": "ClusterIP", "ports": [{"port": 80}]}));
    inherit(&mut smaller, &old);
    let reservations = for_object(&view, &config(), &mut smaller, Some(&old)).unwrap();
    assert_eq!(reservations.len(), 1);
    assert!(matches!(reservations[0].change, ChangeTo::Delete(_)));
    assert_eq!(releases(&view, &old).len(), 2);
}

#[test]
fn balancers_that_keep_traffic_local_get_a_port_for_health_checks() {
    let view = View::offline();
    let spec = |policy: &str| value!({"type": "LoadBalancer", "externalTrafficPolicy": policy, "allocateLoadBalancerNodePorts": false});
    let made = create(&view, "a", spec("Local")).unwrap();
    let port = json::int(&made, "/spec/healthCheckNodePort").unwrap();
    assert!((30000..=30001).contains(&port), "{port}");
    assert!(create(&view, "b", spec("Cluster")).unwrap().pointer("/spec/healthCheckNodePort").is_none());
    let asks = |port: i64| {
        let mut spec = spec("Local");
        spec["healthCheckNodePort"] = port.into();
        spec
    };
    assert_eq!(
        create(&view, "c", asks(port)).unwrap_err(),
        format!(
            "spec.healthCheckNodePort: Internal error: failed to allocate requested HealthCheck NodePort {port}: provided port is already allocated"
        )
    );
    assert_eq!(
        create(&view, "c", asks(5)).unwrap_err(),
        "spec.healthCheckNodePort: Internal error: failed to allocate requested HealthCheck NodePort 5: provided port is not in the valid range. The range of valid ports is 30000-30001"
    );
    // A replacement keeps it, and another policy gives it back.
    let mut again = service("a", spec("Local"));
    inherit(&mut again, &made);
    assert_eq!(json::int(&again, "/spec/healthCheckNodePort"), Some(port));
    assert!(for_object(&view, &config(), &mut again, Some(&made)).unwrap().is_empty());
    let mut other = service("a", spec("Cluster"));
    let released = for_object(&view, &config(), &mut other, Some(&made)).unwrap();
    assert!(
        released
            .iter()
            .any(|one| *one.key.name == *format!("{port}-tcp") && matches!(one.change, ChangeTo::Delete(_)))
    );
}
