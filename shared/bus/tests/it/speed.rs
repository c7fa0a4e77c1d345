//! How fast the store writes. Not part of the usual run: `cargo nextest run -p bus --run-ignored only --no-capture speed`.

use std::time::{Duration, Instant};

use bus::testing::NatsServer;

use crate::support::{create, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn writes_per_second() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let view = bus.view().await.unwrap();
    for writers in [1_usize, 2, 4, 8, 16, 64, 256, 1_000, 4_000] {
        let until = Instant::now() + Duration::from_secs(3);
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let store = bus.store();
                tokio::spawn(async move {
                    let name = format!("o-{writers}-{writer}");
                    let mut at = store.write(create(&name, 0)).await.unwrap();
                    let mut took = Vec::new();
                    while Instant::now() < until {
                        let begun = Instant::now();
                        at = store.write(update(&name, at, 1)).await.unwrap();
                        took.push(begun.elapsed());
                    }
                    took
                })
            })
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.unwrap());
        }
        took.sort();
        let at = |part: usize| took[(took.len() - 1) * part / 100];
        let (rate, p50, p99) = (took.len() / 3, at(50), at(99));
        println!("{writers:5} writers: {rate:6} writes/s, p50 {p50:?}, p99 {p99:?}");
    }
    println!("view at {}", view.revision());
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
#[ignore = "a measurement"]
fn memory_per_pod() {
    let pod = |n: u64| {
        serde_json::json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("web-6d4cf56db6-{n:05}"), "namespace": format!("ns-{}", n % 50), "uid": format!("00000000-0000-4000-8000-{n:012}"),
                "creationTimestamp": "2026-01-31T10:00:00Z", "generation": 1,
                "labels": { "app": format!("web-{}", n % 500), "pod-template-hash": "6d4cf56db6" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{}", n % 500), "uid": format!("rs-{}", n % 500), "controller": true, "blockOwnerDeletion": true }] },
            "spec": { "nodeName": format!("node-{}", n % 1_000), "containers": [{ "name": "web", "image": "nginx:1.27", "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
                "ports": [{ "containerPort": 80, "protocol": "TCP" }], "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent" }],
                "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30 },
            "status": { "phase": "Running", "podIP": "10.1.2.3", "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-31T10:00:00Z" }] } })
    };
    let view = bus::View::offline();
    let count = 100_000;
    let (before, begun, mut stored) = (resident(), Instant::now(), 0);
    for n in 1..=count {
        let object = bus::Stored::test(pod(n), n);
        stored += object.bytes().len();
        view.apply(bus::ChangeKind::Put, object);
    }
    let per_pod = (resident() - before) / usize::try_from(count).unwrap();
    println!("{per_pod} bytes per pod of {} stored, {:?} in all", stored / 100_000, begun.elapsed());
}
