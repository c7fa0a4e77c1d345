//! Everything between processes: objects in the bucket, views of it, messages, byte streams, the journal and leases, over NATS.

mod codec;
mod intern;
mod journal;
mod leases;
mod messages;
mod store;
mod stored;
mod stream;
mod subject;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod view;

use std::sync::Arc;
use std::time::Duration;

pub use codec::{CodecError, decode, encode};
pub use journal::{Journal, JournalFilter};
pub use leases::{Holder, Lease, Leases};
pub use messages::{Delivery, Reply, RequestError, Subscription};
pub use store::{ChangeTo, Expect, Mutation, Store, WriteError};
pub use stored::Stored;
pub use stream::{ByteStream, Incoming, StreamClosed, StreamReceiver, StreamSender};
pub use subject::token;
pub use view::{Change, ChangeKind, Changes, Expired, Reader, View};

/// Where the bus is and who connects.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// Addresses: `nats://127.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The connection's name, for people.
    pub name: String,
    /// User and password.
    pub user: Option<(String, String)>,
    /// How long to try.
    pub connect_timeout: Duration,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            name: "odeon".to_owned(),
            user: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// How durable state is laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Copies of the bucket and the journal.
    pub replicas: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { replicas: 1 }
    }
}

/// The bus failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Not built yet.
    #[error("not available yet")]
    Skeleton,
    /// A message does not fit the wire.
    #[error("failed to encode a message for `{subject}`")]
    Codec {
        /// Where to.
        subject: String,
        /// Why.
        #[source]
        source: CodecError,
    },
}

/// A connection to the bus. Cheap to clone.
#[derive(Clone)]
pub struct Bus {}

impl Bus {
    /// Connects.
    pub async fn connect(_config: BusConfig) -> Result<Self, BusError> {
        Err(BusError::Skeleton)
    }
    /// Creates or updates bucket, journal and leases.
    pub async fn provision(&self, _layout: Layout) -> Result<(), BusError> {
        Err(BusError::Skeleton)
    }
    /// Writes objects.
    pub fn store(&self) -> Store {
        Store { bus: self.clone() }
    }
    /// The process's view.
    pub async fn view(&self) -> Result<Arc<View>, BusError> {
        Err(BusError::Skeleton)
    }
    /// The journal.
    pub fn journal(&self) -> Journal {
        Journal { bus: self.clone() }
    }
    /// Leases.
    pub fn leases(&self) -> Leases {
        Leases { bus: self.clone() }
    }
    /// Whether the server is reachable.
    pub fn connected(&self) -> tokio::sync::watch::Receiver<bool> {
        tokio::sync::watch::Sender::new(false).subscribe()
    }
}
