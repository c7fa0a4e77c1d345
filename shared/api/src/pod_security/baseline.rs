//! What the level `baseline` asks, and `restricted` too unless it has a stricter check for it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pod::{Pod, containers, plural, quoted, setters, uses};
use super::{Check, Violation};
use crate::json::{entries, flag, int, items, text};

/// In Kubernetes' order.
pub(super) const CHECKS: [Check; 9] = [
    app_armor,
    host_namespaces,
    host_ports,
    probe_hosts,
    privileged,
    proc_mount,
    selinux,
    sysctls,
    windows_host_process,
];
/// Checks that `restricted` replaces by stricter ones.
pub(super) const REPLACED: &[Check] = &[capabilities, host_paths, seccomp];

/// What containers may add.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Sysctls that concern nobody but the pod, with the versions since which they are known.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP: &str = "/securityContext/seccompProfile";

fn app_armor(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    const PROFILE: &str = "/securityContext/appArmorProfile";
    let is_bad = |holder: &Value| {
        let kind = holder.pointer(PROFILE).map(|profile| text(profile, "/type"));
        kind.filter(|kind| !["RuntimeDefault", "Localhost"].contains(kind)).map(str::to_owned)
    };
    let spec = pod.0.get("spec").unwrap_or(&Value::Null);
    let by_pod = is_bad(spec);
    let mut values: BTreeSet<String> = pod.values(|container| is_bad(container).into_iter().collect());
    let names = pod.which(|container| is_bad(container).is_some());
    let setters = setters(by_pod.is_some(), &names);
    values.extend(by_pod);
    let allowed =
        |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations: BTreeSet<String> = entries(pod.0, "/metadata/annotations")
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| key.starts_with(APP_ARMOR) && !allowed(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let annotated = (!annotations.is_empty()).then(|| plural("annotation", annotations.len()));
    let who: Vec<String> = setters.into_iter().chain(annotated).collect();
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    let reason = if values.len() == 1 { "forbidden AppArmor profile" } else { "forbidden AppArmor profiles" };
    (!who.is_empty()).then(|| Violation {
        reason,
        detail: format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values)),
    })
}

fn host_namespaces(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"];
    let shared: Vec<String> = shared
        .iter()
        .filter(|field| flag(pod.0, &format!("/spec/{field}")))
        .map(|field| format!("{field}=true"))
        .collect();
    (!shared.is_empty()).then(|| Violation { reason: "host namespaces", detail: shared.join(", ") })
}

fn host_ports(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let ports = |container: &Value| -> Vec<String> {
        let ports = items(container, "/ports").iter().filter_map(|port| int(port, "/hostPort"));
        ports.filter(|port| *port != 0).map(|port| port.to_string()).collect()
    };
    let names = pod.which(|container| !ports(container).is_empty());
    let taken = pod.values(ports);
    (!names.is_empty()).then(|| Violation {
        reason: "hostPort",
        detail: format!(
            "{} {} {} {}",
            containers(&names),
            uses(names.len()),
            plural("hostPort", taken.len()),
            taken.into_iter().collect::<Vec<_>>().join(", ")
        ),
    })
}

fn probe_hosts(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    const HOLDERS: [&str; 5] =
        ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let hosts = |container: &Value| -> Vec<String> {
        let places = HOLDERS
            .iter()
            .flat_map(|holder| ["httpGet", "tcpSocket"].map(|kind| format!("{holder}/{kind}/host")));
        places.map(|place| text(container, &place).to_owned()).filter(|host| !host.is_empty()).collect()
    };
    let names: BTreeSet<&str> = pod.which(|container| !hosts(container).is_empty()).into_iter().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let found = pod.values(hosts);
    (minor >= 34 && !names.is_empty()).then(|| Violation {
        reason: "probe or lifecycle host",
        detail: format!(
            "{} {} {} {}",
            containers(&names),
            uses(names.len()),
            plural("probe or lifecycle host", found.len()),
            quoted(&found)
        ),
    })
}

fn privileged(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let names = pod.which(|container| flag(container, "/securityContext/privileged"));
    (!names.is_empty()).then(|| Violation {
        reason: "privileged",
        detail: format!("{} must not set securityContext.privileged=true", containers(&names)),
    })
}

