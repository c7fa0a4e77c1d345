//! Volumes that last: claims of a StatefulSet on the container engine, from the first write to the removal of the data.

use std::process::Command;
use std::time::Duration;

use odeon_tests::images::BUSYBOX;
use odeon_tests::{Cluster, eventually, run};

const PATIENCE: Duration = Duration::from_secs(60);

fn cluster() -> Cluster {
    Cluster::docker("10.113.0.0/16", "31700-31799")
}

fn data_of(retention: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  serviceName: db
  replicas: 1
  persistentVolumeClaimRetentionPolicy: {{whenDeleted: {retention}, whenScaled: Retain}}
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: '{BUSYBOX}'
        command: [sleep, '4321']
        volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Mi}}}}}}
"
    )
}

/// The engine's volumes of that name.
fn engine_volumes(name: &str) -> String {
    let filter = format!("name={name}");
    run(Command::new("docker").args(["volume", "ls", "-q", "--filter", &filter])).ok().trim().to_owned()
}

fn uid_of(cluster: &Cluster) -> String {
    cluster.kubectl(&["get", "pod", "db-0", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"]).stdout
}

#[test]
fn what_a_stateful_set_writes_outlives_its_pod_and_goes_with_its_claim() {
    let cluster = cluster();
    cluster.kubectl_with(&["apply", "-f", "-"], &data_of("Delete")).ok();
    let bound = ["wait", "pvc/data-db-0", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s"];
    eventually("the claim is there", PATIENCE, || {
        let waited = cluster.kubectl(&bound);
        if waited.success { Ok(()) } else { Err(waited.stderr) }
    });
    cluster.kubectl(&["wait", "pod/db-0", "--for=condition=Ready", "--timeout=60s"]).ok();
    cluster.kubectl(&["exec", "db-0", "--", "sh", "-c", "echo kept > /data/file"]).ok();
    let first = uid_of(&cluster);
    cluster.kubectl(&["delete", "pod", "db-0"]).ok();
    eventually("another pod has its name", PATIENCE, || match uid_of(&cluster) {
        uid if uid.is_empty() || uid == first => Err(uid),
        _ => Ok(()),
    });
    cluster.kubectl(&["wait", "pod/db-0", "--for=condition=Ready", "--timeout=60s"]).ok();
    assert_eq!(cluster.kubectl(&["exec", "db-0", "--", "cat", "/data/file"]).ok().trim(), "kept");

    let volume = cluster.kubectl(&["get", "pvc", "data-db-0", "-o", "jsonpath={.spec.volumeName}"]).ok();
    assert!(!engine_volumes(&volume).is_empty(), "{volume}");
    let used = cluster.kubectl(&["describe", "pvc", "data-db-0"]).ok();
    assert!(used.contains("Used By:       db-0"), "{used}");
    // A claim that a pod uses stays until the pod has gone; its volume and the data go with it.
    cluster.kubectl(&["delete", "pvc", "data-db-0", "--wait=false"]).ok();
    assert!(cluster.kubectl(&["get", "pvc", "data-db-0"]).ok().contains("Terminating"));
    cluster.kubectl(&["delete", "statefulset", "db"]).ok();
    eventually("claim, volume and data are gone", PATIENCE, || {
        let left = cluster.kubectl(&["get", "pvc,pv", "-o", "name"]).ok();
        let data = engine_volumes(&volume);
        if left.is_empty() && data.is_empty() { Ok(()) } else { Err(format!("{left} {data}")) }
    });
}

#[test]
fn pods_say_which_claim_they_wait_for() {
    let cluster = Cluster::hollow(1);
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  \
                    volumes: [{name: v, persistentVolumeClaim: {claimName: none}}]\n";
    cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
    let told = "jsonpath={.status.conditions[?(@.type==\"PodScheduled\")].message}";
    eventually("the pod says so", PATIENCE, || {
        let message = cluster.kubectl(&["get", "pod", "p", "-o", told]).ok();
        match message.contains("persistentvolumeclaim \"none\" not found") {
            true => Ok(()),
            false => Err(message),
        }
    });
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: none}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
                 resources: {requests: {storage: 1Gi}}\n";
    cluster.kubectl_with(&["apply", "-f", "-"], claim).ok();
    cluster.kubectl(&["wait", "pod/p", "--for=condition=Ready", "--timeout=60s"]).ok();
    let claim = cluster.kubectl(&["get", "pvc", "none"]).ok();
    assert!(claim.contains("Bound") && claim.contains("1Gi") && claim.contains("local"), "{claim}");
}
