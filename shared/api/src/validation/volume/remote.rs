//! Rules of volumes whose data are elsewhere: on servers, at providers, behind drivers.

use serde_json::Value;

use super::{Kept, relative, stays};
use crate::json::{entries, flag, given, int, items, text};
use crate::validation::Errors;
use crate::validation::format::{dns_label, dns_subdomain};

pub(super) const LONG_INITIATOR: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
/// Bytes of the name of a CSI driver.
const LONGEST_DRIVER: usize = 63;

/// What places cannot do without, as far as that is all there is to them.
const NEEDED: [(&str, &[&str]); 13] = [
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("glusterfs", &["endpoints", "path"]),
    ("rbd", &["image"]),
    ("cinder", &["volumeID"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("azureDisk", &["diskName", "diskURI"]),
];

/// Checks one place.
pub(super) fn check(errors: &mut Errors, kind: &str, source: &Value, path: &str, kept: &Kept<'_>) {
    let persistent = matches!(kept, Kept::ByItself { .. });
    if matches!(kind, "rbd" | "cephfs") && items(source, "/monitors").is_empty() {
        errors.required(format!("{path}.monitors"), "");
    }
    for key in NEEDED.iter().filter(|(place, _)| *place == kind).flat_map(|(_, keys)| keys.iter()) {
        errors.needs(source, path, key);
    }
    match kind {
        "gitRepo" => relative(errors, &format!("{path}.directory"), text(source, "/directory")),
        "gcePersistentDisk" | "awsElasticBlockStore" => partition(errors, source, path),
        "glusterfs" if persistent => endpoints_namespace(errors, source, path),
        "cinder" => reference(errors, source, path, persistent),
        "flexVolume" => options(errors, source, path),
        "azureFile" if persistent && source.get("secretNamespace").is_some() => {
            errors.needs(source, path, "secretNamespace");
        }
        "azureDisk" => azure_disk(errors, source, path),
        "nfs" => nfs(errors, source, path),
        "iscsi" => iscsi(errors, source, path, kept),
        "flocker" => flocker(errors, source, path),
        "quobyte" => quobyte(errors, source, path),
        "fc" => fibre_channel(errors, source, path),
        "storageos" => {
            errors.named(source, path, "volumeName", dns_label);
            errors.formatted(source, path, "volumeNamespace", dns_label);
            reference(errors, source, path, persistent);
        }
        "local" => match text(source, "/path") {
            "" => errors.required(format!("{path}.path"), ""),
            place => stays(errors, &format!("{path}.path"), place),
        },
        "csi" => csi(errors, source, path, persistent),
        _ => {}
    }
}

fn partition(errors: &mut Errors, source: &Value, path: &str) {
    if let Some(number) = int(source, "/partition").filter(|number| !(0..=255).contains(number)) {
        errors.invalid(format!("{path}.partition"), number, "must be between 1 and 255, inclusive");
    }
}

fn endpoints_namespace(errors: &mut Errors, source: &Value, path: &str) {
    match source.get("endpointsNamespace").and_then(Value::as_str) {
        Some("") => {
            let detail = "if the endpointnamespace is set, it must be a valid namespace name";
            errors.invalid(format!("{path}.endpointsNamespace"), "", detail);
        }
        _ => errors.formatted(source, path, "endpointsNamespace", dns_label),
    }
}

/// A secret is named; a persistent volume says where it is, too.
fn reference(errors: &mut Errors, source: &Value, path: &str, persistent: bool) {
    let Some(secret) = given(source, "/secretRef") else { return };
    let path = format!("{path}.secretRef");
    errors.needs(secret, &path, "name");
    if persistent {
        errors.needs(secret, &path, "namespace");
    }
}

fn options(errors: &mut Errors, source: &Value, path: &str) {
    for (key, _) in entries(source, "/options") {
        let namespace = key.split_once('/').map_or(key, |(namespace, _)| namespace);
        let dotted = format!(".{}", namespace.to_lowercase());
        if dotted.ends_with(".kubernetes.io") || dotted.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(format!("{path}.options[{key}]"), key, detail);
        }
    }
}

fn azure_disk(errors: &mut Errors, source: &Value, path: &str) {
    errors.supports(source, path, "cachingMode", &["None", "ReadOnly", "ReadWrite"]);
    errors.supports(source, path, "kind", &["Dedicated", "Managed", "Shared"]);
    let place = text(source, "/diskURI");
    match source.get("kind").and_then(Value::as_str) {
        Some("Managed") if !place.starts_with("/subscriptions/") => {
            let managed = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
            errors.unsupported(format!("{path}.diskURI"), place, &[managed]);
        }
        Some(kind) if kind != "Managed" && !place.starts_with("https://") => {
            let blob = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
            errors.unsupported(format!("{path}.diskURI"), place, &[blob]);
        }
        _ => {}
    }
}

fn nfs(errors: &mut Errors, source: &Value, path: &str) {
    errors.needs(source, path, "server");
    errors.needs(source, path, "path");
    let place = text(source, "/path");
    if !place.starts_with('/') {
        errors.invalid(format!("{path}.path"), place, "must be an absolute path");
    }
}

/// What the initiator calls a volume would be too long.
pub(super) fn too_long_for_initiator(source: &Value, volume: &str) -> bool {
    let portal = text(source, "/targetPortal");
    given(source, "/initiatorName").is_some() && volume.len() + 1 + portal.len() > 64
}

fn iscsi(errors: &mut Errors, source: &Value, path: &str, kept: &Kept<'_>) {
    errors.needs(source, path, "targetPortal");
    if let Kept::ByItself { name } = kept
        && too_long_for_initiator(source, name)
    {
        errors.invalid(format!("{path}.targetportal"), text(source, "/targetPortal"), LONG_INITIATOR);
    }
    match text(source, "/iqn") {
        "" => errors.required(format!("{path}.iqn"), ""),
        name => qualified(errors, &format!("{path}.iqn"), name, kept),
    }
    errors.between(source, path, "lun", (0, 255));
    let secret = given(source, "/secretRef");
    if (flag(source, "/chapAuthDiscovery") || flag(source, "/chapAuthSession")) && secret.is_none() {
        errors.required(format!("{path}.secretRef"), "");
    }
    if let (Kept::ByItself { .. }, Some(secret)) = (kept, secret) {
        errors.needs(secret, &format!("{path}.secretRef"), "name");
    }
    if let Some(name) = given(source, "/initiatorName").and_then(Value::as_str) {
        qualified(errors, &format!("{path}.initiatorname"), name, kept);
    }
}

/// A name of iSCSI, of one of three kinds.
fn qualified(errors: &mut Errors, path: &str, name: &str, kept: &Kept<'_>) {
    let alphanumeric =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let kind = name.get(..3).unwrap_or_default();
    let rest = name.get(4..).unwrap_or_default();
    let right = match kind {
        "iqn" => is_iqn(name),
        "eui" => alphanumeric(rest, 16),
        "naa" => alphanumeric(rest, 32),
        _ => false,
    };
    match (right, kept) {
        (true, _) => {}
        (false, Kept::ByPod { .. }) if !matches!(kind, "iqn" | "eui" | "naa") => {
            errors.invalid(path, name, "must be valid format starting with iqn, eui, or naa");
        }
        (false, _) => errors.invalid(path, name, "must be valid format"),
    }
}

/// `iqn.2001-04.com.example:storage`.
fn is_iqn(name: &str) -> bool {
    let Some((head, tail)) = name.split_once(':') else { return false };
    let mut parts = head.splitn(3, '.');
    let date = |text: &str| {
        text.len() == 7
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    parts.next() == Some("iqn")
        && parts.next().is_some_and(date)
        && parts.next().is_some_and(|authority| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            !authority.is_empty() && authority.chars().all(allowed)
        })
        && !tail.is_empty()
        && !tail.contains(|c: char| matches!(c, ',' | ';' | '*' | '&' | '$' | '|') || c.is_whitespace())
}

fn flocker(errors: &mut Errors, source: &Value, path: &str) {
    let (name, uuid) = (text(source, "/datasetName"), text(source, "/datasetUUID"));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            errors.invalid(path, "resource", detail);
        }
        _ => {}
    }
    if name.contains('/') {
        errors.invalid(format!("{path}.datasetName"), name, "must not contain '/'");
    }
}

