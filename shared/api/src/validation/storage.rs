//! Rules of volumes, claims and what provides them.

use serde_json::Value;

use super::format::{dns_subdomain, qualified_name};
use super::resources::positive_amount;
use super::{Errors, affinity, meta, volume};
use crate::json::{entries, items, text};
use crate::kinds::FieldError;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const RECLAIM_POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
/// Fields of a volume's spec that are not where it keeps its data.
const NOT_SOURCES: [&str; 9] = [
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
];

/// Checks a persistent volume.
pub fn persistent_volume(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    access_modes(&mut errors, spec, "");
    capacity(&mut errors, spec);
    let policy = text(spec, "/persistentVolumeReclaimPolicy");
    errors.one_of("spec.persistentVolumeReclaimPolicy".into(), policy, &RECLAIM_POLICIES, false);
    source(&mut errors, spec);
    class_and_mode(&mut errors, spec);
    if let Some(selector) = spec.pointer("/nodeAffinity/required") {
        affinity::node_selector(&mut errors, selector, "spec.nodeAffinity.required");
    } else if spec.get("local").is_some() {
        errors.required("spec.nodeAffinity", "Local volume requires node affinity");
    }
    if let Some(old) = old.and_then(|old| old.get("spec")) {
        if sources(spec).ne(sources(old)) {
            let detail = "spec.persistentvolumesource is immutable after creation";
            errors.forbidden("spec.persistentvolumesource", detail);
        }
        errors.immutable("spec.volumeMode", spec.get("volumeMode"), old.get("volumeMode"));
        if old.get("nodeAffinity").is_some() {
            errors.immutable("spec.nodeAffinity", spec.get("nodeAffinity"), old.get("nodeAffinity"));
        }
    }
    errors.0
}

