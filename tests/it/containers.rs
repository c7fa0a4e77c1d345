//! Real containers on the real engine, driven by kubectl: probes, restarts, volumes, Services, DNS, logs, adoption.

use std::process::Command;
use std::time::Duration;

use odeon_tests::images::{BUSYBOX, HELLO};
use odeon_tests::{Cluster, eventually, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster on this machine's engine; its node ports and Service range are its own.
fn cluster() -> Cluster {
    Cluster::docker("10.111.0.0/16", "31500-31599")
}

fn pod(name: &str, containers: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  terminationGracePeriodSeconds: 1\n{containers}\n"
    )
}

fn apply(cluster: &Cluster, manifest: &str) {
    cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
}

fn await_pod(cluster: &Cluster, name: &str, condition: &str) {
    let waited =
        cluster.kubectl(&["wait", &format!("pod/{name}"), &format!("--for={condition}"), "--timeout=60s"]);
    if !waited.success {
        panic!("{}\n{}", waited.stderr, cluster.kubectl(&["describe", "pod", name]).stdout);
    }
}

fn field(cluster: &Cluster, object: &str, path: &str) -> String {
    cluster.kubectl(&["get", object, "-o", &format!("jsonpath={{{path}}}")]).ok()
}

#[test]
fn a_pod_runs_with_its_environment_volumes_and_init_containers_and_its_logs_can_be_read() {
    let cluster = cluster();
    apply(
        &cluster,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {greeting: hello, file.txt: from-a-file}\n",
    );
    apply(&cluster, "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {password: s3cret}\n");
    let manifest = pod(
        "all",
        &format!(
            "  restartPolicy: Never
  initContainers:
    - name: first
      image: {BUSYBOX}
      command: [sh, -c, 'echo prepared > /work/state']
      volumeMounts: [{{name: work, mountPath: /work}}]
  containers:
    - name: main
      image: {BUSYBOX}
      command: [sh, -c, 'echo $GREETING $PASSWORD $NAME $(cat /work/state) $(cat /config/file.txt) $0', \"arg-$(NAME)\"]
      env:
        - {{name: GREETING, valueFrom: {{configMapKeyRef: {{name: settings, key: greeting}}}}}}
        - {{name: PASSWORD, valueFrom: {{secretKeyRef: {{name: keys, key: password}}}}}}
        - {{name: NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
      volumeMounts:
        - {{name: work, mountPath: /work}}
        - {{name: config, mountPath: /config}}
  volumes:
    - {{name: work, emptyDir: {{}}}}
    - {{name: config, configMap: {{name: settings}}}}"
        ),
    );
    apply(&cluster, &manifest);
    await_pod(&cluster, "all", "jsonpath={.status.phase}=Succeeded");
    assert_eq!(
        cluster.kubectl(&["logs", "all"]).ok().trim(),
        "hello s3cret all prepared from-a-file arg-all"
    );
    let shown = cluster.kubectl(&["get", "pod", "all", "--no-headers"]).ok();
    assert!(shown.contains("0/1") && shown.contains("Completed"), "{shown}");
}

#[test]
fn a_killed_container_is_restarted_and_probes_decide_readiness() {
    let cluster = cluster();
    let manifest = pod(
        "probed",
        &format!(
            "  containers:
    - name: main
      image: {BUSYBOX}
      command: [sh, -c, 'while true; do sleep 0.1; done']
      readinessProbe: {{exec: {{command: [test, -f, /tmp/ready]}}, periodSeconds: 1}}
      lifecycle: {{postStart: {{exec: {{command: [touch, /tmp/ready]}}}}}}"
        ),
    );
    apply(&cluster, &manifest);
    await_pod(&cluster, "probed", "condition=Ready");
    let container = field(&cluster, "pod/probed", ".status.containerStatuses[0].containerID");
    run(Command::new("docker").args(["kill", container.trim_start_matches("docker://")])).ok();
    eventually("it was restarted", PATIENCE, || {
        let count = field(&cluster, "pod/probed", ".status.containerStatuses[0].restartCount");
        if count == "1" { Ok(()) } else { Err(count) }
    });
    await_pod(&cluster, "probed", "condition=Ready");
    let previous = cluster
        .kubectl(&[
            "get",
            "pod",
            "probed",
            "-o",
            "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}",
        ])
        .ok();
    assert_eq!(previous, "137");
    cluster.kubectl(&["delete", "pod", "probed", "--timeout=30s"]).ok();
}

#[test]
fn a_missing_image_and_a_missing_config_map_are_explained() {
    let cluster = cluster();
    apply(
        &cluster,
        &pod("no-image", "  containers: [{name: c, image: 'odeon-test-nothing:1', imagePullPolicy: Never}]"),
    );
    apply(
        &cluster,
        &pod(
            "no-config",
            &format!(
                "  containers: [{{name: c, image: {BUSYBOX}, envFrom: [{{configMapRef: {{name: nowhere}}}}]}}]"
            ),
        ),
    );
    let explained = |name: &str, words: &[&str]| {
        eventually(&format!("{name} is explained"), PATIENCE, || {
            let text = cluster.kubectl(&["describe", "pod", name]).ok();
            if words.iter().all(|word| text.contains(word)) { Ok(()) } else { Err(text) }
        });
    };
    explained("no-image", &["ErrImageNeverPull", "odeon-test-nothing:1"]);
    explained("no-config", &["CreateContainerConfigError", "nowhere"]);
    apply(&cluster, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nowhere}\ndata: {a: b}\n");
    eventually("it runs once the ConfigMap is there", PATIENCE, || {
        let reason = field(&cluster, "pod/no-config", ".status.containerStatuses[0].state.waiting.reason");
        if reason == "CreateContainerConfigError" { Err(reason) } else { Ok(()) }
    });
}

#[test]
fn a_service_answers_by_cluster_ip_by_name_and_on_its_node_port() {
    let cluster = cluster();
    apply(
        &cluster,
        &format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: hello}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: hello}}}}
  template:
    metadata: {{labels: {{app: hello}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: c, image: {HELLO}, ports: [{{name: http, containerPort: 8080}}], readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: hello}}
spec: {{type: NodePort, selector: {{app: hello}}, ports: [{{port: 80, targetPort: http, nodePort: 31500}}]}}
"
        ),
    );
    cluster.kubectl(&["rollout", "status", "deployment/hello", "--timeout=60s"]).ok();
    let answers = eventually("both replicas answer on the node port", PATIENCE, || {
        let answers: std::collections::BTreeSet<String> = (0..20)
            .map(|_| {
                run(Command::new("curl").args(["-fsS", "--max-time", "2", "http://127.0.0.1:31500/"])).stdout
            })
            .collect();
        if answers.len() == 2 && !answers.contains("") { Ok(answers) } else { Err(format!("{answers:?}")) }
    });
    let address = field(&cluster, "service/hello", ".spec.clusterIP");
    let client = pod(
        "client",
        &format!(
            "  restartPolicy: Never\n  containers: [{{name: c, image: {BUSYBOX}, command: [sh, -c, 'wget -qO- http://{address}/ && wget -qO- http://hello/ && wget -qO- http://hello.default.svc.cluster.local/']}}]"
        ),
    );
    apply(&cluster, &client);
    await_pod(&cluster, "client", "jsonpath={.status.phase}=Succeeded");
    let told = cluster.kubectl(&["logs", "client"]).ok();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.lines().all(|line| answers.contains(&format!("{line}\n"))), "{told}");
}

#[test]
fn running_containers_are_adopted_by_the_next_start() {
    let mut cluster = cluster();
    apply(
        &cluster,
        &pod(
            "steady",
            &format!(
                "  containers: [{{name: c, image: {BUSYBOX}, command: [sh, -c, 'while true; do sleep 0.2; done']}}]"
            ),
        ),
    );
    await_pod(&cluster, "steady", "condition=Ready");
    let identity = |cluster: &Cluster| {
        format!(
            "{} {}",
            field(cluster, "pod/steady", ".status.containerStatuses[0].containerID"),
            field(cluster, "pod/steady", ".status.containerStatuses[0].restartCount")
        )
    };
    let before = identity(&cluster);
    cluster.kill();
    cluster.resume();
    await_pod(&cluster, "steady", "condition=Ready");
    assert_eq!(identity(&cluster), before);
}
