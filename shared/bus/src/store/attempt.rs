//! Sends writes to the server and finds out what became of them.

use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, Revision};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{Client, Request, RequestErrorKind};
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

use super::unit::{Prepared, Unit};
use super::verdict::{Finding, Last, Verdict, judge};
use super::{Expect, WriteError};
use crate::metrics;
use crate::provision::{Layout, STATE_STREAM};
use crate::view::{Following, MARKER_SLACK, View, provenance};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(4);
/// How long to wait for the view to show the write that came first.
const SHOWN: Duration = Duration::from_millis(500);
/// How long reading one message back may take.
const READ_BACK: Duration = Duration::from_secs(3);

/// What an attempt needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Line {
    pub client: Client,
    pub jetstream: Context,
    pub connected: watch::Receiver<bool>,
    pub view: Arc<OnceCell<Following>>,
}

/// A unit after an attempt.
pub(super) enum Landed {
    /// Whoever waits can be told.
    Done(Unit, Result<Vec<Revision>, WriteError>),
    /// To be tried again, when the pause is over.
    Again(Unit, Duration),
}

/// A pause before trying again what the server cannot do at the moment.
const PAUSE: Duration = Duration::from_millis(50);

impl Line {
    /// Sends a unit by itself, whatever its size, and settles its outcome.
    pub(super) async fn send_alone(self, mut unit: Unit) -> Landed {
        self.adjust(&mut unit);
        let verdict = match unit.writes.as_slice() {
            [single] => self.send_single(single).await,
            several => self.send_batch(&several.iter().collect::<Vec<_>>()).await,
        };
        match verdict {
            Verdict::Conflict(_) => self.settle_conflict(unit).await,
            other => settle(unit, other),
        }
    }

    /// Sends units as one atomic batch and settles their outcomes.
    pub(super) async fn send_together(self, mut units: Vec<Unit>) -> Vec<Landed> {
        units.iter_mut().for_each(|unit| self.adjust(unit));
        let writes: Vec<&Prepared> = units.iter().flat_map(|unit| &unit.writes).collect();
        let count = u64::try_from(writes.len()).unwrap_or_default();
        match self.send_batch(&writes).await {
            Verdict::Written(last) => {
                let mut before = last.saturating_sub(count);
                let settle = |unit: Unit| {
                    before += u64::try_from(unit.writes.len()).unwrap_or_default();
                    let revisions = unit.revisions(before);
                    Landed::Done(unit, Ok(revisions))
                };
                units.into_iter().map(settle).collect()
            }
            Verdict::Conflict(actual) => self.separate(units, actual).await,
            Verdict::Uncertain(reason) => units.into_iter().map(|unit| uncertain(unit, &reason)).collect(),
            Verdict::Refused(_) | Verdict::Broken(_) => units.into_iter().map(alone).collect(),
            Verdict::NotNow(reason) => units.into_iter().map(|unit| not_now(unit, &reason)).collect(),
        }
    }

    /// Brings the expectation about names that shall be free up to date: a delete marker may be in their place. Once only: if the
    /// marker has expired since, what is read back is right.
    fn adjust(&self, unit: &mut Unit) {
        let Some(view) = self.view().filter(|_| !unit.adjusted) else { return };
        unit.adjusted = true;
        let reader = view.read();
        for write in
            unit.writes.iter_mut().filter(|write| write.expect == Expect::Absent && write.expected == 0)
        {
            if let Some(Revision(marker)) = reader.marker(&write.key) {
                write.expected = marker;
            }
        }
    }

    /// A batch failed because of some of its writes: those that the view knows to be in conflict go alone, the others together
    /// again. If the view knows none, each goes alone.
    async fn separate(&self, units: Vec<Unit>, actual: Option<u64>) -> Vec<Landed> {
        metrics::batch_conflict();
        if let [_] = units.as_slice() {
            return futures::future::join_all(units.into_iter().map(|unit| self.settle_conflict(unit))).await;
        }
        if let (Some(view), Some(actual)) = (self.view(), actual) {
            let _ = timeout(SHOWN, view.wait_for(Revision(actual))).await;
        }
        let suspects: Vec<bool> = units.iter().map(|unit| self.is_suspect(unit)).collect();
        let none = !suspects.contains(&true);
        let judged = units.into_iter().zip(suspects);
        judged.map(|(unit, suspect)| if suspect || none { alone(unit) } else { again(unit) }).collect()
    }

    fn is_suspect(&self, unit: &Unit) -> bool {
        let Some(view) = self.view() else { return true };
        let reader = view.read();
        let differs = |write: &Prepared| {
            let live = reader.get(&write.key).map(|object| object.revision.0);
            let marker = reader.marker(&write.key).map(|marker| marker.0);
            live.or(marker).unwrap_or(0) != write.expected
        };
        unit.writes.iter().any(differs)
    }

    /// Reads back what is in the way of a unit.
    async fn settle_conflict(&self, mut unit: Unit) -> Landed {
        let mut repaired = false;
        for index in 0..unit.writes.len() {
            let Some(write) = unit.writes.get_mut(index) else { break };
            let last = match self.read_back(&write.subject).await {
                Ok(last) => last,
                Err(reason) => return not_now(unit, &reason),
            };
            match judge(write, unit.uncertain, last.as_ref(), self.seen(write)) {
                Finding::Ours(sequence) => {
                    let after = u64::try_from(unit.writes.len() - 1 - index).unwrap_or_default();
                    let revisions = unit.revisions(sequence + after);
                    return Landed::Done(unit, Ok(revisions));
                }
                Finding::Theirs(current) => return Landed::Done(unit, Err(WriteError::Conflict { current })),
                Finding::Unclear => {
                    let reason =
                        "its acknowledgement was lost and the object has been written again since".to_owned();
                    return Landed::Done(unit, Err(WriteError::Unknown(reason)));
                }
                Finding::Again(sequence) => {
                    repaired |= write.expected != sequence;
                    write.expected = sequence;
                }
            }
        }
        unit.alone = true;
        match repaired {
            true => retry(unit, Duration::ZERO, "others write the same object all the time"),
            false => not_now(unit, "the server reports a conflict where there is none"),
        }
    }

