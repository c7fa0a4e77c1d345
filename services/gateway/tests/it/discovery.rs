//! What clients ask before they ask for anything.

use bytes::Bytes;

use crate::cluster::Cluster;

#[tokio::test]
async fn resources_are_discovered_in_both_forms() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.get("/version").await.ok()["gitVersion"], "v1.35.0+odeon.0.1.0");
    assert_eq!(cluster.get("/api").await.ok()["versions"][0], "v1");
    let groups = cluster.get("/apis").await.ok();
    assert!(groups["groups"].as_array().unwrap().iter().any(|group| group["name"] == "apps"));
    assert_eq!(cluster.get("/apis/apps").await.ok()["preferredVersion"]["groupVersion"], "apps/v1");
    let core = cluster.get("/api/v1").await.ok();
    let names: Vec<&str> =
        core["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    for wanted in [
        "pods",
        "pods/status",
        "pods/log",
        "pods/binding",
        "pods/eviction",
        "services",
        "events",
        "namespaces",
    ] {
        assert!(names.contains(&wanted), "{wanted} in {names:?}");
    }
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let aggregated = cluster.ask("GET", "/apis", &[("accept", accept)], Bytes::new()).await;
    assert_eq!(
        aggregated.headers["content-type"],
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    );
    let apps = aggregated.ok()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["metadata"]["name"] == "apps")
        .cloned()
        .unwrap();
    let deployments = &apps["versions"][0]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["resource"] == "deployments")
        .cloned()
        .unwrap();
    assert_eq!(deployments["subresources"][1]["responseKind"]["kind"], "Scale");
    assert_eq!(cluster.get("/apis/none").await.code, 404);
    assert_eq!(cluster.get("/openapi/v2").await.ok()["swagger"], "2.0");
    let index = cluster.get("/openapi/v3").await.ok();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    assert_eq!(cluster.get(url).await.ok()["openapi"], "3.0.0");
    assert!(cluster.get("/metrics").await.text.contains("odeon_http_requests_total{"));
}
