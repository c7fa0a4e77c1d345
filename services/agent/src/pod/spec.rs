//! Turns a pod's object into what the runtime is asked to make.

use std::borrow::Cow;
use std::time::Duration;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1 as k8s;

use super::claim::{self, Backing};
use super::content::VOLUMES;
use super::env::Environment;
use super::fields::Place;
use super::plan::{ContainerPlan, FullPod, PodPlan};
use super::security;
use crate::runtime::{
    ContainerId, ContainerSpec, HostPort, Medium, Mount, MountSource, SandboxSpec, VolumeOwner, VolumeSpec,
};

/// Names, for pods that use the cluster's DNS.
#[derive(Clone, Debug, Default)]
pub struct ClusterDns {
    /// The server: the node's proxy.
    pub server: Option<String>,
    /// `cluster.local`.
    pub domain: String,
}

/// What the sandbox is made from.
pub fn sandbox(plan: &PodPlan, full: &FullPod, attempt: u32, dns: &ClusterDns) -> SandboxSpec {
    let spec = full.pod.spec.clone().unwrap_or_default();
    let (dns_servers, dns_searches, dns_options) = resolver(plan, &spec, dns);
    let security = spec.security_context.as_ref();
    let claimed: Vec<_> = claim::mountable(plan, full).collect();
    let open = claimed.iter().filter(|(_, backing)| backing.is_ours());
    let open = open.map(|(name, _)| format!("/{VOLUMES}/{name}")).collect();
    let directories = claimed.iter().filter_map(|(name, backing)| match backing {
        Backing::Directory(path) => Some((name.clone(), MountSource::Directory(path.clone()))),
        Backing::Volume(_) | Backing::Host(_) => None,
    });
    SandboxSpec {
        pod: plan.pod.clone(),
        attempt,
        grace: plan.grace,
        host_network: plan.host_network,
        hostname: host_name(plan, &spec, &dns.domain),
        dns_servers,
        dns_searches,
        dns_options,
        hosts: spec
            .host_aliases
            .iter()
            .flatten()
            .flat_map(|alias| alias.hostnames.iter().flatten().map(|name| (alias.ip.clone(), name.clone())))
            .collect(),
        host_ports: spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .flat_map(host_ports)
            .collect(),
        mounts: volumes(plan, full)
            .into_iter()
            .map(|(name, volume)| (name, MountSource::Volume { name: volume.name, sub_path: None }))
            .chain(directories)
            .map(|(name, source)| Mount { source, path: format!("/{VOLUMES}/{name}"), read_only: false })
            .collect(),
        open: (open, security.and_then(|security| security.fs_group)),
        sysctls: security
            .and_then(|security| security.sysctls.as_ref())
            .into_iter()
            .flatten()
            .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
            .collect(),
    }
}

/// The engine's volumes of a pod, by the names that its object gives them.
pub fn volumes(plan: &PodPlan, full: &FullPod) -> Vec<(String, VolumeSpec)> {
    let mut volumes: Vec<(String, VolumeSpec)> = claim::mountable(plan, full)
        .filter_map(|(name, backing)| match backing {
            Backing::Volume(volume) => Some((name, volume)),
            Backing::Host(_) | Backing::Directory(_) => None,
        })
        .collect();
    for volume in full.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let medium = match (&volume.empty_dir, &volume.secret) {
            (Some(empty), _) if empty.medium.as_deref() == Some("Memory") => {
                let limit = empty.size_limit.as_ref().and_then(|limit| Quantity::parse(&limit.0));
                Medium::Memory(limit.and_then(|limit| u64::try_from(limit.ceil_units()).ok()))
            }
            // A secret never reaches a disk.
            (None, Some(_)) => Medium::Memory(None),
            (_, _) => Medium::Disk,
        };
        if volume.empty_dir.is_some() || claim::is_files(volume) {
            let name = format!("odeon-{}-{}", plan.pod.uid, volume.name);
            let owner = VolumeOwner::Pod(plan.pod.clone());
            volumes.push((volume.name.clone(), VolumeSpec { name, owner, medium }));
        }
    }
    volumes
}

