//! Rules of containers: names, images, ports, environment, mounts, hooks.

use std::collections::HashSet;

use serde_json::Value;

use super::format::{config_key, dns_label, env_name, port_name, port_number};
use super::{Errors, probe, resources};
use crate::json::{int, items, text};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const FIELD_PATHS: [&str; 9] = [
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
/// Known of pods, but not to the environment.
const OTHER_FIELD_PATHS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"];
const VALUE_SOURCES: [&str; 5] =
    ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

/// Which list a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `containers`.
    Main,
    /// `initContainers`.
    Init,
}

/// Checks one container at `path`. `volumes` are the names it may mount.
pub(super) fn container(
    errors: &mut Errors,
    container: &Value,
    path: &str,
    role: Role,
    volumes: &HashSet<&str>,
) {
    match text(container, "/name") {
        "" => errors.required(format!("{path}.name"), ""),
        name => errors.format(&format!("{path}.name"), name, dns_label(name)),
    }
    match text(container, "/image") {
        "" => errors.required(format!("{path}.image"), ""),
        image if image.trim() != image => {
            errors.invalid(format!("{path}.image"), image, "must not have leading or trailing whitespace");
        }
        _ => {}
    }
    let pull = ["Always", "IfNotPresent", "Never"];
    errors.one_of(format!("{path}.imagePullPolicy"), text(container, "/imagePullPolicy"), &pull, true);
    let message = ["FallbackToLogsOnError", "File"];
    let policy = text(container, "/terminationMessagePolicy");
    errors.one_of(format!("{path}.terminationMessagePolicy"), policy, &message, true);
    ports(errors, container, path);
    environment(errors, container, path);
    mounts(errors, container, path, volumes);
    resources::resources(errors, container, path);
    let restart = text(container, "/restartPolicy");
    if role == Role::Init {
        errors.one_of(format!("{path}.restartPolicy"), restart, &["Always", "Never", "OnFailure"], false);
    }
    probe::probes(errors, container, path, role == Role::Init && restart != "Always");
}

fn ports(errors: &mut Errors, container: &Value, path: &str) {
    let mut names = HashSet::new();
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "/name");
        if !name.is_empty() {
            errors.format(&format!("{path}.name"), name, port_name(name));
            if !names.insert(name) {
                errors.duplicate(format!("{path}.name"), name);
            }
        }
        match int(port, "/containerPort").unwrap_or(0) {
            0 => errors.required(format!("{path}.containerPort"), ""),
            number => number_in_range(errors, &format!("{path}.containerPort"), number),
        }
        if let Some(number) = int(port, "/hostPort").filter(|number| *number != 0) {
            number_in_range(errors, &format!("{path}.hostPort"), number);
        }
        errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
    }
}

/// A port's number must be one.
pub(super) fn number_in_range(errors: &mut Errors, path: &str, number: i64) {
    for violation in port_number(number) {
        errors.invalid(path, number, &violation);
    }
}

fn environment(errors: &mut Errors, container: &Value, path: &str) {
    for (index, variable) in items(container, "/env").iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        match text(variable, "/name") {
            "" => errors.required(format!("{path}.name"), ""),
            name => errors.format(&format!("{path}.name"), name, env_name(name)),
        }
        if let Some(source) = variable.get("valueFrom").filter(|source| !source.is_null()) {
            value_from(errors, source, &format!("{path}.valueFrom"), text(variable, "/value"));
        }
    }
    for (index, source) in items(container, "/envFrom").iter().enumerate() {
        let path = format!("{path}.envFrom[{index}]");
        let present: Vec<&str> =
            ["configMapRef", "secretRef"].into_iter().filter(|key| source.get(key).is_some()).collect();
        match present.as_slice() {
            [] => errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"),
            [key] => {
                let reference = source.get(*key).unwrap_or(&Value::Null);
                errors.needs(reference, &format!("{path}.{key}"), "name");
            }
            _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
        }
    }
}

fn value_from(errors: &mut Errors, source: &Value, path: &str, value: &str) {
    if let Some(field) = source.get("fieldRef") {
        field_path(errors, text(field, "/fieldPath"), &format!("{path}.fieldRef.fieldPath"));
    }
    for key in ["configMapKeyRef", "secretKeyRef"] {
        let Some(reference) = source.get(key) else { continue };
        errors.needs(reference, &format!("{path}.{key}"), "name");
        match text(reference, "/key") {
            "" => errors.required(format!("{path}.{key}.key"), ""),
            name => errors.format(&format!("{path}.{key}.key"), name, config_key(name)),
        }
    }
    let present: Vec<&str> = VALUE_SOURCES.into_iter().filter(|key| source.get(key).is_some()).collect();
    match present.as_slice() {
        [] => errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        _ if !value.is_empty() => errors.invalid(path, "", "may not be specified when `value` is not empty"),
        [_] => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
}

fn field_path(errors: &mut Errors, field: &str, path: &str) {
    let subscripted = field.starts_with("metadata.labels['") || field.starts_with("metadata.annotations['");
    match field {
        "" => errors.required(path, ""),
        field if subscripted && field.ends_with("']") => {}
        field if FIELD_PATHS.contains(&field) || OTHER_FIELD_PATHS.contains(&field) => {
            errors.one_of(path.to_owned(), field, &FIELD_PATHS, true);
        }
        field => {
            let detail = format!("error converting fieldPath: field label not supported: {field}");
            errors.invalid(path, field, &detail);
        }
    }
}

fn mounts(errors: &mut Errors, container: &Value, path: &str, volumes: &HashSet<&str>) {
    let mut paths = HashSet::new();
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        match text(mount, "/name") {
            "" => errors.required(format!("{path}.name"), ""),
            name if !volumes.contains(name) => errors.not_found(format!("{path}.name"), name),
            _ => {}
        }
        match text(mount, "/mountPath") {
            "" => errors.required(format!("{path}.mountPath"), ""),
            place if !paths.insert(place) => {
                errors.invalid(format!("{path}.mountPath"), place, "must be unique")
            }
            _ => {}
        }
        for key in ["subPath", "subPathExpr"] {
            relative(errors, &format!("{path}.{key}"), text(mount, &format!("/{key}")));
        }
        if !text(mount, "/subPath").is_empty() && !text(mount, "/subPathExpr").is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(format!("{path}.subPathExpr"), text(mount, "/subPathExpr"), detail);
        }
        let propagation = ["Bidirectional", "HostToContainer", "None"];
        errors.one_of(
            format!("{path}.mountPropagation"),
            text(mount, "/mountPropagation"),
            &propagation,
            false,
        );
    }
}

/// A path within a volume stays within it.
pub(super) fn relative(errors: &mut Errors, path: &str, place: &str) {
    if place.starts_with('/') {
        errors.invalid(path, place, "must be a relative path");
    }
    if place.split('/').any(|part| part == "..") {
        errors.invalid(path, place, "must not contain '..'");
    }
}
