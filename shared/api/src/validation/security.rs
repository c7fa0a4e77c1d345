//! Rules of security contexts, of pods and of containers.

use std::collections::HashSet;

use serde_json::Value;

use super::Errors;
use super::errors::IDS;
use super::format::sysctl_name;
use super::volume::relative;
use crate::json::{flag, given, items, text};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
/// Bytes of the name of an AppArmor profile.
const LONGEST_PROFILE: usize = 4095;

/// Checks a pod spec's security context.
pub(super) fn of_pod(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(context) = given(spec, "/securityContext") else { return };
    let path = format!("{path}.securityContext");
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        errors.between(context, &path, key, IDS);
    }
    for (index, group) in items(context, "/supplementalGroups").iter().enumerate() {
        if let Some(group) = group.as_i64().filter(|group| !(IDS.0..=IDS.1).contains(group)) {
            let detail = format!("must be between {} and {}, inclusive", IDS.0, IDS.1);
            errors.invalid(format!("{path}.supplementalGroups[{index}]"), group, &detail);
        }
    }
    if flag(spec, "/shareProcessNamespace") && flag(spec, "/hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(format!("{path}.shareProcessNamespace"), true, detail);
    }
    sysctls(errors, spec, context, &path);
    errors.supports(context, &path, "fsGroupChangePolicy", &["Always", "OnRootMismatch"]);
    seccomp(errors, context, &path);
    app_armor(errors, context, &path);
    errors.supports(context, &path, "supplementalGroupsPolicy", &["Merge", "Strict"]);
    errors.supports(context, &path, "seLinuxChangePolicy", &["MountOption", "Recursive"]);
}

fn sysctls(errors: &mut Errors, spec: &Value, context: &Value, path: &str) {
    let mut names = HashSet::new();
    for (index, sysctl) in items(context, "/sysctls").iter().enumerate() {
        let path = format!("{path}.sysctls[{index}].name");
        let name = text(sysctl, "/name");
        let violations = sysctl_name(name);
        if name.is_empty() {
            errors.required(path.as_str(), "");
        } else if !violations.is_empty() {
            errors.format(&path, name, violations);
        } else if names.contains(name) {
            errors.duplicate(path.as_str(), name);
        }
        let dotted = name.replace('/', ".");
        let of_processes =
            ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|start| dotted.starts_with(start))
                || dotted == "kernel.sem";
        if flag(spec, "/hostNetwork") && dotted.starts_with("net.") {
            errors.invalid(path, name, "may not be specified when 'hostNetwork' is true");
        } else if flag(spec, "/hostIPC") && of_processes {
            errors.invalid(path, name, "may not be specified when 'hostIPC' is true");
        }
        names.insert(name);
    }
}

