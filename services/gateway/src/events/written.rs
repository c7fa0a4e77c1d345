//! Writes what clients make of events into the journal, compare-and-set by the subject of each event.

use std::time::Duration;

use api::journal::{EventView, JournalEntry, WrittenEvent};
use api::json::text;
use api::{Kinds, ObjectKey, ResourceId, Revision, Uid};
use bus::{ChangeTo, Expect, WriteError};
use serde_json::Value;

use super::EventTable;
use crate::call::Call;
use crate::context::Context;

/// The largest event, in bytes: the journal, which they share with every decision, is bounded.
const LARGEST: usize = 128 << 10;
/// How long to wait for the journal to bring what a conflict was about.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Stores an event, or that it is gone. The revision is the event's, in the journal's own space.
pub async fn commit(
    context: &Context,
    call: &Call,
    key: &ObjectKey,
    expect: Expect,
    change: ChangeTo,
) -> Result<Revision, WriteError> {
    let stale = || WriteError::Conflict { current: None };
    let mut after = match expect {
        Expect::Absent => 0,
        Expect::At(revision) => context.events.position(key, revision).ok_or_else(stale)?,
    };
    let (event, is_gone) = match change {
        ChangeTo::Put(event) => (event, false),
        ChangeTo::Delete(event) => (event, true),
        ChangeTo::PutBytes(_) => {
            return Err(WriteError::Unavailable("events are not written as bytes".to_owned()));
        }
    };
    let size = event.to_string().len();
    if size > LARGEST {
        return Err(WriteError::TooLarge { size, limit: LARGEST });
    }
    let regarding = regarding(&context.catalogue.kinds(), &event);
    let entry = JournalEntry {
        object: Some(key.clone()),
        uid: Uid::from(text(&event, "/metadata/uid")),
        event: Some(view(&event, regarding.clone())),
        written: Some(if is_gone { WrittenEvent::Deleted } else { WrittenEvent::Put(event.clone()) }),
        ..report(call, &event)
    };
    loop {
        match context.journal.append_after(&entry, after).await {
            Ok(sequence) => {
                if expect == Expect::Absent {
                    // What the event is about has a place in its own story.
                    let uid = Uid::from(text(&event, "/involvedObject/uid"));
                    context.journal.append(JournalEntry {
                        object: Some(regarding),
                        uid,
                        ..report(call, &event)
                    });
                }
                return Ok(EventTable::revision_of(sequence));
            }
            Err(WriteError::Conflict { current: Some(Revision(sequence)) }) if sequence > after => {
                let _ = tokio::time::timeout(CATCH_UP, context.events.wait_for(sequence)).await;
                if context.events.was_written(key, sequence) {
                    return Err(stale());
                }
                // That was another event of this name, which is gone.
                after = sequence;
            }
            // Its entry has made room for newer ones already.
            Err(WriteError::Conflict { current: Some(Revision(0)) | None }) if after > 0 => after = 0,
            Err(WriteError::Conflict { .. }) => return Err(stale()),
            Err(error) => return Err(error),
        }
    }
}

/// What the journal says of every write of an event.
fn report(call: &Call, event: &Value) -> JournalEntry {
    let component = [text(event, "/source/component"), text(event, "/reportingComponent")]
        .into_iter()
        .find(|component| !component.is_empty())
        .unwrap_or(call.manager());
    JournalEntry {
        at_micros: telemetry::clock::now().0,
        component: component.to_owned(),
        cause: call.cause,
        trigger: format!("event reported by {} ({})", call.user.name, call.manager()),
        because: text(event, "/message").to_owned(),
        outcome: "done".to_owned(),
        ..JournalEntry::default()
    }
}

fn view(event: &Value, regarding: ObjectKey) -> EventView {
    let severity = text(event, "/type");
    EventView {
        severity: if severity.is_empty() { "Normal" } else { severity }.to_owned(),
        reason: text(event, "/reason").to_owned(),
        message: text(event, "/message").to_owned(),
        regarding: Some(regarding),
    }
}

/// The object that an event is about, as far as it names one.
fn regarding(kinds: &Kinds, event: &Value) -> ObjectKey {
    let (api_version, kind) =
        (text(event, "/involvedObject/apiVersion"), text(event, "/involvedObject/kind"));
    let known = match api_version {
        "" => kinds.iter().find(|known| known.kind == kind),
        version => kinds.by_gvk(version, kind),
    };
    let resource = known.map_or(ResourceId::new("objects"), |known| known.id);
    let name = text(event, "/involvedObject/name");
    match text(event, "/involvedObject/namespace") {
        "" => ObjectKey::cluster(resource, name),
        namespace => ObjectKey::namespaced(resource, namespace, name),
    }
}
