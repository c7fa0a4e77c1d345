//! Reads changes back that are older than the view's memory: for watches that resume.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use async_nats::jetstream::Context;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::follow::read_entry;
use super::{Change, ChangeKind, Changes, Expired, View};
use crate::error::BusError;
use crate::provision::STATE_STREAM;
use crate::stored::Stored;
use crate::subject::is_tick;
use crate::tail::{Start, Tail};

/// How long a reader that is ahead of the view waits for it.
const AHEAD: Duration = Duration::from_secs(3);
/// How long reading back may take.
const READ: Duration = Duration::from_secs(30);
/// Delete markers live this much longer than the watch window, so that rounding never loses one.
pub(crate) const MARKER_SLACK: Duration = Duration::from_secs(3600);

/// Knows how far back deletions are all still in the stream: from small marks that writers leave every few minutes and that
/// expire together with the delete markers.
#[derive(Debug)]
pub(crate) struct Window {
    length: Duration,
    /// When the stream was created.
    created_nanos: i128,
    /// Marks by age.
    ticks: VecDeque<(i128, Revision)>,
}

impl Window {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, created_nanos: i128::MIN, ticks: VecDeque::new() }
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    pub(crate) fn stream_created(&mut self, at_nanos: i128) {
        self.created_nanos = at_nanos;
        self.ticks.clear();
    }

    pub(crate) fn tick(&mut self, at_nanos: i128, revision: Revision) {
        if self.ticks.back().is_none_or(|(_, newest)| *newest < revision) {
            self.ticks.push_back((at_nanos, revision));
        }
    }

    /// Every deletion after this revision is still in the stream.
    pub(crate) fn floor(&mut self, now_nanos: i128, newest: Revision) -> Revision {
        let length = i128::try_from(self.length.as_nanos()).unwrap_or(i128::MAX);
        let oldest = now_nanos.saturating_sub(length);
        if self.created_nanos >= oldest {
            return Revision(0);
        }
        while self.ticks.front().is_some_and(|(at, _)| *at < oldest) {
            self.ticks.pop_front();
        }
        self.ticks.front().map_or(newest, |(_, revision)| *revision)
    }
}

impl View {
    /// Changes after `after`, up to now, also where they are older than the view's memory; at most as old as the watch window.
    ///
    /// The stream keeps the newest state of each object only, so what is told is: of every object that changed, its newest state;
    /// of every object that went, its last state. An object that exists since before `after` comes with `previous`, set to
    /// its new state, because the old one is gone: whoever selects by label cannot tell here that an object has ceased to match. An
    /// object that came and went after `after` is left out. One that was deleted and made again appears as created.
    ///
    /// To go on from there without a gap, use `resume`.
    pub async fn history(self: &Arc<Self>, after: Revision) -> Result<Vec<Arc<Change>>, Expired> {
        self.resume(after).await.map(|(changes, _)| changes)
    }

    /// `history`, and a reader of everything that follows it.
    pub async fn resume(self: &Arc<Self>, after: Revision) -> Result<(Vec<Arc<Change>>, Changes), Expired> {
        if timeout(AHEAD, self.wait_for(after)).await.is_err() || self.revision() < after {
            return Err(Expired { asked: after, oldest: self.revision() });
        }
        if let Ok(mut changes) = self.changes(after) {
            let history = changes.take_all()?;
            return Ok((history, changes));
        }
        let until = self.revision();
        let following = self.changes(until)?;
        let now_nanos = i128::from(telemetry::clock::now().0) * 1_000;
        let oldest = self.window().floor(now_nanos, until);
        let Some(context) = self.source.as_ref().filter(|_| after >= oldest) else {
            return Err(Expired { asked: after, oldest });
        };
        debug!(%after, %until, "reading history back");
        match timeout(READ, read_back(context, after, until)).await {
            Ok(Ok(history)) => Ok((history, following)),
            Ok(Err(error)) => {
                warn!(%error, "history is not readable");
                Err(Expired { asked: after, oldest: until })
            }
            Err(_elapsed) => Err(Expired { asked: after, oldest: until }),
        }
    }
}

async fn read_back(
    context: &Context,
    after: Revision,
    until: Revision,
) -> Result<Vec<Arc<Change>>, BusError> {
    let mut position = after.0;
    let mut history = Vec::new();
    'open: loop {
        let mut tail = Tail::open(context, STATE_STREAM, &[], Start::After(position)).await?;
        let mut pending = tail.pending_at_start;
        while pending > 0 && position < until.0 {
            let Ok(batch) = tail.next_batch().await else { continue 'open };
            for entry in batch {
                (position, pending) = (entry.sequence, entry.pending);
                if position <= until.0 && !is_tick(&entry.subject) {
                    history.extend(read_entry(entry).and_then(|(kind, object)| retell(kind, object, after)));
                }
            }
        }
        tail.close().await;
        return Ok(history);
    }
}

/// A stored message as a change for a reader who knows everything up to `after`.
fn retell(kind: ChangeKind, object: Arc<Stored>, after: Revision) -> Option<Arc<Change>> {
    let is_new = object.created > after;
    let previous = (!is_new).then(|| Arc::clone(&object));
    match (kind, is_new) {
        (ChangeKind::Deleted, true) => None,
        (ChangeKind::Deleted, false) | (ChangeKind::Put, _) => {
            Some(Arc::new(Change { kind, object, previous }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_reaches_back_to_the_oldest_mark_within_it() {
        let second = 1_000_000_000_i128;
        let mut window = Window::new(Duration::from_secs(100));
        window.stream_created(0);
        assert_eq!(
            window.floor(99 * second, Revision(7)),
            Revision(0),
            "the stream is younger than the window"
        );
        assert_eq!(window.floor(200 * second, Revision(7)), Revision(7), "nothing was written for long");
        window.tick(110 * second, Revision(10));
        window.tick(150 * second, Revision(20));
        window.tick(190 * second, Revision(30));
        assert_eq!(window.floor(200 * second, Revision(40)), Revision(10));
        assert_eq!(window.floor(240 * second, Revision(40)), Revision(20));
        assert_eq!(window.floor(900 * second, Revision(40)), Revision(40));
    }
}
