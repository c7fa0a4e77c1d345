//! `pods/ephemeralcontainers`: containers that are added to a pod that runs (`kubectl debug`); nothing else of it changes.

use api::kinds::FieldError;
use api::lifecycle::Refusal;
use api::{KindInfo, json, validation};
use serde_json::Value;

use crate::body;
use crate::call::Call;
use crate::failure::Failure;

/// All patches but applies: nobody owns single fields of them.
pub fn may_patch(call: &Call) -> Result<(), Failure> {
    const PATCHES: [&str; 3] = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    match PATCHES.contains(&&*body::media_type(&call.content_type)) {
        true => Ok(()),
        false => Err(api::status::unsupported_media_type(&PATCHES).into()),
    }
}

/// Makes a pod with other ephemeral containers ready to replace `old`; the rules that it breaks.
pub fn prepare(new: &mut Value, old: &Value, kind: &KindInfo) -> Result<Vec<FieldError>, Refusal> {
    let wanted = std::mem::replace(new, old.clone());
    if let Some(spec) = json::child(new, "spec") {
        spec.remove("ephemeralContainers");
        let containers = wanted.pointer("/spec/ephemeralContainers").cloned();
        spec.extend(containers.map(|containers| ("ephemeralContainers".to_owned(), containers)));
    }
    super::ready(new, &wanted, old, kind)?;
    Ok(validation::ephemeral_containers(new, old))
}
