//! Compare-and-set and group commit.

use std::collections::BTreeMap;

use api::{ObjectKey, ResourceId, Revision};
use bus::testing::NatsServer;
use bus::{ChangeTo, Expect, Mutation, WriteError};

use crate::support::{create, delete, key, pod, put, soon, update};

#[tokio::test]
async fn writes_compare_and_set() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let (store, view) = (bus.store(), bus.view().await.unwrap());
    let first = store.write(create("web", 1)).await.unwrap();
    assert_eq!(store.write(create("web", 2)).await, Err(WriteError::Conflict { current: Some(first) }));
    let second = store.write(update("web", first, 2)).await.unwrap();
    assert!(second > first);
    assert_eq!(
        store.write(update("web", first, 3)).await,
        Err(WriteError::Conflict { current: Some(second) })
    );
    assert_eq!(store.write(update("none", second, 3)).await, Err(WriteError::Conflict { current: None }));
    soon(view.wait_for(second)).await;
    let stored = view.get(&key("web")).unwrap();
    assert_eq!((stored.revision, stored.created), (second, first));
    let mut expected = pod("web", 2);
    expected["metadata"]["resourceVersion"] = second.to_string().into();
    assert_eq!(stored.value(), expected);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&stored.json()).unwrap(), expected);
}

#[tokio::test]
async fn a_deleted_name_is_free_again() {
    let server = NatsServer::start().await;
    for with_view in [true, false] {
        let bus = server.bus().await;
        let store = bus.store();
        let view = if with_view { Some(bus.view().await.unwrap()) } else { None };
        let name = format!("web-{with_view}");
        let created = store.write(create(&name, 1)).await.unwrap();
        let deleted = store.write(delete(&name, created, 1)).await.unwrap();
        if let Some(view) = view {
            soon(view.wait_for(deleted)).await;
            assert!(view.get(&key(&name)).is_none());
        }
        assert_eq!(store.write(update(&name, created, 2)).await, Err(WriteError::Conflict { current: None }));
        let again = store.write(create(&name, 3)).await.unwrap();
        assert!(again > deleted);
        let again = store.write(delete(&name, again, 3)).await.unwrap();
        let batch = vec![create(&name, 4), create(&format!("{name}-other"), 4)];
        let revisions = store.write_atomically(batch).await.unwrap();
        assert!(revisions[0] > again && revisions[1].0 == revisions[0].0 + 1);
    }
}

#[tokio::test]
async fn atomic_writes_happen_together_or_not_at_all() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let (store, view) = (bus.store(), bus.view().await.unwrap());
    let a = store.write(create("a", 1)).await.unwrap();
    let conflict = store.write_atomically(vec![create("b", 1), create("a", 2), create("c", 1)]).await;
    assert_eq!(conflict, Err(WriteError::Conflict { current: Some(a) }));
    let revisions =
        store.write_atomically(vec![create("b", 1), update("a", a, 2), create("c", 1)]).await.unwrap();
    assert_eq!(revisions.len(), 3);
    soon(view.wait_for(revisions[2])).await;
    let found: Vec<Revision> = ["b", "a", "c"].map(|name| view.get(&key(name)).unwrap().revision).into();
    assert_eq!(found, revisions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_fails_only_its_own_write() {
    let server = NatsServer::start().await;
    let (bus, other) = (server.bus().await, server.bus().await);
    for view in [true, false] {
        if view {
            bus.view().await.unwrap();
        }
        let prefix = if view { "v" } else { "w" };
        let mutations = |n| (0..300).map(move |i| create(&format!("{prefix}{i}"), n));
        let taken: Vec<Mutation> = mutations(0).step_by(7).collect();
        assert!(other.store().write_all(taken).await.iter().all(Result::is_ok));
        let outcomes = bus.store().write_all(mutations(1).collect()).await;
        for (i, outcome) in outcomes.iter().enumerate() {
            match (i % 7, outcome) {
                (0, Err(WriteError::Conflict { current: Some(_) })) | (1.., Ok(_)) => {}
                unexpected => panic!("{i}: {unexpected:?}"),
            }
        }
    }
}

#[tokio::test]
async fn writes_of_one_object_keep_their_order() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let store = bus.store();
    bus.view().await.unwrap();
    let mut mutations: Vec<Mutation> = (0..50).map(|i| create(&format!("p{i}"), 1)).collect();
    mutations.extend((0..50).map(|i| create(&format!("p{i}"), 2)));
    let outcomes = store.write_all(mutations).await;
    assert!(outcomes[..50].iter().all(Result::is_ok), "{outcomes:?}");
    assert!(outcomes[50..].iter().all(|it| matches!(it, Err(WriteError::Conflict { current: Some(_) }))));
}

#[tokio::test]
async fn odd_names_and_large_objects() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let (store, view) = (bus.store(), bus.view().await.unwrap());
    let roles = ResourceId::new("clusterroles.rbac.authorization.k8s.io");
    let names = ["system:controller:x", "a b", "*", "a.>", "50%", "..a..", "web.v1.x", "größe"];
    let mut written = BTreeMap::new();
    for name in names {
        let key = ObjectKey::cluster(roles, name);
        let change = ChangeTo::Put(pod(name, 1));
        let mutation =
            Mutation { key: key.clone(), expect: Expect::Absent, change, cause: Default::default() };
        written.insert(key, store.write(mutation).await.unwrap());
    }
    soon(view.wait_for(*written.values().max().unwrap())).await;
    let found: BTreeMap<ObjectKey, Revision> =
        view.read().list(roles, None).map(|it| (it.key.clone(), it.revision)).collect();
    assert_eq!(found, written);

    let mut large = put("large", Expect::Absent, 1);
    let mut value = pod("large", 1);
    value["data"] = "x".repeat(1_500_000).into();
    large.change = ChangeTo::Put(value.clone());
    store.write(large.clone()).await.unwrap();
    value["data"] = "x".repeat(1_600_000).into();
    large.change = ChangeTo::Put(value);
    assert!(matches!(store.write(large).await, Err(WriteError::TooLarge { .. })));
}
