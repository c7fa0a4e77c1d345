//! Why the bus failed, said so that whoever reads it knows what to do.

use crate::codec::CodecError;

/// What a caller of the bus gets when it fails.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nothing answers at any of the addresses.
    #[error(
        "no NATS server answers at {servers}: start one (`odeon up` brings its own; or `nats-server -c nats/single.conf`) or give its address with --nats"
    )]
    Unreachable {
        /// The addresses that were tried.
        servers: String,
        /// What the last attempt said.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The server knows neither the user nor the password.
    #[error("the NATS server at {servers} refuses {user}: check --nats-user and the password")]
    Denied {
        /// The addresses that were tried.
        servers: String,
        /// Who tried.
        user: String,
        /// What the server said.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The server is from before atomic batches.
    #[error("the NATS server at {servers} is version {version}, Odeon needs {needed} or newer")]
    TooOld {
        /// Its address.
        servers: String,
        /// Its version.
        version: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// The server runs without JetStream, or this user may not use it.
    #[error(
        "the NATS server has no JetStream for this user: start it with `jetstream {{ store_dir: … }}` in its configuration, and connect as the control user"
    )]
    NoJetStream {
        /// What the server said.
        #[source]
        source: Cause,
    },
    /// Bucket and streams were laid out by a newer Odeon.
    #[error(
        "stream `{stream}` has layout version {found}, this Odeon knows only up to {known}: upgrade this binary"
    )]
    TooNew {
        /// Which stream.
        stream: String,
        /// Its version.
        found: u32,
        /// The newest that this binary knows.
        known: u32,
    },
    /// Bucket and streams are not there.
    #[error(
        "stream `{stream}` does not exist: start a control plane (`odeon up` or `odeon controller`) first"
    )]
    NotProvisioned {
        /// Which stream.
        stream: String,
    },
    /// Creating or updating a stream failed.
    #[error("failed to lay out stream `{stream}`")]
    Provision {
        /// Which stream.
        stream: String,
        /// What the server said.
        #[source]
        source: Cause,
    },
    /// Reading a stream failed.
    #[error("failed to read stream `{stream}`")]
    Read {
        /// Which stream.
        stream: String,
        /// What the server said.
        #[source]
        source: Cause,
    },
    /// Listening failed.
    #[error("failed to subscribe to `{subject}`")]
    Subscribe {
        /// What to.
        subject: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// Sending failed.
    #[error("failed to publish to `{subject}`")]
    Publish {
        /// Where to.
        subject: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// Work that is to run apart has no thread.
    #[error("failed to start a thread")]
    Thread(#[source] std::io::Error),
    /// A message does not fit the wire.
    #[error("failed to encode or decode a message of `{subject}`")]
    Codec {
        /// Whose message.
        subject: String,
        /// Why.
        #[source]
        source: CodecError,
    },
}

/// What the client library or the server said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl BusError {
    pub(crate) fn read(stream: &str, source: impl Into<Cause>) -> Self {
        Self::Read { stream: stream.to_owned(), source: source.into() }
    }

    pub(crate) fn provision(stream: &str, source: impl Into<Cause>) -> Self {
        Self::Provision { stream: stream.to_owned(), source: source.into() }
    }

    pub(crate) fn publish(subject: &str, source: impl Into<Cause>) -> Self {
        Self::Publish { subject: subject.to_owned(), source: source.into() }
    }

    pub(crate) fn subscribe(subject: &str, source: impl Into<Cause>) -> Self {
        Self::Subscribe { subject: subject.to_owned(), source: source.into() }
    }

    pub(crate) fn codec(subject: &str, source: CodecError) -> Self {
        Self::Codec { subject: subject.to_owned(), source }
    }
}
