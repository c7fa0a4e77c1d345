//! The connection to the server, and everything that hangs on it once per process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::journal::Cause;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, jetstream};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::error::BusError;
use crate::journal::{Journal, JournalWriter};
use crate::leases::{Leases, Sightings};
use crate::metrics;
use crate::provision::{Layout, OLDEST_SERVER_TEXT, provision};
use crate::store::{Store, Writer};
use crate::subject::token;
use crate::view::{Following, View, follow};

/// The oldest server with atomic batches.
const OLDEST_SERVER: (u32, u32) = (2, 12);
/// A dead connection is noticed within two of these.
const PING_EVERY: Duration = Duration::from_secs(3);
/// How long to wait for the server to confirm a subscription; without a connection it is made up for later.
const SETTLE: Duration = Duration::from_secs(2);
/// Messages that one subscription may be behind; more, and it loses some (views notice and read again).
const SUBSCRIPTION_CAPACITY: usize = 1 << 18;

/// Where the bus is and who connects.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// Addresses: `nats://127.0.0.1:4222`. Any of a cluster's will do.
    pub servers: Vec<String>,
    /// The connection's name, for people: `controller-a`.
    pub name: String,
    /// User and password.
    pub user: Option<(String, String)>,
    /// How long the first connection may take.
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

/// A connection to the bus. Cheap to clone; the connection lives as long as the last clone.
#[derive(Clone)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
    /// Sent along with every message.
    pub(crate) cause: Option<Cause>,
}

/// What exists once per connection.
pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) config: BusConfig,
    pub(crate) connected: watch::Receiver<bool>,
    /// The connection is about to end because we want it to.
    closing: Arc<AtomicBool>,
    pub(crate) sightings: Sightings,
    /// The process's one view, with the task that keeps it; shared with the writer.
    view: Arc<OnceCell<Following>>,
    writer: Writer,
    journal: JournalWriter,
}

impl Bus {
    /// Connects to the first server that answers.
    pub async fn connect(config: BusConfig) -> Result<Self, BusError> {
        let (connected, receiver) = watch::channel(false);
        let closing = Arc::new(AtomicBool::new(false));
        let client =
            options(&config, connected, Arc::clone(&closing)).connect(config.servers.as_slice()).await;
        let client = client.map_err(|source| connect_error(&config, source))?;
        check_version(&config, &client.server_info().version)?;
        let jetstream = jetstream::new(client.clone());
        let view = Arc::new(OnceCell::new());
        let writer = Writer::start(client.clone(), jetstream.clone(), Arc::clone(&view), receiver.clone());
        let journal = JournalWriter::start(client.clone(), jetstream.clone(), receiver.clone());
        let sightings = Sightings::default();
        let inner = Inner {
            client,
            jetstream,
            config,
            connected: receiver,
            closing,
            sightings,
            view,
            writer,
            journal,
        };
        Ok(Self { inner: Arc::new(inner), cause: None })
    }

    /// Creates the bucket, the journal and the leases, or brings them up to date. Safe to repeat, also by many at once.
    pub async fn provision(&self, layout: Layout) -> Result<(), BusError> {
        provision(&self.inner.jetstream, &layout).await
    }

    /// Writes to the bucket.
    pub fn store(&self) -> Store {
        Store { writer: self.inner.writer.clone(), _bus: Arc::clone(&self.inner) }
    }

    /// The process's one view. The first call builds it and returns once it holds everything that was in the bucket at that
    /// time; later calls return the same view at once.
    pub async fn view(&self) -> Result<Arc<View>, BusError> {
        let connected = self.inner.connected.clone();
        let following =
            self.inner.view.get_or_try_init(|| follow(self.inner.jetstream.clone(), connected)).await?;
        Ok(Arc::clone(&following.view))
    }

    /// The journal of decisions.
    pub fn journal(&self) -> Journal {
        Journal { writer: self.inner.journal.clone(), bus: Arc::clone(&self.inner) }
    }

    /// What only one process may do at a time.
    pub fn leases(&self) -> Leases {
        Leases { bus: Arc::clone(&self.inner) }
    }

