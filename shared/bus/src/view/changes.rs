//! Following a view, change by change.

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
    /// Read from the ring and not handed over yet, newest first.
    pending: Vec<Arc<Change>>,
}

impl Changes {
    pub(super) fn new(view: Arc<View>, after: Revision) -> Result<Self, Expired> {
        let position = view.position.subscribe();
        let next = view.ring().position_after(after)?;
        Ok(Self { view, position, next, pending: Vec::new() })
    }

    /// The next change; waits for it. `Expired` if the reader was too slow for the ring.
    pub async fn next(&mut self) -> Result<Arc<Change>, Expired> {
        loop {
            if let Some(change) = self.pending.pop() {
                return Ok(change);
            }
            self.pending = self.next_batch().await?;
            self.pending.reverse();
        }
    }

    /// All changes that are there, at most a thousand; waits for the first.
    pub async fn next_batch(&mut self) -> Result<Vec<Arc<Change>>, Expired> {
        if !self.pending.is_empty() {
            return Ok(std::mem::take(&mut self.pending).into_iter().rev().collect());
        }
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

    /// What is there now, without waiting.
    pub fn try_batch(&mut self) -> Result<Vec<Arc<Change>>, Expired> {
        let batch = self.view.ring().read(self.next, BATCH)?;
        self.next += u64::try_from(batch.len()).unwrap_or_default();
        Ok(batch)
    }

    /// The view that is followed.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }
}
