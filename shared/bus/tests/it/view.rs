//! The view: complete, in order, through every kind of trouble.

use std::sync::Arc;

use api::{NodeName, Revision, Uid};
use bus::testing::NatsServer;
use bus::{Change, ChangeKind, Stored, View};
use serde_json::json;

use crate::support::{PODS, create, delete, eventually, key, soon, tell, update};

fn told(changes: &[Arc<Change>]) -> Vec<String> {
    changes.iter().map(|change| tell(change)).collect()
}

#[test]
fn a_view_has_its_indexes() {
    let owned = |name: &str, node: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": "a", "uid": name, "creationTimestamp": null,
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs-1", "controller": true }] },
            "spec": { "nodeName": node } })
    };
    let view = View::of([owned("p1", "n1"), owned("p2", "n2"), owned("p0", "n1")]);
    let names =
        |objects: Vec<&Arc<Stored>>| objects.iter().map(|it| it.key.name.to_string()).collect::<Vec<_>>();
    {
        let reader = view.read();
        assert_eq!(names(reader.list(PODS, None).collect()), ["p0", "p1", "p2"]);
        assert_eq!(names(reader.list(PODS, Some("b")).collect()), Vec::<String>::new());
        assert_eq!(names(reader.owned_by(&Uid::from("rs-1")).collect()), ["p0", "p1", "p2"]);
        assert_eq!(names(reader.pods_on(&NodeName::from("n1")).collect()), ["p0", "p1"]);
        assert_eq!(names(reader.namespaced("a").collect()), ["p0", "p1", "p2"]);
        assert_eq!(reader.by_uid(&Uid::from("p2")).unwrap().revision, Revision(2));
    }
    view.apply(ChangeKind::Put, Stored::test(owned("p1", "n2"), 4));
    view.apply(ChangeKind::Deleted, Stored::test(owned("p2", "n2"), 5));
    view.apply(ChangeKind::Put, Stored::test(owned("p1", "n9"), 3));
    let reader = view.read();
    assert_eq!(
        names(reader.pods_on(&NodeName::from("n2")).collect()),
        ["p1"],
        "old revisions change nothing"
    );
    assert!(reader.by_uid(&Uid::from("p2")).is_none());
    assert_eq!((reader.revision(), reader.len()), (Revision(5), 2));
}

#[tokio::test]
async fn changes_are_followed_from_any_recent_revision() {
    let view = View::offline();
    let pod = |name: &str, n| crate::support::pod(name, n);
    view.apply(ChangeKind::Put, Stored::test(pod("a", 1), 1));
    let mut early = view.changes(Revision(0)).unwrap();
    let mut ahead = view.changes(Revision(3)).unwrap();
    view.apply(ChangeKind::Put, Stored::test(pod("a", 2), 2));
    view.apply(ChangeKind::Put, Stored::test(pod("b", 3), 3));
    view.apply(ChangeKind::Deleted, Stored::test(pod("a", 2), 4));
    assert_eq!(
        told(&soon(early.next_batch()).await.unwrap()),
        ["new a n=1", "put a n=2", "new b n=3", "deleted a n=2"]
    );
    assert_eq!(tell(&soon(ahead.next()).await.unwrap()), "deleted a n=2");
    let mut late = view.changes(Revision(2)).unwrap();
    assert_eq!(tell(&soon(late.next()).await.unwrap()), "new b n=3");
    let waiting = tokio::spawn(async move {
        late.next().await.unwrap();
        late.next().await.unwrap()
    });
    tokio::task::yield_now().await;
    view.apply(ChangeKind::Put, Stored::test(pod("c", 5), 5));
    assert_eq!(tell(&soon(waiting).await.unwrap()), "new c n=5");
}

#[tokio::test]
async fn a_reader_that_is_too_slow_has_to_list_again() {
    let view = View::offline();
    let mut slow = view.changes(Revision(0)).unwrap();
    for n in 1..=70_000 {
        view.apply(ChangeKind::Put, Stored::test(crate::support::pod("a", n), n));
    }
    assert!(soon(slow.next()).await.is_err());
    assert!(view.changes(Revision(1_000)).is_err());
    let mut recent = view.changes(Revision(69_998)).unwrap();
    assert_eq!(told(&soon(recent.next_batch()).await.unwrap()), ["put a n=69999", "put a n=70000"]);
    assert!(view.resume(Revision(1_000)).await.is_err(), "a view without a server has no older history");
}

