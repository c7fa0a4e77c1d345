//! The volume claims of a StatefulSet's pods: made before the pod, kept after it unless the set says otherwise.

use actor::Write;
use api::json::{items, text};
use api::views::StatefulSet;
use api::{Object, ObjectKey, ResourceId};
use serde_json::{Map, Value, json};

use super::super::normal;
use super::super::ownership::references_json;
use super::{Member, Step};

const CLAIMS: ResourceId = ResourceId::new("persistentvolumeclaims");

/// The claims of an ordinal that do not exist yet. Where claims are not served there is nobody to bind them: none are made.
pub(super) fn missing(step: &Step<'_>, ordinal: i32) -> Vec<Write> {
    if api::kind(CLAIMS).is_none() {
        return Vec::new();
    }
    let templates = step.me.spec.volume_claim_templates.iter();
    let writes = templates.filter_map(|template| {
        let key = key(step.me, template, ordinal);
        step.world.stored(&key).is_none().then(|| create(step, template, key))
    });
    writes.collect()
}

fn create(step: &Step<'_>, template: &Value, key: ObjectKey) -> Write {
    let mut metadata = Map::new();
    for field in ["labels", "annotations"] {
        let stated = template.pointer("/metadata").and_then(|metadata| metadata.get(field));
        metadata.extend(stated.map(|value| (field.to_owned(), value.clone())));
    }
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        let own = &step.me.spec.selector.match_labels;
        labels.extend(own.iter().map(|(key, value)| (key.to_string(), json!(value))));
    }
    metadata.insert("name".into(), json!(key.name));
    metadata.insert("namespace".into(), json!(key.namespace()));
    if step.me.spec.persistent_volume_claim_retention_policy.when_deleted == "Delete" {
        let mut owner = step.owner.reference();
        // The set goes without waiting for its claims.
        owner.block_owner_deletion = false;
        metadata.insert("ownerReferences".into(), references_json(&[owner]));
    }
    let name = &key.name;
    let event = normal(
        "SuccessfulCreate",
        format!("create Claim {name} in StatefulSet {} success", step.me.key.name),
    );
    Write::Create {
        object: json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": template.get("spec").cloned().unwrap_or_default(),
        }),
        key,
        because: "its pod needs the claim".into(),
        event,
    }
}

/// Where a set's claims go with its pods, a pod that goes for good takes its claims along.
pub(super) fn tie_to_pod(step: &Step<'_>, member: &Member) -> Vec<Write> {
    if step.me.spec.persistent_volume_claim_retention_policy.when_scaled != "Delete" {
        return Vec::new();
    }
    let pod = &member.pod.metadata;
    let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}]);
    let keys =
        step.me.spec.volume_claim_templates.iter().map(|template| key(step.me, template, member.ordinal));
    let stored = keys.filter_map(|key| step.world.stored(&key));
    let untied =
        stored.filter(|claim| claim.metadata.owner_references.iter().all(|owner| owner.uid != pod.uid));
    let writes = untied.map(|claim| Write::Patch {
        key: claim.key.clone(),
        seen: claim.revision,
        merge: json!({"metadata": {"ownerReferences": owner}}),
        subresource_status: false,
        because: "it goes with its pod".into(),
        event: None,
    });
    writes.collect()
}

/// Puts an ordinal's claims among the volumes of its pod, in place of volumes of the same names.
pub(super) fn mount(pod_spec: &mut Map<String, Value>, me: &Object<StatefulSet>, ordinal: i32) {
    if me.spec.volume_claim_templates.is_empty() {
        return;
    }
    let names: Vec<&str> = me.spec.volume_claim_templates.iter().map(name).collect();
    let before = pod_spec.remove("volumes").unwrap_or_default();
    let others = items(&before, "").iter().filter(|volume| !names.contains(&text(volume, "/name"))).cloned();
    let own = me.spec.volume_claim_templates.iter().map(|template| {
        json!({
            "name": name(template),
            "persistentVolumeClaim": {"claimName": key(me, template, ordinal).name},
        })
    });
    pod_spec.insert("volumes".into(), own.chain(others).collect());
}

fn key(me: &Object<StatefulSet>, template: &Value, ordinal: i32) -> ObjectKey {
    let claim = format!("{}-{}-{ordinal}", name(template), me.key.name);
    ObjectKey::namespaced(CLAIMS, me.key.namespace(), &claim)
}

fn name(template: &Value) -> &str {
    text(template, "/metadata/name")
}
