//! APIServices: those of what is served, and those that somebody registers.

use serde_json::{Value, json};

use crate::cluster::Cluster;

const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const TABLE: (&str, &str) = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");

fn api_service(group: &str) -> Value {
    json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1.{group}")},
        "spec": {"group": group, "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15}})
}

fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    })
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_served_has_them() {
    let cluster = Cluster::start().await;
    let apps = cluster.get(&format!("{API_SERVICES}/v1.apps")).await.ok();
    assert_eq!(
        apps["spec"],
        json!({"group": "apps", "version": "v1", "groupPriorityMinimum": 17_800, "versionPriority": 15})
    );
    assert_eq!(apps["status"]["conditions"][0]["reason"], "Local");
    assert_ne!(apps["metadata"]["creationTimestamp"], Value::Null);
    let again = cluster.get(&format!("{API_SERVICES}/v1.apps")).await.ok();
    assert_eq!(again["metadata"], apps["metadata"]);
    let groups = cluster.get("/apis").await.ok();
    let served: usize = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["versions"].as_array().unwrap().len())
        .sum();
    let list = cluster.get(API_SERVICES).await.ok();
    // The core's has one; the groups of APIServices and of what is measured have none.
    assert_eq!(names(&list).len() + 1, served, "{:?}", names(&list));
    let started = cluster
        .get(&format!(
            "{API_SERVICES}?labelSelector=kube-aggregator.kubernetes.io/automanaged=onstart&limit=2"
        ))
        .await
        .ok();
    assert_eq!(names(&started), ["v1.", "v1.admissionregistration.k8s.io"]);
    let table = cluster.ask("GET", &format!("{API_SERVICES}/v1."), &[TABLE], bytes::Bytes::new()).await.ok();
    assert_eq!(
        table["rows"][0]["cells"].as_array().unwrap()[..3],
        [json!("v1."), json!("Local"), json!("True")]
    );
    assert_eq!(cluster.get(&format!("{API_SERVICES}/v9.apps")).await.code, 404);
    let why = "403 Forbidden: apiservices.apiregistration.k8s.io \"v1.apps\" is forbidden: the cluster serves this version itself, and always";
    assert_eq!(cluster.put(&format!("{API_SERVICES}/v1.apps"), &apps).await.failure(), why);
    assert_eq!(cluster.delete(&format!("{API_SERVICES}/v1.apps"), &json!({})).await.failure(), why);
    assert_eq!(
        cluster.post(API_SERVICES, &api_service("apps")).await.failure(),
        "409 AlreadyExists: apiservices.apiregistration.k8s.io \"v1.apps\" already exists"
    );
}

#[tokio::test]
async fn they_are_registered_and_come_with_definitions() {
    let cluster = Cluster::start().await;
    let created = cluster.post(API_SERVICES, &api_service("shop.example.com")).await.ok();
    assert_eq!(created["status"]["conditions"][0]["message"], "Local APIServices are always available");
    let list = cluster.get(API_SERVICES).await.ok();
    assert!(names(&list).contains(&"v1.shop.example.com"));
    let since = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch =
        cluster.watch(&format!("{API_SERVICES}?watch=1&resourceVersion={since}"), "application/json").await;
    cluster.delete(&format!("{API_SERVICES}/v1.shop.example.com"), &json!({})).await.ok();
    assert_eq!(watch.line().await, "DELETED v1.shop.example.com");

    let mut away = api_service("shop.example.com");
    away["spec"]["service"] = json!({"namespace": "shop", "name": "api"});
    let created = cluster.post(API_SERVICES, &away).await.ok();
    assert_eq!((&created["spec"]["service"]["port"], &created["status"]), (&json!(443), &json!({})));
    let path = "/apis/shop.example.com/v1/orders";
    let answer = cluster.get(path).await;
    assert_eq!((answer.code, answer.text.as_str()), (503, "service unavailable\n"));
    cluster.delete(&format!("{API_SERVICES}/v1.shop.example.com"), &json!({})).await.ok();
    assert_eq!(cluster.get(path).await.code, 404);
    assert_eq!(cluster.get("/api/v1/namespaces/default/pods/a/log/b").await.code, 404);

    let path = format!("{API_SERVICES}/v1.example.com");
    assert_eq!(cluster.get(&path).await.code, 404);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut definition = cluster.post(definitions, &widgets()).await.ok();
    definition["status"] = json!({
        "acceptedNames": definition["spec"]["names"], "storedVersions": ["v1"],
        "conditions": [{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}],
    });
    cluster.put(&format!("{definitions}/widgets.example.com/status"), &definition).await.ok();
    let brought = cluster.get(&path).await.ok();
    assert_eq!(brought["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"], "true");
    assert_eq!(brought["spec"]["groupPriorityMinimum"], 1000);
}

