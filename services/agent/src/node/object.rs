//! The Node object as an agent registers it.

use std::collections::BTreeMap;

use api::NodeName;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::config::Config;
use crate::pod::status::time;
use crate::runtime::Machine;

/// The version that the node says to be, for tools that compare it with the API server's.
const VERSION: &str = "v1.35.0+odeon";

/// The Node object in JSON text.
pub fn object(
    name: &NodeName,
    machine: &Machine,
    address: &str,
    config: &Config,
    now: api::Timestamp,
) -> String {
    let resources = resources(machine, config.max_pods);
    let status = k8s::NodeStatus {
        capacity: Some(resources.clone()),
        allocatable: Some(resources),
        addresses: Some(vec![at("InternalIP", address), at("Hostname", name.as_str())]),
        node_info: Some(info(machine)),
        conditions: Some(conditions(now)),
        ..Default::default()
    };
    let taints: Vec<k8s::Taint> = config.taints.iter().filter_map(|text| taint(text)).collect();
    let node = k8s::Node {
        metadata: ObjectMeta {
            name: Some(name.to_string()),
            labels: Some(labels(name, machine, &config.labels)),
            ..Default::default()
        },
        spec: Some(k8s::NodeSpec { taints: (!taints.is_empty()).then_some(taints), ..Default::default() }),
        status: Some(status),
    };
    // Serialising plain data to memory cannot fail.
    serde_json::to_string(&node).unwrap_or_default()
}

fn at(kind: &str, address: &str) -> k8s::NodeAddress {
    k8s::NodeAddress { type_: kind.to_owned(), address: address.to_owned() }
}

fn resources(machine: &Machine, max_pods: u32) -> BTreeMap<String, Quantity> {
    let mut resources = BTreeMap::from([
        ("cpu".to_owned(), Quantity(milli(machine.cpu_milli))),
        ("memory".to_owned(), Quantity(format!("{}Ki", machine.memory / 1024))),
        ("pods".to_owned(), Quantity(max_pods.to_string())),
    ]);
    if machine.storage > 0 {
        resources.insert("ephemeral-storage".to_owned(), Quantity(format!("{}Ki", machine.storage / 1024)));
    }
    resources
}

fn milli(milli: u64) -> String {
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

fn labels(name: &NodeName, machine: &Machine, own: &[String]) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = [
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", machine.architecture.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    labels.extend(own.iter().filter_map(|text| {
        let (key, value) = text.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    }));
    labels
}

/// `key=value:Effect` or `key:Effect`.
fn taint(text: &str) -> Option<k8s::Taint> {
    let (pair, effect) = text.rsplit_once(':')?;
    let (key, value) =
        pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value.to_owned())));
    Some(k8s::Taint { key: key.to_owned(), value, effect: effect.to_owned(), time_added: None })
}

fn info(machine: &Machine) -> k8s::NodeSystemInfo {
    k8s::NodeSystemInfo {
        architecture: machine.architecture.clone(),
        container_runtime_version: machine.runtime_version.clone(),
        kernel_version: machine.kernel_version.clone(),
        kubelet_version: VERSION.to_owned(),
        kube_proxy_version: VERSION.to_owned(),
        machine_id: machine.machine_id.clone(),
        system_uuid: machine.machine_id.clone(),
        operating_system: "linux".to_owned(),
        os_image: machine.os_image.clone(),
        ..Default::default()
    }
}

fn conditions(now: api::Timestamp) -> Vec<k8s::NodeCondition> {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| k8s::NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(time(now)),
        last_transition_time: Some(time(now)),
    };
    vec![
        condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "the agent has sufficient memory available",
        ),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "the agent has no disk pressure"),
        condition(
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "the agent has sufficient PIDs available",
        ),
        condition("Ready", "True", "KubeletReady", "the agent is performing"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_read_with_and_without_a_value() {
        let with = taint("gpu=yes:NoSchedule").unwrap();
        assert_eq!(
            (with.key.as_str(), with.value.as_deref(), with.effect.as_str()),
            ("gpu", Some("yes"), "NoSchedule")
        );
        let without = taint("edge:NoExecute").unwrap();
        assert_eq!((without.key.as_str(), without.value), ("edge", None));
        assert!(taint("nonsense").is_none());
    }
}
