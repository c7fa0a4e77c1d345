//! Keeps a view up to date: opens a consumer where the view ends, feeds the view, and begins again when the consumer ends.

use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Info;
use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::{ChangeKind, View};
use crate::connection::becomes;
use crate::error::BusError;
use crate::metrics;
use crate::provision::{STATE_STREAM, is_missing, watch_window};
use crate::stored::{Provenance, Stored};
use crate::subject::{is_tick, object_key};
use crate::tail::{Entry, Start, Tail};

/// Pause after a failure to open a consumer.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How often the stream is checked for being purged or replaced behind the consumer.
const CHECK_EVERY: Duration = Duration::from_secs(20);

/// The `KV-Operation` of a delete marker.
pub(crate) const KV_OPERATION: &str = "KV-Operation";
/// The revision that created the object.
pub(crate) const CREATED: &str = "Odeon-Created";
/// Which write it was.
pub(crate) const WRITE_ID: &str = "Odeon-Write";
/// What led to the write.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// The server removed the object and left this marker.
const MARKER_REASON: &str = "Nats-Marker-Reason";

/// A view and the task that keeps it.
pub(crate) struct Following {
    pub(crate) view: Arc<View>,
    task: AbortHandle,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Builds a view; returns when it holds what the bucket held at the time of the call.
pub(crate) async fn follow(
    context: Context,
    connected: watch::Receiver<bool>,
) -> Result<Following, BusError> {
    let stream = context.get_stream(STATE_STREAM).await.map_err(|error| match is_missing(&error.kind()) {
        true => BusError::NotProvisioned { stream: STATE_STREAM.to_owned() },
        false => BusError::read(STATE_STREAM, error),
    })?;
    let window = watch_window(&stream.cached_info().config);
    let view = Arc::new(View::new(Some(context.clone()), window));
    let (loaded, is_loaded) = oneshot::channel();
    let follower =
        Follower { context, connected, view: Arc::clone(&view), created_nanos: None, loaded: Some(loaded) };
    let following = Following { view, task: tokio::spawn(follower.run()).abort_handle() };
    let _ = is_loaded.await;
    Ok(following)
}

/// The task's state.
struct Follower {
    context: Context,
    connected: watch::Receiver<bool>,
    view: Arc<View>,
    /// When the stream was created that the view shows.
    created_nanos: Option<i128>,
    /// Told when the view is complete for the first time.
    loaded: Option<oneshot::Sender<()>>,
}

/// A view that is read anew, until it has reached the end that the stream had when that began.
struct Loading {
    changes: Vec<(ChangeKind, Arc<Stored>)>,
    until: Revision,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.follow_once().await {
                Ok(reason) => {
                    debug!(reason, "the view's consumer begins anew");
                    metrics::resync(reason);
                }
                Err(error) => {
                    warn!(%error, source = error_source(&error), "the view cannot follow the bucket, trying again");
                    metrics::resync("error");
                    sleep(RETRY_AFTER).await;
                }
            }
            becomes(&mut self.connected, true).await;
        }
    }

    /// One consumer's life; says why it ended.
    async fn follow_once(&mut self) -> Result<&'static str, BusError> {
        let info = self.info().await?;
        let mut loading = self.begin(&info);
        let after = if loading.is_some() { Revision(0) } else { self.view.revision() };
        let mut tail = Tail::open(&self.context, STATE_STREAM, &[], Start::After(after.0)).await?;
        if tail.pending_at_start == 0 {
            self.take(Vec::new(), Revision(info.state.last_sequence), true, &mut loading);
        }
        let mut connected = self.connected.clone();
        let mut check = tokio::time::interval_at(tokio::time::Instant::now() + CHECK_EVERY, CHECK_EVERY);
        loop {
            tokio::select! {
                batch = tail.next_batch() => match batch {
                    Ok(batch) => {
                        let (revision, pending) = batch.last().map_or((0, 0), |last| (last.sequence, last.pending));
                        self.take(batch, Revision(revision), pending == 0, &mut loading);
                    }
                    Err(end) => return Ok(end.reason()),
                },
                () = becomes(&mut connected, false) => return Ok("disconnected"),
                _ = check.tick() => {
                    let info = timeout(CHECK_EVERY, self.info()).await;
                    if let Ok(Ok(info)) = info && loading.is_none() && self.is_replaced(&info) {
                        return Ok("replaced");
                    }
                }
            }
        }
    }

    async fn info(&self) -> Result<Info, BusError> {
        let stream = self.context.get_stream(STATE_STREAM).await;
        Ok(stream.map_err(|error| BusError::read(STATE_STREAM, error))?.cached_info().clone())
    }

    /// Decides whether the view goes on or is read anew.
    fn begin(&mut self, info: &Info) -> Option<Loading> {
        if self.created_nanos.is_some() && !self.is_replaced(info) {
            return None;
        }
        if self.created_nanos.is_some() {
            warn!("the bucket was purged or replaced, reading it anew");
        }
        let created = info.created.unix_timestamp_nanos();
        self.view.stream_created(created);
        self.created_nanos = Some(created);
        Some(Loading { changes: Vec::new(), until: Revision(info.state.last_sequence) })
    }

    /// The stream cannot be the one that the view shows: it is another, went back, or has fewer messages than there are objects.
    fn is_replaced(&self, info: &Info) -> bool {
        let reader = self.view.read();
        let objects = u64::try_from(reader.len()).unwrap_or(u64::MAX);
        let behind = info.state.last_sequence < reader.revision().0;
        let purged = info.state.messages < objects
            || reader.oldest().is_some_and(|it| it.0 < info.state.first_sequence);
        self.created_nanos != Some(info.created.unix_timestamp_nanos()) || behind || purged
    }

    fn take(&mut self, batch: Vec<Entry>, revision: Revision, at_end: bool, loading: &mut Option<Loading>) {
        let changes = batch.into_iter().filter_map(|entry| self.read_entry(entry));
        let Some(load) = loading.as_mut() else {
            self.view.advance(changes, revision);
            metrics::view_revision(revision.0);
            return;
        };
        load.changes.extend(changes);
        if !at_end && revision < load.until {
            return;
        }
        let Some(load) = loading.take() else { return };
        let (objects, revision) = (load.changes.len(), revision.max(load.until));
        self.view.replace(load.changes, revision);
        metrics::view_revision(revision.0);
        if let Some(loaded) = self.loaded.take() {
            info!(%revision, objects, "view loaded");
            let _ = loaded.send(());
        }
    }

    fn read_entry(&self, entry: Entry) -> Option<(ChangeKind, Arc<Stored>)> {
        metrics::received(&entry.subject);
        if is_tick(&entry.subject) {
            self.view.tick(entry.at_nanos, Revision(entry.sequence));
            return None;
        }
        read_entry(entry)
    }
}

