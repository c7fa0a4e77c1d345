//! The journal of decisions: written in batches beside the work, read by object, trace or time.

use std::sync::Arc;
use std::time::Duration;

use api::journal::JournalEntry;
use api::{ObjectKey, ResourceId, Revision, Timestamp};
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::Context;
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;
use futures::Stream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::connection::Inner;
use crate::error::BusError;
use crate::provision::{JOURNAL_PREFIX, JOURNAL_STREAM, LARGEST_OBJECT};
use crate::store::WriteError;
use crate::store::verdict::Verdict;
use crate::subject::token;
use crate::tail::{Entry, Start, Tail};
use crate::{codec, metrics};

/// So many entries may wait to be written; more are dropped rather than stalling the work.
const WAITING: usize = 16_384;
/// At most so many go out together.
const BATCH: usize = 500;
/// Entries are gathered for so long.
const GATHER: Duration = Duration::from_millis(100);
/// Fewer entries than this go out one by one: a batch costs the server more.
const FEW: usize = 5;
/// How long a batch may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first guess of how far back a reader has to go for one entry that matches.
const REACH: u64 = 16;

/// Which entries to read. Empty: all.
#[derive(Clone, Debug, Default)]
pub struct JournalFilter {
    /// Only entries about objects of this collection.
    pub resource: Option<ResourceId>,
    /// Only entries about objects in this namespace.
    pub namespace: Option<String>,
    /// Only entries about objects of this name.
    pub name: Option<String>,
    /// Only entries of this trace.
    pub trace: Option<u128>,
    /// Only entries that are not older.
    pub since: Option<Timestamp>,
    /// Only entries that Kubernetes would show as events.
    pub events_only: bool,
}

impl JournalFilter {
    /// Every entry.
    pub fn all() -> Self {
        Self::default()
    }

    /// Entries about one object.
    pub fn object(key: &ObjectKey) -> Self {
        let namespace = Some(key.namespace.as_deref().unwrap_or("_").to_owned());
        Self {
            resource: Some(key.resource),
            namespace,
            name: Some(key.name.as_ref().to_owned()),
            ..Self::default()
        }
    }

    /// Entries of one causal chain.
    pub fn trace(trace_id: u128) -> Self {
        Self { trace: Some(trace_id), ..Self::default() }
    }

    fn subject(&self) -> String {
        let any = || "*".to_owned();
        let resource = self.resource.map_or_else(any, resource_token);
        let namespace = self.namespace.as_deref().map_or_else(any, token);
        let name = self.name.as_deref().map_or_else(any, token);
        format!("{JOURNAL_PREFIX}{resource}.{namespace}.{name}")
    }

    /// What the subject cannot tell.
    fn matches(&self, entry: &JournalEntry) -> bool {
        let same_name = match (&self.name, &entry.object) {
            (Some(name), Some(object)) => *name == *object.name,
            (Some(_), None) => false,
            (None, _) => true,
        };
        same_name
            && self.trace.is_none_or(|trace| entry.cause.trace_id == trace)
            && self.since.is_none_or(|since| entry.at_micros >= since.0)
            && (!self.events_only || entry.event.is_some())
    }
}

/// Every decision with its cause, kept for days. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    pub(crate) writer: JournalWriter,
    pub(crate) bus: Arc<Inner>,
}

impl Journal {
    /// Appends an entry. Never blocks and never fails: an entry that does not fit into the queue is counted and dropped.
    pub fn append(&self, entry: JournalEntry) {
        if self.writer.queue.try_send(Work::Entry(Box::new(entry))).is_err() {
            metrics::journal("dropped", 1);
        }
    }

