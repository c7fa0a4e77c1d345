//! What a request to delete an object does: it goes at once, or it is marked and goes when its grace period and finalizers allow.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bump_generation;
use crate::json::{child, int, items, text};
use crate::{KindInfo, Timestamp, Uid, custom};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Propagation {
    /// They follow after it is gone.
    #[default]
    Background,
    /// It waits for them.
    Foreground,
    /// They stay.
    Orphan,
}

/// What a `DELETE` asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`; the object's own if `None`.
    pub grace: Option<i64>,
    /// What becomes of dependents; the object's own finalizers decide if `None`.
    pub propagation: Option<Propagation>,
    /// Delete only the object with this uid.
    pub uid: Option<Uid>,
    /// Delete only the object at this `resourceVersion`.
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` body (`meta/v1`). Unknown propagation policies are ignored, as their field is.
    pub fn from_value(body: &Value) -> Self {
        let propagation =
            match (text(body, "/propagationPolicy"), body.get("orphanDependents").and_then(Value::as_bool)) {
                ("Foreground", _) => Some(Propagation::Foreground),
                ("Background", _) => Some(Propagation::Background),
                ("Orphan", _) | (_, Some(true)) => Some(Propagation::Orphan),
                (_, Some(false)) => Some(Propagation::Background),
                (_, None) => None,
            };
        let non_empty = |pointer| Some(text(body, pointer)).filter(|text| !text.is_empty());
        Self {
            grace: int(body, "/gracePeriodSeconds"),
            propagation,
            uid: non_empty("/preconditions/uid").map(Uid::from),
            resource_version: non_empty("/preconditions/resourceVersion").map(str::to_owned),
        }
    }
}

/// What to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// Nothing holds it: remove it now. This is its last state; only pods, which end gracefully, and what was marked before have a
    /// `deletionTimestamp` in it.
    Remove(Value),
    /// It stays for now: write this.
    Mark(Value),
    /// Deletion was asked for before and nothing new was asked.
    Already,
}

/// A precondition does not hold. `Display` is the cause that Kubernetes gives within its `Conflict` status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another object has the name now.
    #[error("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}")]
    Uid {
        /// What the request named.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The object has changed.
    #[error(
        "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {found}"
    )]
    ResourceVersion {
        /// What the request named.
        wanted: String,
        /// What is there.
        found: String,
    },
}

/// Decides what deleting `object` means now. `object` is as read (`resourceVersion` included, if there is a precondition on it).
pub fn request_deletion(
    object: &Value,
    kind: &KindInfo,
    options: &DeleteOptions,
    now: Timestamp,
) -> Result<Deletion, Refusal> {
    check_preconditions(object, options)?;
    let mut marked = object.clone();
    let grace = match kind.id.as_str() {
        "pods" => pod_grace(object, options.grace),
        _ => 0,
    };
    if let Some(metadata) = child(&mut marked, "metadata") {
        metadata.remove("resourceVersion");
        set_propagation(metadata, options.propagation);
        mark(metadata, options.grace, grace, now);
    }
    if kind.id == custom::DEFINITIONS && object.pointer("/metadata/deletionTimestamp").is_none() {
        custom::hold(&mut marked);
    }
    if kind.id.as_str() == "namespaces"
        && let Some(status) = child(&mut marked, "status")
    {
        status.insert("phase".into(), json!("Terminating"));
    }
    if after_finalizers_removed(&marked, kind) {
        let ends_at_once =
            kind.id.as_str() != "pods" && object.pointer("/metadata/deletionTimestamp").is_none();
        return Ok(Deletion::Remove(if ends_at_once { unmarked(object) } else { marked }));
    }
    let unchanged = int(object, "/metadata/deletionGracePeriodSeconds").is_some()
        && object.pointer("/metadata/deletionTimestamp") == marked.pointer("/metadata/deletionTimestamp")
        && items(object, "/metadata/finalizers") == items(&marked, "/metadata/finalizers");
    Ok(if unchanged { Deletion::Already } else { Deletion::Mark(marked) })
}

/// As it was stored, without its version.
fn unmarked(object: &Value) -> Value {
    let mut last = object.clone();
    if let Some(metadata) = child(&mut last, "metadata") {
        metadata.remove("resourceVersion");
    }
    last
}

/// Whether nothing holds a deleted object any more: it is marked, has no finalizers, and its grace period is not running.
/// A pod whose grace period runs goes when its agent reports it gone (a deletion with grace 0).
pub fn after_finalizers_removed(object: &Value, kind: &KindInfo) -> bool {
    let held = !items(object, "/metadata/finalizers").is_empty()
        || kind.id.as_str() == "namespaces" && !items(object, "/spec/finalizers").is_empty();
    object.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
        && !held
        && int(object, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) <= 0
}

fn check_preconditions(object: &Value, options: &DeleteOptions) -> Result<(), Refusal> {
    let (uid, version) = (text(object, "/metadata/uid"), text(object, "/metadata/resourceVersion"));
    if let Some(wanted) = options.uid.as_ref().filter(|wanted| wanted.as_str() != uid) {
        return Err(Refusal::Uid { wanted: wanted.to_string(), found: uid.into() });
    }
    match options.resource_version.as_ref().filter(|wanted| *wanted != version) {
        Some(wanted) => Err(Refusal::ResourceVersion { wanted: wanted.clone(), found: version.into() }),
        None => Ok(()),
    }
}

/// How long a pod may take to end: nothing runs of a pod that is not bound or has ended.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    if text(pod, "/spec/nodeName").is_empty() || ended {
        return 0;
    }
    let own = || int(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(DEFAULT_GRACE_SECONDS);
    // A negative period means "as soon as possible, in order" (Kubernetes' rule).
    match asked.unwrap_or_else(own) {
        negative if negative < 0 => 1,
        grace => grace,
    }
}

/// Sets the deletion's time, or shortens a running one. Only a shorter grace period is ever accepted.
fn mark(metadata: &mut Map<String, Value>, asked: Option<i64>, grace: i64, now: Timestamp) {
    let after =
        |start: Timestamp, seconds: i64| start.plus(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    let previous = metadata.get("deletionTimestamp").and_then(Value::as_str).and_then(Timestamp::parse);
    let Some(previous) = previous else {
        metadata.insert("deletionTimestamp".into(), json!(after(now, grace)));
        metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
        bump_generation(metadata);
        return;
    };
    let running = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    // Without a wish of its own the request changes nothing, unless the pod has nothing left to wait for.
    let wanted = if asked.is_none() && grace > 0 { running } else { grace };
    if wanted < running {
        let start = Timestamp(previous.0.saturating_sub(running.saturating_mul(1_000_000)));
        metadata.insert("deletionTimestamp".into(), json!(after(start, wanted)));
        metadata.insert("deletionGracePeriodSeconds".into(), json!(wanted));
    }
}

/// `foregroundDeletion` and `orphan` exclude each other; a request without a policy leaves what is there.
fn set_propagation(metadata: &mut Map<String, Value>, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let mut finalizers: Vec<Value> =
        metadata.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    finalizers.retain(|name| !matches!(name.as_str(), Some(FOREGROUND | ORPHAN)) || name.as_str() == wanted);
    if let Some(wanted) = wanted.filter(|wanted| !finalizers.iter().any(|name| name.as_str() == Some(wanted)))
    {
        finalizers.push(json!(wanted));
    }
    match finalizers.is_empty() {
        true => metadata.remove("finalizers"),
        false => metadata.insert("finalizers".into(), Value::Array(finalizers)),
    };
}
