//! The most recent changes of a view, in order, bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use api::Revision;

use super::{Change, Expired};

/// At most so many changes are kept.
const ENTRIES: usize = 262_144;
/// At least about so many bytes are kept, if there are so many. Who resumes from before reads the stream.
const BYTES: usize = 16 << 20;
/// Of a large view a part is kept that large: what happens to it at once is large too, and its followers must not fall behind.
const PART: usize = 4;
/// Followers of the view are rarely further behind than this: what older changes have replaced is kept encoded only.
const DECODED: usize = 2_048;

/// Changes that followers may still read.
#[derive(Default)]
pub(crate) struct Ring {
    changes: VecDeque<Arc<Change>>,
    /// The number of the first change in `changes`; numbers never start anew.
    first: u64,
    /// Changes after this revision are all here.
    floor: Revision,
    /// How many changes at the beginning are from before the last `rebase`.
    incomparable: usize,
    bytes: usize,
    /// About how many bytes may be kept.
    allowance: usize,
}

impl Ring {
    /// Makes room for the changes of a view of this weight.
    pub(crate) fn keep_for(&mut self, weight: usize) {
        self.allowance = BYTES.max(weight / PART);
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.bytes += change.weight();
        self.changes.push_back(Arc::new(change));
        if let Some(aged) =
            self.changes.len().checked_sub(DECODED + 1).and_then(|index| self.changes.get(index))
        {
            aged.forget_decoded();
        }
        while self.changes.len() > ENTRIES || self.bytes > self.allowance.max(BYTES) {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.weight());
            self.first += 1;
            match self.incomparable {
                0 => self.floor = oldest.revision(),
                _ => self.incomparable -= 1,
            }
        }
    }

    /// Revisions before and after this moment cannot be compared: who resumes must do so from `floor` on.
    pub(crate) fn rebase(&mut self, floor: Revision) {
        self.incomparable = self.changes.len();
        self.floor = floor;
    }

    /// The number of the first change after a revision.
    pub(crate) fn position_after(&self, after: Revision) -> Result<u64, Expired> {
        if after < self.floor {
            return Err(Expired { asked: after, oldest: self.floor });
        }
        let older = self.changes.iter().rev().take_while(|change| change.revision() > after).count();
        let skipped = self.changes.len().saturating_sub(older).max(self.incomparable);
        Ok(self.first + u64::try_from(skipped).unwrap_or_default())
    }

    /// Up to `limit` changes from a number on; empty if there are none yet.
    pub(crate) fn read(&self, from: u64, limit: usize) -> Result<Vec<Arc<Change>>, Expired> {
        let Some(offset) = from.checked_sub(self.first) else {
            return Err(Expired { asked: Revision(0), oldest: self.floor });
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(self.changes.iter().skip(offset).take(limit).cloned().collect())
    }

    /// The newest change of which `pick` says yes.
    pub(crate) fn find(&self, pick: impl Fn(&Change) -> bool) -> Option<Arc<Change>> {
        self.changes.iter().rev().find(|change| pick(change)).cloned()
    }
}
