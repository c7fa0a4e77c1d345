//! Reading: forms, pages and selectors, and who may.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, PODS, config_map, pod};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_come_in_pages_that_show_one_moment() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        cluster.post(CONFIG_MAPS, &config_map(name, "x")).await.ok();
    }
    let first = cluster.get(&format!("{CONFIG_MAPS}?limit=2")).await.ok();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    assert_eq!((&first["kind"], &first["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    cluster.delete(&format!("{CONFIG_MAPS}/c"), &json!({})).await.ok();
    cluster.post(CONFIG_MAPS, &config_map("cc", "x")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.ok();
    assert_eq!(names(&second), ["c", "d"], "what was deleted since is still there");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.ok();
    assert_eq!(names(&third), ["e"]);
    assert_eq!(third["metadata"].get("continue"), None);
    assert_eq!(cluster.get(&format!("{CONFIG_MAPS}?continue=x")).await.code, 400);
}

#[tokio::test]
async fn large_lists_are_whole() {
    let cluster = Cluster::start().await;
    let mut large = config_map("a", "x");
    large["data"]["k"] = json!("v".repeat(100_000));
    for name in ["a", "b", "c"] {
        large["metadata"]["name"] = json!(name);
        cluster.post(CONFIG_MAPS, &large).await.ok();
    }
    assert_eq!(names(&cluster.get(CONFIG_MAPS).await.ok()), ["a", "b", "c"]);
}

#[tokio::test]
async fn selectors_select() {
    let cluster = Cluster::start().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "z")] {
        cluster.post(CONFIG_MAPS, &config_map(name, app)).await.ok();
    }
    let select = async |query: &str| -> String {
        let list = cluster.get(&format!("{CONFIG_MAPS}?{query}")).await.ok();
        names(&list).join(" ")
    };
    assert_eq!(select("labelSelector=app%3Dx").await, "a");
    assert_eq!(select("labelSelector=app+in+(x,z)").await, "a c");
    assert_eq!(select("labelSelector=app!%3Dx,app").await, "b c");
    assert_eq!(select("fieldSelector=metadata.name%3Db").await, "b");
    assert_eq!(cluster.get(&format!("{CONFIG_MAPS}?labelSelector=a+b")).await.code, 400);
    assert_eq!(cluster.get(&format!("{CONFIG_MAPS}?limit=x")).await.code, 400);
}

#[tokio::test]
async fn objects_are_shown_as_tables_and_as_metadata() {
    let cluster = Cluster::start().await;
    cluster.post(PODS, &pod("web")).await.ok();
    let table = cluster.ask("GET", PODS, &[("accept", TABLE)], Bytes::new()).await.ok();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][0]["cells"][0], "web");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let with_objects = cluster
        .ask("GET", &format!("{PODS}/web?includeObject=Object"), &[("accept", TABLE)], Bytes::new())
        .await
        .ok();
    assert_eq!(with_objects["rows"][0]["object"]["spec"]["containers"][0]["name"], "c");
    let metadata = cluster.ask("GET", PODS, &[("accept", METADATA)], Bytes::new()).await.ok();
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert_eq!(metadata["items"][0].get("spec"), None);
    assert_eq!(metadata["items"][0]["metadata"]["labels"]["app"], "web");
    let none = cluster.ask("GET", PODS, &[("accept", "text/html")], Bytes::new()).await;
    assert_eq!(none.code, 406);
}

#[tokio::test]
async fn strangers_see_no_objects() {
    let cluster = Cluster::start().await;
    for open in ["/livez", "/readyz", "/healthz", "/version"] {
        assert_eq!(cluster.ask_as(false, "GET", open, &[], Bytes::new()).await.code, 200, "{open}");
    }
    assert_eq!(
        cluster.ask_as(false, "GET", PODS, &[], Bytes::new()).await.failure(),
        "401 Unauthorized: Unauthorized"
    );
    let bearer = format!("Bearer {}", cluster.pki.admin_token);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(cluster.ask_as(false, "GET", PODS, &headers, Bytes::new()).await.code, 200);
    let wrong = [("authorization", "Bearer nonsense")];
    assert_eq!(cluster.ask_as(false, "GET", PODS, &wrong, Bytes::new()).await.code, 401);
}

#[tokio::test]
async fn a_bus_that_is_away_is_said_so() {
    let mut cluster = Cluster::start().await;
    cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    cluster.nats.kill();
    let refused = cluster.post(CONFIG_MAPS, &config_map("b", "x")).await;
    assert!(matches!(refused.code, 503 | 504), "{} {}", refused.code, refused.text);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(cluster.get(&format!("{CONFIG_MAPS}/a")).await.code, 200, "reads come from the view");
}

#[tokio::test]
async fn versions_and_pages_that_do_not_go_together_are_refused() {
    let cluster = Cluster::start().await;
    let wrong = [
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=Exact&resourceVersion=0",
        "resourceVersionMatch=Some&resourceVersion=1",
        "resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x",
        "resourceVersion=1&continue=x",
        "sendInitialEvents=true",
    ];
    let mut text = String::new();
    for query in wrong {
        text += &format!("{}\n", cluster.get(&format!("{CONFIG_MAPS}?{query}")).await.failure());
    }
    expect_test::expect![[r#"
        422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided
        422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"
        422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Some": supported values: "Exact", "NotOlderThan", ""
        422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided
        400 BadRequest: specifying resource version is not allowed when using continue
        422 Invalid: ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list
    "#]].assert_eq(&text);
}
