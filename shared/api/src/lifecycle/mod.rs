//! The rules of an object's life: what creation, update and deletion do to its metadata. Pure; gateway and controllers share them.

mod deletion;
mod job;
mod label_keys;
mod service;

pub use deletion::{
    DeleteOptions, Deletion, Propagation, Refusal, after_finalizers_removed, request_deletion,
};

use serde_json::{Map, Value, json};

use crate::json::{child, set_default, text};
use crate::{KindInfo, Timestamp, Uid, custom, hooks};

/// Fields of `metadata` that only the server writes; an update keeps what the stored object has.
const SERVER_FIELDS: [&str; 5] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"];
/// Fields of `metadata` that are never stored.
const UNSTORED_FIELDS: [&str; 2] = ["resourceVersion", "selfLink"];
/// What Kubernetes' types of daemon sets before `apps/v1` had as a field.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
/// Which fields who owns: an update hands it on, a new object starts without.
const OWNERS: &str = "managedFields";

/// Makes a decoded, defaulted object ready to be stored for the first time. `suffix` completes `generateName`
/// (five characters, see `names_for::child_suffix`).
pub fn prepare_create(object: &mut Value, kind: &KindInfo, suffix: &str, uid: &Uid, now: Timestamp) {
    begin(object, kind, suffix, uid, now);
    complete(object, kind, uid);
}

/// The first half of [`prepare_create`]: who it is, and its first status. What is there then is its creator's, as far as anybody's.
pub fn begin(object: &mut Value, kind: &KindInfo, suffix: &str, uid: &Uid, now: Timestamp) {
    if !kind.namespaced
        && let Some(metadata) = child(object, "metadata")
    {
        metadata.remove("namespace");
    }
    if let Some(metadata) = child(object, "metadata") {
        for field in SERVER_FIELDS.iter().chain(&UNSTORED_FIELDS) {
            metadata.remove(*field);
        }
        metadata.remove(OWNERS);
        generate_name(metadata, suffix);
        metadata.insert("uid".into(), json!(uid));
        metadata.insert("creationTimestamp".into(), json!(now));
        if kind.has_generation {
            metadata.insert("generation".into(), json!(1));
        }
    }
    match kind.id.as_str() {
        "namespaces" => crate::defaults::namespace_label(object),
        "daemonsets.apps" => count_template(object, None),
        _ => {}
    }
    prepare_status(object, kind);
}

/// Removes owners that are there twice; returns what their client is told.
pub fn without_repeated_owners(object: &mut Value) -> Option<String> {
    let owners = object.pointer_mut("/metadata/ownerReferences")?.as_array_mut()?;
    let (mut known, mut repeated): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    owners.retain(|owner| {
        let is_new = !known.contains(owner);
        match is_new {
            true => known.push(owner.clone()),
            false => repeated.push(text(owner, "/uid").to_owned()),
        }
        is_new
    });
    repeated.sort_unstable();
    repeated.dedup();
    (!repeated.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such \
             requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            repeated.join(", ")
        )
    })
}

/// The second half: what the server adds by itself, which is nobody's.
pub fn complete(object: &mut Value, kind: &KindInfo, uid: &Uid) {
    match kind.id.as_str() {
        "jobs.batch" => job::tell_apart(object, uid),
        "pods" => label_keys::merge(object),
        "persistentvolumeclaims" => protect(object, crate::volumes::CLAIM_PROTECTION),
        "persistentvolumes" => protect(object, crate::volumes::VOLUME_PROTECTION),
        _ => {}
    }
}

/// What is in use stays (Kubernetes' admission plugin StorageObjectInUseProtection).
fn protect(object: &mut Value, finalizer: &str) {
    let Some(metadata) = child(object, "metadata") else { return };
    let held = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(held) = held.as_array_mut().filter(|held| !held.iter().any(|name| name == finalizer)) {
        held.push(json!(finalizer));
    }
}

