//! Opens the runtime before the bus is needed, so that a missing engine is told at once and the proxy knows the node's address.

use std::net::{IpAddr, Ipv4Addr};

use bus::Bus;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, RuntimeKind};
use crate::run::{Error, perform};
use crate::runtime::docker::{DockerEngine, DockerOptions};
use crate::runtime::hollow::Hollow;

/// A node whose runtime answers.
pub struct Prepared {
    config: Config,
    runtime: Opened,
}

enum Opened {
    Docker(Box<DockerEngine>),
    Hollow(Hollow),
}

/// Connects to the runtime, and makes the pod network and the sandbox's image where they are missing.
///
/// # Errors
/// The engine does not answer or refuses; the message says what to do.
pub async fn prepare(mut config: Config) -> Result<Prepared, Error> {
    if config.runtime == RuntimeKind::Hollow {
        let runtime = Opened::Hollow(Hollow::new(config.hollow.clone()));
        return Ok(Prepared { config, runtime });
    }
    let options = DockerOptions {
        cluster: config.cluster.clone(),
        network: config.pod_network.clone(),
        service_cidr: config.service_cidr.clone(),
        sandbox_binary: config.sandbox_binary.clone(),
    };
    let engine = DockerEngine::open(&options).await.map_err(Error::Runtime)?;
    config.node_name = config.node_name.or_else(|| engine.network().compose_name.clone());
    Ok(Prepared { config, runtime: Opened::Docker(Box::new(engine)) })
}

impl Prepared {
    /// The node's name; of many hollow nodes, what their names begin with.
    pub fn node_name(&self) -> String {
        self.config.name()
    }

    /// The node's address on the pod network. `None` for hollow nodes, which have no network.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.runtime {
            Opened::Docker(engine) => {
                let known = self.config.node_ip.or(engine.network().node_address.map(IpAddr::V4));
                Some(known.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
            }
            Opened::Hollow(_) => None,
        }
    }

    /// The range of Services' addresses.
    pub fn service_cidr(&self) -> &str {
        &self.config.service_cidr
    }

    /// Performs the node, or the hollow nodes, until `shutdown` is cancelled.
    pub async fn run(self, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
        let names = self.config.node_names();
        match self.runtime {
            Opened::Docker(engine) => perform(*engine, names, self.config, bus, shutdown).await,
            Opened::Hollow(hollow) => perform(hollow, names, self.config, bus, shutdown).await,
        }
    }
}
