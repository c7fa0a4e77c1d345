//! Rules of pods and of pod specs in templates.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::container::{Role, container};
use super::format::{Format, dns_label, dns_subdomain, qualified_name};
use super::{Errors, affinity, meta, volume};
use crate::json::{flag, int, items, text};
use crate::kinds::FieldError;

const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks a pod.
pub fn pod(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let pod_spec = object.get("spec").unwrap_or(&Value::Null);
    if old.is_none() && !items(pod_spec, "/ephemeralContainers").is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    spec(&mut errors, pod_spec, "spec");
    if let Some(old) = old {
        change(&mut errors, pod_spec, old.get("spec").unwrap_or(&Value::Null));
    }
    errors.0
}

/// Checks a pod spec at `path`.
pub(super) fn spec(errors: &mut Errors, spec: &Value, path: &str) {
    let volumes = volume::volumes(errors, spec, path);
    containers(errors, spec, path, &volumes);
    let restart = ["Always", "OnFailure", "Never"];
    errors.one_of(format!("{path}.restartPolicy"), text(spec, "/restartPolicy"), &restart, true);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(format!("{path}.dnsPolicy"), text(spec, "/dnsPolicy"), &dns, true);
    if text(spec, "/dnsPolicy") == "None" && items(spec, "/dnsConfig/nameservers").is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.required(format!("{path}.dnsConfig.nameservers"), detail);
    }
    errors.not_negative(spec, path, "terminationGracePeriodSeconds");
    if let Some(seconds) =
        int(spec, "/activeDeadlineSeconds").filter(|seconds| !(1..=2_147_483_647).contains(seconds))
    {
        let detail = "must be between 1 and 2147483647, inclusive";
        errors.invalid(format!("{path}.activeDeadlineSeconds"), seconds, detail);
    }
    named(errors, spec, path);
    meta::labels(errors, spec, "/nodeSelector", &format!("{path}.nodeSelector"));
    affinity::tolerations(errors, spec, path);
    affinity::affinity(errors, spec, path);
    affinity::spread(errors, spec, path);
    host_network_ports(errors, spec, path);
}

fn containers(errors: &mut Errors, spec: &Value, path: &str, volumes: &HashSet<&str>) {
    let mut names = HashSet::new();
    if items(spec, "/containers").is_empty() {
        errors.required(format!("{path}.containers"), "");
    }
    for (list, role) in [("initContainers", Role::Init), ("containers", Role::Main)] {
        for (index, spec) in items(spec, &format!("/{list}")).iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            let name = text(spec, "/name");
            if !name.is_empty() && !names.insert(name) {
                errors.duplicate(format!("{path}.name"), name);
            }
            container(errors, spec, &path, role, volumes);
        }
    }
}

/// Fields of a pod spec that are names of something.
fn named(errors: &mut Errors, spec: &Value, path: &str) {
    let rules: [(&str, Format); 5] = [
        ("serviceAccountName", dns_subdomain),
        ("nodeName", dns_subdomain),
        ("hostname", dns_label),
        ("subdomain", dns_label),
        ("priorityClassName", dns_subdomain),
    ];
    for (key, format) in rules {
        let name = text(spec, &format!("/{key}"));
        if !name.is_empty() {
            errors.format(&format!("{path}.{key}"), name, format(name));
        }
    }
    for (index, secret) in items(spec, "/imagePullSecrets").iter().enumerate() {
        errors.needs(secret, &format!("{path}.imagePullSecrets[{index}]"), "name");
    }
    for (index, gate) in items(spec, "/readinessGates").iter().enumerate() {
        let condition = text(gate, "/conditionType");
        let path = format!("{path}.readinessGates[{index}].conditionType");
        errors.format(&path, condition, qualified_name(condition));
    }
    for (index, alias) in items(spec, "/hostAliases").iter().enumerate() {
        let address = text(alias, "/ip");
        errors.format(&format!("{path}.hostAliases[{index}].ip"), address, super::format::ip(address));
    }
}

/// With the node's network, a container's port is the node's.
fn host_network_ports(errors: &mut Errors, spec: &Value, path: &str) {
    if !flag(spec, "/hostNetwork") {
        return;
    }
    for (index, container) in items(spec, "/containers").iter().enumerate() {
        for (port_index, port) in items(container, "/ports").iter().enumerate() {
            if int(port, "/hostPort") != int(port, "/containerPort") {
                let path = format!("{path}.containers[{index}].ports[{port_index}].containerPort");
                let number = port.get("containerPort").cloned().unwrap_or_default();
                errors.invalid(path, number, "must match `hostPort` when `hostNetwork` is true");
            }
        }
    }
}

/// A pod's spec is fixed but for images, the deadline and added tolerations.
fn change(errors: &mut Errors, new: &Value, old: &Value) {
    let known = items(old, "/tolerations");
    let tolerations = items(new, "/tolerations");
    if known.iter().any(|toleration| !tolerations.contains(toleration)) {
        errors.forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
    if let Some(added) =
        items(new, "/schedulingGates").iter().find(|gate| !items(old, "/schedulingGates").contains(gate))
    {
        let detail =
            format!("only deletion is allowed, but found new scheduling gate '{}'", text(added, "/name"));
        errors.forbidden("spec.schedulingGates", &detail);
    }
    deadline(errors, new, old);
    let negative = int(old, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0);
    let mut comparable = [new.clone(), old.clone()];
    for spec in &mut comparable {
        blank_changeable(spec, negative);
    }
    if let [new, old] = &comparable
        && new != old
    {
        errors.forbidden("spec", FIXED);
    }
}

fn deadline(errors: &mut Errors, new: &Value, old: &Value) {
    let path = "spec.activeDeadlineSeconds";
    match (int(new, "/activeDeadlineSeconds"), int(old, "/activeDeadlineSeconds")) {
        (Some(new), Some(old)) if new > old => {
            errors.invalid(path, new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => {
            errors.invalid(path, Value::Null, "must not update from a positive integer to nil value")
        }
        _ => {}
    }
}

fn blank_changeable(spec: &mut Value, grace_too: bool) {
    let Some(spec) = spec.as_object_mut() else { return };
    for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        spec.remove(key);
    }
    if grace_too {
        spec.remove("terminationGracePeriodSeconds");
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.insert("image".into(), json!(""));
            }
        }
    }
}
