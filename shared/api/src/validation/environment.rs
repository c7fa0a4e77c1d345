//! Rules of containers' environments, and of what can be told of a pod in them and in files.

use serde_json::Value;

use super::Errors;
use super::format::{config_key, dns_label, dns_subdomain, env_name, qualified_name};
use super::volume::Volumes;
use crate::json::{given, items, text};
use crate::quantity::Quantity;

/// What the environment may tell of a pod, in Kubernetes' order.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What else is known of pods, if not to everybody.
const OTHER_FIELDS: [&str; 6] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.host",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];
/// What can be told of a container's resources, in Kubernetes' order.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// The units that bytes are told in.
const UNITS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
const VALUE_SOURCES: [&str; 5] =
    ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

/// Checks a container's variables and where more of them come from. Files with variables are on `volumes`.
pub(super) fn environment(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes<'_>) {
    for (index, variable) in items(container, "/env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        errors.named(variable, &path, "name", env_name);
        if let Some(source) = given(variable, "/valueFrom") {
            value_from(errors, source, &format!("{path}.valueFrom"), text(variable, "/value"), volumes);
        }
    }
    for (index, source) in items(container, "/envFrom").iter().enumerate() {
        // Kubernetes names the list when there are too many sources or none.
        let own = format!("{path}.envFrom[{index}]");
        let path = format!("{path}.envFrom");
        errors.formatted(source, &own, "prefix", env_name);
        let mut sources = 0;
        for key in ["configMapRef", "secretRef"] {
            if let Some(reference) = source.get(key).filter(|reference| !reference.is_null()) {
                errors.named(reference, &format!("{own}.{key}"), "name", dns_subdomain);
                sources += 1;
            }
        }
        match sources {
            0 => errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
        }
    }
}

fn value_from(errors: &mut Errors, source: &Value, path: &str, value: &str, volumes: &Volumes<'_>) {
    let mut sources = 0;
    for key in VALUE_SOURCES {
        let Some(source) = source.get(key).filter(|source| !source.is_null()) else { continue };
        sources += 1;
        let path = format!("{path}.{key}");
        match key {
            "fieldRef" => field_selector(errors, source, &path, &FIELDS),
            "resourceFieldRef" => resource_selector(errors, source, &path, false),
            "fileKeyRef" => file_key(errors, source, &path, volumes),
            _ => {
                let name = text(source, "/name");
                errors.format(&format!("{path}.name"), name, dns_subdomain(name));
                errors.named(source, &path, "key", config_key);
            }
        }
    }
    match sources {
        0 => errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        _ if !value.is_empty() => errors.invalid(path, "", "may not be specified when `value` is not empty"),
        1 => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
}

/// A variable from a file that an init container leaves on an empty directory.
fn file_key(errors: &mut Errors, source: &Value, path: &str, volumes: &Volumes<'_>) {
    errors.named(source, path, "volumeName", dns_label);
    errors.needs(source, path, "path");
    super::volume::own_relative(errors, &format!("{path}.path"), text(source, "/path"));
    errors.named(source, path, "key", env_name);
    let volume = text(source, "/volumeName");
    if !volume.is_empty() && volumes.get(volume).is_none_or(|volume| given(volume, "/emptyDir").is_none()) {
        errors.not_found(format!("{path}.volumeName"), volume);
    }
}

/// Checks a field of a pod, of which `supported` can be told.
pub(super) fn field_selector(errors: &mut Errors, selector: &Value, path: &str, supported: &[&str]) {
    let (version, field) = (text(selector, "/apiVersion"), text(selector, "/fieldPath"));
    let mut refuse = |why: &str| {
        errors.invalid(format!("{path}.fieldPath"), field, &format!("error converting fieldPath: {why}"))
    };
    match (version, field) {
        ("", _) => errors.required(format!("{path}.apiVersion"), ""),
        (_, "") => errors.required(format!("{path}.fieldPath"), ""),
        ("v1", field) => match subscripted(field) {
            Some(("metadata.annotations", key)) => {
                errors.format(path, &key.to_lowercase(), qualified_name(&key.to_lowercase()));
            }
            Some(("metadata.labels", key)) => errors.format(path, key, qualified_name(key)),
            Some(_) => refuse(&format!("field label does not support subscript: {field}")),
            None if FIELDS.contains(&field) || OTHER_FIELDS.contains(&field) => {
                let field = if field == "spec.host" { "spec.nodeName" } else { field };
                errors.one_of(format!("{path}.fieldPath"), field, supported, true);
            }
            None => refuse(&format!("field label not supported: {field}")),
        },
        (version, _) => refuse(&format!("unsupported pod version: {version}")),
    }
}

/// `metadata.labels['app']` as its two parts.
fn subscripted(field: &str) -> Option<(&str, &str)> {
    field.strip_suffix("']")?.split_once("['").filter(|(path, _)| !path.is_empty())
}

/// Checks a container's resource, of a container by name if it is told in a file.
pub(super) fn resource_selector(errors: &mut Errors, selector: &Value, path: &str, in_file: bool) {
    let resource = text(selector, "/resource");
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|start| resource.starts_with(start));
    if in_file && text(selector, "/containerName").is_empty() {
        errors.required(format!("{path}.containerName"), "");
    } else if !huge {
        errors.one_of(format!("{path}.resource"), resource, &RESOURCES, true);
    }
    let divisor = text(selector, "/divisor");
    let what = match resource.split_once('.').map(|(_, resource)| resource) {
        _ if Quantity::parse(divisor).unwrap_or_default() == Quantity::default() => return,
        Some("cpu") if RESOURCES.contains(&resource) => {
            if !["1m", "1"].contains(&divisor) {
                let detail = "only divisor's values 1m and 1 are supported with the cpu resource";
                errors.invalid(format!("{path}.divisor"), resource, detail);
            }
            return;
        }
        Some("memory") if RESOURCES.contains(&resource) => "memory",
        Some("ephemeral-storage") if RESOURCES.contains(&resource) => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !UNITS.contains(&divisor) {
        let detail =
            format!("only divisor's values {} are supported with the {what} resource", UNITS.join(", "));
        errors.invalid(format!("{path}.divisor"), resource, &detail);
    }
}