/// What a message of the bucket says; `None` if it is not about an object.
pub(super) fn read_entry(entry: Entry) -> Option<(ChangeKind, Arc<Stored>)> {
    let Some(key) = object_key(&entry.subject) else {
        warn!(subject = entry.subject, "a message in the bucket is not about an object");
        return None;
    };
    let (kind, provenance) = provenance(&entry.headers, entry.sequence);
    Some((kind, Arc::new(Stored::new(key, entry.payload, provenance))))
}

/// What the headers of a stored message say.
pub(crate) fn provenance(headers: &HeaderMap, sequence: u64) -> (ChangeKind, Provenance) {
    let text = |name: &str| headers.get(name).map(|value| value.as_str());
    let is_marker = matches!(text(KV_OPERATION), Some("DEL" | "PURGE")) || text(MARKER_REASON).is_some();
    let kind = if is_marker { ChangeKind::Deleted } else { ChangeKind::Put };
    let revision = Revision(sequence);
    let created = text(CREATED).and_then(|text| text.parse().ok()).map_or(revision, Revision);
    let cause = text(TRACEPARENT).and_then(api::journal::Cause::parse).unwrap_or_default();
    let write_id = text(WRITE_ID).map(Into::into);
    (kind, Provenance { revision, created, cause, write_id })
}

fn error_source(error: &BusError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// An object that the server itself removed has no last state in its marker: the view's own serves.
pub(super) fn with_last_state(marker: Arc<Stored>, previous: &Stored) -> Arc<Stored> {
    if !marker.bytes().is_empty() {
        return marker;
    }
    let provenance = Provenance {
        revision: marker.revision,
        created: previous.created,
        cause: marker.cause,
        write_id: marker.write_id.clone(),
    };
    Arc::new(Stored::new(marker.key.clone(), Bytes::clone(previous.bytes()), provenance))
}
