//! Which volume serves which claim, and the marks that binding, scheduling and provisioning leave for one another. Pure; controllers,
//! the scheduler and the keeper share it. The rules and names are Kubernetes' (`volume.FindMatchingVolume`, `pv_controller`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Object;
use crate::views::{PersistentVolume, PersistentVolumeClaim, Pod, StorageClass};

/// The built-in driver and provisioner: volumes of the container engine on the node where the first pod runs.
pub const LOCAL_DRIVER: &str = "local.odeon.dev";
/// The class of the built-in driver, which a new cluster has.
pub const LOCAL_CLASS: &str = "local";
/// Among a local volume's attributes: the node that has it.
pub const LOCAL_NODE: &str = "odeon.dev/node";
/// The provisioner of classes whose volumes people make.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// On a claim: binding is complete.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// On a claim or volume: the controller, not the user, chose the other.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// On a volume: who made it.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// On a claim: who is to make its volume.
pub const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
/// The older name of the same, which provisioners still read.
pub const OLD_PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
/// On a claim: where its first pod is to run.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// A claim stays while a pod uses it.
pub const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// A volume stays while a claim is bound to it.
pub const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
/// A volume stays until its data are deleted.
pub const DATA_PROTECTION: &str = "external-provisioner.volume.kubernetes.io/finalizer";

/// Labels of a node.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// Whether the volume is kept for the claim: for this very one, or for one of its name.
pub fn is_kept_for(volume: &PersistentVolume, claim: &Object<PersistentVolumeClaim>) -> bool {
    volume.spec.claim_ref.as_ref().is_some_and(|reference| {
        reference.name == *claim.key.name
            && reference.namespace == claim.key.namespace()
            && (reference.uid.as_str().is_empty() || reference.uid == claim.metadata.uid)
    })
}

/// Why the volume cannot serve the claim, in Kubernetes' words; selectors aside.
pub fn mismatch(volume: &Object<PersistentVolume>, claim: &PersistentVolumeClaim) -> Option<&'static str> {
    let (has, wants) = (&volume.spec, &claim.spec);
    if has.storage() < wants.storage() {
        Some("requested PV is too small")
    } else if has.storage_class_name != wants.class() {
        Some("storageClassName does not match")
    } else if mode(&has.volume_mode) != mode(&wants.volume_mode) {
        Some("incompatible volumeMode")
    } else if !wants.access_modes.iter().all(|mode| has.access_modes.contains(mode)) {
        Some("incompatible accessMode")
    } else {
        None
    }
}

fn mode(text: &str) -> &str {
    if text.is_empty() { "Filesystem" } else { text }
}

/// Whether the volume may serve a claim that names none: it fits, is available and selected.
pub fn may_serve(volume: &Object<PersistentVolume>, claim: &PersistentVolumeClaim) -> bool {
    volume.spec.claim_ref.is_none()
        && volume.status.phase == "Available"
        && !volume.metadata.is_terminating()
        && mismatch(volume, claim).is_none()
        && claim.spec.selector.as_ref().is_none_or(|selector| selector.matches(&volume.metadata.labels))
}

/// The volume for a claim: one that is kept for it, else the smallest that may serve. `reaches` says which are in reach.
pub fn best(
    volumes: impl Iterator<Item = Arc<Object<PersistentVolume>>>,
    claim: &Object<PersistentVolumeClaim>,
    reaches: impl Fn(&PersistentVolume) -> bool,
) -> Option<Arc<Object<PersistentVolume>>> {
    let mut smallest: Option<Arc<Object<PersistentVolume>>> = None;
    for volume in volumes {
        if is_kept_for(&volume, claim) && !volume.metadata.is_terminating() {
            return Some(volume);
        }
        if !may_serve(&volume, claim) || !reaches(&volume) {
            continue;
        }
        let rank = |volume: &Object<PersistentVolume>| (volume.spec.storage(), Arc::clone(&volume.key.name));
        if smallest.as_ref().is_none_or(|known| rank(&volume) < rank(known)) {
            smallest = Some(volume);
        }
    }
    smallest
}

/// Whether a node of this name and these labels reaches the volume.
pub fn reaches(volume: &PersistentVolume, node: &str, labels: &Labels) -> bool {
    let label = |key: &str| labels.get(key).map(|value| &**value);
    volume
        .spec
        .node_affinity
        .required
        .as_ref()
        .is_none_or(|required| required.node_selector_terms.iter().any(|term| term.holds(node, label)))
}

/// Whether the class lets its volumes be made on a node of these labels.
pub fn allows(class: &StorageClass, labels: &Labels) -> bool {
    let holds = |term: &crate::views::TopologyTerm| {
        term.match_label_expressions.iter().all(|expression| {
            let own = labels.get(expression.key.as_str());
            own.is_some_and(|own| expression.values.iter().any(|value| **value == **own))
        })
    };
    class.allowed_topologies.is_empty() || class.allowed_topologies.iter().any(holds)
}

/// Whether volumes of the class wait for a pod.
pub fn waits(class: &StorageClass) -> bool {
    class.volume_binding_mode == "WaitForFirstConsumer"
}

/// Whether the volume is one of the built-in driver.
pub fn is_local(volume: &PersistentVolume) -> bool {
    volume.spec.csi.as_ref().is_some_and(|csi| csi.driver == LOCAL_DRIVER)
}

/// The claims that a pod mounts: by name, and whether the pod owns the claim (an ephemeral volume's).
pub fn claims_of(pod: &Object<Pod>) -> impl Iterator<Item = (Arc<str>, bool)> + '_ {
    pod.spec.volumes.iter().map(|volume| match &volume.claim {
        Some(claim) => (Arc::clone(claim), false),
        None => (ephemeral_claim(&pod.key.name, &volume.name).into(), true),
    })
}

/// The name of the claim of an ephemeral volume.
pub fn ephemeral_claim(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}

/// Whether an ephemeral volume's claim is the pod's own, not another's of the same name.
pub fn is_owned(claim: &Object<PersistentVolumeClaim>, pod: &crate::Uid) -> bool {
    claim.metadata.controller().is_some_and(|owner| owner.uid == *pod)
}

#[cfg(test)]
mod tests;
