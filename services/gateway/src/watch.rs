//! Watches: what a selection holds, then every change of it, as a stream of JSON events composed from encoded bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Revision;
use api::custom::DEFINITIONS;
use bus::{Change, ChangeKind, Changes, Expired, Stored, View};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::metrics::WatchGuard;
use crate::negotiate::{self, Form};
use crate::read::view_of;
use crate::respond::{self, Response, StreamError};
use crate::selection::Selection;
use crate::table::Shape;

/// How long a watch lasts that does not say so itself.
const LASTS: Duration = Duration::from_secs(45 * 60);
/// How often an idle watch says how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch that is over may take to say how far it came.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pieces under way to a client that is slow.
const UNDER_WAY: usize = 4;
/// The annotation of the bookmark that ends the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// `GET …?watch=true`.
pub fn start(context: &Arc<Context>, call: &Call) -> Result<Response, Failure> {
    let form = call.form()?;
    negotiate::can_stream(&call.accept, call.kind.custom().is_none() || form != Form::Whole)?;
    let watch = Watch {
        context: Arc::clone(context),
        view: Arc::clone(view_of(context, call)),
        selection: Selection::of(call)?,
        shape: Shape::of(&call.kind, form, &call.query)?,
        beginning: Beginning::of(call)?,
        bookmarks: call.query.flag("allowWatchBookmarks"),
        told_columns: AtomicBool::new(false),
        lasts: call
            .query
            .number::<u64>("timeoutSeconds")?
            .filter(|s| *s > 0)
            .map_or(LASTS, Duration::from_secs),
        _open: context.metrics.watch(call.kind.id.as_str()),
    };
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tokio::spawn(watch.run(sender));
    Ok(respond::stream("application/json", ReceiverStream::new(receiver)))
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// With what there is, as ADDED events; `bookmarked` says when they are all sent.
    Present { bookmarked: bool },
    /// With the next change.
    Next,
    /// After a revision that the client has seen.
    After(Revision),
}

impl Beginning {
    /// The options fit together: that is checked before.
    fn of(call: &Call) -> Result<Self, Failure> {
        let version = call.query.version()?;
        let initial =
            (!call.query.all("sendInitialEvents").is_empty()).then(|| call.query.flag("sendInitialEvents"));
        Ok(match (initial, version) {
            (Some(true), _) => Self::Present { bookmarked: true },
            (Some(false), None) => Self::Next,
            (None, None) => Self::Present { bookmarked: false },
            (_, Some(version)) => Self::After(version),
        })
    }
}

struct Watch {
    context: Arc<Context>,
    view: Arc<View>,
    selection: Selection,
    shape: Shape,
    beginning: Beginning,
    bookmarks: bool,
    lasts: Duration,
    /// A table's columns are told once.
    told_columns: AtomicBool,
    _open: WatchGuard,
}

type Sender = mpsc::Sender<Result<Bytes, StreamError>>;

impl Watch {
    /// Ends when the client goes, when its time is over, or when the gateway stops.
    async fn run(self, sender: Sender) {
        let stopping = self.context.stopping.clone();
        let lasts = self.lasts;
        let client = sender.clone();
        tokio::select! {
            () = self.follow(&sender) => {}
            () = client.closed() => {}
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(lasts + FAREWELL) => {}
        }
    }

    async fn follow(&self, sender: &Sender) {
        let (position, first, changes) = match self.begin().await {
            Ok(begun) => begun,
            Err(end) => return send_end(sender, end).await,
        };
        if !first.is_empty() && sender.send(Ok(first)).await.is_err() {
            return;
        }
        if let Err(end) = self.go_on(sender, changes, position).await {
            send_end(sender, end).await;
        }
    }

    /// The first piece, and the changes that follow it.
    async fn begin(&self) -> Result<(Revision, Bytes, Changes), End> {
        let mut piece = BytesMut::new();
        match self.beginning {
            Beginning::Present { bookmarked } => {
                let kind = &self.shape.kind;
                let snapshot = self.selection.of_stored(kind).now(&self.view);
                let changes = self.view.changes(snapshot.revision)?;
                let snapshot = self.selection.shown(&self.context.converter, kind, snapshot).await?;
                for object in &self.context.converter.all(kind, snapshot.objects).await? {
                    self.write_event(&mut piece, "ADDED", object);
                }
                if bookmarked && self.bookmarks {
                    self.write_bookmark(&mut piece, snapshot.revision, true);
                }
                Ok((snapshot.revision, piece.freeze(), changes))
            }
            Beginning::Next => {
                let now = self.view.revision();
                Ok((now, Bytes::new(), self.view.changes(now)?))
            }
            Beginning::After(revision) => {
                let (history, changes) = self.view.resume(revision).await?;
                self.write_changes(&mut piece, &history).await?;
                let position = history.last().map_or(revision, |change| change.revision());
                Ok((position, piece.freeze(), changes))
            }
        }
    }