/// What a container is made from, or why it cannot be made.
pub fn container(
    plan: &PodPlan,
    full: &FullPod,
    container: &ContainerPlan,
    (attempt, sandbox): (u32, &ContainerId),
    place: &Place,
) -> Result<ContainerSpec, String> {
    let pod = full.pod.spec.clone().unwrap_or_default();
    let spec = declared(&pod)
        .find(|spec| spec.name == *container.name)
        .ok_or_else(|| format!("the pod has no container \"{}\"", container.name))?;
    let spec = spec.as_ref();
    let environment = Environment::of(full, spec, place)?;
    let expanded =
        |list: &Option<Vec<String>>| list.iter().flatten().map(|text| environment.expand(text)).collect();
    let mut made = ContainerSpec {
        pod: Some(plan.pod.clone()),
        name: container.name.clone(),
        attempt,
        spec_hash: container.hash.clone(),
        grace: plan.grace,
        sandbox: Some(sandbox.clone()),
        image: container.image.to_string(),
        command: expanded(&spec.command),
        args: expanded(&spec.args),
        env: environment.lines(),
        working_dir: spec.working_dir.clone().filter(|path| !path.is_empty()),
        mounts: mounts(plan, full, spec, &environment)?,
        tty: spec.tty.unwrap_or(false),
        stdin: spec.stdin.unwrap_or(false),
        stdin_once: spec.stdin_once.unwrap_or(false),
        limits: container.limits,
        ..Default::default()
    };
    security::restrict(&mut made, &pod, spec)?;
    Ok(made)
}

/// Refuses a container whose image would run as root where its pod forbids that.
pub fn refuse_root(
    plan: &PodPlan,
    full: &FullPod,
    container: &ContainerPlan,
    image_user: &str,
) -> Result<(), String> {
    let Some(pod) = &full.pod.spec else { return Ok(()) };
    let own = declared(pod).find(|spec| spec.name == *container.name);
    own.map_or(Ok(()), |own| security::refuse_root(&plan.pod, pod, &own, image_user))
}

/// How an image is fetched: `Always`, `IfNotPresent`, `Never`.
pub fn pull_policy(full: &FullPod, container: &ContainerPlan) -> String {
    let mut all = full.pod.spec.iter().flat_map(declared);
    let own = all.find(|spec| spec.name == *container.name);
    let own = own.and_then(|spec| spec.image_pull_policy.clone());
    let last = container.image.rsplit('/').next().unwrap_or_default();
    let floating = !last.contains('@') && (!last.contains(':') || last.ends_with(":latest"));
    let usual = if floating { "Always" } else { "IfNotPresent" };
    own.filter(|policy| !policy.is_empty()).unwrap_or_else(|| usual.to_owned())
}

/// All containers of a pod, ephemeral ones as if they were like the others.
fn declared(pod: &k8s::PodSpec) -> impl Iterator<Item = Cow<'_, k8s::Container>> {
    let own = pod.containers.iter().chain(pod.init_containers.iter().flatten()).map(Cow::Borrowed);
    own.chain(pod.ephemeral_containers.iter().flatten().map(|container| Cow::Owned(plain(container))))
}

/// An ephemeral container as a container.
pub fn plain(container: &k8s::EphemeralContainer) -> k8s::Container {
    let container = container.clone();
    k8s::Container {
        name: container.name,
        image: container.image,
        image_pull_policy: container.image_pull_policy,
        command: container.command,
        args: container.args,
        working_dir: container.working_dir,
        env: container.env,
        env_from: container.env_from,
        resources: container.resources,
        security_context: container.security_context,
        volume_mounts: container.volume_mounts,
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        termination_message_path: container.termination_message_path,
        termination_message_policy: container.termination_message_policy,
        ..Default::default()
    }
}

/// The container whose processes an ephemeral container wants to see.
pub fn target<'a>(full: &'a FullPod, container: &ContainerPlan) -> Option<&'a str> {
    let mut all = full.pod.spec.iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten());
    let own = all.find(|spec| spec.name == *container.name)?;
    own.target_container_name.as_deref().filter(|name| !name.is_empty())
}

/// What the pod is called inside: `hostnameOverride`; else `hostname` or the pod's name, as far as a host name may be long, with
/// its domain behind it if `setHostnameAsFQDN` asks for that and it has one (the kubelet's `GeneratePodHostNameAndDomain`).
fn host_name(plan: &PodPlan, spec: &k8s::PodSpec, domain: &str) -> String {
    if let Some(name) = &spec.hostname_override {
        return name.clone();
    }
    let own = spec.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(&plan.pod.name);
    let own = own.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned();
    match spec.subdomain.as_deref().filter(|name| !name.is_empty()) {
        Some(subdomain) if spec.set_hostname_as_fqdn == Some(true) => {
            format!("{own}.{subdomain}.{}.svc.{domain}", plan.pod.namespace)
        }
        _ => own,
    }
}