    /// Writes an entry at once, if the newest about the same object is the one at `after` (0: there is none). Returns its sequence.
    pub async fn append_after(&self, entry: &JournalEntry, after: u64) -> Result<u64, WriteError> {
        let subject = subject_of(entry);
        let payload = codec::encode(entry).map_err(|error| WriteError::Unavailable(error.to_string()))?;
        let size = payload.len();
        if size > LARGEST_OBJECT {
            return Err(WriteError::TooLarge { size, limit: LARGEST_OBJECT });
        }
        metrics::sent(&subject);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string());
        let request = Request::new().headers(headers).payload(payload.into()).timeout(Some(PATIENCE));
        let answer = self.bus.client.send_request(subject, request).await;
        let answer = answer.map_err(|error| WriteError::Unknown(error.to_string()))?;
        match Verdict::read(&answer.payload, size) {
            Verdict::Written(sequence) => {
                metrics::journal("written", 1);
                Ok(sequence)
            }
            Verdict::Conflict(current) => Err(WriteError::Conflict { current: current.map(Revision) }),
            Verdict::Refused(error) => Err(error),
            Verdict::NotNow(why) | Verdict::Broken(why) => Err(WriteError::Unavailable(why)),
            Verdict::Uncertain(why) => Err(WriteError::Unknown(why)),
        }
    }

    /// The newest `limit` entries that match, oldest first, with their sequences.
    pub async fn read(
        &self,
        filter: &JournalFilter,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, BusError> {
        let stream = self.bus.jetstream.get_stream(JOURNAL_STREAM).await;
        let state =
            stream.map_err(|error| BusError::read(JOURNAL_STREAM, error))?.cached_info().state.clone();
        let (first, last) = (state.first_sequence, state.last_sequence);
        let mut reach = REACH.saturating_mul(u64::try_from(limit).unwrap_or(u64::MAX)).max(REACH);
        loop {
            let beginning = first.saturating_sub(1);
            let after = last.saturating_sub(reach).max(beginning);
            let (mut found, is_old_enough) = self.read_after(filter, after).await?;
            if found.len() >= limit || after == beginning || is_old_enough {
                found.drain(..found.len().saturating_sub(limit));
                return Ok(found);
            }
            reach = reach.saturating_mul(8);
        }
    }

    /// Entries after a sequence, or only new ones; goes on for ever, over every outage.
    pub async fn follow(
        &self,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = (u64, JournalEntry)> + Send + Unpin + 'static, BusError> {
        let start = after.map_or(Start::New, Start::After);
        let tail = Tail::open(&self.bus.jetstream, JOURNAL_STREAM, &[], start).await?;
        let bus = Arc::clone(&self.bus);
        let following = Following { bus, tail: Some(tail), after, ready: Vec::new() };
        Ok(Box::pin(futures::stream::unfold(following, Following::next)))
    }

    /// Matching entries after a sequence, and whether the filter's time lies within what was read.
    async fn read_after(
        &self,
        filter: &JournalFilter,
        after: u64,
    ) -> Result<(Vec<(u64, JournalEntry)>, bool), BusError> {
        let subjects = [filter.subject()];
        let (mut found, mut position, mut is_old_enough) = (Vec::new(), after, false);
        'open: loop {
            let mut tail =
                Tail::open(&self.bus.jetstream, JOURNAL_STREAM, &subjects, Start::After(position)).await?;
            let mut pending = tail.pending_at_start;
            while pending > 0 {
                let Ok(batch) = tail.next_batch().await else { continue 'open };
                for stored in &batch {
                    (position, pending) = (stored.sequence, stored.pending);
                    let Some(entry) = read_entry(stored) else { continue };
                    is_old_enough |= filter.since.is_some_and(|since| entry.at_micros < since.0);
                    if filter.matches(&entry) {
                        found.push((stored.sequence, entry));
                    }
                }
            }
            tail.close().await;
            return Ok((found, is_old_enough));
        }
    }
}

/// A reader that follows.
struct Following {
    bus: Arc<Inner>,
    tail: Option<Tail>,
    /// The last sequence that was handed over.
    after: Option<u64>,
    /// Read and not handed over yet, newest first.
    ready: Vec<(u64, JournalEntry)>,
}

impl Following {
    async fn next(mut self) -> Option<((u64, JournalEntry), Self)> {
        loop {
            if let Some(entry) = self.ready.pop() {
                self.after = Some(entry.0);
                return Some((entry, self));
            }
            let start = self.after.map_or(Start::New, Start::After);
            let tail = match self.tail.take() {
                Some(tail) => Ok(tail),
                None => Tail::open(&self.bus.jetstream, JOURNAL_STREAM, &[], start).await,
            };
            let Ok(mut tail) = tail else {
                sleep(GATHER).await;
                continue;
            };
            if let Ok(batch) = tail.next_batch().await {
                let entries = batch.iter().filter_map(|stored| Some((stored.sequence, read_entry(stored)?)));
                self.ready = entries.collect();
                self.ready.reverse();
                self.tail = Some(tail);
            }
        }
    }
}

/// The way to the task that writes.
#[derive(Clone)]
pub(crate) struct JournalWriter {
    queue: mpsc::Sender<Work>,
}

enum Work {
    Entry(Box<JournalEntry>),
    /// Tell when everything before is written.
    Flush(oneshot::Sender<()>),
}

impl JournalWriter {
    pub(crate) fn start(client: Client, jetstream: Context, connected: watch::Receiver<bool>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let pen = Pen { client, jetstream, batches: None };
        tokio::spawn(write(pen, connected, waiting));
        Self { queue }
    }

    /// Returns when everything that was appended before is written, or cannot be.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if timeout(PATIENCE, self.queue.send(Work::Flush(done))).await.is_ok_and(|sent| sent.is_ok()) {
            let _ = timeout(PATIENCE, is_done).await;
        }
    }
}