    async fn go_on(&self, sender: &Sender, mut changes: Changes, mut position: Revision) -> Result<(), End> {
        let mut bookmark_at = Instant::now() + BOOKMARK_EVERY;
        let mut ends = std::pin::pin!(tokio::time::sleep(self.lasts));
        loop {
            let mut piece = BytesMut::new();
            tokio::select! {
                batch = changes.next_batch() => {
                    let batch = batch?;
                    self.write_changes(&mut piece, &batch).await?;
                    position = batch.last().map_or(position, |change| change.revision());
                    if self.is_over(&batch) {
                        let _ = sender.send(Ok(piece.freeze())).await;
                        return Ok(());
                    }
                }
                () = &mut ends => {
                    if self.bookmarks {
                        self.write_bookmark(&mut piece, position, false);
                        let _ = sender.send(Ok(piece.freeze())).await;
                    }
                    return Ok(());
                }
                () = tokio::time::sleep_until(bookmark_at), if self.bookmarks => {
                    self.write_bookmark(&mut piece, position, false);
                    bookmark_at = Instant::now() + BOOKMARK_EVERY;
                }
            }
            if !piece.is_empty() && sender.send(Ok(piece.freeze())).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The kind is a custom one, and its definition has gone, serves it no more, or describes it in another way: whoever watches
    /// begins anew by what it says now.
    fn is_over(&self, batch: &[Arc<Change>]) -> bool {
        self.shape.kind.custom().is_some()
            && batch.iter().any(|change| change.key().resource == DEFINITIONS)
            && !self.context.catalogue.serves(&self.shape.kind)
    }

    async fn write_changes(&self, piece: &mut BytesMut, changes: &[Arc<Change>]) -> Result<(), Failure> {
        if self.shape.kind.webhook().is_none() {
            changes.iter().for_each(|change| self.write_change(piece, change));
            return Ok(());
        }
        let concerned = changes.iter().filter(|change| self.selection.concerns(change.key()));
        for change in self.converted(concerned.map(Arc::as_ref).collect()).await? {
            self.write_change(piece, &change);
        }
        Ok(())
    }

    /// Changes in the version of the watch, all of them by one call.
    async fn converted(&self, changes: Vec<&Change>) -> Result<Vec<Change>, Failure> {
        // What was before only matters to those who do not see everything.
        let before = |change: &Change| change.previous.clone().filter(|_| !self.selection.is_everything());
        let states =
            changes.iter().flat_map(|change| before(change).into_iter().chain([Arc::clone(&change.object)]));
        let states = self.context.converter.all(&self.shape.kind, states.collect()).await?;
        let mut states = states.into_iter();
        let converted = changes.into_iter().filter_map(|change| {
            let previous = match before(change) {
                Some(_) => Some(states.next()?),
                None => change.previous.clone(),
            };
            Some(Change { kind: change.kind, object: states.next()?, previous })
        });
        Ok(converted.collect())
    }

    fn write_change(&self, piece: &mut BytesMut, change: &Change) {
        if !self.selection.concerns(change.key()) {
            return;
        }
        let matches = |object: &Arc<Stored>| self.selection.matches(object);
        match seen(change, matches) {
            Some(Seen::Added) => self.write_event(piece, "ADDED", &change.object),
            Some(Seen::Modified) => self.write_event(piece, "MODIFIED", &change.object),
            Some(Seen::Deleted) => self.write_deleted(piece, change),
            None => {}
        }
    }

    /// Whoever saw an object go out of the selection is shown what it was like before, at the version of the change.
    fn write_deleted(&self, piece: &mut BytesMut, change: &Change) {
        match last_seen(change) {
            Some(before) => self.write_object(piece, "DELETED", &self.shown(&before)),
            None => self.write_event(piece, "DELETED", &change.object),
        }
    }

    /// One object in the form that the client wants.
    fn shown(&self, object: &Value) -> Value {
        let mut shown = self.shape.value(object, telemetry::clock::now());
        if self.shape.form == Form::Table && self.told_columns.swap(true, Ordering::Relaxed) {
            set(&mut shown, "columnDefinitions", Value::Null);
        }
        shown
    }

    fn write_object(&self, piece: &mut BytesMut, kind: &str, object: &Value) {
        piece.extend_from_slice(format!("{}\n", json!({"type": kind, "object": object})).as_bytes());
    }

    fn write_event(&self, piece: &mut BytesMut, kind: &str, object: &Stored) {
        if self.shape.form == Form::Table {
            return self.write_object(piece, kind, &self.shown(&object.value()));
        }
        let shown = self.shape.one(object, telemetry::clock::now());
        piece.reserve(shown.len() + 40);
        piece.extend_from_slice(b"{\"type\":\"");
        piece.extend_from_slice(kind.as_bytes());
        piece.extend_from_slice(b"\",\"object\":");
        piece.extend_from_slice(&shown);
        piece.extend_from_slice(b"}\n");
    }

    fn write_bookmark(&self, piece: &mut BytesMut, revision: Revision, ends_initial_events: bool) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if self.shape.kind.custom().is_none() {
            set(&mut metadata, "creationTimestamp", Value::Null);
        }
        if ends_initial_events {
            set(&mut metadata, "annotations", json!({INITIAL_EVENTS_END: "true"}));
        }
        let kind = &self.shape.kind;
        let object = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
        let shown: Value = match self.shape.form {
            Form::Whole => object,
            Form::Table | Form::Metadata => self.shown(&object),
        };
        self.write_object(piece, "BOOKMARK", &shown);
    }
}

/// Why a watch ends before its time.
enum End {
    Expired(Expired),
    /// What it shows could not be converted.
    Failed(Failure),
}

impl From<Expired> for End {
    fn from(expired: Expired) -> Self {
        Self::Expired(expired)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn send_end(sender: &Sender, end: End) {
    let failure = match end {
        End::Failed(failure) => failure,
        End::Expired(Expired { asked: Revision(0), .. }) => {
            Failure::expired("the watch fell behind: the changes it has not seen are no longer kept")
        }
        End::Expired(Expired { asked, oldest }) => {
            Failure::expired(format!("too old resource version: {asked} ({oldest})"))
        }
    };
    let event = json!({"type": "ERROR", "object": failure.to_value()});
    let _ = sender.send(Ok(Bytes::from(format!("{event}\n")))).await;
}

/// What a change is for someone who sees only a part of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Added,
    Modified,
    Deleted,
}

/// An object that starts to match is added, one that stops is deleted.
fn seen(change: &Change, matches: impl Fn(&Arc<Stored>) -> bool) -> Option<Seen> {
    let now = change.kind == ChangeKind::Put && matches(&change.object);
    // Read back from history, the state before is not known: the client is told more rather than less.
    let unknown = |previous: &Arc<Stored>| previous.revision == change.object.revision;
    let before = match (&change.previous, change.kind) {
        (Some(previous), ChangeKind::Put) if unknown(previous) => true,
        (Some(previous), _) => matches(previous),
        (None, ChangeKind::Put) => false,
        (None, ChangeKind::Deleted) => matches(&change.object),
    };
    match (before, now) {
        (false, true) => Some(Seen::Added),
        (true, true) => Some(Seen::Modified),
        (true, false) => Some(Seen::Deleted),
        (false, false) => None,
    }
}

/// The state before a change, if it is known, with the version of the change.
fn last_seen(change: &Change) -> Option<Value> {
    let previous = change.previous.as_ref().filter(|_| change.kind == ChangeKind::Put)?;
    (previous.revision != change.object.revision)
        .then(|| crate::write::with_revision(previous.value(), change.object.revision))
}

#[cfg(test)]
mod tests {
    use api::{ObjectKey, ResourceId};
    use bus::ChangeKind::{Deleted, Put};

