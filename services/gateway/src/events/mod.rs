//! Kubernetes' events: a view of the journal, kept in memory. Decisions make them, repetitions are counted; what clients write of them is
//! in the journal as they wrote it.

mod source;
mod table;
mod written;

pub use table::EventTable;
pub use written::commit;

use std::time::Duration;

use api::journal::JournalEntry;
use api::{ObjectKey, ResourceId, Timestamp};
use bus::JournalFilter;
use futures::StreamExt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;

/// `events`: a kind that the bucket does not hold.
pub const ID: ResourceId = ResourceId::new("events");
/// How long events are shown.
const SHOWN: Duration = Duration::from_secs(3600);
/// How many entries are read back at start.
const READ_BACK: usize = 10_000;
/// How long that may take.
const READ_BACK_TIME: Duration = Duration::from_secs(3);
/// How often old events are dropped when nothing happens.
const SWEEP: Duration = Duration::from_secs(30);
/// How long to wait after the journal could not be followed.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the table up to date until `shutdown`.
pub async fn follow_the_journal(context: Arc<Context>, shutdown: CancellationToken) {
    let following = async {
        let mut position = read_back(&context).await;
        loop {
            follow(&context, &mut position).await;
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = shutdown.cancelled() => {}
    }
}

async fn read_back(context: &Context) -> Option<u64> {
    let since = Timestamp(telemetry::clock::now().0.saturating_sub(micros(SHOWN)));
    let filter = JournalFilter { since: Some(since), events_only: true, ..JournalFilter::all() };
    match tokio::time::timeout(READ_BACK_TIME, context.journal.read(&filter, READ_BACK)).await {
        Ok(Ok(entries)) => {
            entries.iter().for_each(|(sequence, entry)| take_in(context, *sequence, entry));
            let last = entries.last().map(|(sequence, _)| *sequence);
            last.inspect(|sequence| context.events.followed(*sequence))
        }
        Ok(Err(error)) => {
            warn!(%error, "failed to read the journal back, following it from its beginning");
            None
        }
        Err(_) => {
            warn!("the journal could not be read back in time, following it from its beginning");
            None
        }
    }
}

async fn follow(context: &Context, position: &mut Option<u64>) {
    let mut entries = match context.journal.follow(Some(position.unwrap_or_default())).await {
        Ok(entries) => entries,
        Err(error) => return warn!(%error, "failed to follow the journal, trying again"),
    };
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            entry = entries.next() => match entry {
                Some((sequence, entry)) => {
                    take_in(context, sequence, &entry);
                    context.events.followed(sequence);
                    *position = Some(sequence);
                }
                None => return,
            },
            _ = sweep.tick() => {
                let now = telemetry::clock::now();
                context.events.drop_before(Timestamp(now.0.saturating_sub(micros(SHOWN))));
            }
        }
    }
}

fn take_in(context: &Context, sequence: u64, entry: &JournalEntry) {
    let oldest = Timestamp(telemetry::clock::now().0.saturating_sub(micros(SHOWN)));
    if entry.event.is_some() && entry.at_micros >= oldest.0 {
        let uid_of = |key: &ObjectKey| context.view.get(key).map(|object| object.metadata.uid.clone());
        context.events.take_in(&context.catalogue.kinds(), sequence, entry, uid_of);
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
