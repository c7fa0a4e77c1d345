//! Who may do what: reviews, tokens of service accounts, and acting as someone else.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, PODS, config_map};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

async fn account(cluster: &Cluster) -> Value {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    cluster.post(ACCOUNTS, &account).await.ok()
}

async fn token(cluster: &Cluster, spec: &Value) -> String {
    let answer = cluster.post(&format!("{ACCOUNTS}/robot/token"), &json!({"spec": spec})).await.ok();
    assert_eq!(answer["kind"], "TokenRequest");
    answer["status"]["token"].as_str().unwrap().to_owned()
}

async fn as_robot(cluster: &Cluster, token: &str, method: &str, path: &str) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = cluster.ask_as(false, method, path, &headers, Bytes::new()).await;
    (answer.code, answer.text)
}

#[tokio::test]
async fn a_service_account_reads_its_own_namespace() {
    let cluster = Cluster::start().await;
    account(&cluster).await;
    cluster.post(CONFIG_MAPS, &config_map("c", "web")).await.ok();
    let token = token(&cluster, &json!({})).await;
    assert_eq!(as_robot(&cluster, &token, "GET", &format!("{CONFIG_MAPS}/c")).await.0, 200);
    assert_eq!(as_robot(&cluster, &token, "GET", "/apis").await.0, 200);
    let (code, text) = as_robot(&cluster, &token, "DELETE", &format!("{CONFIG_MAPS}/c")).await;
    assert_eq!(code, 403);
    let message = serde_json::from_str::<Value>(&text).unwrap()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "configmaps \"c\" is forbidden: User \"system:serviceaccount:default:robot\" cannot delete resource \
         \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(as_robot(&cluster, "nonsense", "GET", "/apis").await.0, 401);
    cluster.delete(&format!("{ACCOUNTS}/robot"), &json!({})).await.ok();
    assert_eq!(as_robot(&cluster, &token, "GET", "/apis").await.0, 401);
}

#[tokio::test]
async fn tokens_are_for_audiences_and_die_with_what_they_are_bound_to() {
    let cluster = Cluster::start().await;
    account(&cluster).await;
    let elsewhere = token(&cluster, &json!({"audiences": ["vault"]})).await;
    assert_eq!(as_robot(&cluster, &elsewhere, "GET", "/apis").await.0, 401);
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = json!({"spec": {"token": elsewhere, "audiences": ["vault"]}});
    let answer = cluster.post(reviews, &review).await.ok();
    assert_eq!(answer["status"]["user"]["username"], "system:serviceaccount:default:robot");
    let answer = cluster.post(reviews, &json!({"spec": {"token": elsewhere}})).await.ok();
    assert_eq!(answer["status"]["authenticated"], false);

    let mut pod = crate::cluster::pod("p");
    pod["spec"]["serviceAccountName"] = json!("robot");
    cluster.post(PODS, &pod).await.ok();
    let bound = token(&cluster, &json!({"boundObjectRef": {"kind": "Pod", "name": "p"}})).await;
    assert_eq!(as_robot(&cluster, &bound, "GET", PODS).await.0, 200);
    cluster.delete(&format!("{PODS}/p"), &json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(as_robot(&cluster, &bound, "GET", PODS).await.0, 401);
    let short =
        cluster.post(&format!("{ACCOUNTS}/robot/token"), &json!({"spec": {"expirationSeconds": 5}})).await;
    assert_eq!(
        short.failure(),
        "422 Invalid: TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 5: \
         may not specify a duration less than 10 minutes"
    );
    assert_eq!(cluster.post(&format!("{ACCOUNTS}/none/token"), &json!({})).await.code, 404);
}

#[tokio::test]
async fn reviews_say_who_may_do_what() {
    let cluster = Cluster::start().await;
    let authorization = "/apis/authorization.k8s.io/v1";
    let wanted =
        json!({"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "web"}}});
    let myself = format!("{authorization}/selfsubjectaccessreviews");
    assert_eq!(cluster.post(&myself, &wanted).await.ok()["status"]["allowed"], true);
    let as_jane = [("impersonate-user", "jane"), ("content-type", "application/json")];
    let body = Bytes::from(wanted.to_string());
    let answer = cluster.ask("POST", &myself, &as_jane, body).await.ok();
    assert_eq!(answer["status"]["allowed"], false);
    let mut other = wanted.clone();
    other["spec"]["user"] = json!("jane");
    let others = format!("{authorization}/subjectaccessreviews");
    assert_eq!(cluster.post(&others, &other).await.ok()["status"]["allowed"], false);
    let local = format!("{authorization}/namespaces/web/localsubjectaccessreviews");
    assert_eq!(cluster.post(&local, &other).await.ok()["status"]["allowed"], false);
    let rules = cluster
        .post(&format!("{authorization}/selfsubjectrulesreviews"), &json!({"spec": {"namespace": "web"}}))
        .await
        .ok();
    assert_eq!(rules["status"]["resourceRules"][0]["verbs"][0], "*");
    let me = cluster.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.ok();
    assert_eq!(me["status"]["userInfo"]["username"], "admin");
    assert_eq!(me["status"]["userInfo"]["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!(cluster.get(&myself).await.code, 405);
    assert_eq!(cluster.post(&myself, &json!({"spec": {}})).await.code, 422);
    let pods = cluster.ask("GET", PODS, &[("impersonate-user", "jane")], Bytes::new()).await;
    assert_eq!(
        pods.failure(),
        "403 Forbidden: pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
}