    fn seen(&self, write: &Prepared) -> Option<Revision> {
        self.view()?.find_write(&write.key, &write.id)
    }

    /// The last message of a subject, from the stream's leader: a direct get may be answered by a follower that is behind.
    async fn read_back(&self, subject: &str) -> Result<Option<Last>, String> {
        let read = async {
            let stream =
                self.jetstream.get_stream_no_info(STATE_STREAM).await.map_err(|error| error.to_string())?;
            match stream.get_last_raw_message_by_subject(subject).await {
                Ok(message) => {
                    let (kind, provenance) = provenance(&message.headers, message.sequence);
                    Ok(Some(Last { sequence: message.sequence, kind, write_id: provenance.write_id }))
                }
                Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        };
        timeout(READ_BACK, read)
            .await
            .unwrap_or_else(|_elapsed| Err("reading back takes too long".to_owned()))
    }

    async fn send_single(&self, write: &Prepared) -> Verdict {
        metrics::batch(1);
        metrics::sent(&write.subject);
        let headers = write.headers(self.created(&write.key, write.expected), self.marker_ttl());
        self.request(write, headers).await
    }

    async fn send_batch(&self, writes: &[&Prepared]) -> Verdict {
        let Some((last, others)) = writes.split_last() else {
            return Verdict::Uncertain("empty batch".to_owned());
        };
        metrics::batch(writes.len());
        let batch = &last.id;
        let headers = |write: &Prepared, sequence: usize| {
            metrics::sent(&write.subject);
            let mut headers = write.headers(self.created(&write.key, write.expected), self.marker_ttl());
            headers.insert("Nats-Batch-Id", &**batch);
            headers.insert("Nats-Batch-Sequence", sequence.to_string());
            headers
        };
        for (sequence, write) in (1..).zip(others) {
            let headers = headers(write, sequence);
            let sent =
                self.client.publish_with_headers(write.subject.clone(), headers, write.payload()).await;
            if let Err(error) = sent {
                return Verdict::NotNow(error.to_string());
            }
        }
        let mut headers = headers(last, writes.len());
        headers.insert("Nats-Batch-Commit", "1");
        self.request(last, headers).await
    }

    async fn request(&self, write: &Prepared, headers: async_nats::HeaderMap) -> Verdict {
        let request = Request::new().headers(headers).payload(write.payload()).timeout(Some(ATTEMPT));
        let mut connected = self.connected.clone();
        let answer = tokio::select! {
            answer = self.client.send_request(write.subject.clone(), request) => answer,
            _ = connected.wait_for(|connected| !connected) => return Verdict::Uncertain("the connection was lost".to_owned()),
        };
        match answer {
            Ok(message) => Verdict::read(&message.payload, write.size()),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders => {
                    Verdict::NotNow("the bucket's server is not ready".to_owned())
                }
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Verdict::Uncertain(error.to_string()),
                RequestErrorKind::InvalidSubject => {
                    Verdict::Refused(WriteError::Unavailable(error.to_string()))
                }
                RequestErrorKind::MaxPayloadExceeded => {
                    let limit = self.client.server_info().max_payload;
                    Verdict::Refused(WriteError::TooLarge { size: write.size(), limit })
                }
            },
        }
    }

    /// The revision that created the object that is about to be overwritten, if the view shows just that object.
    fn created(&self, key: &ObjectKey, expected: u64) -> Option<Revision> {
        let object = self.view()?.get(key)?;
        (object.revision == Revision(expected)).then_some(object.created)
    }

    /// How long delete markers and marks of time live.
    pub(super) fn marker_ttl(&self) -> Duration {
        self.view().map_or(Layout::default().watch_window, |view| view.watch_window()) + MARKER_SLACK
    }

    fn view(&self) -> Option<&Arc<View>> {
        self.view.get().map(|following| &following.view)
    }
}

fn settle(unit: Unit, verdict: Verdict) -> Landed {
    match verdict {
        Verdict::Written(last) => {
            let revisions = unit.revisions(last);
            Landed::Done(unit, Ok(revisions))
        }
        Verdict::Conflict(_) => again(unit),
        Verdict::NotNow(reason) | Verdict::Broken(reason) => not_now(unit, &reason),
        Verdict::Uncertain(reason) => uncertain(unit, &reason),
        Verdict::Refused(error) => Landed::Done(unit, Err(error)),
    }
}

fn again(unit: Unit) -> Landed {
    Landed::Again(unit, Duration::ZERO)
}

fn alone(mut unit: Unit) -> Landed {
    unit.alone = true;
    Landed::Again(unit, Duration::ZERO)
}

/// Sending again is safe: expectation and id are the same, so at most one attempt is applied, and we recognise which.
fn uncertain(mut unit: Unit, reason: &str) -> Landed {
    unit.uncertain = true;
    not_now(unit, reason)
}

fn not_now(unit: Unit, reason: &str) -> Landed {
    retry(unit, PAUSE, reason)
}

fn retry(unit: Unit, pause: Duration, reason: &str) -> Landed {
    match unit.deadline > std::time::Instant::now() {
        true => Landed::Again(unit, pause),
        false => {
            let error = unit.too_late(reason);
            Landed::Done(unit, Err(error))
        }
    }
}
