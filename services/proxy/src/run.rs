//! Starts the proxy's parts and stops them in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;

use api::NodeName;
use bus::{Bus, BusError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use crate::config::{Config, DnsListen};
use crate::dns::{Dns, serve};
use crate::keeper::Keeper;
use crate::local_route::LocalRoute;
use crate::plane::listen::Ports;
use crate::plane::userspace::{Doors, Userspace};

/// Why the proxy cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The threads of the data plane did not start.
    #[error("failed to start the data plane")]
    Plane(#[source] io::Error),
    /// The route table cannot be followed.
    #[error("failed to follow the route table")]
    Follow(#[source] BusError),
}

/// Serves until `shutdown`. What cannot be listened on is logged and tried again; the rest works meanwhile.
pub async fn run(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    raise_file_limit();
    let route = match config.no_vip {
        true => LocalRoute::unwanted(),
        false => LocalRoute::ensure(config.service_cidr),
    };
    let doors = Doors { cluster_ips: route.usable, node_port_addresses: config.node_port_addresses.clone() };
    let workers = match config.workers {
        0 => available_parallelism().map_or(1, usize::from),
        chosen => chosen,
    };
    let ports = Ports::default();
    let plane = Arc::new(Userspace::start(doors, ports.clone(), workers).map_err(Error::Plane)?);
    let node = node_name(&config);
    info!(%node, workers, cluster_ips = route.usable, "proxy started");
    let keeper = Keeper::new(bus, node, Arc::clone(&plane));
    let answering = answer_dns(&config, &keeper, &ports);
    let outcome = shutdown.run_until_cancelled(keeper.run()).await;
    drop(answering);
    // Waits for the threads, whose connections may end first.
    let _ = tokio::task::spawn_blocking(move || drop(plane)).await;
    drop(route);
    info!("proxy stopped");
    outcome.unwrap_or(Ok(())).map_err(Error::Follow)
}

fn answer_dns(config: &Config, keeper: &Keeper<Userspace>, ports: &Ports) -> Vec<AbortOnDropHandle<()>> {
    let listening: Vec<SocketAddr> = config.dns_listen.iter().filter_map(DnsListen::address).collect();
    let upstreams = config.dns_upstream.clone();
    let (domain, range) = (&config.cluster_domain, config.service_cidr);
    let dns = Arc::new(Dns::new(keeper.table(), domain, range, upstreams, listening.clone()));
    let serve_at =
        |address| AbortOnDropHandle::new(tokio::spawn(serve(Arc::clone(&dns), address, ports.clone())));
    listening.into_iter().map(serve_at).collect()
}

fn node_name(config: &Config) -> NodeName {
    match config.node_name.is_empty() {
        false => NodeName::from(config.node_name.as_str()),
        true => {
            let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
            NodeName::from(host.unwrap_or_else(|| "localhost".to_owned()).to_ascii_lowercase())
        }
    }
}

/// A connection takes two files, and some hosts allow 1,024 unless asked.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
        true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
        false => Ok(()),
    });
    if let Err(error) = raised {
        debug!(%error, "limit of open files not raised");
    }
}
