//! Translates between the agent's values and the engine's models; the engine's types go no further.

use std::collections::HashMap;
use std::time::Duration;

use api::messages::Output;
use api::{NodeName, Timestamp, Uid};
use bollard::models as engine;
use bollard::query_parameters as query;

use super::{Filters, PodNetwork};
use crate::runtime::{
    Changed, Container, ContainerId, ContainerSpec, Exit, Image, Limits, LogOptions, Machine, Medium, Mount,
    MountSource, PodRef, Processes, Role, RunState, SandboxSpec, Scope, Stats, VolumeOwner, VolumeSpec,
};

const CLUSTER: &str = "odeon.dev/cluster";
const NODE: &str = "odeon.dev/node";
const POD_UID: &str = "odeon.dev/pod-uid";
const POD: &str = "odeon.dev/pod";
const NAMESPACE: &str = "odeon.dev/namespace";
const CONTAINER: &str = "odeon.dev/container";
const ATTEMPT: &str = "odeon.dev/attempt";
const SPEC_HASH: &str = "odeon.dev/spec-hash";
const PERSISTENT: &str = "odeon.dev/persistent";
const GRACE: &str = "odeon.dev/grace-seconds";
/// The container label's value for a sandbox; no container of a pod can be called so.
const SANDBOX: &str = "_sandbox";

/// `key=value` of the cluster's label.
pub(super) fn cluster_label(cluster: &str) -> String {
    format!("{CLUSTER}={cluster}")
}

/// The cluster's label.
pub(super) fn cluster_pair(cluster: &str) -> (String, String) {
    (CLUSTER.to_owned(), cluster.to_owned())
}

/// `key=value` of a node's label.
pub(super) fn node_label(node: &NodeName) -> String {
    format!("{NODE}={node}")
}

/// The labels that everything in a scope carries.
pub(super) fn scope_labels(cluster: &str, scope: &Scope) -> Vec<String> {
    match scope {
        Scope::Node(node) => vec![cluster_label(cluster), node_label(node)],
        Scope::Pod(pod) => {
            vec![cluster_label(cluster), node_label(&pod.node), format!("{POD_UID}={}", pod.uid)]
        }
    }
}

/// A filter by labels.
pub(super) fn label_filter(labels: &[String]) -> Filters {
    [("label".to_owned(), labels.to_vec())].into()
}

/// The engine's name for a sandbox: the same for the same attempt, so that making it twice makes one.
pub(super) fn sandbox_name(cluster: &str, pod: &PodRef, attempt: u32) -> String {
    format!("odeon_{cluster}_POD_{}_{}_{}_{attempt}", pod.name, pod.namespace, pod.uid)
}

/// The engine's name for a container of a pod.
pub(super) fn container_name(cluster: &str, spec: &ContainerSpec) -> String {
    let pod = spec
        .pod
        .as_ref()
        .map(|pod| format!("{}_{}_{}", pod.name, pod.namespace, pod.uid))
        .unwrap_or_default();
    format!("odeon_{cluster}_{}_{pod}_{}", spec.name, spec.attempt)
}

/// `image` without a tag means `image:latest`; the engine would fetch every tag.
pub(super) fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || last.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

