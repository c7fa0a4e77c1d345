//! Lays out the bucket, the journal and the leases; repeats and upgrades in place.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use tracing::{info, warn};

use crate::error::BusError;
use crate::subject::STATE_PREFIX;

/// For messages to people.
pub(crate) const OLDEST_SERVER_TEXT: &str = "2.12";
/// The bucket's stream.
pub(crate) const STATE_STREAM: &str = "KV_odeon";
/// The journal's stream.
pub(crate) const JOURNAL_STREAM: &str = "ODEON_JOURNAL";
/// The leases' stream, a bucket too.
pub(crate) const LEASE_STREAM: &str = "KV_odeon-leases";
/// What the leases' subjects begin with.
pub(crate) const LEASE_PREFIX: &str = "$KV.odeon-leases.";
/// What the journal's subjects begin with.
pub(crate) const JOURNAL_PREFIX: &str = "odeon.journal.";
/// The largest object that the bucket takes.
pub(crate) const LARGEST_OBJECT: usize = 3 << 19;
/// Room for headers beside the object.
const HEADER_ROOM: usize = 4 << 10;

/// Grows with every change of what `streams` returns; a stream with a greater number is from a newer Odeon.
const VERSION: u32 = 1;
/// Where a stream's metadata has the number.
const VERSION_KEY: &str = "odeon.layout";

/// How durable state is laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Copies of the bucket and the journal: 1, or 3 in a cluster of three servers.
    pub replicas: usize,
    /// How long a watch may resume: deletions are remembered so long.
    pub watch_window: Duration,
    /// How long journal entries are kept.
    pub journal_age: Duration,
    /// How many bytes of journal are kept.
    pub journal_bytes: i64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            replicas: 1,
            watch_window: Duration::from_secs(24 * 3600),
            journal_age: Duration::from_secs(7 * 24 * 3600),
            journal_bytes: 512 << 20,
        }
    }
}

/// Creates or updates all three streams.
pub(crate) async fn provision(context: &Context, layout: &Layout) -> Result<(), BusError> {
    context.query_account().await.map_err(|source| BusError::NoJetStream { source: source.into() })?;
    for config in streams(layout) {
        ensure(context, config).await?;
    }
    Ok(())
}

/// Creates the lease bucket again: it lives in memory and does not survive its server.
pub(crate) async fn provision_leases(context: &Context) -> Result<(), BusError> {
    let replicas = match context.get_stream(STATE_STREAM).await {
        Ok(stream) => stream.cached_info().config.num_replicas,
        Err(_unknown) => 1,
    };
    ensure(context, leases(&Layout { replicas, ..Layout::default() })).await
}

fn streams(layout: &Layout) -> [Config; 3] {
    [state(layout), journal(layout), leases(layout)]
}

/// One message per object. Without limits that would make an object disappear; a full disk refuses writes.
fn state(layout: &Layout) -> Config {
    Config {
        name: STATE_STREAM.to_owned(),
        description: Some("Odeon's objects; the stream's sequence is the resourceVersion".to_owned()),
        subjects: vec![format!("{STATE_PREFIX}>")],
        max_messages_per_subject: 1,
        max_message_size: i32::try_from(LARGEST_OBJECT + HEADER_ROOM).unwrap_or(i32::MAX),
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: layout.replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        max_bytes: -1,
        max_messages: -1,
        metadata: metadata(layout),
        ..Config::default()
    }
}

/// A single server takes entries without a flush each: what a power cut takes of the journal is history, not state, and it must not
/// stand in the way of the bucket's own flushes. NATS offers that neither for replicated streams nor together with atomic batches;
/// a cluster therefore gets entries in batches.
fn journal(layout: &Layout) -> Config {
    let is_single = layout.replicas == 1;
    Config {
        name: JOURNAL_STREAM.to_owned(),
        description: Some("Every decision with its cause".to_owned()),
        subjects: vec![format!("{JOURNAL_PREFIX}>")],
        max_age: layout.journal_age,
        max_bytes: layout.journal_bytes,
        max_messages: -1,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: layout.replicas,
        allow_direct: true,
        persist_mode: is_single.then_some(PersistenceMode::Async),
        allow_atomic_publish: !is_single,
        metadata: metadata(layout),
        ..Config::default()
    }
}

