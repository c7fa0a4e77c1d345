//! What a container may do: users, capabilities, profiles of the kernel's guards, namespaces that it shares.

use k8s_openapi::api::core::v1 as k8s;

use crate::runtime::{ContainerSpec, PodRef, Processes};

/// Gives a container what its pod's and its own security contexts say; or why this node cannot.
pub fn restrict(
    made: &mut ContainerSpec,
    pod: &k8s::PodSpec,
    container: &k8s::Container,
) -> Result<(), String> {
    let (own, shared) = (container.security_context.as_ref(), pod.security_context.as_ref());
    made.user = user(own, shared);
    if let Some(shared) = shared {
        let extra = shared.supplemental_groups.iter().flatten().chain(&shared.fs_group);
        made.groups = extra.map(i64::to_string).collect();
    }
    made.processes = match (pod.host_pid, pod.share_process_namespace) {
        (Some(true), _) => Processes::OfHost,
        (_, Some(true)) => Processes::OfSandbox,
        (_, _) => Processes::Own,
    };
    made.host_ipc = pod.host_ipc.unwrap_or(false);
    made.security_options = security_options(own, shared)?;
    let Some(own) = own else { return Ok(()) };
    made.privileged = own.privileged.unwrap_or(false);
    made.read_only = own.read_only_root_filesystem.unwrap_or(false);
    made.unmasked = own.proc_mount.as_deref() == Some("Unmasked");
    if let Some(capabilities) = &own.capabilities {
        made.capabilities_add = capabilities.add.clone().unwrap_or_default();
        made.capabilities_drop = capabilities.drop.clone().unwrap_or_default();
    }
    Ok(())
}

/// Refuses a container that must not run as root and would, as the kubelet does (`verifyRunAsNonRoot`). `image_user` is whom
/// the image runs as: empty is root.
pub fn refuse_root(
    pod: &PodRef,
    spec: &k8s::PodSpec,
    container: &k8s::Container,
    image_user: &str,
) -> Result<(), String> {
    let (own, shared) = (container.security_context.as_ref(), spec.security_context.as_ref());
    let wanted = own.and_then(|own| own.run_as_non_root).or(shared.and_then(|shared| shared.run_as_non_root));
    if wanted != Some(true) {
        return Ok(());
    }
    let whose =
        format!("(pod: \"{}_{}({})\", container: {})", pod.name, pod.namespace, pod.uid, container.name);
    let image_user = image_user.split(':').next().unwrap_or_default();
    match (run_as_user(own, shared), image_user.parse::<i64>()) {
        (Some(0), _) => Err(format!("container's runAsUser breaks non-root policy {whose}")),
        (Some(_), _) => Ok(()),
        (None, Ok(0)) => Err(format!("container has runAsNonRoot and image will run as root {whose}")),
        (None, Ok(_)) => Ok(()),
        (None, Err(_)) if image_user.is_empty() => {
            Err(format!("container has runAsNonRoot and image will run as root {whose}"))
        }
        (None, Err(_)) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root {whose}"
        )),
    }
}

fn run_as_user(own: Option<&k8s::SecurityContext>, shared: Option<&k8s::PodSecurityContext>) -> Option<i64> {
    own.and_then(|own| own.run_as_user).or(shared.and_then(|shared| shared.run_as_user))
}

/// `uid` or `uid:gid`.
fn user(own: Option<&k8s::SecurityContext>, shared: Option<&k8s::PodSecurityContext>) -> Option<String> {
    let group = own.and_then(|own| own.run_as_group).or(shared.and_then(|shared| shared.run_as_group));
    match (run_as_user(own, shared), group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, Some(group)) => Some(format!("0:{group}")),
        (None, None) => None,
    }
}

/// The engine's options. Without a profile a container gets the engine's own, where the kubelet's default is none.
fn security_options(
    own: Option<&k8s::SecurityContext>,
    shared: Option<&k8s::PodSecurityContext>,
) -> Result<Vec<String>, String> {
    let mut options = Vec::new();
    if own.is_some_and(|own| own.allow_privilege_escalation == Some(false)) {
        options.push("no-new-privileges".to_owned());
    }
    let seccomp = own.and_then(|own| own.seccomp_profile.as_ref());
    let seccomp = seccomp.or(shared.and_then(|shared| shared.seccomp_profile.as_ref()));
    match seccomp.map(|profile| profile.type_.as_str()) {
        Some("Unconfined") => options.push("seccomp=unconfined".to_owned()),
        Some("Localhost") => {
            return Err("this node keeps no seccomp profiles of its own (Localhost)".to_owned());
        }
        Some(_) | None => {}
    }
    let app_armor = own.and_then(|own| own.app_armor_profile.as_ref());
    let app_armor = app_armor.or(shared.and_then(|shared| shared.app_armor_profile.as_ref()));
    if let Some(profile) = app_armor {
        match (profile.type_.as_str(), &profile.localhost_profile) {
            ("Unconfined", _) => options.push("apparmor=unconfined".to_owned()),
            ("Localhost", Some(name)) => options.push(format!("apparmor={name}")),
            (_, _) => {}
        }
    }
    let se_linux = own.and_then(|own| own.se_linux_options.as_ref());
    if let Some(labels) = se_linux.or(shared.and_then(|shared| shared.se_linux_options.as_ref())) {
        let parts = [
            ("user", &labels.user),
            ("role", &labels.role),
            ("type", &labels.type_),
            ("level", &labels.level),
        ];
        options.extend(
            parts.iter().filter_map(|(part, label)| Some(format!("label={part}:{}", label.as_ref()?))),
        );
    }
    Ok(options)
}

#[cfg(test)]
#[path = "security_tests.rs"]
mod tests;