#[tokio::test]
async fn servers_of_other_apis_are_told_whom_to_believe() {
    let cluster = Cluster::start().await;
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let mut known = cluster.get(path).await.ok();
    let own = cluster.pki.front_proxy_authority.trim().to_owned();
    let bundle =
        |known: &Value| known["data"]["requestheader-client-ca-file"].as_str().unwrap_or_default().to_owned();
    assert!(bundle(&known).contains(&own));
    assert_eq!(known["data"]["client-ca-file"], cluster.pki.ca_certificate);
    assert_ne!(own, cluster.pki.ca_certificate.trim());
    // Another gateway's authority stays beside our own.
    known["data"]["requestheader-client-ca-file"] = json!("another\n");
    let since = known["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let query = format!(
        "/api/v1/namespaces/kube-system/configmaps?watch=1&resourceVersion={since}&fieldSelector=metadata.name=extension-apiserver-authentication"
    );
    let mut watch = cluster.watch(&query, "application/json").await;
    cluster.put(path, &known).await.ok();
    while let Some(event) = watch.next().await {
        let bundle = bundle(&event["object"]);
        if bundle == format!("another\n{own}\n") {
            break;
        }
        assert_eq!(bundle, "another\n");
    }
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader";
    assert_eq!(
        cluster.get(role).await.ok()["rules"][0]["resourceNames"],
        json!(["extension-apiserver-authentication"])
    );
}

#[tokio::test]
async fn who_measures_may_be_somebody_else() {
    let cluster = Cluster::start().await;
    let measured = "/apis/metrics.k8s.io/v1beta1";
    assert_eq!(cluster.get(measured).await.code, 200);
    assert_eq!(cluster.get(&format!("{API_SERVICES}/v1beta1.metrics.k8s.io")).await.code, 404);
    let other = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"namespace": "kube-system", "name": "metrics-server"}}});
    cluster.post(API_SERVICES, &other).await.ok();
    assert_eq!(cluster.get(measured).await.code, 503);
    assert_eq!(cluster.get(&format!("{measured}/nodes")).await.code, 503);
    cluster.delete(&format!("{API_SERVICES}/v1beta1.metrics.k8s.io"), &json!({})).await.ok();
    assert_eq!(cluster.get(measured).await.code, 200);
}

#[tokio::test]
async fn groups_come_by_priority() {
    let cluster = Cluster::start().await;
    let groups = cluster.get("/apis").await.ok();
    let groups: Vec<&str> =
        groups["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    assert_eq!(groups[..4], ["apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io"]);
    assert_eq!(groups.last(), Some(&"metrics.k8s.io"));
    let accept = ("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let all = cluster.ask("GET", "/apis", &[accept], bytes::Bytes::new()).await;
    assert_eq!(all.json()["items"][0]["metadata"], json!({"name": "apiregistration.k8s.io"}));
    let tag = all.headers["etag"].to_str().unwrap();
    let again = cluster.ask("GET", "/apis", &[accept, ("if-none-match", tag)], bytes::Bytes::new()).await;
    assert_eq!((again.code, again.text.as_str()), (304, ""));
}
