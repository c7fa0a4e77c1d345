//! Finds or makes the network that pods join, and the node's own address on it.

use std::net::Ipv4Addr;

use bollard::models::{NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters as query;

use super::{DockerOptions, Filters, failed, ignore_missing, kind_of, wire};
use crate::runtime::{FailureKind, RuntimeError};

/// The network that pods join, as seen from this agent.
#[derive(Clone, Debug, Default)]
pub struct PodNetwork {
    /// Its name in the engine.
    pub name: String,
    /// The agent's own container, if it runs in one.
    pub own_container: Option<String>,
    /// The node's address on it: the agent's container's, or the gateway.
    pub node_address: Option<Ipv4Addr>,
    /// `agent-1`: what compose calls the agent's container, so that a node keeps its name when the container is made anew.
    pub compose_name: Option<String>,
    /// `10.96.0.0/12 via 172.18.0.5`, where pods need a route to the proxy.
    pub service_route: Option<String>,
}

impl PodNetwork {
    /// Finds or makes it.
    pub(super) async fn prepare(
        client: &bollard::Docker,
        options: &DockerOptions,
    ) -> Result<Self, RuntimeError> {
        let own = own_container(client).await;
        let name = match (&options.network, &own) {
            (Some(name), _) => name.clone(),
            (None, Some(own)) => own.first_network.clone(),
            (None, None) => format!("odeon-{}", options.cluster),
        };
        let network = find_or_create(client, &name, &options.cluster).await?;
        let own_address = own.as_ref().and_then(|own| own.address_on(&name));
        let node_address = own_address.or_else(|| gateway(&network));
        let service_route = own_address.map(|address| format!("{} via {address}", options.service_cidr));
        let (own_container, compose_name) = own.map(|own| (own.id, own.compose_name)).unzip();
        let compose_name = compose_name.flatten();
        Ok(Self { name, own_container, node_address, compose_name, service_route })
    }
}

/// Removes the cluster's networks.
pub(super) async fn remove_all(
    client: &bollard::Docker,
    cluster: &str,
    filters: Filters,
) -> Result<usize, RuntimeError> {
    let options = query::ListNetworksOptions { filters: Some(filters) };
    let networks = client
        .list_networks(Some(options))
        .await
        .map_err(|error| failed("list networks of cluster", cluster, error))?;
    let mut removed = 0;
    for name in networks.into_iter().filter_map(|network| network.name) {
        ignore_missing(client.remove_network(&name).await, "remove network", &name)?;
        removed += 1;
    }
    Ok(removed)
}

/// The agent's own container.
struct OwnContainer {
    id: String,
    compose_name: Option<String>,
    first_network: String,
    addresses: Vec<(String, Option<Ipv4Addr>)>,
}

impl OwnContainer {
    fn address_on(&self, network: &str) -> Option<Ipv4Addr> {
        self.addresses.iter().find(|(name, _)| name == network).and_then(|(_, address)| *address)
    }
}

/// A process in a container has its id as host name, unless told otherwise; `/.dockerenv` tells that it is one.
async fn own_container(client: &bollard::Docker) -> Option<OwnContainer> {
    if !std::path::Path::new("/.dockerenv").exists() {
        return None;
    }
    let hostname = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let found = client.inspect_container(&hostname, None::<query::InspectContainerOptions>).await.ok()?;
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut addresses: Vec<_> = networks
        .into_iter()
        .map(|(name, endpoint)| (name, endpoint.ip_address.and_then(|address| address.parse().ok())))
        .collect();
    addresses.sort();
    let first_network = addresses.first().map(|(name, _)| name.clone())?;
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let label = |name: &str| labels.get(&format!("com.docker.compose.{name}"));
    let compose_name = label("service")
        .zip(label("container-number"))
        .map(|(service, number)| format!("{service}-{number}"));
    Some(OwnContainer { id: found.id?, compose_name, first_network, addresses })
}

async fn find_or_create(
    client: &bollard::Docker,
    name: &str,
    cluster: &str,
) -> Result<NetworkInspect, RuntimeError> {
    let inspect = || client.inspect_network(name, None::<query::InspectNetworkOptions>);
    match inspect().await {
        Ok(found) => return Ok(found),
        Err(error) if kind_of(&error) == FailureKind::NotFound => {}
        Err(error) => return Err(failed("inspect network", name, error)),
    }
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some([wire::cluster_pair(cluster)].into()),
        ..Default::default()
    };
    match client.create_network(request).await {
        Ok(_) => {}
        Err(error) if kind_of(&error) == FailureKind::Conflict => {}
        Err(error) => return Err(failed("create network", name, error)),
    }
    inspect().await.map_err(|error| failed("inspect network", name, error))
}

fn gateway(network: &NetworkInspect) -> Option<Ipv4Addr> {
    let configs = network.ipam.as_ref()?.config.as_ref()?;
    configs.iter().find_map(|config| config.gateway.as_ref()?.split('/').next()?.parse().ok())
}