fn resolver(
    plan: &PodPlan,
    spec: &k8s::PodSpec,
    dns: &ClusterDns,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let cluster = match policy {
        "ClusterFirstWithHostNet" => true,
        "ClusterFirst" => !plan.host_network,
        _ => false,
    };
    let (mut servers, mut searches, mut options) = (Vec::new(), Vec::new(), Vec::new());
    if let (true, Some(server)) = (cluster, &dns.server) {
        let (domain, namespace) = (&dns.domain, &plan.pod.namespace);
        servers.push(server.clone());
        searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        options.push("ndots:5".to_owned());
    }
    if let Some(config) = &spec.dns_config {
        servers.extend(config.nameservers.iter().flatten().cloned());
        searches.extend(config.searches.iter().flatten().cloned());
        for option in config.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            options.retain(|known: &String| known.split(':').next() != Some(name.as_str()));
            options.push(option.value.as_ref().map_or(name.clone(), |value| format!("{name}:{value}")));
        }
    }
    (servers, searches, options)
}

fn host_ports(container: &k8s::Container) -> Vec<HostPort> {
    let ports = container.ports.iter().flatten().filter_map(|port| {
        Some(HostPort {
            container: u16::try_from(port.container_port).ok()?,
            host: u16::try_from(port.host_port?).ok().filter(|port| *port > 0)?,
            protocol: port.protocol.as_deref().unwrap_or("TCP").to_lowercase(),
            address: port.host_ip.clone().unwrap_or_default(),
        })
    });
    ports.collect()
}

fn mounts(
    plan: &PodPlan,
    full: &FullPod,
    container: &k8s::Container,
    environment: &Environment,
) -> Result<Vec<Mount>, String> {
    let known = volumes(plan, full);
    let claimed: Vec<_> = claim::mountable(plan, full).collect();
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let mut declared = full.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let volume = declared.find(|volume| volume.name == mount.name);
        let volume = volume.ok_or_else(|| format!("volume \"{}\" does not exist", mount.name))?;
        let sub_path = match (&mount.sub_path, &mount.sub_path_expr) {
            (Some(path), _) if !path.is_empty() => Some(path.clone()),
            (_, Some(path)) if !path.is_empty() => Some(environment.expand(path)),
            (_, _) => None,
        };
        let made = known.iter().find(|(name, _)| *name == mount.name);
        let backing = claimed.iter().find(|(name, _)| *name == mount.name).map(|(_, backing)| backing);
        let source = match (made, &volume.host_path, backing) {
            (Some((_, made)), _, _) => MountSource::Volume { name: made.name.clone(), sub_path },
            (None, Some(host), _) => MountSource::Host(below(&host.path, sub_path)?),
            (None, None, Some(Backing::Host(path))) => MountSource::Host(below(path, sub_path)?),
            (None, None, Some(Backing::Directory(path))) => match sub_path {
                None => MountSource::Directory(path.clone()),
                sub_path => MountSource::Host(below(path, sub_path)?),
            },
            (None, None, Some(Backing::Volume(_)) | None) => {
                return Err(format!("volume \"{}\" is of a kind that this node cannot mount", mount.name));
            }
        };
        let read_only = mount.read_only.unwrap_or(false) || claim::is_read_only(full, volume);
        mounts.push(Mount { source, path: mount.mount_path.clone(), read_only });
    }
    Ok(mounts)
}

/// A path in a directory of the machine, which it must not leave.
fn below(directory: &str, sub_path: Option<String>) -> Result<String, String> {
    let Some(sub_path) = sub_path else { return Ok(directory.to_owned()) };
    match sub_path.split('/').any(|part| part == "..") {
        true => Err(format!("subPath \"{sub_path}\" must not leave its volume")),
        false => Ok(format!("{}/{sub_path}", directory.trim_end_matches('/'))),
    }
}

/// How long a hook or probe may take at most when its own limit is gone.
pub const LONGEST_HOOK: Duration = Duration::from_secs(3600);
