//! One ordered, unacknowledged consumer of a stream for as long as it delivers without a gap.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, push};
use async_nats::jetstream::{self, Context};
use async_nats::{HeaderMap, StatusCode, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::time::timeout;
use tracing::warn;

use crate::error::{BusError, Cause};

/// The server says that it lives so often when there is nothing to deliver.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Without a word for so long, the consumer is taken for dead.
const SILENCE: Duration = Duration::from_millis(3_500);
/// The server removes a consumer that nobody listens to.
const ABANDONED: Duration = Duration::from_secs(30);
/// At most so many messages are handed over at once.
const BATCH: usize = 512;

/// Where a tail begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// With the first message after a sequence.
    After(u64),
    /// With what comes from now on.
    New,
}

/// A message of a stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub sequence: u64,
    pub subject: String,
    pub headers: HeaderMap,
    /// Copied out of the connection's buffer, so that keeping it does not keep the buffer.
    pub payload: Bytes,
    /// Nanoseconds since the epoch, by the server's clock.
    pub at_nanos: i128,
    /// Messages that follow.
    pub pending: u64,
}

/// Why a tail ended. What was delivered before is complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailEnd {
    #[error("the server has removed the consumer")]
    Removed,
    #[error("messages are missing")]
    Gap,
    #[error("the server is silent")]
    Silent,
    #[error("the connection is closed")]
    Closed,
}

impl TailEnd {
    /// For metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Gap => "gap",
            Self::Silent => "silent",
            Self::Closed => "closed",
        }
    }
}

/// An open consumer.
pub(crate) struct Tail {
    context: Context,
    stream: String,
    consumer: String,
    messages: Subscriber,
    /// The consumer's own number of the last delivery.
    delivered: u64,
    /// Messages that were waiting when it was opened.
    pub pending_at_start: u64,
}

impl Tail {
    /// Opens a consumer on the part of a stream that `filters` select (everything if empty).
    pub(crate) async fn open(
        context: &Context,
        stream: &str,
        filters: &[String],
        start: Start,
    ) -> Result<Self, BusError> {
        let failed = |source: Cause| BusError::Read { stream: stream.to_owned(), source };
        let client = context.client();
        let inbox = client.new_inbox();
        let messages = client.subscribe(inbox.clone()).await.map_err(|error| failed(error.into()))?;
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy: match start {
                Start::After(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 },
                Start::New => DeliverPolicy::New,
            },
            ack_policy: AckPolicy::None,
            replay_policy: ReplayPolicy::Instant,
            max_deliver: 1,
            filter_subjects: filters.to_vec(),
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            num_replicas: 1,
            memory_storage: true,
            inactive_threshold: ABANDONED,
            ..push::Config::default()
        };
        let created = context.create_consumer_on_stream(config, stream).await;
        let created = created.map_err(|error| failed(error.into()))?;
        let info = created.cached_info();
        Ok(Self {
            context: context.clone(),
            stream: stream.to_owned(),
            consumer: info.name.clone(),
            messages,
            delivered: 0,
            pending_at_start: info.num_pending,
        })
    }

    /// What has arrived, in order; waits for the first message. An end that is noticed behind messages is told next time.
    pub(crate) async fn next_batch(&mut self) -> Result<Vec<Entry>, TailEnd> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            let message = timeout(SILENCE, self.messages.next()).await.map_err(|_elapsed| TailEnd::Silent)?;
            let message = message.ok_or(TailEnd::Closed)?;
            batch.extend(self.take(message).await?);
        }
        while batch.len() < BATCH {
            let Some(Some(message)) = self.messages.next().now_or_never() else { break };
            match self.take(message).await {
                Ok(entry) => batch.extend(entry),
                Err(_told_by_the_next_gap) => {
                    self.delivered = u64::MAX;
                    break;
                }
            }
        }
        Ok(batch)
    }

    /// Removes the consumer at once instead of leaving that to the server.
    pub(crate) async fn close(self) {
        let _ = self.context.delete_consumer_from_stream(&self.consumer, &self.stream).await;
    }

    async fn take(&mut self, message: async_nats::Message) -> Result<Option<Entry>, TailEnd> {
        if self.delivered == u64::MAX {
            return Err(TailEnd::Gap);
        }
        if let Some(status) = message.status {
            return self.heed(status, message).await.map(|()| None);
        }
        let message = jetstream::Message { message, context: self.context.clone() };
        let Ok(info) = message.info() else { return Ok(None) };
        if info.consumer_sequence != self.delivered + 1 {
            return Err(TailEnd::Gap);
        }
        self.delivered = info.consumer_sequence;
        let (sequence, pending) = (info.stream_sequence, info.pending);
        let at_nanos = info.published.unix_timestamp_nanos();
        let message = message.message;
        Ok(Some(Entry {
            sequence,
            subject: message.subject.into_string(),
            headers: message.headers.unwrap_or_default(),
            payload: Bytes::copy_from_slice(&message.payload),
            at_nanos,
            pending,
        }))
    }

    /// Answers flow control, notices gaps behind heartbeats and the end of the consumer.
    async fn heed(&self, status: StatusCode, message: async_nats::Message) -> Result<(), TailEnd> {
        if status != StatusCode::IDLE_HEARTBEAT {
            return Err(TailEnd::Removed);
        }
        let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name));
        let last = header("Nats-Last-Consumer").and_then(|last| last.as_str().parse::<u64>().ok());
        if last.is_some_and(|last| last != self.delivered) {
            return Err(TailEnd::Gap);
        }
        let stalled = header("Nats-Consumer-Stalled").map(|subject| subject.as_str().to_owned());
        let answer_to = message.reply.map(|reply| reply.into_string()).or(stalled);
        if let Some(subject) = answer_to
            && let Err(error) = self.context.client().publish(subject, Bytes::new()).await
        {
            warn!(%error, "flow control failed");
        }
        Ok(())
    }
}
