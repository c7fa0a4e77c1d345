//! The events of the last hour, counted by what they are about and what they say, as objects of a view of their own.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use api::journal::{EventView, JournalEntry, WrittenEvent};
use api::{KindInfo, Kinds, ObjectKey, Revision, Timestamp, Uid};
use bus::{ChangeKind, Stored, View};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{ID, source};
use crate::fields::set;

/// No more are kept; the oldest go first.
const MOST: usize = 5_000;
/// Nor are more bytes of them.
const MOST_BYTES: usize = 64 << 20;

/// Lists and watches read it like any view. Its revisions are journal sequences, doubled: the odd ones are for what is dropped here.
pub struct EventTable {
    view: Arc<View>,
    rows: Mutex<Rows>,
    /// Everything in the journal up to this sequence is in the view.
    followed: watch::Sender<u64>,
}

#[derive(Default)]
struct Rows {
    by_key: HashMap<ObjectKey, Row>,
    /// The same by when they last happened.
    by_age: BTreeSet<(Timestamp, ObjectKey)>,
    /// What all of them take, as they are encoded.
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Row {
    count: i64,
    first: Timestamp,
    last: Timestamp,
    /// The sequence at which a client wrote it last; `None` if it only follows from decisions.
    written: Option<u64>,
}

impl Default for EventTable {
    fn default() -> Self {
        Self { view: View::offline(), rows: Mutex::default(), followed: watch::Sender::new(0) }
    }
}

impl EventTable {
    /// The events, as objects.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The revision of what is at a sequence of the journal.
    pub fn revision_of(sequence: u64) -> Revision {
        Revision(sequence.saturating_mul(2))
    }

    /// Everything in the journal up to here is in the view.
    pub fn followed(&self, sequence: u64) {
        self.followed.send_replace(sequence);
    }

    /// Returns when what is at a sequence of the journal is in the view.
    pub async fn wait_for(&self, sequence: u64) {
        let _ = self.followed.subscribe().wait_for(|followed| *followed >= sequence).await;
    }

    /// The same of a revision.
    pub async fn caught_up(&self, revision: Revision) {
        self.wait_for(revision.0 / 2).await;
    }

    /// Where a client wrote the event that has this revision, 0 if none did. `None`: it has another revision by now.
    pub fn position(&self, key: &ObjectKey, revision: Revision) -> Option<u64> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.by_key.get(key)?;
        (self.view.get(key)?.revision == revision).then_some(row.written.unwrap_or_default())
    }

    /// The event is there as a client wrote it at this sequence or later.
    pub fn was_written(&self, key: &ObjectKey, sequence: u64) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.by_key.get(key).and_then(|row| row.written).is_some_and(|written| written >= sequence)
    }

    /// Adds a journal entry's event, or counts it as a repetition. `uid_of` finds objects that the entry names without a uid.
    pub fn take_in(
        &self,
        kinds: &Kinds,
        sequence: u64,
        entry: &JournalEntry,
        uid_of: impl Fn(&ObjectKey) -> Option<Uid>,
    ) {
        let Some(event) = &entry.event else { return };
        if let (Some(key), Some(written)) = (&entry.object, &entry.written) {
            return self.take_in_written(key, sequence, Timestamp(entry.at_micros), written);
        }
        let Some(regarding) = event.regarding.as_ref().or(entry.object.as_ref()) else { return };
        let uid = match event.regarding.is_none() || event.regarding == entry.object {
            true => entry.uid.clone(),
            false => uid_of(regarding).unwrap_or_default(),
        };
        let kind = kinds.of(regarding.resource).map(Arc::as_ref);
        let component = source::of(entry);
        let told = Told { regarding, kind, uid: &uid, event, component: &component };
        let key = told.key();
        let at = Timestamp(entry.at_micros);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = match rows.by_key.get(&key).copied() {
            Some(row) => Row { count: row.count.saturating_add(1), last: at.max(row.last), ..row },
            None => Row { count: 1, first: at, last: at, written: None },
        };
        let object = match row.written.and_then(|_| self.view.get(&key)) {
            Some(stored) => repeated(stored.value(), row),
            None => told.object(&key, row),
        };
        self.put(&mut rows, &key, row, object, sequence);
    }

    fn take_in_written(&self, key: &ObjectKey, sequence: u64, at: Timestamp, written: &WrittenEvent) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            WrittenEvent::Put(object) => {
                let count = object.get("count").and_then(Value::as_i64).unwrap_or(1);
                let row = Row { count, first: at, last: at, written: Some(sequence) };
                self.put(&mut rows, key, row, object.clone(), sequence);
            }
            WrittenEvent::Deleted => self.forget_row(&mut rows, key, Self::revision_of(sequence)),
        }
    }

    fn put(&self, rows: &mut Rows, key: &ObjectKey, row: Row, object: Value, sequence: u64) {
        if let Some(before) = rows.by_key.insert(key.clone(), row) {
            rows.by_age.remove(&(before.last, key.clone()));
        }
        rows.by_age.insert((row.last, key.clone()));
        let before = self.view.get(key).map_or(0, |stored| stored.bytes().len());
        let stored = Stored::test_at(key.clone(), object, Self::revision_of(sequence).0);
        rows.bytes = rows.bytes.saturating_sub(before).saturating_add(stored.bytes().len());
        self.view.apply(ChangeKind::Put, stored);
        while rows.by_key.len() > MOST || rows.bytes > MOST_BYTES {
            let Some((_, oldest)) = rows.by_age.first().cloned() else { break };
            self.drop_row(rows, &oldest);
        }
    }

    /// Drops what last happened before `limit`.
    pub fn drop_before(&self, limit: Timestamp) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((last, key)) = rows.by_age.first().cloned() {
            if last >= limit {
                break;
            }
            self.drop_row(&mut rows, &key);
        }
    }

    /// Drops an event that other gateways drop by themselves.
    fn drop_row(&self, rows: &mut Rows, key: &ObjectKey) {
        self.forget_row(rows, key, Revision(self.view.revision().0 | 1));
    }

    fn forget_row(&self, rows: &mut Rows, key: &ObjectKey, revision: Revision) {
        if let Some(row) = rows.by_key.remove(key) {
            rows.by_age.remove(&(row.last, key.clone()));
        }
        if let Some(stored) = self.view.get(key) {
            rows.bytes = rows.bytes.saturating_sub(stored.bytes().len());
            self.view.apply(ChangeKind::Deleted, Stored::test_at(key.clone(), stored.value(), revision.0));
        }
    }
}

