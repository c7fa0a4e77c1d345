//! What the cluster's own objects say about new ones: limit ranges, priority classes, default classes, quotas. Pure; the gateway
//! and the controllers' hands share it, so that it does not matter who creates an object.

mod ledger;
mod limits;
mod priority;
mod quota;

pub use ledger::{Charge, Ledger, is_counted};
pub use priority::{SYSTEM_PRIORITIES, keep_priority, system_priority};
pub(crate) use quota::pod_amounts;
pub use quota::{format_amount, totals, usage};

use std::sync::Arc;

use serde_json::{Value, json};

use crate::ResourceId;
use crate::json::{child, entries, text};

/// Pods, which most of this is about.
pub const PODS: ResourceId = ResourceId::new("pods");
/// Claims.
pub const CLAIMS: ResourceId = ResourceId::new("persistentvolumeclaims");
const LIMIT_RANGES: ResourceId = ResourceId::new("limitranges");
const PRIORITY_CLASSES: ResourceId = ResourceId::new("priorityclasses.scheduling.k8s.io");
const STORAGE_CLASSES: ResourceId = ResourceId::new("storageclasses.storage.k8s.io");
/// Quotas.
pub const QUOTAS: ResourceId = ResourceId::new("resourcequotas");

/// What admission reads of a cluster.
pub trait Cluster {
    /// The objects of a resource, of one namespace or of all.
    fn objects(&self, resource: ResourceId, namespace: Option<&str>) -> Arc<[Value]>;
}

/// Completes a new object (decoded and defaulted) as the cluster's objects say, and checks it against them. The error says why it
/// is forbidden. Quotas are charged for it when it is written: see `Ledger`.
pub fn admit(object: &mut Value, resource: ResourceId, cluster: &impl Cluster) -> Result<(), String> {
    if resource == PODS {
        priority::resolve(object, &cluster.objects(PRIORITY_CLASSES, None))?;
    }
    if resource == CLAIMS {
        choose_storage_class(object, &cluster.objects(STORAGE_CLASSES, None));
    }
    limit(object, resource, cluster)
}

/// Completes what an object asks for as limit ranges say, and checks it against them: of new objects, pods that are resized, and claims.
pub fn limit(object: &mut Value, resource: ResourceId, cluster: &impl Cluster) -> Result<(), String> {
    if !matches!(resource, PODS | CLAIMS) {
        return Ok(());
    }
    let namespace = text(object, "/metadata/namespace").to_owned();
    for range in &*cluster.objects(LIMIT_RANGES, Some(&namespace)) {
        limits::apply(object, resource, range);
        limits::check(object, resource, range)?;
    }
    Ok(())
}

/// The class of claims that name none: the newest of those that are marked.
fn choose_storage_class(claim: &mut Value, classes: &[Value]) {
    if claim.pointer("/spec/storageClassName").is_some() {
        return;
    }
    let marked = classes.iter().filter(|class| is_default_class(class));
    let newest = marked.max_by_key(|class| text(class, "/metadata/creationTimestamp"));
    if let (Some(class), Some(spec)) = (newest, child(claim, "spec")) {
        spec.insert("storageClassName".into(), json!(text(class, "/metadata/name")));
    }
}

/// The class of objects that name none, by its annotation (storage classes, ingress classes).
pub fn is_default_class(class: &Value) -> bool {
    let annotations = entries(class, "/metadata/annotations");
    marks_default(annotations.map(|(key, value)| (key, value.as_str().unwrap_or_default())))
}

/// Whether annotations mark the class of objects that name none.
pub fn marks_default<'a>(mut annotations: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    annotations.any(|(key, value)| {
        matches!(
            key,
            "storageclass.kubernetes.io/is-default-class" | "ingressclass.kubernetes.io/is-default-class"
        ) && value == "true"
    })
}

#[cfg(test)]
mod tests;
