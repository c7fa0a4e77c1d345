//! Crash-only: stopping and killing the cluster loses nothing that was acknowledged.

use std::time::Duration;

use odeon_tests::{Cluster, eventually, odeon, run};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_second_start_on_the_same_directory_finds_the_cluster_as_it_was() {
    let mut cluster = Cluster::hollow(2);
    cluster.kubectl(&["create", "deployment", "web", "--image=web:1", "--replicas=3"]).ok();
    let uids = |cluster: &Cluster| {
        eventually("three pods are ready", PATIENCE, || {
            let ready =
                cluster.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"]).ok();
            if ready == "3" { Ok(()) } else { Err(ready) }
        });
        cluster.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.metadata.uid}"]).ok()
    };
    let before = uids(&cluster);
    cluster.stop();
    cluster.resume();
    assert_eq!(uids(&cluster), before);
    cluster.kubectl(&["create", "configmap", "acknowledged", "--from-literal=a=b"]).ok();
    cluster.kill();
    cluster.resume();
    assert_eq!(cluster.kubectl(&["get", "configmap", "acknowledged", "-o", "jsonpath={.data.a}"]).ok(), "b");
    assert_eq!(uids(&cluster), before);
}

#[test]
fn two_clusters_run_side_by_side_but_not_on_one_directory() {
    let first = Cluster::hollow(1);
    let second = Cluster::hollow(1);
    first.kubectl(&["create", "configmap", "only-here", "--from-literal=a=b"]).ok();
    assert!(second.kubectl(&["get", "configmap", "only-here"]).err().contains("NotFound"));
    let third = run(std::process::Command::new(odeon())
        .args(["up", "--runtime", "hollow", "--data-dir"])
        .arg(first.directory()));
    let complaint = third.err();
    assert!(complaint.contains("in use by another") && complaint.contains("--data-dir"), "{complaint}");
}