#[tokio::test]
async fn a_watch_resumes_from_before_this_process() {
    let server = NatsServer::start().await;
    let first = server.bus().await;
    let store = first.store();
    let kept = store.write(create("kept", 1)).await.unwrap();
    let changed = store.write(create("changed", 1)).await.unwrap();
    let gone = store.write(create("gone", 1)).await.unwrap();
    let start = gone;
    first.view().await.unwrap();
    let changed = store.write(update("changed", changed, 2)).await.unwrap();
    soon(first.view().await.unwrap().wait_for(changed)).await;
    store.write(update("changed", changed, 3)).await.unwrap();
    store.write(delete("gone", gone, 1)).await.unwrap();
    let brief = store.write(create("brief", 1)).await.unwrap();
    // Who deletes what its view does not show yet cannot tell the stream since when it existed.
    soon(first.view().await.unwrap().wait_for(brief)).await;
    store.write(delete("brief", brief, 1)).await.unwrap();
    let fresh = store.write(create("fresh", 1)).await.unwrap();
    soon(first.view().await.unwrap().wait_for(fresh)).await;
    store.write(update("fresh", fresh, 2)).await.unwrap();

    let second = server.connect().await;
    let view = second.view().await.unwrap();
    assert!(view.changes(start).is_err(), "this process has not seen it");
    let (history, mut following) = view.resume(start).await.unwrap();
    assert_eq!(told(&history), ["put changed n=3", "deleted gone n=1", "new fresh n=2"]);
    assert_eq!(
        told(&view.history(Revision(0)).await.unwrap()),
        ["new kept n=1", "new changed n=3", "new fresh n=2"]
    );
    store.write(update("kept", kept, 2)).await.unwrap();
    assert_eq!(tell(&soon(following.next()).await.unwrap()), "put kept n=2");
    assert!(view.resume(Revision(10_000)).await.is_err(), "nobody has been there yet");
}

#[tokio::test]
async fn a_view_survives_the_loss_of_its_consumer_and_of_its_server() {
    let mut server = NatsServer::start().await;
    let (writing, reading) = (server.bus().await, server.bus().await);
    let view = reading.view().await.unwrap();
    let mut changes = view.changes(view.revision()).unwrap();
    let store = writing.store();
    let mut expected = Vec::new();
    let mut last = store.write(create("a", 0)).await.unwrap();
    expected.push("new a n=0".to_owned());
    soon(view.wait_for(last)).await;
    for n in 1..=6 {
        match n % 3 {
            0 => server.restart().await,
            1 => delete_consumers(&server).await,
            _ => {}
        }
        last = store.write(update("a", last, n)).await.unwrap();
        soon(view.wait_for(last)).await;
        expected.push(format!("put a n={n}"));
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.push(tell(&soon(changes.next()).await.unwrap()));
    }
    assert_eq!(seen, expected);
    assert!(changes.try_batch().unwrap().is_empty());
}

#[tokio::test]
async fn a_view_notices_that_its_bucket_was_replaced() {
    let server = NatsServer::start().await;
    let (bus, other) = (server.bus().await, server.connect().await);
    let view = bus.view().await.unwrap();
    for n in 0..5 {
        bus.store().write(create(&format!("old-{n}"), n)).await.unwrap();
    }
    let last = bus.store().write(create("both", 1)).await.unwrap();
    soon(view.wait_for(last)).await;
    let mut changes = view.changes(view.revision()).unwrap();
    let raw = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    raw.delete_stream("KV_odeon").await.unwrap();
    other.provision(bus::Layout::default()).await.unwrap();
    let made = other.store().write(create("both", 2)).await.unwrap();
    assert!(made < last);
    eventually("the view shows the new bucket", || view.read().len() == 1).await;
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 6 {
        seen.extend(told(&soon(changes.next_batch()).await.unwrap()));
    }
    seen.sort();
    let gone = (0..5).map(|n| format!("deleted old-{n} n={n}"));
    assert_eq!(seen, gone.chain(["put both n=2".to_owned()]).collect::<Vec<_>>());
    assert_eq!(view.get(&key("both")).unwrap().revision, made);
    assert!(view.changes(last).is_ok(), "a reader that is ahead waits");
    let made = bus.store().write(update("both", made, 3)).await.unwrap();
    soon(view.wait_for(made)).await;
}

async fn delete_consumers(server: &NatsServer) {
    use futures::TryStreamExt;
    let raw = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let stream = raw.get_stream("KV_odeon").await.unwrap();
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    for name in names {
        stream.delete_consumer(&name).await.unwrap();
    }
}
