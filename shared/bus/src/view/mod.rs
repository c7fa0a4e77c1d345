//! The process's picture of the bucket: a prefix of its history, indexed, with the most recent changes.

mod changes;
mod follow;
mod history;
mod labels;
mod only_reader;
mod ring;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use api::{ObjectKey, Revision};
use tokio::sync::watch;

pub use changes::{Changes, Expired};
pub(crate) use follow::{CREATED, Following, KV_OPERATION, TRACEPARENT, WRITE_ID, follow, provenance};
pub(crate) use history::MARKER_SLACK;
use history::Window;

use ring::Ring;
pub use state::Reader;
use state::State;

use crate::stored::Stored;

/// Objects as the bucket had them at one revision, kept up to date by one consumer.
pub struct View {
    state: RwLock<State>,
    /// Locked after `state`, never before.
    ring: Mutex<Ring>,
    position: watch::Sender<Position>,
    /// How far back the stream tells everything.
    window: Mutex<Window>,
    /// Where older history is read; `None` for a view that stands alone.
    source: Option<async_nats::jetstream::Context>,
}

/// How far the view is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Grows when the stream was found recreated: revisions have started anew.
    epoch: u64,
    /// Everything up to here is in the view.
    revision: Revision,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created or modified.
    Put,
    /// It is gone.
    Deleted,
}

/// One step of the bucket's history.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after the change; of a deleted one its last state, at the revision of the deletion.
    pub object: Arc<Stored>,
    /// The object before; `None` if it did not exist. From `View::history`, where the state before is no longer known, an object
    /// that existed already has its new state here.
    pub previous: Option<Arc<Stored>>,
}

impl Change {
    /// The write behind it.
    pub fn revision(&self) -> Revision {
        self.object.revision
    }

    /// The object that changed.
    pub fn key(&self) -> &ObjectKey {
        &self.object.key
    }

    /// The object did not exist before.
    pub fn is_creation(&self) -> bool {
        self.kind == ChangeKind::Put && self.previous.is_none()
    }

    fn weight(&self) -> usize {
        self.object.weight() + 128
    }

    /// Forgets what was decoded of states that no view shows any more.
    fn forget_decoded(&self) {
        if let Some(previous) = &self.previous {
            previous.forget_decoded();
        }
        if self.kind == ChangeKind::Deleted {
            self.object.forget_decoded();
        }
    }
}

impl View {
    /// A view without a server, for tests: fill it with `apply`.
    pub fn offline() -> Arc<Self> {
        Arc::new(Self::new(None, Duration::ZERO))
    }

    /// For tests: a view of these objects, at revisions 1, 2, 3, …
    pub fn of(objects: impl IntoIterator<Item = serde_json::Value>) -> Arc<Self> {
        let view = Self::offline();
        for (revision, object) in (1..).zip(objects) {
            view.apply(ChangeKind::Put, Stored::test(object, revision));
        }
        view
    }

    pub(crate) fn new(source: Option<async_nats::jetstream::Context>, window: Duration) -> Self {
        Self {
            state: RwLock::default(),
            ring: Mutex::default(),
            position: watch::Sender::new(Position::default()),
            window: Mutex::new(Window::new(window)),
            source,
        }
    }

    /// Takes one change in, as the consumer does. For a deletion, `object` is the last state at the revision of the deletion.
    pub fn apply(&self, kind: ChangeKind, object: Arc<Stored>) {
        let revision = object.revision;
        self.advance([(kind, object)], revision);
    }

    /// One consistent moment. Hold it briefly, never across an await, and do not ask the same view for another meanwhile:
    /// the view stands still as long.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&self.state)
    }

    /// One object, as of now.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Stored>> {
        self.read().get(key).cloned()
    }

    /// Everything up to here is in the view.
    pub fn revision(&self) -> Revision {
        self.position.borrow().revision
    }

    /// Returns when the view holds `revision`, or when revisions have started anew.
    pub async fn wait_for(&self, revision: Revision) {
        let mut position = self.position.subscribe();
        let epoch = position.borrow().epoch;
        let _ = position.wait_for(|now| now.revision >= revision || now.epoch != epoch).await;
    }

    /// Follows changes after `after`. `Expired` if the recent changes in memory do not reach back so far: see `resume`.
    pub fn changes(self: &Arc<Self>, after: Revision) -> Result<Changes, Expired> {
        Changes::new(Arc::clone(self), after)
    }

    /// Takes changes in, in order, and says that everything up to `revision` is known.
    pub(crate) fn advance(
        &self,
        changes: impl IntoIterator<Item = (ChangeKind, Arc<Stored>)>,
        revision: Revision,
    ) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut ring = self.ring();
        ring.keep_for(state.weight());
        for (kind, object) in changes {
            if let Some(change) = state.apply(kind, object) {
                ring.push(change);
            }
        }
        state.revision = state.revision.max(revision);
        let revision = state.revision;
        drop((ring, state));
        self.position.send_modify(|position| position.revision = revision);
    }

    /// Shows these objects from now on, as they are at `revision`, and tells followers what is different. Revisions may have
    /// started anew: readers that resume have to list again.
    pub(crate) fn replace(&self, changes: Vec<(ChangeKind, Arc<Stored>)>, revision: Revision) {
        let mut fresh = State::default();
        for (kind, object) in changes {
            fresh.apply(kind, object);
        }
        fresh.revision = revision;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut ring = self.ring();
        let is_first = state.revision == Revision(0) && state.objects().next().is_none();
        if !is_first {
            state.differences(&fresh).into_iter().for_each(|change| ring.push(change));
        }
        ring.rebase(revision);
        *state = fresh;
        // Told before the locks are released: who reads the differences must see that revisions have started anew.
        self.position.send_modify(|position| {
            position.revision = revision;
            position.epoch += u64::from(!is_first);
        });
    }

    pub(crate) fn stream_created(&self, at_nanos: i128) {
        self.window().stream_created(at_nanos);
    }

    pub(crate) fn tick(&self, at_nanos: i128, revision: Revision) {
        self.window().tick(at_nanos, revision);
    }

    /// How long deletions are remembered.
    pub(crate) fn watch_window(&self) -> Duration {
        self.window().length()
    }

    /// The change that a write made, if it is recent.
    pub(crate) fn find_write(&self, key: &ObjectKey, write_id: &str) -> Option<Revision> {
        let is_it = |change: &Change| {
            change.object.write_id.as_deref() == Some(write_id) && change.object.key == *key
        };
        self.ring().find(is_it).map(|change| change.revision())
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({:?})", self.revision())
    }
}
