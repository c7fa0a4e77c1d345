//! The corners of the API that kubectl knows: certificates, leases of nodes, component statuses, proxies, dumps.

use std::process::Command;
use std::time::Duration;

use odeon_tests::{Cluster, eventually, run};

/// A key of Jane's in `key.pem`, and a request for a certificate as YAML.
fn ask(cluster: &Cluster) -> String {
    let file = |name: &str| cluster.directory().join(name).display().to_string();
    run(Command::new("openssl").args([
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        &file("key.pem"),
    ]))
    .ok();
    let subject = ["-subj", "/CN=jane/O=dev/O=ops"];
    run(Command::new("openssl")
        .args(["req", "-new", "-key", &file("key.pem"), "-out", &file("jane.csr")])
        .args(subject))
    .ok();
    let request = run(Command::new("base64").args(["-w0", &file("jane.csr")])).ok();
    format!(
        "apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: jane}}
spec:
  request: {request}
  signerName: kubernetes.io/kube-apiserver-client
  expirationSeconds: 3600
  usages: [client auth]
"
    )
}

#[test]
fn a_certificate_that_is_approved_lets_its_holder_in() {
    let cluster = Cluster::hollow(1);
    cluster.kubectl_with(&["apply", "-f", "-"], &ask(&cluster)).ok();
    let listed = cluster.kubectl(&["get", "csr"]).ok();
    assert!(
        listed.contains("kubernetes.io/kube-apiserver-client   admin       60m                 Pending"),
        "{listed}"
    );
    assert_eq!(
        cluster.kubectl(&["certificate", "approve", "jane"]).ok(),
        "certificatesigningrequest.certificates.k8s.io/jane approved\n"
    );
    let listed = cluster.kubectl(&["get", "csr", "jane"]).ok();
    assert!(listed.contains("Approved,Issued"), "{listed}");
    let encoded = cluster.kubectl(&["get", "csr", "jane", "-o", "jsonpath={.status.certificate}"]).ok();
    let file = |name: &str| cluster.directory().join(name).display().to_string();
    std::fs::write(file("jane.b64"), encoded).unwrap();
    let certificate = run(Command::new("base64").args(["-d", &file("jane.b64")])).ok();
    std::fs::write(file("jane.pem"), certificate).unwrap();
    let shown = run(Command::new("openssl").args([
        "x509",
        "-in",
        &file("jane.pem"),
        "-noout",
        "-subject",
        "-ext",
        "extendedKeyUsage",
    ]))
    .ok();
    assert!(shown.contains("CN = jane, O = dev, O = ops"), "{shown}");
    let (key, certificate) = (file("key.pem"), file("jane.pem"));
    let paths = [format!("--client-key={key}"), format!("--client-certificate={certificate}")];
    cluster.kubectl(&["config", "set-credentials", "jane", &paths[0], &paths[1]]).ok();
    let who = cluster.kubectl(&["--user=jane", "auth", "whoami"]).ok();
    assert!(who.contains("jane") && who.contains("[dev ops system:authenticated]"), "{who}");
    cluster.kubectl(&["create", "clusterrolebinding", "ops", "--clusterrole=view", "--group=ops"]).ok();
    eventually("jane may read", Duration::from_secs(10), || {
        let pods = cluster.kubectl(&["--user=jane", "get", "pods"]);
        if pods.success { Ok(()) } else { Err(pods.stderr) }
    });
    let described = cluster.kubectl(&["describe", "csr", "jane"]).ok();
    assert!(described.contains("Common Name:    jane"), "{described}");
}

#[test]
fn nodes_are_described_with_their_leases() {
    let cluster = Cluster::hollow(2);
    let leases = cluster.kubectl(&["get", "leases", "-n", "kube-node-lease"]).ok();
    let node = cluster.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]).ok();
    assert_eq!(leases.lines().count(), 3, "{leases}");
    let described = cluster.kubectl(&["describe", "node", &node]).ok();
    assert!(described.contains(&format!("HolderIdentity:  {node}\n")), "{described}");
    assert!(!described.contains("RenewTime:       <unset>"), "{described}");
    let path = format!("/api/v1/nodes/{node}/proxy");
    assert_eq!(cluster.kubectl(&["get", "--raw", &format!("{path}/healthz")]).ok(), "ok");
    assert!(
        cluster.kubectl(&["get", "--raw", &format!("{path}/stats/summary")]).ok().contains("usageNanoCores")
    );
    let refused = cluster.kubectl(&["get", "--raw", &format!("{path}/configz")]).err();
    assert!(refused.contains("is no kubelet"), "{refused}");
}

#[test]
fn statuses_and_dumps_are_given() {
    let cluster = Cluster::hollow(1);
    let statuses = cluster.kubectl(&["get", "componentstatuses"]).ok();
    assert!(statuses.starts_with("NAME   STATUS    MESSAGE   ERROR\nbus    Healthy   ok"), "{statuses}");
    assert!(cluster.kubectl(&["cluster-info"]).ok().contains("control plane"));
    let dump = cluster.kubectl(&["cluster-info", "dump"]).ok();
    assert!(dump.contains("\"kind\": \"NodeList\"") && dump.contains("\"kind\": \"PodList\""), "{dump}");
}
