//! Kubernetes' events: a view of the journal, kept in memory, with repetitions counted.

mod source;
mod table;

pub use table::EventTable;

use std::time::Duration;

use api::journal::{EventView, JournalEntry};
use api::json::text;
use api::{ObjectKey, ResourceId, Timestamp, Uid};
use bus::JournalFilter;
use futures::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

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
            entries.last().map(|(sequence, _)| *sequence)
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

/// A client's event goes to the journal; it is listed when it comes back from there. Returns it as it will be.
pub fn create(context: &Context, call: &Call, event: Value) -> Result<Value, Failure> {
    let (api_version, kind) =
        (text(&event, "/involvedObject/apiVersion"), text(&event, "/involvedObject/kind"));
    let name = text(&event, "/involvedObject/name");
    let kinds = context.catalogue.kinds();
    let known = match api_version {
        "" => kinds.iter().find(|known| known.kind == kind),
        version => kinds.by_gvk(version, kind),
    };
    let resource = known.map_or(ResourceId::new("objects"), |known| known.id);
    let key = match text(&event, "/involvedObject/namespace") {
        "" => ObjectKey::cluster(resource, name),
        namespace => ObjectKey::namespaced(resource, namespace, name),
    };
    let component = [text(&event, "/source/component"), text(&event, "/reportingComponent")]
        .into_iter()
        .find(|component| !component.is_empty())
        .unwrap_or(call.manager());
    let entry = JournalEntry {
        at_micros: telemetry::clock::now().0,
        component: component.to_owned(),
        object: Some(key),
        uid: Uid::from(text(&event, "/involvedObject/uid")),
        cause: call.cause,
        trigger: format!("event reported by {} ({})", call.user.name, call.manager()),
        because: text(&event, "/message").to_owned(),
        outcome: "done".to_owned(),
        event: Some(EventView {
            severity: Some(text(&event, "/type"))
                .filter(|kind| !kind.is_empty())
                .unwrap_or("Normal")
                .to_owned(),
            reason: text(&event, "/reason").to_owned(),
            message: text(&event, "/message").to_owned(),
            regarding: None,
        }),
        ..JournalEntry::default()
    };
    if !call.query.dry_run()? {
        context.journal.append(entry);
    }
    Ok(complete(event))
}

/// What the server adds, and the fields that Kubernetes' type shows even when they are empty.
fn complete(mut event: Value) -> Value {
    if let Some(metadata) = event.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".into(), json!(telemetry::clock::fresh_uid()));
        metadata.insert("creationTimestamp".into(), json!(telemetry::clock::now()));
    }
    if let Some(fields) = event.as_object_mut() {
        let empty = [
            ("source", json!({})),
            ("firstTimestamp", Value::Null),
            ("lastTimestamp", Value::Null),
            ("eventTime", Value::Null),
            ("reportingComponent", json!("")),
            ("reportingInstance", json!("")),
        ];
        for (field, value) in empty {
            fields.entry(field).or_insert(value);
        }
    }
    event
}