fn access_modes(errors: &mut Errors, spec: &Value, needed: &str) {
    let modes = items(spec, "/accessModes");
    if modes.is_empty() {
        errors.required("spec.accessModes", needed);
    }
    for mode in modes.iter().filter_map(Value::as_str).filter(|mode| !ACCESS_MODES.contains(mode)) {
        errors.unsupported("spec.accessModes", mode, &ACCESS_MODES);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
}

fn capacity(errors: &mut Errors, spec: &Value) {
    let amounts: Vec<_> = entries(spec, "/capacity").collect();
    if amounts.is_empty() {
        errors.required("spec.capacity", "");
    }
    for (resource, amount) in amounts {
        match resource {
            "storage" => {
                positive_amount(errors, "spec.capacity[storage]", amount.as_str().unwrap_or_default())
            }
            other => errors.unsupported("spec.capacity", other, &["storage"]),
        }
    }
}

fn sources(spec: &Value) -> impl Iterator<Item = (&str, &Value)> {
    entries(spec, "").filter(|(key, _)| !NOT_SOURCES.contains(key))
}

fn source(errors: &mut Errors, spec: &Value) {
    let mut found = sources(spec);
    match found.next() {
        None => errors.required("spec", "must specify a volume type"),
        Some(("hostPath", source)) => volume::host_path(errors, source, "spec.hostPath"),
        Some((kind, source)) => {
            let needed = match kind {
                "local" => "path",
                "nfs" => "server",
                "csi" => "driver",
                _ => "",
            };
            if !needed.is_empty() {
                errors.needs(source, &format!("spec.{kind}"), needed);
            }
        }
    }
    for (kind, _) in found {
        errors.forbidden(format!("spec.{kind}"), "may not specify more than 1 volume type");
    }
}

fn class_and_mode(errors: &mut Errors, spec: &Value) {
    let class = text(spec, "/storageClassName");
    if !class.is_empty() {
        errors.format("spec.storageClassName", class, dns_subdomain(class));
    }
    errors.one_of("spec.volumeMode".into(), text(spec, "/volumeMode"), &VOLUME_MODES, false);
}

/// Checks a claim.
pub fn persistent_volume_claim(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    access_modes(&mut errors, spec, "at least 1 access mode is required");
    if let Some(selector) = spec.get("selector") {
        meta::selector(&mut errors, selector, "spec.selector");
    }
    match text(spec, "/resources/requests/storage") {
        "" => errors.required("spec.resources[storage]", ""),
        amount => positive_amount(&mut errors, "spec.resources[storage]", amount),
    }
    class_and_mode(&mut errors, spec);
    if let Some(old) = old {
        keep_claim(&mut errors, spec, old);
    }
    errors.0
}

/// A claim may be given a volume once, and may grow when it has one.
fn keep_claim(errors: &mut Errors, spec: &Value, old: &Value) {
    let known = old.get("spec").unwrap_or(&Value::Null);
    let bound = text(old, "/status/phase") == "Bound";
    let mut comparable = [spec.clone(), known.clone()];
    for spec in comparable.iter_mut().filter_map(Value::as_object_mut) {
        if bound {
            spec.remove("volumeAttributesClassName");
            spec.remove("resources");
        }
        if text(known, "/volumeName").is_empty() {
            spec.remove("volumeName");
        }
        // A claim that had no class may get one.
        if known.get("storageClassName").is_none() {
            spec.remove("storageClassName");
        }
    }
    if let [new, known] = &comparable
        && new != known
    {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden("spec", detail);
    }
    let amount = |spec: &Value| crate::quantity::Quantity::parse(text(spec, "/resources/requests/storage"));
    if bound && amount(spec) < amount(known) {
        let detail = "field can not be less than status.capacity";
        errors.forbidden("spec.resources.requests.storage", detail);
    }
}

/// Checks a storage class.
pub fn storage_class(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    match text(object, "/provisioner") {
        "" => errors.required("provisioner", ""),
        name => errors.format("provisioner", name, qualified_name(&name.to_lowercase())),
    }
    errors.one_of("reclaimPolicy".into(), text(object, "/reclaimPolicy"), &["Delete", "Retain"], false);
    let modes = ["Immediate", "WaitForFirstConsumer"];
    errors.one_of("volumeBindingMode".into(), text(object, "/volumeBindingMode"), &modes, true);
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            if object.get(field) != old.get(field) {
                errors.forbidden(field, &format!("updates to {field} are forbidden."));
            }
        }
        let mode = "volumeBindingMode";
        errors.immutable(mode, object.get(mode), old.get(mode));
    }
    errors.0
}

/// Checks a volume attachment.
pub fn volume_attachment(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.needs(spec, "spec", "attacher");
    errors.needs(spec, "spec", "nodeName");
    let named = !text(spec, "/source/persistentVolumeName").is_empty();
    if named == spec.pointer("/source/inlineVolumeSpec").is_some() {
        let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        errors.required("spec.source", detail);
    }
    if let Some(old) = old {
        errors.immutable("spec", object.get("spec"), old.get("spec"));
    }
    errors.0
}

/// Checks a CSI driver.
pub fn csi_driver(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    errors.one_of("spec.fsGroupPolicy".into(), text(spec, "/fsGroupPolicy"), &policies, false);
    for mode in items(spec, "/volumeLifecycleModes").iter().filter_map(Value::as_str) {
        let modes = ["Ephemeral", "Persistent"];
        errors.one_of("spec.volumeLifecycleModes".into(), mode, &modes, false);
    }
    if let Some(old) = old {
        for field in ["attachRequired", "volumeLifecycleModes"] {
            let known = old.pointer(&format!("/spec/{field}"));
            errors.immutable(&format!("spec.{field}"), spec.get(field), known);
        }
    }
    errors.0
}

/// Checks a CSI node.
pub fn csi_node(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut seen = std::collections::HashSet::new();
    for (index, driver) in items(object, "/spec/drivers").iter().enumerate() {
        let path = format!("spec.drivers[{index}]");
        errors.needs(driver, &path, "name");
        errors.needs(driver, &path, "nodeID");
        let name = text(driver, "/name");
        if !name.is_empty() && !seen.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
    }
    errors.0
}
