//! Following a view, change by change.

use std::collections::VecDeque;
use std::sync::Arc;

use api::Revision;
use tokio::sync::watch;

use super::{Change, Position, View};

/// So many changes are handed over at once.
const BATCH: usize = 1_000;

/// The history asked for is not there any more: list again and go on from the list's revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes after revision {asked} are no longer kept, the oldest are those after {oldest}")]
pub struct Expired {
    /// Where the reader was; zero if it fell behind while following.
    pub asked: Revision,
    /// Changes after this revision are still there.
    pub oldest: Revision,
}

/// A reader of a view's changes. Cheap: any number may follow one view.
pub struct Changes {
    view: Arc<View>,
    position: watch::Receiver<Position>,
    /// The number of the next change in the ring.
    next: u64,
    /// The reader was ahead of the view: changes up to here are no news to it, unless revisions start anew.
    known: Position,
    /// Read from the ring and not handed over yet.
    pending: VecDeque<Arc<Change>>,
}

impl Changes {
    pub(super) fn new(view: Arc<View>, after: Revision) -> Result<Self, Expired> {
        let position = view.position.subscribe();
        let known = Position { epoch: position.borrow().epoch, revision: after };
        let next = view.ring().position_after(after)?;
        Ok(Self { view, position, next, known, pending: VecDeque::new() })
    }

    /// The next change; waits for it. `Expired` if the reader was too slow for the ring.
    pub async fn next(&mut self) -> Result<Arc<Change>, Expired> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(change);
            }
            self.pending = self.next_batch().await?.into();
        }
    }

    /// All changes that are there, at most a thousand; waits for the first.
    pub async fn next_batch(&mut self) -> Result<Vec<Arc<Change>>, Expired> {
        loop {
            self.position.mark_unchanged();
            let batch = self.try_batch()?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            if self.position.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What is there now, at most about a thousand, without waiting.
    pub fn try_batch(&mut self) -> Result<Vec<Arc<Change>>, Expired> {
        if !self.pending.is_empty() {
            return Ok(std::mem::take(&mut self.pending).into());
        }
        loop {
            let mut batch = self.view.ring().read(self.next, BATCH)?;
            if batch.is_empty() {
                return Ok(batch);
            }
            self.next += u64::try_from(batch.len()).unwrap_or_default();
            if self.known.epoch == self.position.borrow().epoch {
                batch.retain(|change| change.revision() > self.known.revision);
            }
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// Everything that is there now.
    pub(super) fn take_all(&mut self) -> Result<Vec<Arc<Change>>, Expired> {
        let mut all = Vec::new();
        loop {
            let batch = self.try_batch()?;
            if batch.is_empty() {
                return Ok(all);
            }
            all.extend(batch);
        }
    }

    /// The view that is followed.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }
}