    use super::*;

    fn stored(app: &str, revision: u64) -> Arc<Stored> {
        let key = ObjectKey::namespaced(ResourceId::new("pods"), "default", "a");
        Stored::test_at(key, json!({"metadata": {"name": "a", "labels": {"app": app}}}), revision)
    }

    fn check(kind: ChangeKind, previous: Option<&str>, now: &str, expected: Option<Seen>) {
        let change = Change { kind, object: stored(now, 2), previous: previous.map(|app| stored(app, 1)) };
        let web = |object: &Arc<Stored>| object.metadata.labels.get("app").is_some_and(|app| &**app == "web");
        assert_eq!(seen(&change, web), expected, "{kind:?} {previous:?} -> {now}");
    }

    #[test]
    fn what_leaves_a_selection_is_shown_as_it_was() {
        let change = Change { kind: Put, object: stored("api", 2), previous: Some(stored("web", 1)) };
        let last = last_seen(&change).unwrap();
        assert_eq!(last["metadata"], json!({"name": "a", "labels": {"app": "web"}, "resourceVersion": "2"}));
        let unknown = Change { kind: Put, object: stored("api", 2), previous: Some(stored("api", 2)) };
        assert_eq!(last_seen(&unknown), None);
    }

    #[test]
    fn selectors_turn_changes_into_additions_and_deletions() {
        check(Put, None, "web", Some(Seen::Added));
        check(Put, None, "api", None);
        check(Put, Some("web"), "web", Some(Seen::Modified));
        check(Put, Some("api"), "web", Some(Seen::Added));
        check(Put, Some("web"), "api", Some(Seen::Deleted));
        check(Put, Some("api"), "api", None);
        check(Deleted, Some("web"), "web", Some(Seen::Deleted));
        check(Deleted, Some("api"), "api", None);
        check(Deleted, None, "web", Some(Seen::Deleted));
    }
}
