//! `pods/ephemeralcontainers`: containers that are added to a pod that runs (`kubectl debug`); nothing else of it changes.

use api::kinds::FieldError;
use api::lifecycle::{self, Refusal};
use api::{KindInfo, json, validation};
use serde_json::Value;

/// Makes a pod with other ephemeral containers ready to replace `old`; the rules that it breaks.
pub fn prepare(new: &mut Value, old: &Value, kind: &KindInfo) -> Result<Vec<FieldError>, Refusal> {
    let wanted = new.pointer("/spec/ephemeralContainers").cloned();
    let uid = new.pointer("/metadata/uid").cloned();
    *new = old.clone();
    if let Some(spec) = json::child(new, "spec") {
        spec.remove("ephemeralContainers");
        spec.extend(wanted.map(|wanted| ("ephemeralContainers".to_owned(), wanted)));
    }
    if let Some(metadata) = json::child(new, "metadata") {
        metadata.extend(uid.map(|uid| ("uid".to_owned(), uid)));
    }
    kind.default(new);
    lifecycle::prepare_update(new, old, kind)?;
    Ok(validation::ephemeral_containers(new, old))
}
