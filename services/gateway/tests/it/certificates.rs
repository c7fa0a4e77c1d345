//! Requests for certificates: made, decided, signed, and used to come in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::Pki;
use serde_json::{Value, json};

use crate::cluster::{Client, Cluster};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";

/// A request of `name`, a member of `group`, and the key that it is about.
fn request(name: &str, group: &str, signer: &str) -> (Value, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, group);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    let object = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "request": STANDARD.encode(pem), "signerName": signer, "usages": ["client auth", "digital signature"],
            "expirationSeconds": 86400, "username": "somebody else",
        },
    });
    (object, key.serialize_pem())
}

fn decision(mut request: Value, kind: &str) -> Value {
    request["status"]["conditions"] =
        json!([{"type": kind, "status": "True", "reason": "KubectlDecides", "message": "by hand"}]);
    request
}

fn conditions(request: &Value) -> Vec<String> {
    let conditions = request["status"]["conditions"].as_array().unwrap();
    conditions
        .iter()
        .map(|one| format!("{} {}", one["type"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_approved_comes_in_with_its_certificate() {
    let cluster = Cluster::start().await;
    let (asked, key) = request("jane", "dev", CLIENTS);
    let made = cluster.post(REQUESTS, &asked).await.ok();
    assert_eq!(
        (made["spec"]["username"].as_str(), made["spec"]["groups"][0].as_str()),
        (Some("admin"), Some("system:masters"))
    );
    let path = format!("{REQUESTS}/jane/approval");
    let approved = cluster.put(&path, &decision(made.clone(), "Approved")).await.ok();
    assert_eq!(conditions(&approved), ["Approved KubectlDecides"]);
    let certificate = STANDARD.decode(approved["status"]["certificate"].as_str().unwrap()).unwrap();
    let pki = Pki {
        admin_certificate: String::from_utf8(certificate).unwrap(),
        admin_key: key,
        ..cluster.pki.clone()
    };
    let jane = Client { pki, address: cluster.address };
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let who = jane.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await.ok();
    assert_eq!(who["status"]["userInfo"]["username"], "jane");
    assert_eq!(who["status"]["userInfo"]["groups"], json!(["dev", "system:authenticated"]));
    let refused = jane.get("/api/v1/namespaces/default/pods").await.failure();
    assert!(refused.starts_with("403 Forbidden: pods is forbidden: User \"jane\""), "{refused}");
    let table = cluster.ask(
        "GET",
        REQUESTS,
        &[("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")],
        Bytes::new(),
    );
    let cells = table.await.ok()["rows"][0]["cells"].clone();
    assert_eq!(
        cells.as_array().unwrap()[2..],
        [json!(CLIENTS), json!("admin"), json!("24h"), json!("Approved,Issued")]
    );
    let other = cluster.put(&path, &decision(approved.clone(), "Denied")).await.failure();
    assert!(other.contains("updates may not remove a condition of type \"Approved\""), "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_suit_a_signer_is_refused_or_fails() {
    let cluster = Cluster::start().await;
    let (masters, _) = request("mallory", "system:masters", CLIENTS);
    assert_eq!(
        cluster.post(REQUESTS, &masters).await.failure(),
        "403 Forbidden: certificatesigningrequests.certificates.k8s.io \"mallory\" is forbidden: \
         use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    );
    let (mut broken, _) = request("broken", "dev", CLIENTS);
    broken["spec"]["request"] = json!(STANDARD.encode("nonsense"));
    let why = cluster.post(REQUESTS, &broken).await.failure();
    assert!(
        why.starts_with("422 Invalid") && why.ends_with("PEM block type must be CERTIFICATE REQUEST"),
        "{why}"
    );
    let (node, _) = request("n1", "dev", "kubernetes.io/kube-apiserver-client-kubelet");
    let node = cluster.post(REQUESTS, &node).await.ok();
    let failed = cluster.put(&format!("{REQUESTS}/n1/approval"), &decision(node, "Approved")).await.ok();
    assert_eq!(conditions(&failed), ["Approved KubectlDecides", "Failed SignerValidationFailure"]);
    assert_eq!(failed["status"]["conditions"][1]["message"], "subject organization is not system:nodes");
    let (denied, _) = request("joe", "dev", CLIENTS);
    let denied = cluster.post(REQUESTS, &denied).await.ok();
    let denied = cluster.put(&format!("{REQUESTS}/joe/approval"), &decision(denied, "Denied")).await.ok();
    assert!(denied["status"]["certificate"].is_null());
    let mut changed = denied.clone();
    changed["spec"]["username"] = json!("root");
    let kept = cluster.put(&format!("{REQUESTS}/joe"), &changed).await.ok();
    assert_eq!(kept["spec"]["username"], "admin", "who asked stays who asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deciding_needs_the_signer() {
    let cluster = Cluster::start().await;
    let (asked, _) = request("jane", "dev", CLIENTS);
    let made = cluster.post(REQUESTS, &asked).await.ok();
    let path = format!("{REQUESTS}/jane/approval");
    let body = Bytes::from(decision(made, "Approved").to_string());
    let as_clerk = [("content-type", "application/json"), ("impersonate-user", "clerk")];
    let role = |verb: &str, resource: &str, name: &str| {
        let mut rule =
            json!({"apiGroups": ["certificates.k8s.io"], "verbs": [verb], "resources": [resource]});
        if !name.is_empty() {
            rule["resourceNames"] = json!([name]);
        }
        rule
    };
    let update = role("update", "certificatesigningrequests/approval", "");
    let approve = role("approve", "signers", "kubernetes.io/*");
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let clerk = |rules: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "clerk"}, "rules": rules});
    cluster.post(roles, &clerk(json!([update]))).await.ok();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "clerk"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "clerk"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "clerk"}],
    });
    cluster.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await.ok();
    assert_eq!(
        cluster.ask("PUT", &path, &as_clerk, body.clone()).await.failure(),
        "403 Forbidden: certificatesigningrequests.certificates.k8s.io \"jane\" is forbidden: \
         user not permitted to approve requests with signerName \"kubernetes.io/kube-apiserver-client\""
    );
    cluster.put(&format!("{roles}/clerk"), &clerk(json!([update, approve]))).await.ok();
    cluster.ask("PUT", &path, &as_clerk, body).await.ok();
}
