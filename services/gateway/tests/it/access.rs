//! Who may do what: reviews, tokens of service accounts, and acting as someone else.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, PODS, config_map};

const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";

async fn account(cluster: &Cluster) -> Value {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    cluster.post(ACCOUNTS, &account).await.ok()
}

/// Gives a cluster role to someone in the default namespace.
fn binding(role: &str, kind: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": format!("{role}-{name}")}, "subjects": [{"kind": kind, "name": name}],
        "roleRef": {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"},
    })
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
async fn a_service_account_may_what_its_roles_say() {
    let cluster = Cluster::start().await;
    account(&cluster).await;
    cluster.post(CONFIG_MAPS, &config_map("c", "web")).await.ok();
    let token = token(&cluster, &json!({})).await;
    let one = format!("{CONFIG_MAPS}/c");
    assert_eq!(as_robot(&cluster, &token, "GET", "/apis").await.0, 200);
    assert_eq!(as_robot(&cluster, &token, "GET", &one).await.0, 403);
    cluster.post(BINDINGS, &binding("view", "ServiceAccount", "robot")).await.ok();
    assert_eq!(as_robot(&cluster, &token, "GET", &one).await.0, 200);
    let (code, text) = as_robot(&cluster, &token, "DELETE", &one).await;
    assert_eq!(code, 403);
    let message = serde_json::from_str::<Value>(&text).unwrap()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "configmaps \"c\" is forbidden: User \"system:serviceaccount:default:robot\" cannot delete resource \
         \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(as_robot(&cluster, "nonsense", "GET", "/apis").await.0, 401);
    cluster.delete(&format!("{BINDINGS}/view-robot"), &json!({})).await.ok();
    assert_eq!(as_robot(&cluster, &token, "GET", &one).await.0, 403);
    cluster.delete(&format!("{ACCOUNTS}/robot"), &json!({})).await.ok();
    assert_eq!(as_robot(&cluster, &token, "GET", "/apis").await.0, 401);
}

#[tokio::test]
async fn nobody_hands_out_more_than_they_have() {
    let cluster = Cluster::start().await;
    cluster.post(BINDINGS, &binding("admin", "User", "jane")).await.ok();
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let as_jane = |method: &'static str, path: &'static str, body: Value| {
        let headers = [("impersonate-user", "jane"), ("content-type", "application/json")];
        let cluster = &cluster;
        async move { cluster.ask(method, path, &headers, Bytes::from(body.to_string())).await }
    };
    let role = |resource: &str| json!({"metadata": {"name": resource}, "rules": [{"verbs": ["get", "create"], "apiGroups": ["", "x"], "resources": [resource]}]});
    let refused = as_jane("POST", roles, role("secrets")).await.failure();
    assert_eq!(
        refused,
        "403 Forbidden: roles.rbac.authorization.k8s.io \"secrets\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) \
         is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"x\"], Resources:[\"secrets\"], Verbs:[\"create\" \"get\"]}"
    );
    let mut own = role("secrets");
    own["rules"][0]["apiGroups"] = json!([""]);
    as_jane("POST", roles, own).await.ok();
    as_jane("POST", BINDINGS, binding("edit", "User", "jim")).await.ok();
    assert_eq!(as_jane("POST", BINDINGS, binding("cluster-admin", "User", "jim")).await.code, 403);
    assert_eq!(
        as_jane("POST", BINDINGS, binding("nothing", "User", "jim")).await.failure(),
        "404 NotFound: clusterroles.rbac.authorization.k8s.io \"nothing\" not found"
    );
    // An update is a handing out as well, and a role is bound for good.
    let patch = json!({"roleRef": {"name": "view"}});
    let changed = cluster.patch(&format!("{BINDINGS}/edit-jim"), "merge-patch+json", &patch).await.failure();
    assert!(changed.ends_with("cannot change roleRef"), "{changed}");
    assert!(
        as_jane(
            "PUT",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/secrets",
            role("secrets")
        )
        .await
        .code
            == 403
    );
    // `bind` lifts it for a role, `escalate` for all rules.
    let rules = json!([
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]},
        {"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]},
    ]);
    cluster.post(roles, &json!({"metadata": {"name": "powers"}, "rules": rules})).await.ok();
    let mut powers = binding("powers", "User", "jane");
    powers["roleRef"]["kind"] = json!("Role");
    cluster.post(BINDINGS, &powers).await.ok();
    as_jane("POST", BINDINGS, binding("cluster-admin", "User", "jim")).await.ok();
    as_jane("PUT", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/secrets", role("secrets"))
        .await
        .ok();
}

#[tokio::test]
async fn acting_as_others_is_a_right() {
    let cluster = Cluster::start().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let rules = json!([
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"]},
    ]);
    cluster.post(roles, &json!({"metadata": {"name": "actor"}, "rules": rules})).await.ok();
    account(&cluster).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]);
    let everywhere = json!({
        "metadata": {"name": "actors"}, "subjects": subjects, "roleRef": {"kind": "ClusterRole", "name": "actor", "apiGroup": "rbac.authorization.k8s.io"},
    });
    cluster.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &everywhere).await.ok();
    let bearer = format!("Bearer {}", token(&cluster, &json!({})).await);
    let act = |mask: &'static [(&'static str, &'static str)]| {
        let headers =
            [&[("authorization", bearer.as_str()), ("content-type", "application/json")], mask].concat();
        let cluster = &cluster;
        async move {
            let me = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
            cluster.ask_as(false, "POST", me, &headers, Bytes::from_static(b"{}")).await
        }
    };
    let jane = act(&[("impersonate-user", "jane"), ("impersonate-group", "dev")]).await.ok();
    assert_eq!(
        jane["status"]["userInfo"],
        json!({"username": "jane", "groups": ["dev", "system:authenticated"]})
    );
    assert_eq!(
        act(&[("impersonate-user", "jim")]).await.failure(),
        "403 Forbidden: users \"jim\" is forbidden: User \"system:serviceaccount:default:robot\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
    );
    assert_eq!(act(&[("impersonate-user", "jane"), ("impersonate-group", "system:masters")]).await.code, 403);
    assert_eq!(act(&[("impersonate-user", "jane"), ("impersonate-uid", "7")]).await.code, 403);
    assert_eq!(act(&[("impersonate-group", "dev")]).await.code, 400);
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
    cluster.post(BINDINGS, &binding("view", "ServiceAccount", "robot")).await.ok();
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

#[tokio::test]
async fn pods_run_as_accounts_that_are_there_and_mount_their_tokens() {
    let cluster = Cluster::start().await;
    let mut pod = crate::cluster::pod("p");
    pod["spec"]["serviceAccountName"] = json!("robot");
    assert_eq!(
        cluster.post(PODS, &pod).await.failure(),
        "403 Forbidden: pods \"p\" is forbidden: error looking up service account default/robot: serviceaccount \"robot\" not found"
    );
    account(&cluster).await;
    let created = cluster.post(PODS, &pod).await.ok();
    let mount = &created["spec"]["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_eq!(created["spec"]["volumes"][0]["name"], mount["name"]);
    let mut plain = crate::cluster::pod("q");
    plain["spec"]["automountServiceAccountToken"] = json!(false);
    let plain = cluster.post(PODS, &plain).await.ok();
    assert_eq!(plain["spec"]["volumes"], Value::Null, "the pod has said that it wants none");
}

#[tokio::test]
async fn the_authority_is_published_for_pods() {
    let cluster = Cluster::start().await;
    let published = cluster.get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt").await.ok();
    assert_eq!(published["data"]["ca.crt"], cluster.pki.ca_certificate);
}