/// `generateName` leaves room for the suffix within a label's 63 characters, as Kubernetes does.
fn generate_name(metadata: &mut Map<String, Value>, suffix: &str) {
    const LONGEST_BASE: usize = 58;
    let named = metadata.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let Some(base) =
        metadata.get("generateName").and_then(Value::as_str).filter(|base| !base.is_empty() && !named)
    else {
        return;
    };
    let base: String = base.chars().take(LONGEST_BASE).collect();
    metadata.insert("name".into(), json!(format!("{base}{suffix}")));
}

/// A new object's status is the server's own. Nodes are the exception: an agent registers its node complete.
fn prepare_status(object: &mut Value, kind: &KindInfo) {
    if !kind.has_status || kind.id.as_str() == "nodes" {
        return;
    }
    if kind.id == custom::DEFINITIONS {
        let status = custom::first_status(object);
        if let Some(object) = object.as_object_mut() {
            object.insert("status".into(), status);
        }
        return;
    }
    if kind.id == hooks::POLICIES {
        return observe_policy(object);
    }
    let qos = (kind.id.as_str() == "pods").then(|| crate::qos::class(object));
    let Some(object) = object.as_object_mut() else { return };
    match (kind.id.as_str(), qos) {
        ("pods", Some(qos)) => object.insert("status".into(), json!({"phase": "Pending", "qosClass": qos})),
        ("namespaces", _) => object.insert("status".into(), json!({"phase": "Active"})),
        ("persistentvolumes" | "persistentvolumeclaims", _) => {
            object.insert("status".into(), json!({"phase": "Pending"}))
        }
        ("ingresses.networking.k8s.io" | "services", _) => {
            object.insert("status".into(), json!({"loadBalancer": {}}))
        }
        _ if kind.custom().is_some() => object.remove("status"),
        (id, _) => object.insert("status".into(), counts_of(id)),
    };
}

/// What a first status counts: fields that Kubernetes' types do not leave out when they are zero.
fn counts_of(id: &str) -> Value {
    match id {
        "replicasets.apps" | "replicationcontrollers" => json!({"replicas": 0}),
        "statefulsets.apps" => json!({"replicas": 0, "availableReplicas": 0}),
        "daemonsets.apps" => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }),
        "poddisruptionbudgets.policy" => {
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0})
        }
        _ => json!({}),
    }
}

/// Makes a changed object (decoded and defaulted; validate it afterwards) ready to replace `old`: server fields and, where
/// it has its own endpoint, status stay as they were, a service keeps what was allocated to it, and the generation grows
/// if the spec changed.
pub fn prepare_update(new: &mut Value, old: &Value, kind: &KindInfo) -> Result<(), Refusal> {
    same_uid(new, old)?;
    if kind.has_status
        && let Some(object) = new.as_object_mut()
    {
        replace(object, "status", old.get("status"));
    }
    keep_metadata(new, old, kind);
    match kind.id.as_str() {
        "services" => service::carry_over(new, old),
        "pods" => crate::admission::keep_priority(new, old),
        "daemonsets.apps" => count_template(new, Some(old)),
        _ => {}
    }
    if kind.id == custom::DEFINITIONS {
        custom::remember_stored_version(new);
    }
    let changed = wanted(new, kind) != wanted(old, kind)
        || kind.id.as_str() == "deployments.apps"
            && new.pointer("/metadata/annotations") != old.pointer("/metadata/annotations");
    if changed && let Some(metadata) = child(new, "metadata") {
        bump_generation(metadata);
    }
    if kind.id == hooks::POLICIES {
        observe_policy(new);
    }
    Ok(())
}

/// How often a daemon set's template has changed, which old clients read from an annotation.
fn count_template(object: &mut Value, old: Option<&Value>) {
    let annotation = |object: &Value| {
        object.get("metadata")?.get("annotations")?.get(TEMPLATE_GENERATION)?.as_str()?.parse::<i64>().ok()
    };
    let generation = match old {
        None => 1,
        Some(old) => {
            let before = annotation(old).unwrap_or(1);
            let changed = object.pointer("/spec/template") != old.pointer("/spec/template");
            before.saturating_add(i64::from(changed))
        }
    };
    let Some(metadata) = child(object, "metadata") else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string().into());
    }
}

