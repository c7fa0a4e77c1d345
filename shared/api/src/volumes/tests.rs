//! Which volume is chosen for a claim, as text.

use serde_json::{Value, json};

use super::*;
use crate::{Metadata, ObjectKey, Resource, Revision};

fn object<K: Resource>(value: &Value) -> Arc<Object<K>> {
    let metadata: Metadata = serde_json::from_value(value["metadata"].clone()).unwrap();
    let key = match &*metadata.namespace {
        "" => ObjectKey::cluster(K::ID, &metadata.name),
        namespace => ObjectKey::namespaced(K::ID, namespace, &metadata.name),
    };
    let body = serde_json::from_value(value.clone()).unwrap();
    Arc::new(Object { key, revision: Revision(1), metadata: Arc::new(metadata), body })
}

fn volume(name: &str, size: &str, more: Value) -> Arc<Object<PersistentVolume>> {
    let mut value = json!({
        "metadata": {"name": name},
        "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]},
        "status": {"phase": "Available"},
    });
    crate::merge_patch::apply(&mut value, &more);
    object(&value)
}

fn claim(more: Value) -> Arc<Object<PersistentVolumeClaim>> {
    let mut value = json!({
        "metadata": {"name": "c", "namespace": "d", "uid": "u"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, "storageClassName": ""},
    });
    crate::merge_patch::apply(&mut value, &more);
    object(&value)
}

fn chosen(volumes: &[Arc<Object<PersistentVolume>>], claim: &Object<PersistentVolumeClaim>) -> String {
    let found = best(volumes.iter().cloned(), claim, |_| true);
    found.map_or_else(|| "none".to_owned(), |volume| volume.key.name.to_string())
}

#[test]
fn the_smallest_that_fits_is_chosen() {
    let all = [
        volume("small", "1Gi", json!({})),
        volume("big", "9Gi", json!({})),
        volume("fits", "3Gi", json!({})),
        volume(
            "taken",
            "2Gi",
            json!({"spec": {"claimRef": {"namespace": "d", "name": "other", "uid": "o"}}}),
        ),
        volume("released", "2Gi", json!({"status": {"phase": "Released"}})),
        volume("classy", "2Gi", json!({"spec": {"storageClassName": "fast"}})),
        volume("raw", "2Gi", json!({"spec": {"volumeMode": "Block"}})),
        volume("shared", "2Gi", json!({"spec": {"accessModes": ["ReadOnlyMany"]}})),
        volume("going", "2Gi", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
    ];
    assert_eq!(chosen(&all, &claim(json!({}))), "fits");
    assert_eq!(chosen(&all, &claim(json!({"spec": {"storageClassName": "fast"}}))), "classy");
    assert_eq!(chosen(&all, &claim(json!({"spec": {"volumeMode": "Block"}}))), "raw");
    assert_eq!(
        chosen(&all, &claim(json!({"spec": {"resources": {"requests": {"storage": "10Gi"}}}}))),
        "none"
    );
    assert_eq!(
        chosen(&all, &claim(json!({"spec": {"accessModes": ["ReadWriteOnce", "ReadOnlyMany"]}}))),
        "none"
    );
}

#[test]
fn a_volume_that_is_kept_for_the_claim_comes_first() {
    let kept = |uid: &str| json!({"spec": {"claimRef": {"namespace": "d", "name": "c", "uid": uid}}});
    let all = [volume("fits", "2Gi", json!({})), volume("kept", "9Gi", kept(""))];
    assert_eq!(chosen(&all, &claim(json!({}))), "kept");
    let all = [volume("fits", "2Gi", json!({})), volume("of-an-earlier-one", "9Gi", kept("before"))];
    assert_eq!(chosen(&all, &claim(json!({}))), "fits");
}

#[test]
fn selectors_choose_by_labels() {
    let all = [
        volume("plain", "2Gi", json!({})),
        volume("ssd", "5Gi", json!({"metadata": {"labels": {"disk": "ssd"}}})),
    ];
    assert_eq!(chosen(&all, &claim(json!({"spec": {"selector": {"matchLabels": {"disk": "ssd"}}}}))), "ssd");
}

#[test]
fn nodes_reach_volumes_by_their_labels() {
    let labels: Labels = [("kubernetes.io/hostname".into(), "n1".into())].into();
    let near = |host: &str| {
        json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}
        ]}}}})
    };
    assert!(reaches(&volume("anywhere", "1Gi", json!({})), "n1", &labels));
    assert!(reaches(&volume("here", "1Gi", near("n1")), "n1", &labels));
    assert!(!reaches(&volume("there", "1Gi", near("n2")), "n1", &labels));
}

#[test]
fn pods_name_their_claims() {
    let pod = object::<Pod>(&json!({
        "metadata": {"name": "web-0", "namespace": "d"},
        "spec": {"volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        ]},
    }));
    let claims: Vec<(String, bool)> = claims_of(&pod).map(|(name, own)| (name.to_string(), own)).collect();
    assert_eq!(claims, [("data-web-0".to_owned(), false), ("web-0-scratch".to_owned(), true)]);
}