/// Gathers entries and sends them, until nobody appends any more.
async fn write(mut pen: Pen, mut connected: watch::Receiver<bool>, mut waiting: mpsc::Receiver<Work>) {
    while let Some(first) = waiting.recv().await {
        let (mut entries, mut flushed) = (Vec::new(), Vec::new());
        sort(first, &mut entries, &mut flushed);
        let gathered = sleep(GATHER);
        tokio::pin!(gathered);
        while entries.len() < BATCH && flushed.is_empty() {
            tokio::select! {
                work = waiting.recv() => match work {
                    Some(work) => sort(work, &mut entries, &mut flushed),
                    None => break,
                },
                () = &mut gathered => break,
            }
        }
        if connected.wait_for(|connected| *connected).await.is_ok() && !entries.is_empty() {
            pen.send(&entries).await;
        }
        flushed.into_iter().for_each(|done| {
            let _ = done.send(());
        });
    }
}

fn sort(work: Work, entries: &mut Vec<JournalEntry>, flushed: &mut Vec<oneshot::Sender<()>>) {
    match work {
        Work::Entry(entry) => entries.push(*entry),
        Work::Flush(done) => flushed.push(done),
    }
}

/// What sends entries.
struct Pen {
    client: Client,
    jetstream: Context,
    /// The stream takes atomic batches: then it flushes with every message or batch. `None` until it was asked.
    batches: Option<bool>,
}

impl Pen {
    /// One atomic batch costs one flush, whatever its size; a stream that does not flush is simply sent to. The last entry's
    /// acknowledgement speaks for all. Lost entries are counted, not sent again: they might appear twice.
    async fn send(&mut self, entries: &[JournalEntry]) {
        let id = self.client.new_inbox().rsplit('.').next().unwrap_or_default().to_owned();
        let encoded: Vec<(String, Bytes)> = entries
            .iter()
            .filter_map(|entry| Some((subject_of(entry), Bytes::from(codec::encode(entry).ok()?))))
            .collect();
        let count = encoded.len();
        let is_batch = count >= FEW && self.takes_batches().await;
        for (sequence, (subject, payload)) in (1..).zip(encoded) {
            metrics::sent(&subject);
            let mut headers = HeaderMap::new();
            if is_batch {
                headers.insert("Nats-Batch-Id", id.as_str());
                headers.insert("Nats-Batch-Sequence", sequence.to_string());
            }
            if sequence < count {
                let _ = self.client.publish_with_headers(subject, headers, payload).await;
                continue;
            }
            if is_batch {
                headers.insert("Nats-Batch-Commit", "1");
            }
            self.finish(subject, headers, payload, count).await;
        }
    }

    async fn finish(&mut self, subject: String, headers: HeaderMap, payload: Bytes, count: usize) {
        let request = Request::new().headers(headers).payload(payload).timeout(Some(PATIENCE));
        match self.client.send_request(subject, request).await {
            Ok(answer) if !is_error(&answer.payload) => metrics::journal("written", count),
            Ok(answer) => {
                // The stream may be another than it was.
                self.batches = None;
                metrics::journal("lost", count);
                warn!(entries = count, answer = %String::from_utf8_lossy(&answer.payload), "journal entries refused");
            }
            Err(error) => {
                metrics::journal("lost", count);
                debug!(entries = count, %error, "journal entries may be lost");
            }
        }
    }

    async fn takes_batches(&mut self) -> bool {
        if self.batches.is_none() {
            let stream = self.jetstream.get_stream(JOURNAL_STREAM).await.ok();
            self.batches = stream.map(|stream| stream.cached_info().config.allow_atomic_publish);
        }
        self.batches.unwrap_or(false)
    }
}

fn is_error(answer: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(answer).is_ok_and(|answer| answer.get("error").is_some())
}

fn subject_of(entry: &JournalEntry) -> String {
    match &entry.object {
        Some(key) => {
            let (resource, namespace) =
                (resource_token(key.resource), key.namespace.as_deref().unwrap_or("_"));
            format!("{JOURNAL_PREFIX}{resource}.{}.{}", token(namespace), token(&key.name))
        }
        None => format!("{JOURNAL_PREFIX}_._.{}", token(&entry.component)),
    }
}

fn resource_token(resource: ResourceId) -> String {
    resource.as_str().replace('.', "/")
}

fn read_entry(stored: &Entry) -> Option<JournalEntry> {
    metrics::received(&stored.subject);
    codec::decode(&stored.payload)
        .inspect_err(|error| warn!(%error, sequence = stored.sequence, "a journal entry is not readable"))
        .ok()
}
