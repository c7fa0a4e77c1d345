//! What people do with kubectl, on hollow nodes: apply, scale, roll, undo, watch, delete, drain.

use std::time::Duration;

use odeon_tests::{Cluster, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

fn deployment(name: &str, replicas: u32, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: c, image: {image}}}]
"
    )
}

fn ready(cluster: &Cluster, deployment: &str) -> String {
    cluster
        .kubectl(&[
            "get",
            "deployment",
            deployment,
            "-o",
            "jsonpath={.status.readyReplicas}/{.status.replicas}",
        ])
        .ok()
}

fn await_ready(cluster: &Cluster, deployment: &str, count: u32) {
    let wanted = format!("{count}/{count}");
    eventually(&format!("{deployment} has {wanted}"), PATIENCE, || {
        let seen = ready(cluster, deployment);
        if seen == wanted { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn a_deployment_is_applied_scaled_rolled_undone_and_deleted() {
    let cluster = Cluster::hollow(3);
    assert!(cluster.ready_line().starts_with("ready in "), "{}", cluster.ready_line());
    let nodes = cluster.kubectl(&["get", "nodes", "--no-headers"]).ok();
    assert_eq!(nodes.lines().filter(|line| line.contains(" Ready ")).count(), 3, "{nodes}");

    assert_eq!(
        cluster.kubectl_with(&["apply", "-f", "-"], &deployment("web", 3, "web:1")).ok().trim(),
        "deployment.apps/web created"
    );
    await_ready(&cluster, "web", 3);
    assert_eq!(
        cluster.kubectl_with(&["apply", "-f", "-"], &deployment("web", 3, "web:1")).ok().trim(),
        "deployment.apps/web unchanged"
    );
    let spread = cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]).ok();
    assert_eq!(spread.split_whitespace().collect::<std::collections::BTreeSet<_>>().len(), 3, "{spread}");

    assert_eq!(
        cluster.kubectl(&["scale", "deployment", "web", "--replicas=6"]).ok().trim(),
        "deployment.apps/web scaled"
    );
    await_ready(&cluster, "web", 6);

    cluster.kubectl(&["set", "image", "deployment/web", "c=web:2"]).ok();
    let status = cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).ok();
    assert!(status.contains("successfully rolled out"), "{status}");
    let images = cluster
        .kubectl(&[
            "get",
            "pods",
            "-l",
            "app=web",
            "--field-selector=status.phase=Running",
            "-o",
            "jsonpath={.items[*].spec.containers[0].image}",
        ])
        .ok();
    assert!(images.split_whitespace().all(|image| image == "web:2"), "{images}");

    assert!(cluster.kubectl(&["rollout", "history", "deployment/web"]).ok().contains("2"));
    assert_eq!(
        cluster.kubectl(&["rollout", "undo", "deployment/web"]).ok().trim(),
        "deployment.apps/web rolled back"
    );
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).ok();
    let image = cluster
        .kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"])
        .ok();
    assert_eq!(image, "web:1");

    cluster.kubectl(&["delete", "deployment", "web", "--timeout=30s"]).ok();
    eventually("no pods are left", PATIENCE, || {
        let left = cluster.kubectl(&["get", "pods,replicasets", "--no-headers"]).ok();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn imperative_commands_of_a_current_kubectl_work() {
    let cluster = Cluster::hollow(1);
    assert_eq!(
        cluster.kubectl(&["create", "deployment", "shop", "--image=shop:1", "--replicas=2"]).ok().trim(),
        "deployment.apps/shop created"
    );
    await_ready(&cluster, "shop", 2);
    assert_eq!(
        cluster.kubectl(&["expose", "deployment", "shop", "--port=80"]).ok().trim(),
        "service/shop exposed"
    );
    eventually("both pods are endpoints", PATIENCE, || {
        let ready = cluster
            .kubectl(&[
                "get",
                "endpointslices",
                "-l",
                "kubernetes.io/service-name=shop",
                "-o",
                "jsonpath={.items[*].endpoints[*].conditions.ready}",
            ])
            .ok();
        if ready == "true true" { Ok(()) } else { Err(ready) }
    });
    cluster.kubectl(&["create", "configmap", "settings", "--from-literal=a=b"]).ok();
    assert_eq!(cluster.kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data.a}"]).ok(), "b");
    cluster.kubectl(&["create", "secret", "generic", "keys", "--from-literal=k=v"]).ok();
    assert_eq!(cluster.kubectl(&["get", "secret", "keys", "-o", "jsonpath={.data.k}"]).ok(), "dg==");
    cluster.kubectl(&["create", "namespace", "team"]).ok();
    cluster.kubectl(&["create", "configmap", "settings", "--from-literal=a=c", "-n", "team"]).ok();
    cluster.kubectl(&["delete", "namespace", "team", "--timeout=30s"]).ok();
    assert!(cluster.kubectl(&["get", "configmap", "settings", "-n", "team"]).err().contains("NotFound"));
    let described = cluster.kubectl(&["describe", "deployment", "shop"]).ok();
    assert!(described.contains("ScalingReplicaSet"), "{described}");
    let resources = cluster.kubectl(&["api-resources"]).ok();
    assert!(resources.contains("deployments") && resources.contains("endpointslices"), "{resources}");
    assert!(cluster.kubectl(&["version"]).ok().contains("Server Version"));
}

#[test]
fn pods_of_a_cordoned_node_go_elsewhere_when_it_is_drained() {
    let cluster = Cluster::hollow(2);
    cluster.kubectl_with(&["apply", "-f", "-"], &deployment("web", 4, "web:1")).ok();
    await_ready(&cluster, "web", 4);
    let nodes = cluster.kubectl(&["get", "nodes", "-o", "name"]).ok();
    let node = nodes.lines().next().unwrap().trim_start_matches("node/").to_owned();
    cluster.kubectl(&["drain", &node, "--force", "--ignore-daemonsets", "--timeout=30s"]).ok();
    await_ready(&cluster, "web", 4);
    let places = cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]).ok();
    assert!(places.split_whitespace().all(|place| place != node), "{places}");
    let shown = cluster.kubectl(&["get", "node", &node, "--no-headers"]).ok();
    assert!(shown.contains("Ready,SchedulingDisabled"), "{shown}");
    cluster.kubectl(&["uncordon", &node]).ok();
}

#[test]
fn a_pod_that_fits_nowhere_says_why_per_node() {
    let cluster = Cluster::hollow(2);
    let manifest = "apiVersion: v1
kind: Pod
metadata: {name: big}
spec:
  containers: [{name: c, image: x, resources: {requests: {memory: 900Ti}}}]
";
    cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
    eventually("describe says why", PATIENCE, || {
        let text = cluster.kubectl(&["describe", "pod", "big"]).ok();
        if text.contains("0/2 nodes are available") && text.contains("Insufficient memory") {
            Ok(())
        } else {
            Err(text)
        }
    });
    eventually("why says it per node", PATIENCE, || {
        let text = cluster.odeon(&["why", "pod/big"]).ok();
        if text.contains("asks for 900Ti") { Ok(()) } else { Err(text) }
    });
}

#[test]
fn why_walks_from_the_request_to_the_container() {
    let cluster = Cluster::hollow(1);
    cluster.kubectl_with(&["apply", "-f", "-"], &deployment("web", 1, "web:1")).ok();
    await_ready(&cluster, "web", 1);
    let pod = cluster.kubectl(&["get", "pods", "-o", "name"]).ok();
    let text = eventually("the journal holds the whole chain", PATIENCE, || {
        let text = cluster.odeon(&["why", pod.trim()]).ok();
        let complete = ["deployments.apps/web", "replicasets.apps/web", "bind to", "started container"]
            .iter()
            .all(|word| text.to_lowercase().contains(word));
        if complete { Ok(text) } else { Err(text) }
    });
    assert!(text.contains("admin"), "the user's request is part of it: {text}");
}

#[test]
fn our_own_verbs_read_like_kubectls() {
    let cluster = Cluster::hollow(1);
    let file = cluster.directory().join("web.yaml");
    std::fs::write(&file, deployment("web", 2, "web:1")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(cluster.odeon(&["apply", "-f", file]).ok().trim(), "deployment.apps/web created");
    assert!(
        cluster
            .odeon(&["rollout", "status", "deployment/web", "--timeout", "30s"])
            .ok()
            .contains("successfully rolled out")
    );
    assert_eq!(cluster.odeon(&["apply", "-f", file]).ok().trim(), "deployment.apps/web unchanged");
    let pods = cluster.odeon(&["get", "pods"]).ok();
    assert!(
        pods.starts_with("NAME ")
            && pods.matches("1/1     Running").count() + pods.matches("1/1   ").count() >= 2,
        "{pods}"
    );
    assert!(cluster.odeon(&["get", "deploy/web", "-o", "yaml"]).ok().contains("replicas: 2"));
    assert!(cluster.odeon(&["describe", "deployment", "web"]).ok().contains("Available"));
    cluster.odeon(&["scale", "deployment/web", "--replicas", "1"]).ok();
    await_ready(&cluster, "web", 1);
    assert_eq!(cluster.odeon(&["delete", "deployment/web"]).ok().trim(), "deployment.apps/web deleted");
}

/// A value of an object, by JSON path.
fn field(cluster: &Cluster, object: &str, path: &str) -> String {
    cluster.kubectl(&["get", object, "-o", &format!("jsonpath={{{path}}}")]).ok()
}

#[test]
fn jobs_run_to_their_end_and_count_every_pod() {
    let cluster = Cluster::hollow(1);
    let created = cluster.kubectl(&["create", "job", "once", "--image=busybox", "--", "sleep", "0.5"]).ok();
    assert_eq!(created.trim(), "job.batch/once created");
    cluster.kubectl(&["wait", "--for=condition=complete", "job/once", "--timeout=30s"]).ok();
    let shown = cluster.kubectl(&["get", "job", "once", "--no-headers"]).ok();
    assert!(shown.contains("Complete") && shown.contains("1/1"), "{shown}");
    let described = cluster.kubectl(&["describe", "job", "once"]).ok();
    assert!(described.contains("SuccessfulCreate") && described.contains("1 Succeeded"), "{described}");

    let many = "apiVersion: batch/v1
kind: Job
metadata: {name: many}
spec:
  completions: 6
  parallelism: 3
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: x, command: [sleep, '0.1']}]
";
    cluster.kubectl_with(&["apply", "-f", "-"], many).ok();
    cluster.kubectl(&["wait", "--for=condition=complete", "job/many", "--timeout=30s"]).ok();
    assert_eq!(field(&cluster, "job/many", ".status.completedIndexes"), "0-5");
    assert_eq!(field(&cluster, "job/many", ".status.succeeded"), "6");
    let pods = [
        "get",
        "pods",
        "-l",
        "job-name=many",
        "-o",
        "jsonpath={.items[*].spec.hostname} {.items[*].metadata.finalizers}",
    ];
    let pods = cluster.kubectl(&pods).ok();
    assert_eq!(pods.split_whitespace().count(), 6, "each index once, and none is held: {pods}");

    let failing = many
        .replace("name: many", "name: bad")
        .replace("[sleep, '0.1']", "['false']")
        .replace("completions: 6", "completions: 1\n  backoffLimit: 0");
    cluster.kubectl_with(&["apply", "-f", "-"], &failing).ok();
    cluster.kubectl(&["wait", "--for=condition=failed", "job/bad", "--timeout=30s"]).ok();
    let reason = field(&cluster, "job/bad", ".status.conditions[?(@.type==\"Failed\")].reason");
    assert_eq!(reason, "BackoffLimitExceeded");

    let refused =
        cluster.kubectl(&["patch", "job", "once", "--type=merge", "-p", "{\"spec\":{\"completions\":3}}"]);
    assert!(refused.err().contains("field is immutable"));
    cluster.kubectl(&["delete", "jobs", "--all", "--timeout=30s"]).ok();
    eventually("no pod is held by a job that is gone", PATIENCE, || {
        let left = cluster.kubectl(&["get", "pods", "--no-headers"]).ok();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn cron_jobs_make_jobs_on_time_and_by_hand() {
    let cluster = Cluster::hollow(1);
    let made = cluster
        .kubectl(&[
            "create",
            "cronjob",
            "tick",
            "--image=busybox",
            "--schedule=* * * * *",
            "--",
            "sleep",
            "0.1",
        ])
        .ok();
    assert_eq!(made.trim(), "cronjob.batch/tick created");
    assert_eq!(
        cluster.kubectl(&["create", "job", "--from=cronjob/tick", "now"]).ok().trim(),
        "job.batch/now created"
    );
    cluster.kubectl(&["wait", "--for=condition=complete", "job/now", "--timeout=30s"]).ok();
    let shown = cluster.kubectl(&["get", "cronjob", "tick", "--no-headers"]).ok();
    assert!(shown.contains("* * * * *") && shown.contains("False"), "{shown}");
    eventually("the minute's job is complete", Duration::from_secs(90), || {
        let jobs = cluster.kubectl(&["get", "jobs", "--no-headers"]).ok();
        let ended =
            jobs.lines().filter(|line| line.starts_with("tick-") && line.contains("Complete")).count();
        if ended >= 1 { Ok(()) } else { Err(jobs) }
    });
    assert!(!field(&cluster, "cronjob/tick", ".status.lastScheduleTime").is_empty());
    let wrong = ["create", "cronjob", "wrong", "--image=x", "--schedule=61 * * * *"];
    assert!(cluster.kubectl(&wrong).err().contains("spec.schedule: Invalid value"));
}

#[test]
fn stateful_sets_keep_order_and_names() {
    let cluster = Cluster::hollow(2);
    let set = |image: &str| {
        format!(
            "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  replicas: 3
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers: [{{name: c, image: {image}}}]
"
        )
    };
    cluster.kubectl_with(&["apply", "-f", "-"], &set("db:1")).ok();
    let rolled = ["rollout", "status", "statefulset/db", "--timeout=30s"];
    assert!(cluster.kubectl(&rolled).ok().contains("complete"));
    let names = cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]).ok();
    assert_eq!(names, "db-0 db-1 db-2");
    let who =
        cluster.kubectl(&["get", "pod", "db-1", "-o", "jsonpath={.spec.hostname}.{.spec.subdomain}"]).ok();
    assert_eq!(who, "db-1.db");

    cluster.kubectl_with(&["apply", "-f", "-"], &set("db:2")).ok();
    cluster.kubectl(&rolled).ok();
    let images =
        || cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"]).ok();
    assert_eq!(images(), "db:2 db:2 db:2");
    assert!(cluster.kubectl(&["rollout", "history", "statefulset/db"]).ok().contains("2"));
    cluster.kubectl(&["rollout", "undo", "statefulset/db"]).ok();
    cluster.kubectl(&rolled).ok();
    assert_eq!(images(), "db:1 db:1 db:1");
    cluster.kubectl(&["rollout", "restart", "statefulset/db"]).ok();
    cluster.kubectl(&rolled).ok();
    cluster.kubectl(&["scale", "statefulset", "db", "--replicas=1"]).ok();
    eventually("db-0 alone is left", PATIENCE, || {
        let names = cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]).ok();
        if names == "db-0" { Ok(()) } else { Err(names) }
    });
    let shown = cluster.kubectl(&["get", "sts", "--no-headers"]).ok();
    assert!(shown.contains("1/1"), "{shown}");
    let refused =
        cluster.kubectl(&["patch", "sts", "db", "--type=merge", "-p", "{\"spec\":{\"serviceName\":\"x\"}}"]);
    assert!(refused.err().contains("updates to statefulset spec for fields other than"));
    let deployed = cluster.kubectl(&["get", "controllerrevisions", "--no-headers"]).ok();
    assert!(deployed.contains("statefulset.apps/db"), "{deployed}");
}