fn seccomp(errors: &mut Errors, context: &Value, path: &str) {
    let Some(profile) = given(context, "/seccompProfile") else { return };
    let path = format!("{path}.seccompProfile");
    match text(profile, "/type") {
        "" => errors.required(format!("{path}.type"), "type is required when seccompProfile is set"),
        _ => errors.supports(profile, &path, "type", &PROFILES),
    }
    let file = format!("{path}.localhostProfile");
    match (text(profile, "/type"), given(profile, "/localhostProfile").and_then(Value::as_str)) {
        ("Localhost", None) => errors.required(file, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(place)) => relative(errors, &file, place),
        (_, Some(_)) => {
            let shown = super::errors::spelled(profile, &["type", "localhostProfile"]);
            errors.invalid_as(file, &shown, "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

fn app_armor(errors: &mut Errors, context: &Value, path: &str) {
    let Some(profile) = given(context, "/appArmorProfile") else { return };
    let path = format!("{path}.appArmorProfile");
    let name = format!("{path}.localhostProfile");
    match (text(profile, "/type"), given(profile, "/localhostProfile").and_then(Value::as_str)) {
        ("Localhost", given) => {
            let given = given.unwrap_or_default();
            if given.trim() != given {
                errors.invalid(name.as_str(), given, "must not be padded with whitespace");
            } else if given.is_empty() {
                errors.required(name.as_str(), "must be set when AppArmor type is Localhost");
            }
            if given.len() > LONGEST_PROFILE {
                errors.too_long(name, LONGEST_PROFILE);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(given)) => {
            errors.invalid(name, given, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(format!("{path}.type"), "type is required when appArmorProfile is set"),
        _ => errors.supports(profile, &path, "type", &PROFILES),
    }
}

/// Checks a container's security context. `host_users`: its users are the node's.
pub(super) fn of_container(errors: &mut Errors, container: &Value, path: &str, host_users: bool) {
    let Some(context) = given(container, "/securityContext") else { return };
    let path = format!("{path}.securityContext");
    for key in ["runAsUser", "runAsGroup"] {
        errors.between(context, &path, key, IDS);
    }
    errors.supports(context, &path, "procMount", &["Default", "Unmasked"]);
    if host_users && text(context, "/procMount") == "Unmasked" {
        let detail = "`hostUsers` must be false to use `Unmasked`";
        errors.invalid(format!("{path}.procMount"), "Unmasked", detail);
    }
    seccomp(errors, context, &path);
    if given(context, "/allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        if flag(context, "/privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_as(path.as_str(), &spelled(context), detail);
        }
        for _ in items(context, "/capabilities/add").iter().filter(|name| *name == "CAP_SYS_ADMIN") {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_as(path.as_str(), &spelled(context), detail);
        }
    }
    app_armor(errors, context, &path);
}

/// A security context as Kubernetes' own type spells it.
fn spelled(context: &Value) -> String {
    let mut context = context.clone();
    if let Some(capabilities) = context.get_mut("capabilities") {
        let list = |key: &str| capabilities.get(key).cloned().unwrap_or_default();
        *capabilities = serde_json::json!({"Add": list("add"), "Drop": list("drop")});
    }
    let fields = [
        "capabilities",
        "privileged",
        "seLinuxOptions",
        "windowsOptions",
        "runAsUser",
        "runAsGroup",
        "runAsNonRoot",
        "readOnlyRootFilesystem",
        "allowPrivilegeEscalation",
        "procMount",
        "seccompProfile",
        "appArmorProfile",
    ];
    super::errors::spelled(&context, &fields).replacen("\"SeLinux", "\"SELinux", 1)
}

/// Users that are not the node's do without the node's namespaces.
pub(super) fn host_users(errors: &mut Errors, spec: &Value, path: &str) {
    if given(spec, "/hostUsers") != Some(&Value::Bool(false)) {
        return;
    }
    for (key, spelled) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if spec.get(key) == Some(&Value::Bool(true)) {
            errors.forbidden(format!("{path}.{spelled}"), "when `pod.Spec.HostUsers` is false");
        }
    }
}

/// What only pods of Windows may ask for, and what they may not.
pub(super) fn of_system(errors: &mut Errors, spec: &Value, path: &str) {
    let name = text(spec, "/os/name");
    match (given(spec, "/os"), name) {
        (None, _) => {}
        (_, "") => errors.required(format!("{path}.os.name"), "cannot be empty"),
        (_, "linux") => windows_options(errors, spec, path),
        (_, "windows") => linux_options(errors, spec, path),
        _ => errors.unsupported(format!("{path}.os"), name, &["linux", "windows"]),
    }
}

fn contexts<'a>(spec: &'a Value, path: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let mut found = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let context = given(container, "/securityContext");
            found.extend(context.map(|context| (format!("{path}.{list}[{index}].securityContext"), context)));
        }
    }
    found.into_iter()
}

fn windows_options(errors: &mut Errors, spec: &Value, path: &str) {
    let own = given(spec, "/securityContext").map(|context| (format!("{path}.securityContext"), context));
    for (path, context) in own.into_iter().chain(contexts(spec, path)) {
        if given(context, "/windowsOptions").is_some() {
            let detail = "windows options cannot be set for a linux pod";
            errors.forbidden(format!("{path}.windowsOptions"), detail);
        }
    }
}

fn linux_options(errors: &mut Errors, spec: &Value, path: &str) {
    const REFUSED: &str = "cannot be set for a windows pod";
    const OF_PODS: [&str; 12] = [
        "/securityContext/appArmorProfile",
        "/securityContext/seLinuxOptions",
        "/hostUsers",
        "/hostPID",
        "/hostIPC",
        "/securityContext/seccompProfile",
        "/securityContext/fsGroup",
        "/securityContext/fsGroupChangePolicy",
        "/securityContext/sysctls",
        "/shareProcessNamespace",
        "/securityContext/runAsUser",
        "/securityContext/runAsGroup",
    ];
    const OF_PODS_TOO: [&str; 3] = ["supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"];
    const OF_CONTAINERS: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let more = OF_PODS_TOO.map(|key| format!("/securityContext/{key}"));
    for pointer in OF_PODS.into_iter().chain(more.iter().map(String::as_str)) {
        let switched_off = matches!(pointer, "/hostPID" | "/hostIPC") && !flag(spec, pointer);
        if given(spec, pointer).is_some() && !switched_off {
            errors.forbidden(format!("{path}{}", pointer.replace('/', ".")), REFUSED);
        }
    }
    for (path, context) in contexts(spec, path) {
        for key in OF_CONTAINERS.iter().filter(|key| context.get(**key).is_some()) {
            errors.forbidden(format!("{path}.{key}"), REFUSED);
        }
    }
}