fn pod_labels(cluster: &str, pod: &PodRef) -> HashMap<String, String> {
    [
        (CLUSTER, cluster.to_owned()),
        (NODE, pod.node.to_string()),
        (POD_UID, pod.uid.to_string()),
        (POD, pod.name.to_string()),
        (NAMESPACE, pod.namespace.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn container_labels(
    cluster: &str,
    pod: &PodRef,
    (container, attempt, hash, grace): (&str, u32, &str, Duration),
) -> HashMap<String, String> {
    let mut labels = pod_labels(cluster, pod);
    labels.insert(CONTAINER.to_owned(), container.to_owned());
    labels.insert(ATTEMPT.to_owned(), attempt.to_string());
    labels.insert(SPEC_HASH.to_owned(), hash.to_owned());
    labels.insert(GRACE.to_owned(), grace.as_secs().to_string());
    labels
}

/// What creates a sandbox.
pub(super) fn sandbox_body(
    spec: &SandboxSpec,
    cluster: &str,
    network: &PodNetwork,
    image: &str,
) -> engine::ContainerCreateBody {
    let own_network = !spec.host_network;
    let route = network.service_route.clone().filter(|_| own_network);
    let network_mode = match (spec.host_network, &network.own_container) {
        (false, _) => network.name.clone(),
        (true, Some(own)) => format!("container:{own}"),
        (true, None) => "host".to_owned(),
    };
    let (volumes, binds) = mounts(&spec.mounts, Vec::new());
    let ports = |port: &crate::runtime::HostPort| format!("{}/{}", port.container, port.protocol);
    let mut bindings: engine::PortMap = HashMap::new();
    for port in spec.host_ports.iter().filter(|_| own_network) {
        let binding = engine::PortBinding {
            host_ip: Some(port.address.clone()).filter(|address| !address.is_empty()),
            host_port: Some(port.host.to_string()),
        };
        bindings.entry(ports(port)).or_default().get_or_insert_default().push(binding);
    }
    let some = |list: &[String]| (own_network && !list.is_empty()).then(|| list.to_vec());
    let hosts: Vec<String> = spec.hosts.iter().map(|(address, name)| format!("{name}:{address}")).collect();
    engine::ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: own_network.then(|| spec.hostname.clone()),
        env: Some(sandbox_environment(spec, route.as_deref())),
        labels: Some(container_labels(cluster, &spec.pod, (SANDBOX, spec.attempt, "", spec.grace))),
        exposed_ports: own_network.then(|| spec.host_ports.iter().map(ports).collect()),
        host_config: Some(engine::HostConfig {
            network_mode: Some(network_mode),
            ipc_mode: Some("shareable".to_owned()),
            cap_add: route.map(|_| vec!["NET_ADMIN".to_owned()]),
            dns: some(&spec.dns_servers),
            dns_search: some(&spec.dns_searches),
            dns_options: some(&spec.dns_options),
            extra_hosts: some(&hosts),
            port_bindings: (own_network && !bindings.is_empty()).then_some(bindings),
            sysctls: (own_network && !spec.sysctls.is_empty())
                .then(|| spec.sysctls.clone().into_iter().collect()),
            mounts: Some(volumes),
            binds: Some(binds),
            log_config: Some(log_config()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn sandbox_environment(spec: &SandboxSpec, route: Option<&str>) -> Vec<String> {
    let (paths, group) = &spec.open;
    let route = route.map(|route| format!("{}={route}", crate::sandbox::ROUTE_VARIABLE));
    let open = (!paths.is_empty()).then(|| format!("{}={}", crate::sandbox::OPEN_VARIABLE, paths.join(":")));
    let group = group.filter(|_| open.is_some());
    let group = group.map(|group| format!("{}={group}", crate::sandbox::GROUP_VARIABLE));
    route.into_iter().chain(open).chain(group).collect()
}

/// What creates a container of a pod.
pub(super) fn container_body(
    spec: &ContainerSpec,
    cluster: &str,
    sub_path_binds: Vec<String>,
) -> engine::ContainerCreateBody {
    let joined = spec.sandbox.as_ref().map(|sandbox| format!("container:{sandbox}"));
    let (volumes, binds) = mounts(&spec.mounts, sub_path_binds);
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let labels = spec
        .pod
        .as_ref()
        .map(|pod| container_labels(cluster, pod, (&spec.name, spec.attempt, &spec.spec_hash, spec.grace)));
    engine::ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: some(&spec.command),
        cmd: some(&spec.args),
        env: Some(spec.env.clone()),
        working_dir: spec.working_dir.clone(),
        user: spec.user.clone(),
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin),
        stdin_once: Some(spec.stdin_once),
        labels,
        host_config: Some(engine::HostConfig {
            network_mode: joined.clone(),
            ipc_mode: if spec.host_ipc { Some("host".to_owned()) } else { joined.clone() },
            pid_mode: match &spec.processes {
                Processes::Own => None,
                Processes::OfSandbox => joined,
                Processes::Of(other) => Some(format!("container:{other}")),
                Processes::OfHost => Some("host".to_owned()),
            },
            mounts: Some(volumes),
            binds: Some(binds),
            privileged: Some(spec.privileged),
            cap_add: some(&spec.capabilities_add),
            cap_drop: some(&spec.capabilities_drop),
            group_add: some(&spec.groups),
            readonly_rootfs: Some(spec.read_only),
            security_opt: some(&spec.security_options),
            masked_paths: spec.unmasked.then(Vec::new),
            readonly_paths: spec.unmasked.then(Vec::new),
            cpu_shares: spec.limits.cpu_shares,
            nano_cpus: spec.limits.nano_cpus,
            memory: spec.limits.memory,
            memory_swap: spec.limits.memory,
            log_config: Some(log_config()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn log_config() -> engine::HostConfigLogConfig {
    let limits =
        [("max-size", "10m"), ("max-file", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    engine::HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(limits.into()) }
}

/// Volumes as mounts that stay empty of the image's files; paths of the machine as binds, which the engine makes if missing.
fn mounts(mounts: &[Mount], mut binds: Vec<String>) -> (Vec<engine::Mount>, Vec<String>) {
    let mut volumes = Vec::new();
    for mount in mounts {
        match &mount.source {
            MountSource::Volume { name, sub_path: None } => volumes.push(engine::Mount {
                typ: Some(engine::MountType::VOLUME),
                source: Some(name.clone()),
                target: Some(mount.path.clone()),
                read_only: Some(mount.read_only),
                volume_options: Some(engine::MountVolumeOptions {
                    no_copy: Some(true),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            MountSource::Volume { sub_path: Some(_), .. } => {}
            MountSource::Directory(path) => volumes.push(engine::Mount {
                typ: Some(engine::MountType::BIND),
                source: Some(path.clone()),
                target: Some(mount.path.clone()),
                read_only: Some(mount.read_only),
                ..Default::default()
            }),
            MountSource::Host(path) => {
                binds.push(format!("{path}:{}{}", mount.path, if mount.read_only { ":ro" } else { "" }));
            }
        }
    }
    (volumes, binds)
}

/// Labels of a volume that outlives its pods.
fn persistent_labels(cluster: &str, node: &NodeName) -> HashMap<String, String> {
    [(CLUSTER, cluster), (NODE, node.as_str()), (PERSISTENT, "true")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Whether labels are those of a persistent volume of the node.
pub(super) fn is_persistent(labels: &HashMap<String, String>, cluster: &str, node: &NodeName) -> bool {
    persistent_labels(cluster, node).iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// What creates a volume.
pub(super) fn volume_request(volume: &VolumeSpec, cluster: &str) -> engine::VolumeCreateRequest {
    let options = match &volume.medium {
        Medium::Disk => None,
        Medium::Memory(limit) => {
            let size = limit.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
            Some([
                ("type", "tmpfs".to_owned()),
                ("device", "tmpfs".to_owned()),
                ("o", format!("mode=1777{size}")),
            ])
        }
        Medium::Nfs { server, path, options } => {
            let options = std::iter::once(format!("addr={server}")).chain(options.iter().cloned());
            let options = options.collect::<Vec<_>>().join(",");
            Some([("type", "nfs".to_owned()), ("device", format!(":{path}")), ("o", options)])
        }
    };
    let options = options.map(|options| options.map(|(key, value)| (key.to_owned(), value)).into());
    let labels = match &volume.owner {
        VolumeOwner::Pod(pod) => pod_labels(cluster, pod),
        VolumeOwner::Persistent(node) => persistent_labels(cluster, node),
    };
    engine::VolumeCreateRequest {
        name: Some(volume.name.clone()),
        driver: Some("local".to_owned()),
        driver_opts: options,
        labels: Some(labels),
        ..Default::default()
    }
}

/// A container of ours, from the engine's report; `None` if it is not ours.
pub(super) fn container(found: engine::ContainerInspectResponse) -> Option<Container> {
    let config = found.config?;
    let labels = config.labels?;
    let pod = pod_of(&labels)?;
    let number = |key| labels.get(key).and_then(|text: &String| text.parse::<u32>().ok()).unwrap_or(0);
    let role = match labels.get(CONTAINER)?.as_str() {
        SANDBOX => Role::Sandbox,
        name => Role::Member(name.into()),
    };
    let host = found.host_config.unwrap_or_default();
    let limits = limits(&host);
    let mode = host.network_mode.unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let created = found.created.as_deref().and_then(Timestamp::parse).unwrap_or_default();
    Some(Container {
        id: ContainerId(found.id?.into()),
        pod,
        sandbox: match role {
            Role::Sandbox => None,
            Role::Member(_) => mode.strip_prefix("container:").map(|id| ContainerId(id.into())),
        },
        role,
        attempt: number(ATTEMPT),
        spec_hash: labels.get(SPEC_HASH).cloned().unwrap_or_default(),
        grace: Duration::from_secs(number(GRACE).into()),
        limits,
        image: config.image.unwrap_or_default(),
        image_id: found.image.unwrap_or_default(),
        address: networks.values().find_map(|endpoint| endpoint.ip_address.as_ref()?.parse().ok()),
        state: run_state(found.state.unwrap_or_default(), created),
    })
}

/// To the engine, none is zero.
fn limits(host: &engine::HostConfig) -> Limits {
    let some = |number: Option<i64>| number.filter(|number| *number > 0);
    Limits { cpu_shares: some(host.cpu_shares), nano_cpus: some(host.nano_cpus), memory: some(host.memory) }
}

/// What changes a container's limits.
pub(super) fn update_body(limits: &Limits) -> engine::ContainerUpdateBody {
    engine::ContainerUpdateBody {
        cpu_shares: limits.cpu_shares,
        nano_cpus: limits.nano_cpus,
        memory: limits.memory,
        memory_swap: limits.memory,
        ..Default::default()
    }
}

fn pod_of(labels: &HashMap<String, String>) -> Option<PodRef> {
    Some(PodRef {
        node: labels.get(NODE)?.as_str().into(),
        namespace: labels.get(NAMESPACE)?.as_str().into(),
        name: labels.get(POD)?.as_str().into(),
        uid: labels.get(POD_UID)?.as_str().into(),
    })
}

fn run_state(state: engine::ContainerState, created: Timestamp) -> RunState {
    let started = state.started_at.as_deref().and_then(Timestamp::parse).filter(|time| time.0 > 0);
    if state.running == Some(true) {
        return RunState::Running { started: started.unwrap_or(created) };
    }
    let code = i32::try_from(state.exit_code.unwrap_or(0)).unwrap_or(-1);
    let message = state.error.unwrap_or_default();
    match started {
        None if code == 0 && message.is_empty() => RunState::Created,
        // The engine could not start it, as Kubernetes' runtimes report that.
        None => RunState::Exited(Exit {
            code: 128,
            reason: "StartError",
            message,
            started: created,
            finished: created,
        }),
        Some(started) => RunState::Exited(Exit {
            code,
            reason: match (state.oom_killed, code) {
                (Some(true), _) => "OOMKilled",
                (_, 0) => "Completed",
                (_, _) => "Error",
            },
            message,
            started,
            finished: state.finished_at.as_deref().and_then(Timestamp::parse).unwrap_or(started),
        }),
    }
}

/// Whose container an event is about.
pub(super) fn changed(event: engine::EventMessage) -> Option<Changed> {
    let pod = pod_of(&event.actor?.attributes?)?;
    Some(Changed { node: pod.node, uid: Uid(pod.uid.0) })
}

/// Which part of a log, as the engine asks for it.
pub(super) fn log_options(options: &LogOptions) -> query::LogsOptions {
    query::LogsOptions {
        follow: options.follow,
        stdout: options.only != Some(Output::Stderr),
        stderr: options.only != Some(Output::Stdout),
        timestamps: options.timestamps,
        tail: options.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        since: options.since.map_or(0, |time| i32::try_from(time.0 / 1_000_000).unwrap_or(i32::MAX)),
        until: 0,
    }
}

/// What a container uses.
pub(super) fn stats(answer: &engine::ContainerStatsResponse) -> Stats {
    let cpu = answer.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage).unwrap_or(0);
    let memory = answer.memory_stats.as_ref();
    let used = memory.and_then(|memory| memory.usage).unwrap_or(0);
    let cache = memory
        .and_then(|memory| memory.stats.as_ref())
        .and_then(|stats| stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")))
        .copied()
        .unwrap_or(0);
    Stats { cpu: Duration::from_nanos(cpu), memory: used.saturating_sub(cache) }
}

/// An image.
pub(super) fn image(found: engine::ImageInspect) -> Image {
    Image { user: found.config.and_then(|config| config.user).unwrap_or_default() }
}

/// What the machine has.
pub(super) fn machine(info: engine::SystemInfo) -> Machine {
    let positive = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
    Machine {
        cpu_milli: positive(info.ncpu).saturating_mul(1000),
        memory: positive(info.mem_total),
        storage: 0,
        runtime_version: format!("docker://{}", info.server_version.unwrap_or_default()),
        kernel_version: info.kernel_version.unwrap_or_default(),
        os_image: info.operating_system.unwrap_or_default(),
        architecture: match info.architecture.as_deref() {
            Some("x86_64") => "amd64".to_owned(),
            Some("aarch64") => "arm64".to_owned(),
            other => other.unwrap_or_default().to_owned(),
        },
        address: None,
        machine_id: info.id.unwrap_or_default(),
    }
}
