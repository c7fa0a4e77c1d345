//! Leases: what only one process may do at a time. Time is measured by each process for itself, clocks need not agree.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;

use crate::codec;
use crate::connection::Inner;
use crate::error::BusError;
use crate::provision::{LEASE_PREFIX, LEASE_STREAM, provision_leases};
use crate::subject::token;
use crate::tail::{Start, Tail};

/// How long one request may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Grants leases. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    pub(crate) bus: Arc<Inner>,
}

/// A lease that this process holds, until `valid_until`.
pub struct Lease {
    /// Fencing number: grows with every change of holder.
    pub epoch: u64,
    name: String,
    record: Record,
    /// The sequence of the holder's last renewal.
    sequence: u64,
    valid_until: Instant,
    bus: Arc<Inner>,
}

/// A lease as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lease's name.
    pub name: String,
    /// Who holds it, or did until it ended: a dead holder's lease stays until someone takes it.
    pub holder: String,
    /// Its fencing number.
    pub epoch: u64,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    name: String,
    /// Empty: given back.
    holder: String,
    epoch: u64,
    ttl_ms: u64,
}

/// A stored record.
struct Found {
    record: Record,
    sequence: u64,
}

/// When this process first saw the current renewal of each lease that others hold.
#[derive(Default)]
pub(crate) struct Sightings(Mutex<HashMap<String, (u64, Instant)>>);

impl Sightings {
    /// How long the renewal with this sequence has been standing, as far as this process knows.
    fn age(&self, name: &str, sequence: u64) -> Duration {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = known.entry(name.to_owned()).or_insert_with(|| (sequence, Instant::now()));
        if seen.0 != sequence {
            *seen = (sequence, Instant::now());
        }
        seen.1.elapsed()
    }
}

impl Leases {
    /// Takes the lease if it is free or one's own, or if its holder has not renewed it for its time to live since this process
    /// first looked; so ask again and again. `None`: someone else holds it.
    pub async fn try_acquire(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, BusError> {
        let found = self.bus.read_lease(name).await?;
        let (epoch, sequence) = match &found {
            None => (0, 0),
            Some(Found { record, sequence }) => {
                let age = self.bus.sightings.age(name, *sequence);
                let is_free = record.holder.is_empty() || record.holder == holder;
                if !is_free && age < Duration::from_millis(record.ttl_ms) {
                    return Ok(None);
                }
                (record.epoch, *sequence)
            }
        };
        let now_ms = u64::try_from(telemetry::clock::now().0 / 1_000).unwrap_or_default();
        let record = Record {
            name: name.to_owned(),
            holder: holder.to_owned(),
            // The bucket does not survive its server: then the clock keeps epochs growing.
            epoch: (epoch + 1).max(now_ms),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        };
        let asked = Instant::now();
        let Some(sequence) = self.bus.write_lease(&record, sequence).await? else { return Ok(None) };
        let (epoch, name, bus) = (record.epoch, name.to_owned(), Arc::clone(&self.bus));
        Ok(Some(Lease { epoch, name, record, sequence, valid_until: asked + ttl, bus }))
    }

    /// All leases that have a holder, by name.
    pub async fn holders(&self) -> Result<Vec<Holder>, BusError> {
        let mut holders = Vec::new();
        let mut tail = Tail::open(&self.bus.jetstream, LEASE_STREAM, &[], Start::After(0)).await?;
        let mut pending = tail.pending_at_start;
        while pending > 0 {
            let batch = tail.next_batch().await.map_err(|end| BusError::read(LEASE_STREAM, end))?;
            for entry in batch {
                pending = entry.pending;
                if let Ok(Record { name, holder, epoch, .. }) = codec::decode::<Record>(&entry.payload)
                    && !holder.is_empty()
                {
                    holders.retain(|known: &Holder| known.name != name);
                    holders.push(Holder { name, holder, epoch });
                }
            }
        }
        tail.close().await;
        holders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(holders)
    }
}

impl Lease {
    /// Extends the lease by its time to live; false if it is lost for good. While the server cannot be reached the answer is true as
    /// long as the lease is still valid by this process's own measure.
    pub async fn renew(&mut self) -> bool {
        if Instant::now() >= self.valid_until {
            return false;
        }
        let asked = Instant::now();
        match self.bus.write_lease(&self.record, self.sequence).await {
            Ok(Some(sequence)) => self.extend(sequence, asked),
            Ok(None) => self.recover().await,
            Err(error) => {
                debug!(%error, lease = self.name, "lease not renewed");
                self.is_valid()
            }
        }
    }

