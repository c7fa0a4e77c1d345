//! Everything between processes: objects in the bucket, views of it, messages, byte streams, the journal and leases, over NATS.

mod codec;
mod connection;
mod error;
mod express;
mod intern;
mod journal;
mod leases;
mod messages;
mod metrics;
mod provision;
mod store;
mod stored;
mod stream;
mod subject;
mod tail;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod view;

pub use codec::{CodecError, decode, encode};
pub use connection::{Bus, BusConfig};
pub use error::BusError;
pub use express::Express;
pub use journal::{Journal, JournalFilter};
pub use leases::{Holder, Lease, Leases};
pub use messages::{Delivery, Reply, RequestError, Subscription};
pub use provision::Layout;
pub use store::{ChangeTo, Expect, Mutation, Store, Turn, WriteError};
pub use stored::Stored;
pub use stream::{ByteStream, Incoming, StreamClosed, StreamIo, StreamReceiver, StreamSender};
pub use subject::token;
pub use view::{Change, ChangeKind, Changes, Expired, Reader, View};
