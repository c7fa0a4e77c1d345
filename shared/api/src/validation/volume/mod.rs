//! Rules of volumes: where each keeps its data, in Kubernetes' order of the places.

mod files;
mod remote;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::format::{dns_label, dns_subdomain};
use super::{Errors, claim, meta};
use crate::json::{given, int, items, text};
use crate::quantity::Quantity;

pub(super) use remote::csi_driver_name;

/// A pod's volumes that may be mounted, by their names.
pub(super) type Volumes<'a> = HashMap<&'a str, &'a Value>;

/// A place where data may be: its field, the field as Kubernetes spells it when there is another place already, and as it spells it
/// when something is wrong about it.
type Place = (&'static str, &'static str, &'static str);

/// Kubernetes looks at a pod's volume in this order.
const OF_PODS: [Place; 30] = [
    ("emptyDir", "emptyDir", "emptyDir"),
    ("hostPath", "hostPath", "hostPath"),
    ("gitRepo", "gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret", "secret"),
    ("nfs", "nfs", "nfs"),
    ("iscsi", "iscsi", "iscsi"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd", "rbd"),
    ("cinder", "cinder", "cinder"),
    ("cephfs", "cephFS", "cephfs"),
    ("quobyte", "quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI", "downwardAPI"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", "flexVolume"),
    ("configMap", "configMap", "configMap"),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("storageos", "storageos", "storageos"),
    ("projected", "projected", "projected"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("csi", "csi", "csi"),
    ("ephemeral", "ephemeral", "ephemeral"),
    ("image", "image", "image"),
];

/// Kubernetes looks at a persistent volume in this order.
pub(super) const PERSISTENT: [Place; 22] = [
    ("hostPath", "hostPath", "hostPath"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("nfs", "nfs", "nfs"),
    ("rbd", "rbd", "rbd"),
    ("quobyte", "quobyte", "quobyte"),
    ("cephfs", "cephFS", "cephfs"),
    ("iscsi", "iscsi", "iscsi"),
    ("cinder", "cinder", "cinder"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", "flexVolume"),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("local", "local", "local"),
    ("storageos", "storageos", "storageos"),
    ("csi", "csi", "csi"),
];

/// Checks a pod spec's volumes and returns those that are right. `pod` is the name of the pod, empty in a template.
pub(super) fn volumes<'a>(errors: &mut Errors, spec: &'a Value, path: &str, pod: &str) -> Volumes<'a> {
    let volumes = items(spec, "/volumes");
    let made: HashSet<String> = volumes
        .iter()
        .filter(|volume| !pod.is_empty() && given(volume, "/ephemeral").is_some())
        .map(|volume| format!("{pod}-{}", text(volume, "/name")))
        .collect();
    let mut right = Volumes::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        let before = errors.0.len();
        let name = text(volume, "/name");
        source(errors, volume, &path, &OF_PODS, &Kept::ByPod { pod, volume: name });
        errors.named(volume, &path, "name", dns_label);
        if right.contains_key(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        if errors.0.len() == before {
            right.insert(name, volume);
        }
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if made.contains(claim) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(format!("{path}.persistentVolumeClaim.claimName"), claim, detail);
        }
    }
    right
}

/// Whose volume it is, which a few rules depend on.
pub(super) enum Kept<'a> {
    /// The pod's, empty in a template, by the volume's name in it.
    ByPod { pod: &'a str, volume: &'a str },
    /// A persistent volume's, by its name.
    ByItself { name: &'a str },
}

/// Checks that data are in one place, and that place. False if there is none.
pub(super) fn source(errors: &mut Errors, volume: &Value, path: &str, places: &[Place], kept: &Kept<'_>) {
    let mut found = false;
    for (kind, refused, spelled) in places {
        let Some(source) = volume.get(*kind).filter(|source| !source.is_null()) else { continue };
        if found {
            errors.forbidden(format!("{path}.{refused}"), "may not specify more than 1 volume type");
        } else {
            place(errors, kind, source, &format!("{path}.{spelled}"), kept);
            found = true;
        }
        if let (&"iscsi", Kept::ByPod { volume, .. }) = (kind, kept)
            && remote::too_long_for_initiator(source, volume)
        {
            errors.invalid(format!("{path}.name"), *volume, remote::LONG_INITIATOR);
        }
    }
    if !found {
        errors.required(path, "must specify a volume type");
    }
}

fn place(errors: &mut Errors, kind: &str, source: &Value, path: &str, kept: &Kept<'_>) {
    match (kind, kept) {
        ("emptyDir", _) => {
            let limit = Quantity::parse(text(source, "/sizeLimit"));
            if limit.is_some_and(|limit| limit < Quantity::default()) {
                let detail = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(format!("{path}.sizeLimit"), detail);
            }
        }
        ("hostPath", _) => host_path(errors, source, path),
        ("secret", _) => files::keys_of(errors, source, path, "secretName"),
        ("configMap", _) => files::keys_of(errors, source, path, "name"),
        ("downwardAPI", _) => files::downward(errors, source, path),
        ("projected", _) => files::projected(errors, source, path),
        ("persistentVolumeClaim", _) => errors.needs(source, path, "claimName"),
        ("ephemeral", Kept::ByPod { pod, volume }) => ephemeral(errors, source, path, pod, volume),
        ("image", Kept::ByPod { pod, .. }) => {
            if !pod.is_empty() {
                errors.needs(source, path, "reference");
            }
            let policies = ["Always", "IfNotPresent", "Never"];
            errors.one_of(format!("{path}.pullPolicy"), text(source, "/pullPolicy"), &policies, true);
        }
        (kind, kept) => remote::check(errors, kind, source, path, kept),
    }
}

/// A directory of the node's.
fn host_path(errors: &mut Errors, source: &Value, path: &str) {
    let place = text(source, "/path");
    if place.is_empty() {
        return errors.required(format!("{path}.path"), "");
    }
    stays(errors, &format!("{path}.path"), place);
    let kinds =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    errors.supports(source, path, "type", &kinds);
}

/// A claim is made for the pod, whose name is that of the pod and of the volume.
fn ephemeral(errors: &mut Errors, source: &Value, path: &str, pod: &str, volume: &str) {
    match given(source, "/volumeClaimTemplate") {
        None => errors.required(format!("{path}.volumeClaimTemplate"), ""),
        Some(template) => {
            let path = format!("{path}.volumeClaimTemplate");
            if let Some(metadata) = given(template, "/metadata") {
                meta::template(errors, metadata, &format!("{path}.metadata"));
            }
            claim::spec(errors, template.get("spec").unwrap_or(&Value::Null), &format!("{path}.spec"));
        }
    }
    if !pod.is_empty() && !volume.is_empty() {
        let claim = format!("{pod}-{volume}");
        for violation in dns_subdomain(&claim) {
            let path = path.strip_suffix(".ephemeral").unwrap_or(path);
            errors.invalid(format!("{path}.name"), volume, &format!("PVC name {claim:?}: {violation}"));
        }
    }
}

/// A path within a volume stays within it.
pub(super) fn relative(errors: &mut Errors, path: &str, place: &str) {
    if place.starts_with('/') {
        errors.invalid(path, place, "must be a relative path");
    }
    stays(errors, path, place);
}

/// As [`relative`], and does not begin with what Kubernetes keeps for itself.
pub(super) fn own_relative(errors: &mut Errors, path: &str, place: &str) {
    relative(errors, path, place);
    if place.starts_with("..") && place != ".." && !place.starts_with("../") {
        errors.invalid(path, place, "must not start with '..'");
    }
}

/// A path does not lead back.
pub(super) fn stays(errors: &mut Errors, path: &str, place: &str) {
    if place.split('/').any(|part| part == "..") {
        errors.invalid(path, place, "must not contain '..'");
    }
}

fn mode(errors: &mut Errors, source: &Value, path: &str, key: &str) {
    if let Some(mode) = int(source, &format!("/{key}")).filter(|mode| !(0..=0o777).contains(mode)) {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(format!("{path}.{key}"), mode, detail);
    }
}