/// A client's event that has happened once more.
fn repeated(mut event: Value, row: Row) -> Value {
    set(&mut event, "count", json!(row.count));
    set(&mut event, "lastTimestamp", json!(row.last));
    event
}

/// What an event says.
struct Told<'a> {
    regarding: &'a ObjectKey,
    /// The kind of what it is about, if that is served.
    kind: Option<&'a KindInfo>,
    uid: &'a Uid,
    event: &'a EventView,
    component: &'a str,
}

impl Told<'_> {
    /// The same on every gateway: repetitions meet under it. Events about cluster-scoped objects live in `default`.
    fn key(&self) -> ObjectKey {
        let namespace = self.regarding.namespace.as_deref().unwrap_or("default");
        let said = (self.regarding, self.uid, &self.event.reason, &self.event.message, self.component);
        let mut hasher = DefaultHasher::new();
        said.hash(&mut hasher);
        let name = format!("{}.{:016x}", self.regarding.name, hasher.finish());
        ObjectKey::namespaced(ID, namespace, &name)
    }

    fn object(&self, key: &ObjectKey, row: Row) -> Value {
        let mut involved = json!({
            "kind": self.kind.map_or_else(|| self.regarding.resource.plural(), |kind| kind.kind),
            "apiVersion": self.kind.map_or_else(|| "v1".to_owned(), KindInfo::api_version),
            "name": &*self.regarding.name, "uid": self.uid,
        });
        if let Some(namespace) = &self.regarding.namespace {
            set(&mut involved, "namespace", json!(&**namespace));
        }
        let (controller, host) = self.component.split_once('/').unwrap_or((self.component, ""));
        let mut source = json!({"component": controller});
        if !host.is_empty() {
            set(&mut source, "host", json!(host));
        }
        let severity = if self.event.severity.is_empty() { "Normal" } else { &self.event.severity };
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {
                "name": &*key.name, "namespace": key.namespace(), "uid": uid_from(key), "creationTimestamp": row.first,
            },
            "involvedObject": involved, "reason": self.event.reason, "message": self.event.message,
            "type": severity, "source": source, "count": row.count,
            "firstTimestamp": row.first, "lastTimestamp": row.last, "eventTime": null,
            "reportingComponent": controller, "reportingInstance": host,
        })
    }
}

/// A uid that follows from the key, in the form of one.
fn uid_from(key: &ObjectKey) -> String {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, key).hash(&mut hasher);
        hasher.finish()
    };
    let (high, low) = (hash(0), hash(1));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use api::ResourceId;

    use super::*;

    fn entry(name: &str, message: &str, seconds: i64) -> JournalEntry {
        JournalEntry {
            at_micros: seconds * 1_000_000,
            component: "agent/node-1".to_owned(),
            object: Some(ObjectKey::namespaced(ResourceId::new("pods"), "default", name)),
            uid: Uid::from("u"),
            event: Some(EventView {
                severity: "Warning".to_owned(),
                reason: "BackOff".to_owned(),
                message: message.to_owned(),
                regarding: None,
            }),
            ..JournalEntry::default()
        }
    }

    fn shown(table: &EventTable) -> Vec<String> {
        let reader = table.view.read();
        reader
            .list(ID, Some("default"))
            .map(|stored| {
                let event = stored.value();
                format!(
                    "{} {} x{} {}..{} by {} on {}",
                    event["involvedObject"]["name"].as_str().unwrap(),
                    event["message"].as_str().unwrap(),
                    event["count"],
                    event["firstTimestamp"].as_str().unwrap(),
                    event["lastTimestamp"].as_str().unwrap(),
                    event["source"]["component"].as_str().unwrap(),
                    event["source"]["host"].as_str().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn repetitions_are_counted_and_old_events_dropped() {
        let table = EventTable::default();
        for (sequence, (name, message, at)) in
            (1..).zip([("a", "restarting", 1), ("b", "restarting", 2), ("a", "restarting", 5)])
        {
            table.take_in(api::kinds(), sequence, &entry(name, message, at), |_| None);
        }
        assert_eq!(
            shown(&table),
            [
                "a restarting x2 1970-01-01T00:00:01Z..1970-01-01T00:00:05Z by kubelet on node-1",
                "b restarting x1 1970-01-01T00:00:02Z..1970-01-01T00:00:02Z by kubelet on node-1",
            ]
        );
        table.drop_before(Timestamp(3_000_000));
        assert_eq!(shown(&table).len(), 1);
        assert_eq!(table.view.revision().0, 7);
        table.take_in(api::kinds(), 4, &entry("b", "restarting", 9), |_| None);
        assert_eq!(shown(&table).len(), 2);
    }
}
