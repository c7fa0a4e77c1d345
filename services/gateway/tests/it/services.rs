//! Cluster IPs and node ports, by several gateways at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cluster::{Cluster, SERVICES, bind};

fn service(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]},
    })
}

#[tokio::test]
async fn services_get_addresses_and_give_them_back() {
    let cluster = Cluster::start().await;
    let kubernetes = cluster.get(&format!("{SERVICES}/kubernetes")).await.ok();
    assert_eq!(kubernetes["spec"]["clusterIP"], "10.96.0.1");
    let web = cluster.post(SERVICES, &service("web", "NodePort")).await.ok();
    let (address, port) = (web["spec"]["clusterIP"].clone(), web["spec"]["ports"][0]["nodePort"].clone());
    assert!(address.as_str().unwrap().starts_with("10."), "{web}");
    assert!((30_000..=32_767).contains(&port.as_u64().unwrap()));
    let mut same = service("other", "ClusterIP");
    same["spec"]["clusterIP"] = address.clone();
    assert_eq!(cluster.post(SERVICES, &same).await.code, 422);
    let replaced = cluster.put(&format!("{SERVICES}/web"), &service("web", "NodePort")).await.ok();
    assert_eq!(
        (&replaced["spec"]["clusterIP"], &replaced["spec"]["ports"][0]["nodePort"]),
        (&address, &port)
    );
    cluster.delete(&format!("{SERVICES}/web"), &json!({})).await.ok();
    assert_eq!(cluster.post(SERVICES, &same).await.ok()["spec"]["clusterIP"], address);
}

#[tokio::test]
async fn gateways_never_give_out_one_address_twice() {
    let cluster = Cluster::start().await;
    let (second, shutdown) = bind(&cluster.bus, cluster.directory.path()).await;
    let other = second.local_addr();
    tokio::spawn(second.serve(shutdown.clone()));
    let first = &cluster;
    let creations = (0..40).map(|n| async move {
        let name = format!("s{n}");
        match n % 2 {
            0 => first.post(SERVICES, &service(&name, "NodePort")).await.ok(),
            _ => first.at(other).post(SERVICES, &service(&name, "NodePort")).await.ok(),
        }
    });
    let services = futures::future::join_all(creations).await;
    let addresses: BTreeSet<String> =
        services.iter().map(|service| service["spec"]["clusterIP"].to_string()).collect();
    let ports: BTreeSet<String> =
        services.iter().map(|service| service["spec"]["ports"][0]["nodePort"].to_string()).collect();
    assert_eq!((addresses.len(), ports.len()), (40, 40));
    shutdown.cancel();
}

#[tokio::test]
async fn the_service_of_the_cluster_itself_comes_back() {
    let cluster = Cluster::start().await;
    let path = format!("{SERVICES}/kubernetes");
    let first = cluster.get(&path).await.ok();
    let mut watch = cluster
        .watch(
            &format!(
                "{SERVICES}?watch=1&resourceVersion={}",
                first["metadata"]["resourceVersion"].as_str().unwrap()
            ),
            "",
        )
        .await;
    cluster.delete(&path, &json!({})).await.ok();
    while watch.line().await != "ADDED kubernetes" {}
    assert_eq!(cluster.get(&path).await.ok()["spec"]["clusterIP"], first["spec"]["clusterIP"]);
}
