//! Rules of volumes and of what provides them.

use std::collections::HashSet;

use serde_json::Value;

use super::claim::{VOLUME_MODES, access_modes};
use super::errors::same;
use super::format::{dns_subdomain, qualified_name};
use super::volume::{Kept, PERSISTENT, csi_driver_name};
use super::{Errors, affinity, meta, volume};
use crate::json::{entries, given, int, items, text};
use crate::kinds::FieldError;

const RECLAIM_POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
/// Parameters of a class: how many, and how many bytes together.
const MOST_PARAMETERS: usize = 512;
const PARAMETER_BYTES: usize = 256 * 1024;
/// Bytes of a node's name at a driver.
const LONGEST_NODE_ID: usize = 256;
/// Seconds that a token lives at least, and at most.
const TOKEN_SECONDS: (i64, i64) = (600, 1 << 32);

/// Checks a persistent volume.
pub fn persistent_volume(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if items(spec, "/accessModes").is_empty() {
        errors.required("spec.accessModes", "");
    }
    access_modes(&mut errors, spec, "spec");
    capacity(&mut errors, spec);
    let policy = text(spec, "/persistentVolumeReclaimPolicy");
    errors.one_of("spec.persistentVolumeReclaimPolicy".into(), policy, &RECLAIM_POLICIES, false);
    if let Some(affinity) = given(spec, "/nodeAffinity") {
        match given(affinity, "/required") {
            Some(selector) => affinity::node_selector(&mut errors, selector, "spec.nodeAffinity.required"),
            None => errors.required("spec.nodeAffinity.required", "must specify required node constraints"),
        }
    }
    let kept = Kept::ByItself { name: text(object, "/metadata/name") };
    volume::source(&mut errors, spec, "spec", &PERSISTENT, &kept);
    if given(spec, "/local").is_some() && given(spec, "/nodeAffinity").is_none() {
        errors.required("spec.nodeAffinity", "Local volume requires node affinity");
    }
    let everything = text(spec, "/hostPath/path").split('/').all(|part| matches!(part, "" | "."));
    if given(spec, "/hostPath").is_some() && everything && policy == "Recycle" {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        errors.forbidden("spec.persistentVolumeReclaimPolicy", detail);
    }
    errors.formatted(spec, "spec", "storageClassName", dns_subdomain);
    errors.supports(spec, "spec", "volumeMode", &VOLUME_MODES);
    attributes_class(&mut errors, spec);
    if let Some(old) = old.and_then(|old| old.get("spec")) {
        volume_change(&mut errors, spec, old);
    }
    errors.0
}

fn capacity(errors: &mut Errors, spec: &Value) {
    let amounts: Vec<_> = entries(spec, "/capacity").collect();
    if amounts.is_empty() {
        errors.required("spec.capacity", "");
    }
    if amounts.len() != 1 || amounts.iter().any(|(resource, _)| *resource != "storage") {
        let shown = spec.get("capacity").unwrap_or(&Value::Null).to_string();
        errors.unsupported_as("spec.capacity", &shown, &["storage"]);
    }
    for (resource, amount) in amounts {
        let path = format!("spec.capacity[{resource}]");
        super::resources::positive(errors, &path, amount.as_str().unwrap_or_default());
    }
}

fn attributes_class(errors: &mut Errors, spec: &Value) {
    let Some(class) = given(spec, "/volumeAttributesClassName").and_then(Value::as_str) else { return };
    match class {
        "" => errors.required("spec.volumeAttributesClassName", "an empty string is disallowed"),
        class => errors.format("spec.volumeAttributesClassName", class, dns_subdomain(class)),
    }
    if given(spec, "/csi").is_none() {
        errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
    }
}

/// A volume's data stay where they are.
fn volume_change(errors: &mut Errors, spec: &Value, old: &Value) {
    let mut source = spec.clone();
    let secret = "/csi/controllerExpandSecretRef";
    if given(old, "/csi").is_some()
        && given(old, secret).is_none()
        && let Some(driver) = source.get_mut("csi").and_then(Value::as_object_mut)
    {
        // It may be named later.
        driver.remove("controllerExpandSecretRef");
    }
    if !PERSISTENT.iter().all(|(kind, _, _)| {
        let of = |spec: &Value| spec.get(*kind).cloned().unwrap_or_default();
        same(&of(&source), &of(old))
    }) {
        let detail = "spec.persistentvolumesource is immutable after creation";
        errors.forbidden("spec.persistentvolumesource", detail);
    }
    errors.immutable("volumeMode", spec.get("volumeMode"), old.get("volumeMode"));
    if let Some(known) = given(old, "/nodeAffinity")
        && spec.get("nodeAffinity") != Some(known)
    {
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.invalid("nodeAffinity", spec.get("nodeAffinity").cloned().unwrap_or_default(), detail);
    }
    if given(old, "/volumeAttributesClassName").is_some()
        && given(spec, "/volumeAttributesClassName").is_none()
    {
        let detail = "update from non-nil value to nil is forbidden";
        errors.forbidden("spec.volumeAttributesClassName", detail);
    }
}

