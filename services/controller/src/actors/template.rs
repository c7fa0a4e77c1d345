//! Compares pod templates: they are the same if they say the same, whatever was filled in since one of them was stored.

use std::borrow::Cow;

use api::kinds::leave_out_of_template;
use serde_json::{Value, json};

/// The label that keeps the pods of different templates apart.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// Templates are the same if they differ in the hash label only, or in what is filled in by default or left out when it is read: the
/// deployment may have been stored by a version with fewer defaults, or that kept zeros, and must not roll because of that.
pub(super) fn same_template(one: &Value, other: &Value) -> bool {
    let (one, other) = (plain(one), plain(other));
    one == other || with_defaults(&one) == with_defaults(&other)
}

fn with_defaults(template: &Value) -> Cow<'_, Value> {
    let Some(kind) = api::kind(<api::views::ReplicaSet as api::Resource>::ID) else {
        return Cow::Borrowed(template);
    };
    let mut set = json!({"spec": {"template": template}});
    kind.default(&mut set);
    let mut template = set.pointer_mut("/spec/template").map(Value::take).unwrap_or_default();
    leave_out_of_template(&mut template);
    prune(&mut template);
    Cow::Owned(template)
}

fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(TEMPLATE_HASH);
    }
    prune(&mut template);
    template
}

/// Nulls mean absent, and so does empty metadata.
fn prune(template: &mut Value) {
    remove_nulls(template);
    for field in ["labels", "annotations"] {
        if let Some(metadata) = template.get_mut("metadata") {
            drop_empty(metadata, field);
        }
    }
    drop_empty(template, "metadata");
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes an empty object or list.
pub(super) fn drop_empty(object: &mut Value, key: &str) {
    let empty = |value: &Value| match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if let Some(fields) = object.as_object_mut()
        && fields.get(key).is_some_and(empty)
    {
        fields.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_label_nulls_and_defaults_make_no_difference() {
        let plain = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "v1"}]}});
        let mut stored = plain.clone();
        stored["metadata"]["labels"][TEMPLATE_HASH] = json!("abc");
        stored["metadata"]["creationTimestamp"] = Value::Null;
        stored["spec"]["restartPolicy"] = json!("Always");
        stored["spec"]["terminationGracePeriodSeconds"] = json!(30);
        assert!(same_template(&plain, &stored));
        stored["spec"]["hostNetwork"] = json!(false);
        stored["spec"]["tolerations"] = json!([]);
        stored["spec"]["containers"][0]["env"] = json!([]);
        assert!(same_template(&plain, &stored), "what Go leaves out says nothing");
        stored["spec"]["containers"][0]["image"] = json!("v2");
        assert!(!same_template(&plain, &stored));
    }
}
