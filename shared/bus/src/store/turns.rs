//! Turns among the writers of one process that build on the same object: they wait for each other rather than conflict.

use std::sync::Arc;

use api::ObjectKey;
use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Objects that somebody's turn is about, or somebody waits for.
#[derive(Default)]
pub(crate) struct Turns(DashMap<ObjectKey, Arc<Mutex<()>>>);

/// A writer's turn; it ends when this is dropped. A courtesy, no lock: other processes do not know of it, so what is written still
/// has to be compared and set.
pub struct Turn {
    key: ObjectKey,
    turns: Arc<Turns>,
    /// `None` once it is over.
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(super) async fn take(self: &Arc<Self>, key: &ObjectKey) -> Turn {
        let mutex = Arc::clone(&self.0.entry(key.clone()).or_default());
        let held = Some(mutex.lock_owned().await);
        Turn { key: key.clone(), turns: Arc::clone(self), held }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.held.take());
        // The last one to leave: only the map itself has the mutex.
        self.turns.0.remove_if(&self.key, |_, mutex| Arc::strong_count(mutex) == 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use api::ResourceId;

    use super::*;

    #[tokio::test]
    async fn one_turn_at_a_time_and_nothing_is_kept() {
        let turns = Arc::new(Turns::default());
        let key = ObjectKey::cluster(ResourceId::new("namespaces"), "a");
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks = (0..20).map(|_| {
            let (turns, key, inside) = (Arc::clone(&turns), key.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let _turn = turns.take(&key).await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(turns.0.is_empty());
    }
}