/// Checks a storage class.
pub fn storage_class(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    match old {
        Some(old) => class_change(&mut errors, object, old),
        None => {
            match text(object, "/provisioner") {
                "" => errors.required("provisioner", ""),
                name => {
                    let name = name.to_lowercase();
                    errors.format("provisioner", &name, qualified_name(&name));
                }
            }
            parameters(&mut errors, object);
            let policies = ["Delete", "Retain"];
            errors.one_of("reclaimPolicy".into(), text(object, "/reclaimPolicy"), &policies, false);
            let modes = ["Immediate", "WaitForFirstConsumer"];
            errors.one_of("volumeBindingMode".into(), text(object, "/volumeBindingMode"), &modes, true);
            topologies(&mut errors, object);
        }
    }
    errors.0
}

fn parameters(errors: &mut Errors, object: &Value) {
    let parameters: Vec<_> = entries(object, "/parameters").collect();
    if parameters.len() > MOST_PARAMETERS {
        return errors.too_long("parameters", MOST_PARAMETERS);
    }
    if parameters.iter().any(|(key, _)| key.is_empty()) {
        errors.invalid("parameters", "", "field can not be empty.");
    }
    let bytes = |(key, value): &(&str, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if parameters.iter().map(bytes).sum::<usize>() > PARAMETER_BYTES {
        errors.too_long("parameters", PARAMETER_BYTES);
    }
}

fn topologies(errors: &mut Errors, object: &Value) {
    for (index, term) in items(object, "/allowedTopologies").iter().enumerate() {
        let path = format!("allowedTopologies[{index}].matchLabelExpressions");
        let mut keys = HashSet::new();
        for (index, expression) in items(term, "/matchLabelExpressions").iter().enumerate() {
            let path = format!("{path}[{index}]");
            let (key, values) = (text(expression, "/key"), items(expression, "/values"));
            if values.is_empty() {
                errors.required(format!("{path}.values"), "");
            }
            let mut seen = HashSet::new();
            for (index, value) in values.iter().enumerate().filter(|(_, value)| !seen.insert(*value)) {
                errors.duplicate(format!("{path}.values[{index}]"), value.clone());
            }
            errors.format(&format!("{path}.key"), key, qualified_name(key));
            if !keys.insert(key) {
                errors.duplicate(format!("{path}.key"), key);
            }
        }
    }
}

fn class_change(errors: &mut Errors, object: &Value, old: &Value) {
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if !same(object.get(field).unwrap_or(&Value::Null), old.get(field).unwrap_or(&Value::Null)) {
            errors.forbidden(field, &format!("updates to {field} are forbidden."));
        }
    }
    let mode = "volumeBindingMode";
    errors.immutable(mode, object.get(mode), old.get(mode));
}

/// Checks a volume attachment.
pub fn volume_attachment(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.needs(spec, "spec", "attacher");
    let exactly = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (given(spec, "/source/inlineVolumeSpec"), given(spec, "/source/persistentVolumeName")) {
        (None, None) => errors.required("spec.source", exactly),
        (Some(_), Some(_)) => errors.forbidden("spec.source", exactly),
        (None, Some(name)) if name == "" => {
            let detail = "must specify non empty persistentVolumeName";
            errors.required("spec.source.persistentVolumeName", detail);
        }
        (None, Some(_)) => {}
        (Some(inline), None) => {
            let path = "spec.source.inlineVolumeSpec";
            let refused = "may not be specified in the context of inline volumes";
            for key in ["claimRef", "capacity"].into_iter().filter(|key| inline.get(*key).is_some()) {
                errors.forbidden(format!("{path}.{key}"), refused);
            }
            if given(inline, "/csi").is_none() {
                errors
                    .required(format!("{path}.csi"), "has to be specified in the context of inline volumes");
            }
        }
    }
    let node = text(spec, "/nodeName");
    errors.format("spec.nodeName", node, dns_subdomain(node));
    match old {
        Some(old) => errors.immutable("spec", object.get("spec"), old.get("spec")),
        None => {
            csi_driver_name(&mut errors, "spec.attacher", text(spec, "/attacher"));
            if let Some(name) = given(spec, "/source/persistentVolumeName").and_then(Value::as_str) {
                errors.format("spec.source.persistentVolumeName", name, dns_subdomain(name));
            }
        }
    }
    errors.0
}