    /// No other process can have taken it yet.
    pub fn is_valid(&self) -> bool {
        Instant::now() < self.valid_until
    }

    /// When it ends, unless it is renewed.
    pub fn valid_until(&self) -> Instant {
        self.valid_until
    }

    /// The lease's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the lease back: others need not wait for its end.
    pub async fn release(self) {
        let record = Record { holder: String::new(), ..self.record };
        if let Err(error) = self.bus.write_lease(&record, self.sequence).await {
            debug!(%error, lease = self.name, "lease not released, it will end");
        }
    }

    /// The stored renewal is not the one we know: our own (its answer was lost), nobody's (the server lost its memory) or
    /// another holder's.
    async fn recover(&mut self) -> bool {
        let asked = Instant::now();
        let expected = match self.bus.read_lease(&self.name).await {
            Ok(Some(Found { record, sequence })) if record == self.record => sequence,
            Ok(None) => 0,
            Ok(Some(_)) => {
                self.valid_until = asked;
                return false;
            }
            Err(_) => return self.is_valid(),
        };
        match self.bus.write_lease(&self.record, expected).await {
            Ok(Some(sequence)) => self.extend(sequence, asked),
            Ok(None) | Err(_) => self.is_valid(),
        }
    }

    fn extend(&mut self, sequence: u64, asked: Instant) -> bool {
        self.sequence = sequence;
        self.valid_until = asked + Duration::from_millis(self.record.ttl_ms);
        true
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({}, epoch {})", self.name, self.epoch)
    }
}

/// The server's acknowledgement of a renewal.
#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    err_code: u16,
    description: String,
}

impl Inner {
    /// From the leader: a follower may be behind.
    async fn read_lease(&self, name: &str) -> Result<Option<Found>, BusError> {
        let subject = lease_subject(name);
        let read = async {
            let stream = self.jetstream.get_stream_no_info(LEASE_STREAM).await;
            let stream = stream.map_err(|error| BusError::read(LEASE_STREAM, error))?;
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) => {
                    let record =
                        codec::decode(&message.payload).map_err(|error| BusError::codec(&subject, error))?;
                    Ok(Some(Found { record, sequence: message.sequence }))
                }
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound => Ok(None),
                    LastRawMessageErrorKind::JetStream(_)
                        if self.jetstream.get_stream(LEASE_STREAM).await.is_err() =>
                    {
                        provision_leases(&self.jetstream).await.map(|()| None)
                    }
                    LastRawMessageErrorKind::JetStream(_)
                    | LastRawMessageErrorKind::InvalidSubject
                    | LastRawMessageErrorKind::Other => Err(BusError::read(LEASE_STREAM, error)),
                },
            }
        };
        timeout(ATTEMPT, read).await.map_err(|elapsed| BusError::read(LEASE_STREAM, elapsed))?
    }

    /// Writes a record over the one with sequence `expected`; `None` if another is there.
    async fn write_lease(&self, record: &Record, expected: u64) -> Result<Option<u64>, BusError> {
        let subject = lease_subject(&record.name);
        let payload = Bytes::from(codec::encode(record).map_err(|error| BusError::codec(&subject, error))?);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        for is_retry in [false, true] {
            let request =
                Request::new().headers(headers.clone()).payload(payload.clone()).timeout(Some(ATTEMPT));
            match self.client.send_request(subject.clone(), request).await {
                Ok(answer) => return read_ack(&answer.payload, &subject),
                Err(error) if error.kind() == RequestErrorKind::NoResponders && !is_retry => {
                    provision_leases(&self.jetstream).await?;
                    if expected > 0 {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(BusError::publish(&subject, error)),
            }
        }
        Ok(None)
    }
}

fn read_ack(answer: &[u8], subject: &str) -> Result<Option<u64>, BusError> {
    match serde_json::from_slice::<Ack>(answer).map_err(|error| BusError::publish(subject, error))? {
        Ack { seq, error: None } => Ok(Some(seq)),
        Ack { error: Some(AckError { err_code: 10_071 | 10_164, .. }), .. } => Ok(None),
        Ack { error: Some(AckError { description, .. }), .. } => Err(BusError::publish(subject, description)),
    }
}

fn lease_subject(name: &str) -> String {
    format!("{LEASE_PREFIX}{}", token(name))
}
