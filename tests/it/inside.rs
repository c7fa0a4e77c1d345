//! Looking out of a pod and into one: the token that it is given, and containers that are added to it.

use std::process::Command;
use std::time::Duration;

use odeon_tests::images::{self, BUSYBOX};
use odeon_tests::{Cluster, eventually, run, tool};

use crate::kubectl::anonymous;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRETS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn cluster() -> Cluster {
    images::make();
    Cluster::start(&[
        "--runtime",
        "docker",
        "--service-cidr",
        "10.112.0.0/16",
        "--node-port-range",
        "31600-31699",
    ])
}

fn start_pod(cluster: &Cluster, account: &str) {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: app}}\nspec:\n  terminationGracePeriodSeconds: 1\n  serviceAccountName: {account}\n  \
         containers: [{{name: app, image: '{BUSYBOX}', command: [sleep, '4321']}}]\n"
    );
    cluster.kubectl_with(&["apply", "-f", "-"], &manifest).ok();
    let waited = cluster.kubectl(&["wait", "pod/app", "--for=condition=Ready", "--timeout=60s"]);
    if !waited.success {
        panic!("{}\n{}", waited.stderr, cluster.kubectl(&["describe", "pod", "app"]).stdout);
    }
}

#[test]
fn a_pod_shows_the_token_of_its_account() {
    let cluster = cluster();
    cluster.kubectl(&["create", "serviceaccount", "robot"]).ok();
    cluster
        .kubectl(&["create", "rolebinding", "robots", "--clusterrole=view", "--serviceaccount=default:robot"])
        .ok();
    start_pod(&cluster, "robot");
    let read = |file: &str| cluster.kubectl(&["exec", "app", "--", "cat", &format!("{SECRETS}/{file}")]).ok();
    assert_eq!(read("namespace"), "default");
    assert!(read("ca.crt").starts_with("-----BEGIN CERTIFICATE-----"));
    let token = read("token");
    let kubeconfig = anonymous(&cluster, token.trim()).unwrap();
    let with_token =
        |words: &[&str]| run(Command::new(tool("kubectl")).arg("--kubeconfig").arg(&kubeconfig).args(words));
    let who = with_token(&["auth", "whoami"]).ok();
    assert!(who.contains("system:serviceaccount:default:robot"), "{who}");
    assert!(who.contains("authentication.kubernetes.io/pod-name"), "{who}");
    assert!(with_token(&["get", "pods"]).ok().contains("app"));
    assert!(with_token(&["delete", "pod", "app"]).err().contains("cannot delete resource \"pods\""));
    // A token dies with the pod that it was minted for.
    cluster.kubectl(&["delete", "pod", "app"]).ok();
    assert!(with_token(&["get", "pods"]).err().contains("Unauthorized"));
}

#[test]
fn debug_sees_the_processes_of_a_container_that_runs() {
    let cluster = cluster();
    eventually("there is a default service account", PATIENCE, || {
        let found = cluster.kubectl(&["get", "serviceaccount", "default"]);
        if found.success { Ok(()) } else { Err(found.stderr) }
    });
    start_pod(&cluster, "default");
    let image = format!("--image={BUSYBOX}");
    cluster
        .kubectl(&[
            "debug",
            "app",
            &image,
            "--target=app",
            "--container=look",
            "--",
            "sh",
            "-c",
            "ps; echo looked; sleep 1",
        ])
        .ok();
    let seen = eventually("the debugger has looked", PATIENCE, || {
        let logs = cluster.kubectl(&["logs", "app", "-c", "look"]);
        match logs.stdout.contains("looked") {
            true => Ok(logs.stdout),
            false => Err(format!(
                "{}{}",
                logs.stderr,
                cluster
                    .kubectl(&["get", "pod", "app", "-o", "jsonpath={.status.ephemeralContainerStatuses}"])
                    .stdout
            )),
        }
    });
    assert!(seen.contains("sleep 4321"), "{seen}");
    eventually("it has ended, and the pod has not", PATIENCE, || {
        let path =
            "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode} {.status.phase}";
        let state = cluster.kubectl(&["get", "pod", "app", "-o", path]).ok();
        if state == "0 Running" { Ok(()) } else { Err(state) }
    });
}
