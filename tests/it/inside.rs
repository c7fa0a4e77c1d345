//! Looking out of a pod and into one: the token that it is given, containers that are added to it, what they may do and get.

use std::process::Command;
use std::time::Duration;

use odeon_tests::images::BUSYBOX;
use odeon_tests::{Cluster, eventually, run, tool};

use crate::kubectl::anonymous;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRETS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn cluster() -> Cluster {
    Cluster::docker("10.112.0.0/16", "31600-31699")
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

/// What a pod's status says at a path.
fn seen(cluster: &Cluster, pod: &str, path: &str) -> String {
    cluster.kubectl(&["get", "pod", pod, "-o", &format!("jsonpath={path}")]).ok()
}

#[test]
fn containers_that_run_are_resized_in_place() {
    let cluster = cluster();
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: app}}\nspec:\n  terminationGracePeriodSeconds: 0\n  \
         containers: [{{name: app, image: '{BUSYBOX}', command: [sleep, '4321'], resources: {{requests: {{memory: 32Mi}}, \
         limits: {{memory: 64Mi}}}}}}]\n"
    );
    cluster.kubectl_with(&["apply", "-f", "-"], &manifest).ok();
    cluster.kubectl(&["wait", "pod/app", "--for=condition=Ready", "--timeout=60s"]).ok();
    let resize = |limit: &str| {
        let patch = format!(
            "{{\"spec\":{{\"containers\":[{{\"name\":\"app\",\"resources\":{{\"limits\":{{\"memory\":\"{limit}\"}}}}}}]}}}}"
        );
        cluster.kubectl(&["patch", "pod", "app", "--subresource=resize", "-p", &patch])
    };
    resize("128Mi").ok();
    let resources = "{.status.containerStatuses[0].resources.limits.memory}";
    eventually("the container has more memory", PATIENCE, || {
        match seen(&cluster, "app", resources).as_str() {
            "128Mi" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    let limit =
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    assert_eq!(cluster.kubectl(&["exec", "app", "--", "sh", "-c", limit]).ok().trim(), "134217728");
    assert_eq!(seen(&cluster, "app", "{.status.containerStatuses[0].restartCount}"), "0");
    let refused = resize("32Mi").ok();
    assert!(refused.contains("patched"), "{refused}");
    let class = resize("16Mi").err();
    assert!(class.contains("must be less than or equal to memory limit of 16Mi"), "{class}");
}

#[test]
fn root_is_refused_and_the_machine_is_seen_where_pods_say_so() {
    let cluster = cluster();
    let pod = |name: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 0\n  {spec}\n  \
             containers: [{{name: app, image: '{BUSYBOX}', command: [sleep, '4321']}}]\n---\n"
        )
    };
    let manifests = [
        pod("rootless", "securityContext: {runAsNonRoot: true}"),
        pod("user", "securityContext: {runAsNonRoot: true, runAsUser: 65534}"),
        pod("host", "hostPID: true"),
    ];
    cluster.kubectl_with(&["apply", "-f", "-"], &manifests.concat()).ok();
    cluster.kubectl(&["wait", "pod/user", "pod/host", "--for=condition=Ready", "--timeout=60s"]).ok();
    let waiting = "{.status.containerStatuses[0].state.waiting}";
    eventually("root is refused", PATIENCE, || {
        let state = seen(&cluster, "rootless", waiting);
        let told = "container has runAsNonRoot and image will run as root (pod: \\\"rootless_default(";
        match state.contains(told) && state.contains("CreateContainerConfigError") {
            true => Ok(()),
            false => Err(state),
        }
    });
    let first = |pod: &str| cluster.kubectl(&["exec", pod, "--", "cat", "/proc/1/cmdline"]).ok();
    assert_eq!(first("user"), "sleep\x004321\0");
    assert_ne!(first("host"), "sleep\x004321\0");
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