    /// Whether the server is reachable right now.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.inner.connected.clone()
    }

    /// The same bus, whose messages say that `cause` led to them.
    pub fn because(&self, cause: Cause) -> Self {
        Self { inner: Arc::clone(&self.inner), cause: Some(cause) }
    }

    /// Sends what is still waiting and closes the connection, before the process ends. Nothing works afterwards.
    pub async fn close(&self) {
        self.flush().await;
        self.inner.closing.store(true, Ordering::Relaxed);
        if let Err(error) = self.inner.client.drain().await {
            warn!(%error, "the connection to the bus did not close in order");
        }
    }

    /// Sends what is still waiting (journal entries, messages).
    pub async fn flush(&self) {
        self.inner.journal.flush().await;
        if let Err(error) = self.inner.client.flush().await {
            warn!(%error, "messages may be lost");
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bus({})", self.inner.config.servers.join(","))
    }
}

impl Inner {
    /// Returns when the server has taken in everything that this connection sent before: a message to ourselves has come back.
    pub(crate) async fn settled(&self) -> Result<(), BusError> {
        let inbox = self.client.new_inbox();
        let there_and_back = async {
            let mut messages = self.client.subscribe(inbox.clone()).await?;
            self.client.publish(inbox.clone(), Bytes::new()).await?;
            messages.next().await;
            Ok::<(), crate::error::Cause>(())
        };
        match timeout(SETTLE, there_and_back).await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(BusError::subscribe(&inbox, error)),
        }
    }
}

/// Returns when the connection is there, or is lost.
pub(crate) async fn becomes(connected: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = connected.wait_for(|is| *is == wanted).await;
}

/// What a connection's events are held against.
struct Standing {
    connected: watch::Sender<bool>,
    /// It was never connected before.
    is_first: AtomicBool,
    closing: Arc<AtomicBool>,
}

fn options(config: &BusConfig, connected: watch::Sender<bool>, closing: Arc<AtomicBool>) -> ConnectOptions {
    let standing = Arc::new(Standing { connected, is_first: AtomicBool::new(true), closing });
    let options = ConnectOptions::new()
        .name(&config.name)
        .connection_timeout(config.connect_timeout)
        .ping_interval(PING_EVERY)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .reconnect_delay_callback(|attempts| {
            let attempts = u64::try_from(attempts).unwrap_or(u64::MAX);
            Duration::from_millis(attempts.saturating_mul(20).min(500))
        })
        .event_callback(move |event| {
            let standing = Arc::clone(&standing);
            async move { standing.note(&event) }
        });
    match &config.user {
        // Permissions can then keep users from listening to answers (and views) that are meant for others.
        Some((user, password)) => options
            .custom_inbox_prefix(format!("_INBOX_{}", token(user)))
            .user_and_password(user.clone(), password.clone()),
        None => options,
    }
}

impl Standing {
    /// Keeps `connected` and the logs up to date.
    fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                if !self.is_first.swap(false, Ordering::Relaxed) {
                    metrics::reconnected();
                    info!("connected to the bus");
                }
                self.connected.send_replace(true);
            }
            Event::Disconnected | Event::Closed => {
                if self.connected.send_replace(false) && !self.closing.load(Ordering::Relaxed) {
                    warn!("the connection to the bus is lost");
                }
            }
            Event::SlowConsumer(subscription) => {
                warn!(subscription, "a subscription is too slow, messages are lost")
            }
            Event::ServerError(error) => warn!(%error, "the bus reports an error"),
            Event::ClientError(error) => warn!(%error, "the connection to the bus has an error"),
            Event::LameDuckMode => info!("the server is about to stop, moving to another"),
            Event::Draining => {}
        }
    }
}

fn connect_error(config: &BusConfig, source: async_nats::ConnectError) -> BusError {
    let servers = config.servers.join(", ");
    match source.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            let user = config.user.as_ref().map_or("a connection without user", |(user, _)| user.as_str());
            BusError::Denied { servers, user: user.to_owned(), source }
        }
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => BusError::Unreachable { servers, source },
    }
}

fn check_version(config: &BusConfig, version: &str) -> Result<(), BusError> {
    match parse_version(version) {
        Some(found) if found < OLDEST_SERVER => Err(BusError::TooOld {
            servers: config.servers.join(", "),
            version: version.to_owned(),
            needed: OLDEST_SERVER_TEXT,
        }),
        Some(_) | None => Ok(()),
    }
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused_by_name() {
        let text =
            |version| check_version(&BusConfig::default(), version).err().map(|error| error.to_string());
        expect_test::expect![
            "the NATS server at nats://127.0.0.1:4222 is version 2.9.22, Odeon needs 2.12 or newer"
        ]
        .assert_eq(&text("2.9.22").unwrap());
        assert!(text("2.12.0").is_none() && text("2.15.1-RC.1").is_none() && text("3.0.0").is_none());
    }
}
