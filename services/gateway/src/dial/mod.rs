//! Connections from the gateway into the cluster: to pods through their agents, to Services through their endpoints.
//!
//! A gateway need not share a network with pods. Whatever it has to say to one of them (webhooks, aggregated APIs,
//! `proxy`, `port-forward`) goes over the bus to the agent that runs the pod.

mod http;
mod kept;
mod place;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::messages::PortForwardRequest;
use api::views::{EndpointSlice, Pod, Service};
use api::{ObjectKey, Resource};
use bus::{Bus, ByteStream, RequestError, Stored, View};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use {
    place::{Place, Port, ServicePort},
    tls::{Identity, Roots, Trust},
};

use crate::subresources::target::Target;

/// How long an address may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A port of a pod.
    Pod {
        /// The pod.
        pod: Target,
        /// The port, in the pod.
        port: u16,
    },
    /// A ready endpoint of a Service.
    Service(ServicePort),
    /// An address outside of the cluster.
    Address {
        /// A host's name or address.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A connection that bytes go through.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

/// Why nobody could be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There is no such Service.
    #[error("service \"{0}\" not found")]
    NoService(String),
    /// The Service has no such port.
    #[error("no service port {port} found for service \"{service}\"")]
    NoPort {
        /// The Service's name.
        service: String,
        /// The port's number.
        port: u16,
    },
    /// Nobody is ready to serve.
    #[error("no endpoints available for service \"{0}\"")]
    NoEndpoints(String),
    /// The pod's agent did not connect.
    #[error("failed to connect to port {port} of pod \"{pod}\" on node \"{node}\"")]
    Pod {
        /// The pod's name.
        pod: String,
        /// The port.
        port: u16,
        /// Its node.
        node: Arc<str>,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// An address does not accept.
    #[error("dial tcp {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The settings for TLS make no sense.
    #[error("failed to configure TLS for \"{server}\": {why}")]
    Settings {
        /// The server's name.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// The server is not whom it should be, or does not speak TLS.
    #[error("tls: failed to verify \"{server}\"")]
    Tls {
        /// The name it should have.
        server: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not speak HTTP.
    #[error("failed to exchange HTTP messages")]
    Http(#[source] hyper::Error),
    /// It says too much.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It took too long.
    #[error("context deadline exceeded")]
    TimedOut(Duration),
}

impl DialError {
    /// The error with everything that led to it, as one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            cause = error.source();
        }
        text
    }
}

/// Opens connections. One for a gateway.
pub struct Dialer {
    bus: Bus,
    view: Arc<View>,
    /// Endpoints take turns.
    turn: AtomicUsize,
    kept: kept::Kept,
}

impl Dialer {
    /// Connects over this bus to what this view shows.
    pub fn new(bus: Bus, view: Arc<View>) -> Self {
        Self { bus, view, turn: AtomicUsize::new(0), kept: kept::Kept::default() }
    }

    /// The bytes of a connection to a pod's port, made by its agent; pods on the node's own network are included.
    ///
    /// # Errors
    /// The agent does not answer, does not have the pod, or the port does not accept.
    pub async fn pod(&self, pod: &Target, port: u16) -> Result<ByteStream, RequestError> {
        let request = PortForwardRequest {
            namespace: pod.namespace.clone(),
            pod: pod.pod.clone(),
            uid: pod.uid.clone(),
            port,
        };
        self.bus.open_stream(&pod.subject("portforward"), &request).await
    }

    /// A connection to whatever it is.
    ///
    /// # Errors
    /// There is nobody there, or nobody answers.
    pub async fn connect(&self, to: &Destination) -> Result<Box<dyn Connection>, DialError> {
        match to {
            Destination::Pod { pod, port } => {
                let failed = |source| DialError::Pod {
                    pod: pod.pod.clone(),
                    port: *port,
                    node: Arc::clone(&pod.node),
                    source,
                };
                Ok(Box::new(self.pod(pod, *port).await.map_err(failed)?.into_io()))
            }
            Destination::Service(service) => {
                let place = self.resolve(service)?;
                Box::pin(self.connect(&place)).await
            }
            Destination::Address { host, port } => Ok(Box::new(connect_outside(host, *port).await?)),
        }
    }

    /// A ready endpoint of a Service, another one every time.
    ///
    /// # Errors
    /// There is no such Service, it has no such port, or nobody is ready.
    pub fn resolve(&self, service: &ServicePort) -> Result<Destination, DialError> {
        let name = || service.name.clone();
        let key = ObjectKey::namespaced(Service::ID, &service.namespace, &service.name);
        let (found, slices) = {
            let reader = self.view.read();
            let labels = [(Arc::from(place::SERVICE_NAME), Arc::from(service.name.as_str()))].into();
            let slices = reader.labelled(EndpointSlice::ID, &service.namespace, &labels);
            (reader.get(&key).cloned(), slices.cloned().collect::<Vec<_>>())
        };
        let found = found.ok_or_else(|| DialError::NoService(name()))?;
        let slices: Vec<_> = slices.iter().map(|slice| slice.object::<EndpointSlice>()).collect();
        let places =
            place::of(&found.object::<Service>().spec, slices.iter().map(|slice| &slice.body), service)?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let turns = (0..places.len()).map(|step| first.wrapping_add(step) % places.len());
        let mut in_turn = turns.filter_map(|turn| places.get(turn));
        in_turn.find_map(|place| self.destination(place)).ok_or_else(|| DialError::NoEndpoints(name()))
    }

    /// Where a place is now; `None` when its pod is gone.
    fn destination(&self, place: &Place) -> Option<Destination> {
        match place {
            Place::Address { host, port } => Some(Destination::Address { host: host.clone(), port: *port }),
            Place::Pod { namespace, name, uid, port } => {
                let pod: Arc<Stored> = self.view.get(&ObjectKey::namespaced(Pod::ID, namespace, name))?;
                let same = uid.is_empty() || pod.metadata.uid.as_str() == &**uid;
                let node = pod.object::<Pod>().spec.node_name.clone().filter(|_| same)?;
                let pod = Target {
                    namespace: namespace.to_string(),
                    pod: name.to_string(),
                    uid: pod.metadata.uid.clone(),
                    node: node.as_str().into(),
                };
                Some(Destination::Pod { pod, port: *port })
            }
        }
    }
}

async fn connect_outside(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let failed = |source| DialError::Connect { address: format!("{host}:{port}"), source };
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((host, port)));
    let stream =
        connecting.await.map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?.map_err(failed)?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
