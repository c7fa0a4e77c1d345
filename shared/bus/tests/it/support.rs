//! What the tests share.

use std::future::Future;
use std::time::Duration;

use api::journal::Cause;
use api::{ObjectKey, ResourceId, Revision};
use bus::{Change, ChangeKind, ChangeTo, Expect, Mutation};
use serde_json::{Value, json};

pub const PODS: ResourceId = ResourceId::new("pods");

/// A pod called `name` whose spec says `n`.
pub fn pod(name: &str, n: u64) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default", "uid": format!("uid-{name}") }, "spec": { "n": n } })
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced(PODS, "default", name)
}

pub fn create(name: &str, n: u64) -> Mutation {
    put(name, Expect::Absent, n)
}

pub fn update(name: &str, at: Revision, n: u64) -> Mutation {
    put(name, Expect::At(at), n)
}

pub fn put(name: &str, expect: Expect, n: u64) -> Mutation {
    Mutation { key: key(name), expect, change: ChangeTo::Put(pod(name, n)), cause: Cause::default() }
}

pub fn delete(name: &str, at: Revision, n: u64) -> Mutation {
    let change = ChangeTo::Delete(pod(name, n));
    Mutation { key: key(name), expect: Expect::At(at), change, cause: Cause::default() }
}

/// `put web@3`, `deleted web@4`; `new` if nothing was there before.
pub fn tell(change: &Change) -> String {
    let kind = match (change.kind, &change.previous) {
        (ChangeKind::Put, None) => "new",
        (ChangeKind::Put, Some(_)) => "put",
        (ChangeKind::Deleted, _) => "deleted",
    };
    format!("{kind} {} n={}", change.key().name, change.object.value()["spec"]["n"])
}

/// Fails the test if it takes longer than a minute.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}

/// Waits until `holds`.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