fn leases(layout: &Layout) -> Config {
    Config {
        name: LEASE_STREAM.to_owned(),
        description: Some("Who may do what only one may do".to_owned()),
        subjects: vec![format!("{LEASE_PREFIX}>")],
        max_messages_per_subject: 1,
        max_bytes: 8 << 20,
        max_messages: -1,
        discard: DiscardPolicy::New,
        storage: StorageType::Memory,
        num_replicas: layout.replicas,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        metadata: metadata(layout),
        ..Config::default()
    }
}

fn metadata(layout: &Layout) -> HashMap<String, String> {
    HashMap::from([
        (VERSION_KEY.to_owned(), VERSION.to_string()),
        ("odeon.watch-window".to_owned(), layout.watch_window.as_secs().to_string()),
    ])
}

/// The window that the bucket was laid out with.
pub(crate) fn watch_window(config: &Config) -> Duration {
    let seconds = config.metadata.get("odeon.watch-window").and_then(|text| text.parse().ok());
    seconds.map_or(Layout::default().watch_window, Duration::from_secs)
}

async fn ensure(context: &Context, wanted: Config) -> Result<(), BusError> {
    let name = wanted.name.clone();
    match context.get_stream(&name).await {
        Ok(stream) => update(context, &stream.cached_info().config, wanted).await,
        Err(error) if is_missing(&error.kind()) => match context.create_stream(wanted.clone()).await {
            Ok(_) => {
                info!(stream = name, replicas = wanted.num_replicas, "stream created");
                Ok(())
            }
            Err(error) if already_there(&error.kind()) => Ok(()),
            Err(error) => Err(BusError::provision(&name, error)),
        },
        Err(error) => Err(BusError::provision(&name, error)),
    }
}

async fn update(context: &Context, found: &Config, wanted: Config) -> Result<(), BusError> {
    let version = found.metadata.get(VERSION_KEY).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    if version > VERSION {
        return Err(BusError::TooNew { stream: wanted.name, found: version, known: VERSION });
    }
    if is_current(found, &wanted) {
        return Ok(());
    }
    let name = wanted.name.clone();
    match context.update_stream(merged(found, wanted)).await {
        Ok(_) => {
            info!(stream = name, "stream updated");
            Ok(())
        }
        Err(error) if version == VERSION => {
            warn!(stream = name, %error, "the stream works but differs from what was asked for");
            Ok(())
        }
        Err(error) => Err(BusError::provision(&name, error)),
    }
}

/// What we decide about a stream; what the server or an operator adds (placement, compression, …) stays.
fn merged(found: &Config, wanted: Config) -> Config {
    let mut metadata = found.metadata.clone();
    metadata.retain(|key, _| !key.starts_with("_nats."));
    metadata.extend(wanted.metadata);
    Config {
        description: wanted.description,
        subjects: wanted.subjects,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_message_size: wanted.max_message_size,
        max_age: wanted.max_age,
        max_bytes: wanted.max_bytes,
        max_messages: wanted.max_messages,
        discard: wanted.discard,
        num_replicas: wanted.num_replicas,
        allow_rollup: wanted.allow_rollup,
        allow_direct: wanted.allow_direct,
        allow_message_ttl: wanted.allow_message_ttl,
        // How a stream persists stays as it was created, and so does what depends on it.
        allow_atomic_publish: found.allow_atomic_publish,
        metadata,
        ..found.clone()
    }
}

fn is_current(found: &Config, wanted: &Config) -> bool {
    let metadata = wanted.metadata.iter().all(|(key, value)| found.metadata.get(key) == Some(value));
    metadata
        && found.num_replicas == wanted.num_replicas
        && found.subjects == wanted.subjects
        && found.max_age == wanted.max_age
        && found.max_bytes == wanted.max_bytes
}

pub(crate) fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// Another process was faster.
fn already_there(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_keeps_what_operators_added() {
        let layout = Layout::default();
        let mut found = state(&layout);
        found.duplicate_window = Duration::from_secs(7);
        found.metadata.insert("team".to_owned(), "stage".to_owned());
        assert!(is_current(&found, &state(&layout)));
        let wanted = state(&Layout { replicas: 3, ..layout });
        assert!(!is_current(&found, &wanted));
        let merged = merged(&found, wanted);
        assert_eq!((merged.num_replicas, merged.duplicate_window), (3, Duration::from_secs(7)));
        assert_eq!(merged.metadata.get("team").map(String::as_str), Some("stage"));
    }
}