/// User namespaces do not excuse it: pods do not have any.
fn proc_mount(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let mount = |container: &Value| -> Vec<String> {
        let mount = text(container, "/securityContext/procMount");
        Some(mount.to_owned())
            .filter(|mount| !["", "Default"].contains(&mount.as_str()))
            .into_iter()
            .collect()
    };
    let names = pod.which(|container| !mount(container).is_empty());
    (!names.is_empty()).then(|| Violation {
        reason: "procMount",
        detail: format!(
            "{} must not set securityContext.procMount to {}",
            containers(&names),
            quoted(pod.values(mount))
        ),
    })
}

fn selinux(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    const OPTIONS: &str = "/securityContext/seLinuxOptions";
    let allowed = |kind: &str| {
        ["", "container_t", "container_init_t", "container_kvm_t"].contains(&kind)
            || kind == "container_engine_t" && minor >= 31
    };
    let spec = pod.0.get("spec").unwrap_or(&Value::Null);
    let of = |holder: &Value, field: &str| text(holder, &format!("{OPTIONS}/{field}")).to_owned();
    let is_bad = |holder: &Value| {
        !allowed(&of(holder, "type")) || !of(holder, "user").is_empty() || !of(holder, "role").is_empty()
    };
    let who = setters(is_bad(spec), &pod.which(is_bad))?;
    let mut types = pod.values(|container| vec![of(container, "type")]);
    types.insert(of(spec, "type"));
    types.retain(|kind| !allowed(kind));
    let sets = |field: &str| {
        std::iter::once(spec).chain(pod.containers()).any(|holder| !of(holder, field).is_empty())
    };
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!("{} {}", plural("type", types.len()), quoted(&types)));
    }
    let fields = ["user", "role"].iter().filter(|field| sets(field));
    data.extend(fields.map(|field| format!("{field} may not be set")));
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; "));
    Some(Violation { reason: "seLinuxOptions", detail })
}

fn sysctls(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let safe = |name: &str| SYSCTLS.iter().any(|(known, since)| *known == name && *since <= minor);
    let names = items(pod.0, "/spec/securityContext/sysctls").iter().map(|sysctl| text(sysctl, "/name"));
    let unsafe_ones: Vec<&str> = names.filter(|name| !safe(name)).collect();
    (!unsafe_ones.is_empty())
        .then(|| Violation { reason: "forbidden sysctls", detail: unsafe_ones.join(", ") })
}

fn windows_host_process(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    const FIELD: &str = "/securityContext/windowsOptions/hostProcess";
    let by_pod = pod.0.get("spec").is_some_and(|spec| flag(spec, FIELD));
    let who = setters(by_pod, &pod.which(|container| flag(container, FIELD)))?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Violation { reason: "hostProcess", detail })
}

fn capabilities(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    added(pod, &CAPABILITIES).map(|detail| Violation { reason: "non-default capabilities", detail })
}

/// Who adds capabilities that are not among `allowed`.
pub(super) fn added(pod: &Pod<'_>, allowed: &[&str]) -> Option<String> {
    let others = |container: &Value| -> Vec<String> {
        let added = items(container, "/securityContext/capabilities/add").iter().filter_map(Value::as_str);
        added.filter(|one| !allowed.contains(one)).map(str::to_owned).collect()
    };
    let names = pod.which(|container| !others(container).is_empty());
    (!names.is_empty()).then(|| {
        format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&names),
            quoted(pod.values(others))
        )
    })
}

fn host_paths(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let volumes = items(pod.0, "/spec/volumes").iter();
    let names: Vec<&str> = volumes
        .filter(|volume| volume.get("hostPath").is_some_and(|path| !path.is_null()))
        .map(|volume| text(volume, "/name"))
        .collect();
    (!names.is_empty()).then(|| Violation {
        reason: "hostPath volumes",
        detail: format!("{} {}", plural("volume", names.len()), quoted(&names)),
    })
}

/// Versions before 1.19 looked at annotations, which nothing reads any more.
fn seccomp(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    unconfined(pod).filter(|_| minor >= 19)
}

/// Who has a seccomp profile that confines nothing.
pub(super) fn unconfined(pod: &Pod<'_>) -> Option<Violation> {
    let profile = |holder: &Value| {
        let kind = holder.pointer(SECCOMP).map(|profile| text(profile, "/type").to_owned());
        kind.filter(|kind| !["RuntimeDefault", "Localhost"].contains(&kind.as_str()))
    };
    let by_pod = pod.0.get("spec").and_then(profile);
    let who = setters(by_pod.is_some(), &pod.which(|container| profile(container).is_some()))?;
    let mut values = pod.values(|container| profile(container).into_iter().collect());
    values.extend(by_pod);
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&values));
    Some(Violation { reason: "seccompProfile", detail })
}
