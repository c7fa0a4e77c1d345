//! Delayed wakes of a whole stage in one queue: the earliest time of each key counts.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Which key at which time.
pub(super) struct Timers<K> {
    queue: Mutex<Queue<K>>,
    /// Told when the earliest time may have changed, and at the stop.
    changed: Notify,
}

struct Queue<K> {
    /// The number makes equal times different.
    by_time: BTreeMap<(Instant, u64), K>,
    by_key: HashMap<K, (Instant, u64)>,
    next_number: u64,
    stopped: bool,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        let queue =
            Queue { by_time: BTreeMap::new(), by_key: HashMap::new(), next_number: 0, stopped: false };
        Self { queue: Mutex::new(queue), changed: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash> Timers<K> {
    /// Sets the key's time, unless it has an earlier one.
    pub(super) fn set(&self, key: K, at: Instant) {
        let mut queue = self.lock();
        if queue.by_key.get(&key).is_some_and(|(earlier, _)| *earlier <= at) {
            return;
        }
        queue.remove(&key);
        let slot = (at, queue.next_number);
        queue.next_number += 1;
        queue.by_key.insert(key.clone(), slot);
        queue.by_time.insert(slot, key);
        let is_first = queue.by_time.first_key_value().is_some_and(|(first, _)| *first == slot);
        drop(queue);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Forgets the key's time.
    pub(super) fn cancel(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Keys that have a time.
    pub(super) fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Ends `due`.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_one();
    }

    /// Waits until the time of some keys has come, and takes them out. `None` after `stop`.
    pub(super) async fn due(&self) -> Option<Vec<K>> {
        loop {
            let next = {
                let mut queue = self.lock();
                if queue.stopped {
                    return None;
                }
                let due = queue.take_due(Instant::now());
                if !due.is_empty() {
                    return Some(due);
                }
                queue.by_time.first_key_value().map(|((at, _), _)| *at)
            };
            match next {
                Some(at) => {
                    // Being told and being late mean the same: look again.
                    let _ = tokio::time::timeout_at(at.into(), self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<K>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    fn remove(&mut self, key: &K) {
        if let Some(slot) = self.by_key.remove(key) {
            self.by_time.remove(&slot);
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        while let Some(first) = self.by_time.first_entry().filter(|first| first.key().0 <= now) {
            let key = first.remove();
            self.by_key.remove(&key);
            due.push(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_earliest_time_counts() {
        let (timers, now) = (Timers::default(), Instant::now());
        timers.set("a", now + Duration::from_secs(3600));
        timers.set("a", now);
        timers.set("a", now + Duration::from_secs(3600));
        timers.set("b", now + Duration::from_secs(3600));
        assert_eq!(timers.due().await, Some(vec!["a"]));
        assert_eq!(timers.len(), 1);
    }

    #[tokio::test]
    async fn a_cancelled_key_does_not_come_due() {
        let (timers, now) = (Timers::default(), Instant::now());
        timers.set("a", now);
        timers.set("b", now);
        timers.cancel(&"a");
        assert_eq!(timers.due().await, Some(vec!["b"]));
        timers.stop();
        assert_eq!(timers.due().await, None);
    }

    #[tokio::test]
    async fn an_earlier_time_wakes_the_sleeper() {
        let timers = std::sync::Arc::new(Timers::default());
        timers.set("late", Instant::now() + Duration::from_secs(3600));
        let sleeper = tokio::spawn({
            let timers = std::sync::Arc::clone(&timers);
            async move { timers.due().await }
        });
        tokio::task::yield_now().await;
        timers.set("soon", Instant::now() + Duration::from_millis(1));
        assert_eq!(sleeper.await.unwrap(), Some(vec!["soon"]));
    }
}
