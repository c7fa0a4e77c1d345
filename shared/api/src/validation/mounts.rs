//! Rules of what containers mount, and of the block devices that they are given.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Errors;
use super::volume::{Volumes, relative};
use crate::json::{flag, given, items, text};

const PROPAGATIONS: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
const RECURSIVE: [&str; 3] = ["Disabled", "Enabled", "IfPossible"];

/// Checks a container's mounts and devices: of volumes that are there, each at a place of its own.
pub(super) fn mounts(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes<'_>) {
    let devices = places(container, "/volumeDevices", "/devicePath");
    let privileged = flag(container, "/securityContext/privileged");
    let mut taken = HashSet::new();
    // Kubernetes does not say which of the mounts has a wrong path within its volume.
    let all = format!("{path}.volumeMounts");
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        let path = format!("{all}[{index}]");
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        errors.needs(mount, &path, "name");
        if !volumes.contains_key(name) {
            errors.not_found(format!("{path}.name"), name);
        }
        errors.needs(mount, &path, "mountPath");
        if !taken.insert(place) {
            errors.invalid(format!("{path}.mountPath"), place, "must be unique");
        }
        if devices.contains_key(name) {
            errors.invalid(format!("{path}.name"), name, "must not already exist in volumeDevices");
        }
        if devices.values().any(|device| *device == place) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(format!("{path}.mountPath"), place, detail);
        }
        let image = volumes.get(name).is_some_and(|volume| given(volume, "/image").is_some());
        sub_paths(errors, mount, &path, &all, image);
        propagation(errors, mount, &all, privileged);
        recursion(errors, mount, &all);
    }
    block_devices(errors, container, path, volumes);
}

/// Volumes' names and where they are in the container.
fn places<'a>(container: &'a Value, list: &str, key: &str) -> HashMap<&'a str, &'a str> {
    items(container, list).iter().map(|one| (text(one, "/name"), text(one, key))).collect()
}

fn sub_paths(errors: &mut Errors, mount: &Value, path: &str, all: &str, image: bool) {
    let (plain, expanded) = (text(mount, "/subPath"), text(mount, "/subPathExpr"));
    for (key, place) in [("subPath", plain), ("subPathExpr", expanded)] {
        if image && !place.is_empty() {
            errors.invalid(format!("{path}.{key}"), place, "not allowed in image volume sources");
        }
    }
    relative(errors, &format!("{all}.subPath"), plain);
    if !plain.is_empty() && !expanded.is_empty() {
        let detail = "subPathExpr and subPath are mutually exclusive";
        errors.invalid(format!("{path}.subPathExpr"), expanded, detail);
    }
    relative(errors, &format!("{all}.subPathExpr"), expanded);
}

fn propagation(errors: &mut Errors, mount: &Value, all: &str, privileged: bool) {
    errors.supports(mount, all, "mountPropagation", &PROPAGATIONS);
    if text(mount, "/mountPropagation") == "Bidirectional" && !privileged {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.forbidden(format!("{all}.mountPropagation"), detail);
    }
}

fn recursion(errors: &mut Errors, mount: &Value, all: &str) {
    errors.supports(mount, all, "recursiveReadOnly", &RECURSIVE);
    if !matches!(text(mount, "/recursiveReadOnly"), "Enabled" | "IfPossible") {
        return;
    }
    if !flag(mount, "/readOnly") {
        errors.forbidden(format!("{all}.recursiveReadOnly"), "may only be specified when readOnly is true");
    }
    if !matches!(text(mount, "/mountPropagation"), "" | "None") {
        let detail = "may only be specified when mountPropagation is None or not specified";
        errors.forbidden(format!("{all}.recursiveReadOnly"), detail);
    }
}

fn block_devices(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes<'_>) {
    let mounts = places(container, "/volumeMounts", "/mountPath");
    let (mut names, mut taken) = (HashSet::new(), HashSet::new());
    for (index, device) in items(container, "/volumeDevices").iter().enumerate() {
        let path = format!("{path}.volumeDevices[{index}]");
        let (name, place) = (text(device, "/name"), text(device, "/devicePath"));
        errors.needs(device, &path, "name");
        if names.contains(name) {
            errors.invalid(format!("{path}.name"), name, "must be unique");
        }
        let claimed = |volume: &&Value| {
            given(volume, "/persistentVolumeClaim").or_else(|| given(volume, "/ephemeral")).is_some()
        };
        match volumes.get(name) {
            None => errors.not_found(format!("{path}.name"), name),
            Some(volume) if !claimed(volume) => {
                let detail =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(format!("{path}.name"), name, detail);
            }
            Some(_) => {}
        }
        errors.needs(device, &path, "devicePath");
        if taken.contains(place) {
            errors.invalid(format!("{path}.devicePath"), place, "must be unique");
        }
        match place.split('/').any(|part| part == "..") {
            true => errors.invalid(format!("{path}.devicePath"), place, "can not contain backsteps ('..')"),
            false => drop(taken.insert(place)),
        }
        if mounts.contains_key(name) {
            errors.invalid(format!("{path}.name"), name, "must not already exist in volumeMounts");
        }
        if mounts.values().any(|mount| *mount == place) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(format!("{path}.devicePath"), place, detail);
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
}
