//! Fields of a pod that its containers may read: the downward API.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1 as k8s;

/// What is known of the place where a pod runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// The node's address.
    pub host_address: String,
    /// The pod's address, once it has one.
    pub pod_address: String,
    /// What the node has, in thousandths of a processor; a container without a limit may use it all.
    pub cpu_milli: u64,
    /// What the node has, in bytes.
    pub memory: u64,
}

/// The value of `fieldRef.fieldPath`; `None` if there is no such field.
pub fn field(pod: &k8s::Pod, place: &Place, path: &str) -> Option<String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let map = match map {
            "metadata.labels" => metadata.labels.as_ref(),
            "metadata.annotations" => metadata.annotations.as_ref(),
            _ => return None,
        };
        return Some(map.and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    let text = |value: Option<&String>| Some(value.cloned().unwrap_or_default());
    match path {
        "metadata.name" => text(metadata.name.as_ref()),
        "metadata.namespace" => text(metadata.namespace.as_ref()),
        "metadata.uid" => text(metadata.uid.as_ref()),
        "metadata.labels" => Some(lines(metadata.labels.as_ref())),
        "metadata.annotations" => Some(lines(metadata.annotations.as_ref())),
        "spec.nodeName" => Some(place.node.clone()),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.hostIP" | "status.hostIPs" => Some(place.host_address.clone()),
        "status.podIP" | "status.podIPs" => Some(place.pod_address.clone()),
        _ => None,
    }
}

/// The value of a `resourceFieldRef`; `None` if there is no such resource.
pub fn resource(
    pod: &k8s::Pod,
    place: &Place,
    own: &str,
    selector: &k8s::ResourceFieldSelector,
) -> Option<String> {
    let name = selector.container_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(own);
    let spec = pod.spec.as_ref()?;
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let resources =
        containers.find(|container| container.name == name)?.resources.clone().unwrap_or_default();
    let (list, resource) = selector.resource.split_once('.')?;
    let amount = |map: Option<&BTreeMap<String, _>>| {
        let quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity = map?.get(resource)?;
        Quantity::parse(&quantity.0).map(|quantity| quantity.milli)
    };
    let milli = match list {
        "requests" => amount(resources.requests.as_ref()).unwrap_or(0),
        "limits" => amount(resources.limits.as_ref()).unwrap_or_else(|| match resource {
            "cpu" => i128::from(place.cpu_milli),
            "memory" => i128::from(place.memory).saturating_mul(1000),
            _ => 0,
        }),
        _ => return None,
    };
    let divisor = selector.divisor.as_ref().and_then(|divisor| Quantity::parse(&divisor.0));
    let divisor = divisor.map(|divisor| divisor.milli).filter(|milli| *milli > 0).unwrap_or(1000);
    Some(milli.saturating_add(divisor - 1).div_euclid(divisor).to_string())
}

/// `key="value"` lines, as the downward API writes maps.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let mut text = String::new();
    for (key, value) in map.into_iter().flatten() {
        text.push_str(&format!("{key}={value:?}\n"));
    }
    text
}
