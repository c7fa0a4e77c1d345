//! The law of the store: what was acknowledged is there, also when the server is killed in the middle of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Revision;
use bus::testing::NatsServer;
use bus::{ChangeKind, Store, WriteError};

use crate::support::{PODS, create, delete, eventually, soon, update};

/// What one writer knows of its own objects: their revision and content, or that they are not there.
type Known = BTreeMap<String, Option<(Revision, u64)>>;

/// Writes its own objects until told to stop; every acknowledged write is folded into what it returns.
async fn write_on(store: Store, writer: usize, stop: Arc<AtomicBool>) -> Known {
    let mut known = Known::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let name = format!("w{writer}-{}", n % 5);
        let state = known.get(&name).copied().flatten();
        let (mutation, next) = match state {
            None => (create(&name, n), Some(n)),
            Some((at, old)) if n % 7 == 0 => (delete(&name, at, old), None),
            Some((at, _)) => (update(&name, at, n), Some(n)),
        };
        match store.write(mutation).await {
            Ok(revision) => {
                known.insert(name, next.map(|n| (revision, n)));
            }
            Err(WriteError::Unavailable(_)) => {}
            Err(error) => panic!("writer {writer}, {name} at {state:?}: {error:?}"),
        }
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut server = NatsServer::start().await;
    let (writing, reading) = (server.bus().await, server.bus().await);
    let view = reading.view().await.unwrap();
    writing.view().await.unwrap();
    let mut changes = view.changes(view.revision()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..40).map(|writer| tokio::spawn(write_on(writing.store(), writer, Arc::clone(&stop)))).collect();
    for _ in 0..3 {
        let before = view.revision();
        eventually("writes go on", || view.revision().0 > before.0 + 2_000).await;
        server.restart().await;
    }
    let before = view.revision();
    eventually("writes go on", || view.revision().0 > before.0 + 500).await;
    stop.store(true, Ordering::Relaxed);
    let mut known = Known::new();
    for writer in writers {
        known.extend(soon(writer).await.unwrap());
    }
    let expected: BTreeMap<String, (Revision, u64)> =
        known.into_iter().filter_map(|(name, state)| Some((name, state?))).collect();
    let newest = expected.values().map(|(revision, _)| *revision).max().unwrap();
    soon(view.wait_for(newest)).await;
    let content = |object: &bus::Stored| object.value()["spec"]["n"].as_u64().unwrap();
    let shown: BTreeMap<_, _> = view
        .read()
        .list(PODS, None)
        .map(|object| (object.key.name.to_string(), (object.revision, content(object))))
        .collect();
    assert_eq!(shown, expected);

    // The changes, folded, are the view: none missing, none twice, all in order.
    let mut folded = BTreeMap::new();
    let mut at = Revision(0);
    while let batch @ [_, ..] = changes.try_batch().unwrap().as_slice() {
        for change in batch {
            assert!(change.revision() > at, "in order");
            at = change.revision();
            let name = change.key().name.to_string();
            assert_eq!(change.previous.is_some(), folded.contains_key(&name), "{change:?}");
            match change.kind {
                ChangeKind::Put => folded.insert(name, (at, content(&change.object))),
                ChangeKind::Deleted => folded.remove(&name),
            };
        }
    }
    assert_eq!(folded, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_the_same_objects_never_overwrite_each_other() {
    let server = NatsServer::start().await;
    let buses = [server.bus().await, server.bus().await];
    let mut counting = Vec::new();
    for writer in 0..16 {
        let bus = buses[writer % 2].clone();
        counting.push(tokio::spawn(async move {
            let (store, view) = (bus.store(), bus.view().await.unwrap());
            for _ in 0..20 {
                let name = format!("counter-{}", writer % 3);
                loop {
                    let current = view.get(&crate::support::key(&name));
                    let count = current.as_ref().map_or(0, |it| it.value()["spec"]["n"].as_u64().unwrap());
                    let mutation = match current {
                        Some(current) => update(&name, current.revision, count + 1),
                        None => create(&name, 1),
                    };
                    match store.write(mutation).await {
                        Ok(revision) => break view.wait_for(revision).await,
                        Err(WriteError::Conflict { current: Some(at) }) => view.wait_for(at).await,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        }));
    }
    for writer in counting {
        soon(writer).await.unwrap();
    }
    let view = buses[0].view().await.unwrap();
    let counted = || {
        let reader = view.read();
        reader.list(PODS, None).map(|it| it.value()["spec"]["n"].as_u64().unwrap()).sum::<u64>()
    };
    eventually("every increment counts", || counted() == 16 * 20).await;
}

#[tokio::test]
async fn without_a_server_a_write_says_so() {
    let mut server = NatsServer::start().await;
    let bus = server.bus().await;
    server.kill();
    eventually("the loss is noticed", || !*bus.connected().borrow()).await;
    let outcome = tokio::time::timeout(Duration::from_secs(20), bus.store().write(create("a", 1))).await;
    assert!(matches!(outcome, Ok(Err(WriteError::Unavailable(_)))), "{outcome:?}");
    let text = bus::Bus::connect(bus::BusConfig { servers: vec![server.url()], ..Default::default() }).await;
    assert!(text.unwrap_err().to_string().contains("start one"));
}
