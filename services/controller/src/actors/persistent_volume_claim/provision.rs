//! Has a volume made for a claim: by the built-in driver here and now, by others through the marks that they look for.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use actor::{World, Write};
use api::views::{Node, PersistentVolume, PersistentVolumeClaim, StorageClass};
use api::volumes::{
    self, DATA_PROTECTION, LOCAL_DRIVER, LOCAL_NODE, OLD_PROVISIONER, PROVISIONED_BY, PROVISIONER,
    SELECTED_NODE, VOLUME_PROTECTION,
};
use api::{Object, ObjectKey, Resource};
use serde_json::{Value, json};

use super::super::{normal, warning};
use super::binding::{patch, reference};

/// Where a volume is to be.
pub(super) enum Place {
    /// On this node.
    On(Arc<Object<Node>>),
    /// Nowhere, and why.
    Nowhere(String),
}

/// The node that was chosen for the first pod; without a choice one that is in order, the same for the same claim.
pub(super) fn place(
    me: &Object<PersistentVolumeClaim>,
    class: &StorageClass,
    selected: Option<Arc<Object<Node>>>,
    world: &World<'_>,
) -> Place {
    if me.spec.volume_mode == "Block" {
        return Place::Nowhere(format!("{LOCAL_DRIVER} does not provision block volumes"));
    }
    let chosen = selected.or_else(|| {
        let fit = world.list::<Node>(None).filter(|node| {
            let ready = node.status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True");
            ready && !node.spec.unschedulable && volumes::allows(class, &node.metadata.labels)
        });
        fit.max_by_key(|node| {
            let mut hasher = DefaultHasher::new();
            (&me.metadata.uid, &node.key.name).hash(&mut hasher);
            hasher.finish()
        })
    });
    chosen.map_or_else(|| Place::Nowhere("no node is ready".into()), Place::On)
}

/// A volume of the built-in driver: its directory is made by the node's engine when the first pod starts.
pub(super) fn local(
    me: &Object<PersistentVolumeClaim>,
    class: &Object<StorageClass>,
    node: &Object<Node>,
) -> Vec<Write> {
    let name = format!("pvc-{}", me.metadata.uid);
    let message = format!("Successfully provisioned volume {name}");
    let create = Write::Create {
        key: ObjectKey::cluster(PersistentVolume::ID, &name),
        object: volume(me, class, node, &name),
        because: format!(
            "claim {}/{} has no volume, and class {} makes one",
            me.key.namespace(),
            me.key.name,
            class.key.name
        ),
        event: normal("ProvisioningSucceeded", message),
    };
    let claim = format!("{}/{}", me.key.namespace(), me.key.name);
    mark(
        me,
        LOCAL_DRIVER,
        "Provisioning",
        format!("External provisioner is provisioning volume for claim {claim:?}"),
    )
    .into_iter()
    .chain([create])
    .collect()
}

fn volume(
    me: &Object<PersistentVolumeClaim>,
    class: &Object<StorageClass>,
    node: &Object<Node>,
    name: &str,
) -> Value {
    let mut finalizers = vec![VOLUME_PROTECTION];
    if class.reclaim_policy == "Delete" {
        finalizers.push(DATA_PROTECTION);
    }
    const HOSTNAME: &str = "kubernetes.io/hostname";
    let host = node.metadata.labels.get(HOSTNAME).unwrap_or(&node.key.name);
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: LOCAL_DRIVER}, "finalizers": finalizers},
        "spec": {
            "capacity": {"storage": me.spec.resources.requests.get("storage")},
            "accessModes": me.spec.access_modes,
            "claimRef": reference(me),
            "persistentVolumeReclaimPolicy": class.reclaim_policy,
            "storageClassName": class.key.name,
            "volumeMode": "Filesystem",
            "csi": {"driver": LOCAL_DRIVER, "volumeHandle": name, "volumeAttributes": {LOCAL_NODE: node.key.name}},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host]}]}
            ]}},
        },
    });
    if let Some(spec) =
        object.get_mut("spec").and_then(Value::as_object_mut).filter(|_| !class.mount_options.is_empty())
    {
        spec.insert("mountOptions".into(), json!(class.mount_options));
    }
    object
}

/// Leaves the claim to another provisioner, as Kubernetes' controller does.
pub(super) fn ask(me: &Object<PersistentVolumeClaim>, provisioner: &str) -> Vec<Write> {
    let message = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
    );
    mark(me, provisioner, "ExternalProvisioning", message).into_iter().collect()
}

fn mark(
    me: &Object<PersistentVolumeClaim>,
    provisioner: &str,
    reason: &str,
    message: String,
) -> Option<Write> {
    let is_marked = |key| me.metadata.annotations.get(key).is_some_and(|value| **value == *provisioner);
    if is_marked(PROVISIONER) && is_marked(OLD_PROVISIONER) {
        return None;
    }
    let merge =
        json!({"metadata": {"annotations": {PROVISIONER: provisioner, OLD_PROVISIONER: provisioner}}});
    Some(patch(me, merge, "its class names who makes its volume", normal(reason, message)))
}

/// The node that was chosen is gone: the scheduler has to choose another one.
pub(super) fn choose_again(me: &Object<PersistentVolumeClaim>, gone: &str) -> Vec<Write> {
    let event = warning("ProvisioningFailed", format!("failed to get target node: nodes {gone:?} not found"));
    let merge = json!({"metadata": {"annotations": {SELECTED_NODE: null}}});
    vec![patch(me, merge, "the node that was chosen for it is gone", event)]
}

/// A claim that wants more than its local volume is said to hold gets it: nothing limits such a volume.
pub(super) fn grow(me: &Object<PersistentVolumeClaim>, volume: &Object<PersistentVolume>) -> Option<Write> {
    let wanted = me.spec.resources.requests.get("storage")?;
    let grows = volumes::is_local(volume) && volume.spec.storage() < me.spec.storage();
    grows.then(|| Write::Patch {
        key: volume.key.clone(),
        seen: volume.revision,
        merge: json!({"spec": {"capacity": {"storage": wanted}}}),
        subresource_status: false,
        because: "its claim wants more".into(),
        event: normal("VolumeResizeSuccessful", "Resize volume succeeded".into()),
    })
}