#[test]
fn daemon_sets_put_one_pod_on_each_node() {
    let cluster = Cluster::hollow(3);
    let set = |image: &str| {
        format!(
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: log}}
spec:
  selector: {{matchLabels: {{app: log}}}}
  template:
    metadata: {{labels: {{app: log}}}}
    spec:
      containers: [{{name: c, image: {image}}}]
"
        )
    };
    cluster.kubectl_with(&["apply", "-f", "-"], &set("log:1")).ok();
    let rolled = ["rollout", "status", "daemonset/log", "--timeout=30s"];
    cluster.kubectl(&rolled).ok();
    let nodes = cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]).ok();
    assert_eq!(nodes.split_whitespace().collect::<std::collections::BTreeSet<_>>().len(), 3, "{nodes}");
    cluster.kubectl_with(&["apply", "-f", "-"], &set("log:2")).ok();
    cluster.kubectl(&rolled).ok();
    cluster.kubectl(&["rollout", "undo", "daemonset/log"]).ok();
    cluster.kubectl(&rolled).ok();
    let images =
        cluster.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}"]).ok();
    assert_eq!(images, "log:1 log:1 log:1");
    let shown = cluster.kubectl(&["get", "ds", "--no-headers"]).ok();
    assert_eq!(shown.split_whitespace().skip(1).take(5).collect::<String>(), "33333", "{shown}");

    // A node that is drained keeps its daemon; one that gets a label too much loses it.
    let node = cluster.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]).ok();
    cluster.kubectl(&["drain", &node, "--ignore-daemonsets", "--timeout=30s"]).ok();
    assert_eq!(field(&cluster, "ds/log", ".status.numberReady"), "3");
    cluster.kubectl(&["taint", "node", &node, "gone=yes:NoExecute"]).ok();
    eventually("two nodes are left", PATIENCE, || {
        let ready = field(&cluster, "ds/log", ".status.desiredNumberScheduled");
        if ready == "2" { Ok(()) } else { Err(ready) }
    });
}

#[test]
fn replication_controllers_are_replica_sets_of_an_older_name() {
    let cluster = Cluster::hollow(1);
    let manifest = "apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old}}
    spec:
      containers: [{name: c, image: old:1}]
";
    cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
    let await_count = |count: &str| {
        eventually("it is ready", PATIENCE, || {
            let ready = field(&cluster, "rc/old", ".status.readyReplicas");
            if ready == count { Ok(()) } else { Err(ready) }
        });
    };
    await_count("2");
    assert_eq!(field(&cluster, "rc/old", ".spec.selector.app"), "old");
    cluster.kubectl(&["scale", "rc", "old", "--replicas=3"]).ok();
    await_count("3");
}