fn quobyte(errors: &mut Errors, source: &Value, path: &str) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(source, "/registry");
    if registry.is_empty() {
        errors.required(format!("{path}.registry"), PAIRS);
    } else if text(source, "/tenant").len() >= 65 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(format!("{path}.tenant"), detail);
    } else {
        for _ in registry.split(',').filter(|pair| !pair.contains(':')) {
            errors.invalid(format!("{path}.registry"), registry, PAIRS);
        }
    }
    errors.needs(source, path, "volume");
}

fn fibre_channel(errors: &mut Errors, source: &Value, path: &str) {
    let (targets, identifiers) = (items(source, "/targetWWNs"), items(source, "/wwids"));
    match (targets, identifiers) {
        ([], []) => {
            let detail = "must specify either targetWWNs or wwids, but not both";
            errors.required(format!("{path}.targetWWNs"), detail);
        }
        ([_, ..], [_, ..]) => {
            let detail = "targetWWNs and wwids can not be specified simultaneously";
            errors.invalid(format!("{path}.targetWWNs"), targets.to_vec(), detail);
        }
        _ => {}
    }
    match int(source, "/lun") {
        _ if targets.is_empty() => {}
        None => errors.required(format!("{path}.lun"), "lun is required if targetWWNs is specified"),
        Some(_) => errors.between(source, path, "lun", (0, 255)),
    }
}

/// The name of a driver.
pub(in crate::validation) fn csi_driver_name(errors: &mut Errors, path: &str, name: &str) {
    if name.is_empty() {
        errors.required(path, "");
    }
    if name.len() > LONGEST_DRIVER {
        errors.too_long(path, LONGEST_DRIVER);
    }
    errors.format(path, name, dns_subdomain(&name.to_lowercase()));
}

fn csi(errors: &mut Errors, source: &Value, path: &str, persistent: bool) {
    csi_driver_name(errors, &format!("{path}.driver"), text(source, "/driver"));
    if !persistent {
        let Some(secret) = given(source, "/nodePublishSecretRef") else { return };
        return match text(secret, "/name") {
            "" => errors.required(format!("{path}.nodePublishSecretRef.name"), ""),
            name => errors.format(&format!("{path}.name"), name, dns_subdomain(name)),
        };
    }
    errors.needs(source, path, "volumeHandle");
    let secrets = [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ];
    for key in secrets {
        let Some(secret) = source.get(key).filter(|secret| !secret.is_null()) else { continue };
        let path = format!("{path}.{key}");
        errors.named(secret, &path, "name", dns_subdomain);
        errors.named(secret, &path, "namespace", dns_label);
    }
}