/// A policy whose expressions were refused is not stored: what is stored has been seen.
fn observe_policy(policy: &mut Value) {
    let seen = policy.pointer("/metadata/generation").cloned();
    if let Some(status) = child(policy, "status") {
        status.insert("observedGeneration".into(), seen.unwrap_or_default());
        status.entry("typeChecking").or_insert_with(|| json!({}));
    }
}

/// What of the metadata of a kind its `/status` writes too, beside its status: Kubernetes' strategies differ there.
fn written_with_status(kind: &KindInfo) -> &'static [&'static str] {
    match kind.id.as_str() {
        _ if kind.custom().is_some() => &[],
        "apiservices.apiregistration.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io"
        | "validatingadmissionpolicies.admissionregistration.k8s.io"
        | "volumeattachments.storage.k8s.io" => &[],
        "deployments.apps" => &["annotations", "finalizers", "ownerReferences"],
        "pods" => &["annotations", "finalizers", "labels"],
        _ => &["annotations", "finalizers", "labels", "ownerReferences"],
    }
}

/// Makes a written status ready to replace `old`: everything else stays as it was, but for some metadata.
pub fn prepare_status_update(new: &mut Value, old: &Value, kind: &KindInfo) -> Result<(), Refusal> {
    same_uid(new, old)?;
    let mut merged = old.clone();
    if let Some(object) = merged.as_object_mut() {
        replace(object, "status", new.get("status"));
    }
    // As in Kubernetes, whoever does not say it does not take it away.
    if kind.id.as_str() == "pods"
        && let Some(class) = old.pointer("/status/qosClass")
        && let Some(status) = child(&mut merged, "status")
        && status.get("qosClass").is_none_or(|said| said == "")
    {
        status.insert("qosClass".into(), class.clone());
    }
    if let Some(metadata) = child(&mut merged, "metadata") {
        for field in written_with_status(kind) {
            replace(metadata, field, new.pointer("/metadata").and_then(|metadata| metadata.get(*field)));
        }
        for field in UNSTORED_FIELDS {
            metadata.remove(field);
        }
    }
    *new = merged;
    Ok(())
}

fn keep_metadata(new: &mut Value, old: &Value, kind: &KindInfo) {
    let Some(metadata) = child(new, "metadata") else { return };
    for field in UNSTORED_FIELDS {
        metadata.remove(field);
    }
    for field in SERVER_FIELDS {
        replace(metadata, field, old.pointer("/metadata").and_then(|metadata| metadata.get(field)));
    }
    set_default(metadata, "name", text(old, "/metadata/name"));
    match kind.namespaced {
        true if text(old, "/metadata/namespace").is_empty() => {}
        true => set_default(metadata, "namespace", text(old, "/metadata/namespace")),
        false => {
            metadata.remove("namespace");
        }
    }
}

/// An update that names a uid means exactly that object.
fn same_uid(new: &Value, old: &Value) -> Result<(), Refusal> {
    let (wanted, found) = (text(new, "/metadata/uid"), text(old, "/metadata/uid"));
    match wanted.is_empty() || wanted == found {
        true => Ok(()),
        false => Err(Refusal::Uid { wanted: wanted.into(), found: found.into() }),
    }
}

fn replace(object: &mut Map<String, Value>, key: &str, value: Option<&Value>) {
    match value {
        Some(value) => object.insert(key.to_owned(), value.clone()),
        None => object.remove(key),
    };
}

/// What an object wants: everything but who it is and how it is.
fn wanted<'o>(object: &'o Value, kind: &KindInfo) -> Vec<(&'o str, &'o Value)> {
    let is_wanted = |key: &str| key != "metadata" && !(key == "status" && kind.has_status);
    crate::json::entries(object, "").filter(|(key, _)| is_wanted(key)).collect()
}

fn bump_generation(metadata: &mut Map<String, Value>) {
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
        metadata.insert("generation".into(), json!(generation.saturating_add(1)));
    }
}

#[cfg(test)]
mod tests;
