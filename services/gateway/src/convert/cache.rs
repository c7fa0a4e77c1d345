//! Remembers what was converted: a thousand watchers of one version cost one call per change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{ObjectKey, Revision};
use bus::Stored;
use tokio::sync::watch;

use super::failure;
use crate::failure::Failure;

/// Half of what is remembered: objects, and about how many bytes of them.
const OBJECTS: usize = 4096;
const BYTES: usize = 16 << 20;

/// One state of an object in one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// The object.
    pub key: ObjectKey,
    /// Its state.
    pub revision: Revision,
    /// The version that it is converted to.
    pub group_version: (&'static str, &'static str),
    /// Of the definition whose webhook converts it.
    pub generation: i64,
}

/// What was converted lately. Two halves: when one is full, the other, older one is forgotten.
#[derive(Default)]
pub(super) struct Cache(Arc<Mutex<Halves>>);

#[derive(Default)]
struct Halves {
    young: HashMap<Slot, Arc<Stored>>,
    old: HashMap<Slot, Arc<Stored>>,
    /// Of the young ones.
    bytes: usize,
    /// What is being converted, and by which call.
    under_way: HashMap<Slot, Call>,
}

/// Tells how a call ends: `None` while it lasts.
type Call = watch::Receiver<Option<Result<(), String>>>;

/// What is known of some slots, what the caller has to convert, and what others are converting.
pub(super) struct Claim {
    pub known: HashMap<Slot, Arc<Stored>>,
    pub mine: Option<Mine>,
    pub others: Option<Others>,
}

/// A call by somebody else.
pub(super) struct Others(Call);

/// Slots that their owner converts; given back when it goes without having done so.
pub(super) struct Mine {
    cache: Arc<Mutex<Halves>>,
    slots: Vec<Slot>,
    ends: watch::Sender<Option<Result<(), String>>>,
}

impl Cache {
    /// Divides slots into those that are known, those that nobody converts yet, which are the caller's now, and the rest.
    pub fn claim(&self, wanted: &[(usize, Slot)]) -> Claim {
        let (ends, call) = watch::channel(None);
        let (mut known, mut mine, mut others) = (HashMap::new(), Vec::new(), None);
        let mut halves = lock(&self.0);
        for (_, slot) in wanted {
            match (halves.get(slot), halves.under_way.get(slot)) {
                (Some(state), _) => drop(known.insert(slot.clone(), state)),
                (None, Some(call)) => others = Some(Others(call.clone())),
                (None, None) => {
                    halves.under_way.insert(slot.clone(), call.clone());
                    mine.push(slot.clone());
                }
            }
        }
        let mine = (!mine.is_empty()).then(|| Mine { cache: Arc::clone(&self.0), slots: mine, ends });
        Claim { known, mine, others }
    }
}

impl Halves {
    fn get(&mut self, slot: &Slot) -> Option<Arc<Stored>> {
        if let Some(state) = self.young.get(slot) {
            return Some(Arc::clone(state));
        }
        // Whatever is asked for stays.
        let state = self.old.remove(slot)?;
        self.keep(slot.clone(), Arc::clone(&state));
        Some(state)
    }

    fn keep(&mut self, slot: Slot, state: Arc<Stored>) {
        if self.young.len() >= OBJECTS || self.bytes >= BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(state.bytes().len());
        self.young.insert(slot, state);
    }
}

impl Others {
    /// Waits until the call ends; its failure is the failure of all who wait. Whoever has given up has not failed.
    pub async fn wait(mut self) -> Result<(), Failure> {
        match self.0.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()) {
            Some(Err(why)) => Err(failure(why)),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl Mine {
    /// What is to be converted, in the order in which it is expected.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Tells everybody how it went, and what has come of the slots.
    pub fn settle(
        self,
        result: Result<Vec<Arc<Stored>>, String>,
    ) -> Result<HashMap<Slot, Arc<Stored>>, Failure> {
        let end = result.as_ref().map(drop).map_err(Clone::clone);
        let settled: HashMap<Slot, Arc<Stored>> =
            self.slots.iter().cloned().zip(result.into_iter().flatten()).collect();
        {
            let mut halves = lock(&self.cache);
            for (slot, state) in &settled {
                halves.keep(slot.clone(), Arc::clone(state));
            }
            self.slots.iter().for_each(|slot| drop(halves.under_way.remove(slot)));
        }
        self.ends.send_replace(Some(end.clone()));
        end.map(|()| settled).map_err(failure)
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let mut halves = lock(&self.cache);
        for slot in &self.slots {
            // After a call that has ended, the slot may be somebody else's.
            if halves.under_way.get(slot).is_some_and(|call| call.same_channel(&self.ends.subscribe())) {
                halves.under_way.remove(slot);
            }
        }
    }
}

fn lock(cache: &Mutex<Halves>) -> MutexGuard<'_, Halves> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use api::ResourceId;
    use serde_json::json;

    use super::*;

    fn slot(name: &str) -> (usize, Slot) {
        let key = ObjectKey::namespaced(ResourceId::new("widgets.example.com"), "default", name);
        (0, Slot { key, revision: Revision(1), group_version: ("example.com", "v1"), generation: 1 })
    }

    fn state(name: &str) -> Arc<Stored> {
        Stored::test_at(slot(name).1.key, json!({"metadata": {"name": name}}), 1)
    }

    #[tokio::test]
    async fn one_converts_and_the_others_wait() {
        let cache = Cache::default();
        let first = cache.claim(&[slot("a"), slot("b")]);
        assert_eq!(first.mine.as_ref().unwrap().slots().len(), 2);
        let second = cache.claim(&[slot("b"), slot("c")]);
        assert_eq!(second.mine.as_ref().unwrap().slots(), [slot("c").1]);
        let waiting = tokio::spawn(second.others.unwrap().wait());
        first.mine.unwrap().settle(Ok(vec![state("a"), state("b")])).unwrap();
        waiting.await.unwrap().unwrap();
        let known = cache.claim(&[slot("a"), slot("b")]);
        assert_eq!((known.known.len(), known.mine.is_none(), known.others.is_none()), (2, true, true));
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_and_is_not_remembered() {
        let cache = Cache::default();
        let first = cache.claim(&[slot("a")]);
        let others = cache.claim(&[slot("a")]).others.unwrap();
        assert!(first.mine.unwrap().settle(Err("no idea".to_owned())).is_err());
        assert_eq!(others.wait().await.unwrap_err().status.message, "no idea");
        assert!(cache.claim(&[slot("a")]).mine.is_some());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_it_to_the_next() {
        let cache = Cache::default();
        let first = cache.claim(&[slot("a")]);
        let others = cache.claim(&[slot("a")]).others.unwrap();
        drop(first);
        others.wait().await.unwrap();
        assert!(cache.claim(&[slot("a")]).mine.is_some());
    }
}
