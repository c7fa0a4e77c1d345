//! Three servers: one of them may die at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::testing::{NatsServer, provisioned};
use bus::{Bus, BusConfig, Layout, WriteError};

use crate::support::{PODS, create, eventually, soon, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_server_of_three_dies() {
    let mut servers = NatsServer::start_cluster().await;
    let urls: Vec<String> = servers.iter().map(NatsServer::url).collect();
    let connect = async || {
        let config = BusConfig { servers: urls.clone(), ..BusConfig::default() };
        soon(async { Bus::connect(config).await.unwrap() }).await
    };
    let (writing, reading) = (connect().await, connect().await);
    provisioned(&writing, Layout { replicas: 3, ..Layout::default() }).await;
    let view = soon(reading.view()).await.unwrap();
    soon(writing.view()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..30)
        .map(|writer| {
            let (store, stop) = (writing.store(), Arc::clone(&stop));
            tokio::spawn(async move {
                let name = format!("w{writer}");
                let (mut at, mut n) = (None, 0);
                while !stop.load(Ordering::Relaxed) {
                    let mutation = at.map_or_else(|| create(&name, n + 1), |at| update(&name, at, n + 1));
                    match store.write(mutation).await {
                        Ok(revision) => (at, n) = (Some(revision), n + 1),
                        Err(WriteError::Unavailable(_)) => {
                            tokio::time::sleep(Duration::from_millis(50)).await
                        }
                        Err(error) => panic!("{name} at {at:?}: {error:?}"),
                    }
                }
                (name, (at.unwrap(), n))
            })
        })
        .collect();
    for server in &mut servers {
        let before = view.revision();
        eventually("writes go on", || view.revision().0 > before.0 + 300).await;
        server.kill();
        let before = view.revision();
        eventually("two are enough", || view.revision().0 > before.0 + 100).await;
        server.run().await;
    }
    let before = view.revision();
    eventually("writes go on", || view.revision().0 > before.0 + 100).await;
    stop.store(true, Ordering::Relaxed);
    let mut expected = BTreeMap::new();
    for writer in writers {
        expected.extend([soon(writer).await.unwrap()]);
    }
    let newest = expected.values().map(|(revision, _)| *revision).max().unwrap();
    soon(view.wait_for(newest)).await;
    let shown: BTreeMap<_, _> = view
        .read()
        .list(PODS, None)
        .map(|it| (it.key.name.to_string(), (it.revision, it.value()["spec"]["n"].as_u64().unwrap())))
        .collect();
    assert_eq!(shown, expected);
}
