//! What pods use, and workloads that grow with it, on hollow nodes whose containers pretend to be busy.

use std::time::Duration;

use odeon_tests::{Cluster, eventually};

const PATIENCE: Duration = Duration::from_secs(90);

/// Pods that request a tenth of a processor and use a fifth.
const BUSY: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      containers:
      - name: c
        image: busy:1
        env: [{name: HOLLOW_CPU_MILLI, value: '200'}]
        resources: {requests: {cpu: 100m}}
";

#[test]
fn pods_are_measured_and_workloads_grow_with_their_use() {
    let cluster = Cluster::hollow(2);
    cluster.kubectl_with(&["apply", "-f", "-"], BUSY).ok();
    eventually("the pod is measured", PATIENCE, || {
        let top = cluster.kubectl(&["top", "pods", "--no-headers"]);
        if top.success && top.stdout.contains("200m") {
            Ok(())
        } else {
            Err(format!("{}{}", top.stdout, top.stderr))
        }
    });
    let nodes = cluster.kubectl(&["top", "nodes", "--no-headers"]).ok();
    assert!(nodes.lines().count() == 2 && nodes.contains("200m"), "{nodes}");

    let autoscale = ["autoscale", "deployment", "busy", "--min=1", "--max=3", "--cpu=50%"];
    assert!(cluster.kubectl(&autoscale).ok().contains("autoscaled"));
    eventually("there are as many pods as may be", PATIENCE, || {
        let shown = cluster.kubectl(&["get", "hpa", "busy", "--no-headers"]).ok();
        let columns: Vec<&str> = shown.split_whitespace().collect();
        if columns.contains(&"200%/50%") && columns.get(6) == Some(&"3") { Ok(()) } else { Err(shown) }
    });
    let described = cluster.kubectl(&["describe", "hpa", "busy"]).ok();
    assert!(described.contains("SuccessfulRescale") && described.contains("TooManyReplicas"), "{described}");
    let older = cluster
        .kubectl(&[
            "get",
            "horizontalpodautoscalers.v1.autoscaling",
            "busy",
            "-o",
            "jsonpath={.spec.targetCPUUtilizationPercentage}",
        ])
        .ok();
    assert_eq!(older, "50");

    // What is quiet does not shrink before its time.
    let quiet = BUSY.replace("'200'", "'1'");
    cluster.kubectl_with(&["apply", "-f", "-"], &quiet).ok();
    cluster.kubectl(&["rollout", "status", "deployment/busy", "--timeout=60s"]).ok();
    let wanted = ["get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(cluster.kubectl(&wanted).ok(), "3");
    let hasty = r#"{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}"#;
    cluster.kubectl(&["patch", "hpa", "busy", "--type=merge", "-p", hasty]).ok();
    eventually("one pod is left", PATIENCE, || {
        let wanted = cluster.kubectl(&wanted).ok();
        if wanted == "1" { Ok(()) } else { Err(wanted) }
    });
}