/// Checks a CSI driver.
pub fn csi_driver(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.supports(spec, "spec", "fsGroupPolicy", &["File", "None", "ReadWriteOnceWithFSType"]);
    token_requests(&mut errors, spec);
    for mode in items(spec, "/volumeLifecycleModes").iter().filter_map(Value::as_str) {
        let modes = ["Persistent", "Ephemeral"];
        errors.one_of("spec.volumeLifecycleModes".into(), mode, &modes, false);
    }
    if let Some(period) = int(spec, "/nodeAllocatableUpdatePeriodSeconds").filter(|period| *period < 10) {
        let detail = "must be greater than or equal to 10 seconds";
        errors.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, detail);
    }
    if let Some(old) = old.and_then(|old| old.get("spec")) {
        // Kubernetes spells the first of them so.
        errors.immutable("spec.attachedRequired", spec.get("attachRequired"), old.get("attachRequired"));
        let modes = "volumeLifecycleModes";
        errors.immutable("spec.volumeLifecycleModes", spec.get(modes), old.get(modes));
    }
    errors.0
}

fn token_requests(errors: &mut Errors, spec: &Value) {
    let mut audiences = HashSet::new();
    for (index, request) in items(spec, "/tokenRequests").iter().enumerate() {
        let path = format!("spec.tokenRequests[{index}]");
        let audience = text(request, "/audience");
        if !audiences.insert(audience) {
            errors.duplicate(format!("{path}.audience"), audience);
            continue;
        }
        match int(request, "/expirationSeconds") {
            Some(seconds) if seconds < TOKEN_SECONDS.0 => {
                let detail = "may not specify a duration less than 10 minutes";
                errors.invalid(format!("{path}.expirationSeconds"), seconds, detail);
            }
            Some(seconds) if seconds > TOKEN_SECONDS.1 => {
                let detail = "may not specify a duration larger than 2^32 seconds";
                errors.invalid(format!("{path}.expirationSeconds"), seconds, detail);
            }
            _ => {}
        }
    }
}

/// Checks a CSI node.
pub fn csi_node(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut seen = HashSet::new();
    let drivers = items(object, "/spec/drivers");
    for (index, driver) in drivers.iter().enumerate() {
        let path = format!("spec.drivers[{index}]");
        let name = text(driver, "/name");
        csi_driver_name(&mut errors, &format!("{path}.name"), name);
        errors.needs(driver, &path, "nodeID");
        let node = text(driver, "/nodeID");
        if node.len() > LONGEST_NODE_ID {
            let detail = format!("must be {LONGEST_NODE_ID} characters or less");
            errors.invalid(format!("{path}.nodeID"), node, &detail);
        }
        errors.not_negative(
            driver.get("allocatable").unwrap_or(&Value::Null),
            &format!("{path}.allocatable"),
            "count",
        );
        if !seen.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        topology_keys(&mut errors, driver, &path);
    }
    for known in old.map(|old| items(old, "/spec/drivers")).unwrap_or_default() {
        let fixed = |driver: &Value| {
            ["nodeID", "topologyKeys"].map(|key| driver.get(key).cloned().unwrap_or_default())
        };
        let named = drivers.iter().find(|driver| driver.get("name") == known.get("name"));
        if let Some(driver) = named.filter(|driver| fixed(driver) != fixed(known)) {
            errors.invalid("spec.drivers", driver.clone(), "field is immutable");
        }
    }
    errors.0
}

fn topology_keys(errors: &mut Errors, driver: &Value, path: &str) {
    let mut seen = HashSet::new();
    for key in items(driver, "/topologyKeys").iter().filter_map(Value::as_str) {
        if key.is_empty() {
            errors.required(path, "");
        }
        if !seen.insert(key) {
            errors.duplicate(path, key);
        }
        errors.format(path, key, qualified_name(key));
    }
}
