//! What the endpoints of a Service shall be: pods grouped by the ports and the address family that they share.

use std::net::IpAddr;
use std::sync::Arc;

use api::Object;
use api::views::{Endpoint, EndpointConditions, EndpointPort, Pod, Service, ServicePort, TargetRef};

/// Endpoints that may share a slice.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// `IPv4` or `IPv6`.
    pub address_type: &'static str,
    /// The ports of all of them.
    pub ports: Vec<EndpointPort>,
    /// In the order of the pods' names.
    pub endpoints: Vec<Endpoint>,
}

/// Groups the pods; there is one group without endpoints if there are no pods, so that the Service has a slice to show.
pub(super) fn groups(service: &Object<Service>, pods: &[Arc<Object<Pod>>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for pod in pods {
        let address_type = address_type(&pod.status.pod_ip);
        let ports = ports(service, pod);
        let endpoint = endpoint(service, pod);
        match groups.iter_mut().find(|group| group.address_type == address_type && group.ports == ports) {
            Some(group) => group.endpoints.push(endpoint),
            None => groups.push(Group { address_type, ports, endpoints: vec![endpoint] }),
        }
    }
    if groups.is_empty() {
        let address_type = address_type(&service.spec.cluster_ip);
        groups.push(Group { address_type, ports: Vec::new(), endpoints: Vec::new() });
    }
    groups
}

fn address_type(address: &str) -> &'static str {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => "IPv6",
        Ok(IpAddr::V4(_)) | Err(_) => "IPv4",
    }
}

/// The Service's ports as this pod has them; a named port that the pod does not declare is left out.
pub(super) fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let port = |port: &ServicePort| {
        Some(EndpointPort {
            name: Some(port.name.clone()),
            protocol: Some(protocol(&port.protocol).to_owned()),
            port: Some(target_port(port, pod)?),
            app_protocol: Some(port.app_protocol.clone()).filter(|name| !name.is_empty()),
        })
    };
    service.spec.ports.iter().filter_map(port).collect()
}

fn target_port(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match (&port.target_port.as_u64(), port.target_port.as_str()) {
        (Some(0), _) | (None, None | Some("")) => Some(port.port),
        (Some(number), _) => u16::try_from(*number).ok(),
        (None, Some(name)) => {
            let sidecars =
                pod.spec.init_containers.iter().filter(|container| container.restart_policy.is_some());
            let mut declared =
                pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
            let wanted = protocol(&port.protocol);
            let named =
                declared.find(|declared| declared.name == name && protocol(&declared.protocol) == wanted);
            named.map(|declared| declared.container_port)
        }
    }
}

fn protocol(text: &str) -> &str {
    if text.is_empty() { "TCP" } else { text }
}

fn endpoint(service: &Object<Service>, pod: &Object<Pod>) -> Endpoint {
    let (serving, terminating) = (pod.is_ready(), pod.metadata.is_terminating());
    let ready = service.spec.publish_not_ready_addresses || serving && !terminating;
    Endpoint {
        addresses: vec![pod.status.pod_ip.clone()],
        conditions: EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        },
        hostname: hostname(service, pod),
        node_name: pod.spec.node_name.as_ref().map(ToString::to_string),
        target_ref: Some(target_ref(pod)),
    }
}

/// A pod has a name of its own within the Service that its subdomain names.
pub(super) fn hostname(service: &Object<Service>, pod: &Pod) -> Option<String> {
    (!pod.spec.hostname.is_empty() && *pod.spec.subdomain == *service.key.name)
        .then(|| pod.spec.hostname.clone())
}

/// The pod behind an endpoint.
pub(super) fn target_ref(pod: &Object<Pod>) -> TargetRef {
    TargetRef {
        kind: "Pod".into(),
        namespace: pod.key.namespace().into(),
        name: pod.key.name.clone(),
        uid: pod.metadata.uid.0.clone(),
    }
}
