//! Wrong manifests, flags, addresses and files: each gets an error that names what is wrong, and loses nothing.

use std::process::Command;

use odeon_tests::{Cluster, odeon, run};

#[test]
fn wrong_manifests_are_refused_with_the_field() {
    let cluster = Cluster::hollow(1);
    let refused = |manifest: &str, expected: &[&str]| {
        let complaint = cluster.kubectl_with(&["apply", "-f", "-"], manifest).err();
        for words in expected {
            assert!(complaint.contains(words), "`{words}` is missing in: {complaint}");
        }
    };
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}\n");
    refused(
        &pod("{containers: [{name: c, image: a, imagePulPolicy: Always}]}"),
        &["unknown field", "imagePulPolicy"],
    );
    refused(&pod("{containers: [{name: c}]}"), &["spec.containers[0].image", "Required value"]);
    refused(&pod("{containers: [{name: c, image: a, ports: [{containerPort: many}]}]}"), &["containerPort"]);
    refused(
        &pod("{containers: [{name: c, image: a, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]}"),
        &["must be less than or equal to cpu limit"],
    );
    refused(&pod("{containers: [{name: C_1, image: a}]}"), &["spec.containers[0].name", "Invalid value"]);
    refused(&pod("{containers: []}"), &["spec.containers", "Required value"]);
    refused(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: Not_A_Name}\nspec: {containers: [{name: c, image: a}]}\n",
        &["metadata.name", "Invalid value"],
    );
    refused(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: nowhere}\n",
        &["namespaces \"nowhere\" not found"],
    );
    refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: a}]}}}\n",
        &["selector", "does not match template"],
    );
    refused("apiVersion: v1\nkind: Puppet\nmetadata: {name: x}\n", &["no matches for kind \"Puppet\""]);
    assert!(cluster.kubectl(&["get", "pods", "--no-headers"]).ok().is_empty());
}

#[test]
fn the_tool_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let complaint = |arguments: &[&str]| {
        run(Command::new(odeon()).args(arguments).env_remove("KUBECONFIG").env("HOME", directory.path()))
            .err()
    };
    let corrupt = directory.path().join("kubeconfig");
    std::fs::write(&corrupt, "clusters: 7").unwrap();
    let corrupt = corrupt.to_str().unwrap();

    assert!(complaint(&["--kubeconfig", corrupt, "get", "pods"]).contains(corrupt));
    assert!(complaint(&["get", "pods"]).contains("KUBECONFIG"));
    assert!(complaint(&["get"]).contains("RESOURCE"));
    let unreachable = complaint(&[
        "controller",
        "--nats",
        "nats://127.0.0.1:1",
        "--metrics-listen",
        "127.0.0.1:0",
        "--connect-patience",
        "1",
    ]);
    assert!(unreachable.contains("127.0.0.1:1"), "{unreachable}");
    let no_docker = run(Command::new(odeon())
        .args([
            "up",
            "--runtime",
            "docker",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(directory.path().join("data"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock"))
    .err();
    assert!(no_docker.contains("--runtime hollow"), "{no_docker}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let complaint = run(Command::new(odeon())
        .args([
            "up",
            "--runtime",
            "hollow",
            "--metrics-listen",
            "127.0.0.1:0",
            "--listen",
            &address,
            "--data-dir",
        ])
        .arg(directory.path()))
    .err();
    assert!(complaint.contains(&address) && complaint.contains("--listen"), "{complaint}");
}
