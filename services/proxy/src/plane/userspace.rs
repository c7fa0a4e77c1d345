//! The data plane in user space: sockets shared by one runtime per core.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Plane;
use super::balancer::{Balancer, Endpoint};
use super::listen::{Claim, Ports};
use super::worker::{Bound, Order, Worker};
use crate::route::{Door, Frontend, Route, Target, Transport};

/// How long `apply` waits for connections that are being made to backends that left.
const SETTLE: Duration = Duration::from_millis(500);

/// What the plane shall open.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Cluster IPs can be listened on.
    pub cluster_ips: bool,
    /// Where node ports are opened; `0.0.0.0` is every address of the node.
    pub node_port_addresses: Vec<IpAddr>,
}

/// Sockets, balancers and the threads that serve them.
pub struct Userspace {
    doors: Doors,
    ports: Ports,
    open: Mutex<Open>,
    workers: Vec<Worker>,
}

type Open = BTreeMap<Frontend, Entry>;

/// One frontend.
struct Entry {
    target: Target,
    balancer: Arc<Balancer>,
    closed: CancellationToken,
    /// By address; a node port may have several.
    sockets: HashMap<SocketAddr, Socket>,
}

enum Socket {
    /// Served.
    Bound,
    /// Could not be opened, for this reason, which has been logged.
    Refused(Option<io::ErrorKind>),
}

impl Userspace {
    /// Starts `workers` threads.
    pub fn start(doors: Doors, ports: Ports, workers: usize) -> io::Result<Self> {
        let workers = (0..workers.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { doors, ports, open: Mutex::default(), workers })
    }

    fn perform(&self, open: &mut Open, route: Route) -> Vec<Arc<Endpoint>> {
        match route {
            Route::Listen { frontend, target } => {
                let left = match open.get(&frontend) {
                    Some(entry) if entry.target.owner == target.owner => Vec::new(),
                    Some(_) => self.close(open, &frontend),
                    None => Vec::new(),
                };
                match open.contains_key(&frontend) {
                    true => self.set(open, &frontend, target),
                    false => {
                        let mut entry = self.entry(&frontend, target);
                        self.bind(&frontend, &mut entry);
                        open.insert(frontend, entry);
                        left
                    }
                }
            }
            Route::Close { frontend, owner } => match open.get(&frontend) {
                Some(entry) if entry.target.owner == owner => self.close(open, &frontend),
                Some(_) | None => Vec::new(),
            },
            Route::SetBackends { frontend, target } => self.set(open, &frontend, target),
        }
    }

    fn set(&self, open: &mut Open, frontend: &Frontend, target: Target) -> Vec<Arc<Endpoint>> {
        let Some(entry) = open.get_mut(frontend) else { return Vec::new() };
        let left = entry.balancer.set(&target);
        entry.target = target;
        left
    }

    fn close(&self, open: &mut Open, frontend: &Frontend) -> Vec<Arc<Endpoint>> {
        let Some(entry) = open.remove(frontend) else { return Vec::new() };
        entry.closed.cancel();
        if !open.values().any(|other| other.target.owner == entry.target.owner) {
            entry.balancer.metrics.forget();
        }
        // A connection that a worker accepts before it learns of the end finds nobody.
        entry.balancer.set(&Target { backends: Vec::new(), ..entry.target })
    }

    fn entry(&self, frontend: &Frontend, target: Target) -> Entry {
        let addresses = match frontend.door {
            Door::ClusterIp(_) if !self.doors.cluster_ips => Vec::new(),
            Door::ClusterIp(address) => vec![address],
            Door::NodePort(port) => {
                self.doors.node_port_addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
            }
        };
        Entry {
            balancer: Arc::new(Balancer::new(&target)),
            target,
            closed: CancellationToken::new(),
            sockets: addresses.into_iter().map(|address| (address, Socket::Refused(None))).collect(),
        }
    }

    /// Opens what is not open yet.
    fn bind(&self, frontend: &Frontend, entry: &mut Entry) {
        for (address, socket) in &mut entry.sockets {
            let Socket::Refused(known) = socket else { continue };
            match self.open_sockets(frontend.transport, *address) {
                Ok((bound, claim)) => {
                    let claim = Arc::new(claim);
                    for (worker, bound) in self.workers.iter().zip(bound) {
                        let (balancer, closed) = (Arc::clone(&entry.balancer), entry.closed.clone());
                        worker.give(Order { socket: bound, balancer, closed, claim: Arc::clone(&claim) });
                    }
                    if known.is_some() {
                        info!(%frontend, %address, service = %entry.target.owner, "listening at last");
                    }
                    *socket = Socket::Bound;
                }
                Err(error) => {
                    if *known != Some(error.kind()) {
                        complain(frontend, *address, entry.target.owner.to_string(), &error);
                    }
                    *socket = Socket::Refused(Some(error.kind()));
                }
            }
        }
    }

    fn open_sockets(&self, transport: Transport, address: SocketAddr) -> io::Result<(Vec<Bound>, Claim)> {
        let count = self.workers.len();
        match transport {
            Transport::Tcp => {
                let (listeners, claim) = self.ports.tcp(address, count)?;
                Ok((listeners.into_iter().map(Bound::Tcp).collect(), claim))
            }
            Transport::Udp => {
                let (sockets, claim) = self.ports.udp(address, count)?;
                Ok((sockets.into_iter().map(Bound::Udp).collect(), claim))
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plane for Userspace {
    async fn apply(&self, routes: Vec<Route>) {
        let mut left = Vec::new();
        {
            let mut open = self.open();
            for route in routes {
                left.append(&mut self.perform(&mut open, route));
            }
        }
        let settled = async {
            while left.iter().any(|endpoint| endpoint.connecting()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(SETTLE, settled).await;
    }

    fn retry(&self) -> usize {
        let mut open = self.open();
        let mut refused = 0;
        for (frontend, entry) in open.iter_mut() {
            self.bind(frontend, entry);
            refused += entry.sockets.values().filter(|socket| matches!(socket, Socket::Refused(_))).count();
        }
        refused
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        self.open().values().for_each(|entry| entry.closed.cancel());
        self.workers.iter_mut().for_each(Worker::dismiss);
    }
}

/// Says what does not work, for whom, and what to do.
fn complain(frontend: &Frontend, address: SocketAddr, service: String, error: &io::Error) {
    let advice = match (error.kind(), frontend.door) {
        (io::ErrorKind::AddrInUse, Door::ClusterIp(_)) => {
            "another process listens on this port; if it is the proxy of another cluster on this host, \
             give one of them another range with --service-cidr"
        }
        (io::ErrorKind::AddrInUse, Door::NodePort(_)) => {
            "another process listens on this port; stop it, or give the Service another nodePort"
        }
        (io::ErrorKind::AddrNotAvailable, _) => "the address is not local to this host",
        (io::ErrorKind::PermissionDenied, _) => "ports below 1024 need the capability NET_BIND_SERVICE",
        _ => "it is tried again every 10 s",
    };
    warn!(%frontend, %address, %service, %error, advice, "not listening");
}
