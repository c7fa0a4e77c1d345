//! The annotation in which kubectl's client-side apply remembers what it applied; server-side apply by `kubectl` honours it.

use serde_json::Value;

use super::compare::compare;
use super::extract::applied;
use super::set::FieldSet;
use super::types::TypeRef;

/// The annotation.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager whose server-side apply takes over from client-side apply.
pub(super) const KUBECTL: &str = "kubectl";
/// Annotations do not get larger than this.
const LONGEST: usize = 256 * 1024;

/// The annotation, if the object has one.
fn read(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())
}

/// Fields that client-side apply set and that are still as it set them: server-side apply may take them over.
pub(super) fn still_as_applied(kind: TypeRef<'_>, live: &Value) -> FieldSet {
    let Some(last) = read(live).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return FieldSet::default();
    };
    let same_version = last.get("apiVersion") == live.get("apiVersion");
    let Some(fields) = applied(kind, &last).ok().filter(|_| same_version) else { return FieldSet::default() };
    let differs = compare(kind, &last, live);
    fields.difference(&differs.modified).difference(&differs.added).difference(&differs.removed)
}

/// Keeps an annotation that is there in step with what is applied now, so that client-side apply can go on from it.
pub(super) fn keep_in_step(live: &mut Value, config: &Value) {
    if read(live).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let Some(annotations) = live.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else {
        return;
    };
    let text = format!("{config}\n");
    match text.len() > LONGEST {
        true => annotations.remove(LAST_APPLIED),
        false => annotations.insert(LAST_APPLIED.to_owned(), text.into()),
    };
}
