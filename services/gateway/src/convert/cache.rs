//! Remembers what was converted: a thousand watchers of one version cost one call per change.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{ObjectKey, Revision};
use bus::Stored;
use tokio::sync::watch;
use tokio::time::Instant;

use super::failure;
use crate::failure::Failure;

/// Half of what is remembered: objects, and about how many bytes of them.
const OBJECTS: usize = 4096;
const BYTES: usize = 16 << 20;
/// How long: a webhook that was wrong, and is mended, is asked again.
const LASTS: Duration = Duration::from_secs(60);

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
    young: HashMap<Slot, Known>,
    old: HashMap<Slot, Known>,
    /// Of the young ones.
    bytes: usize,
    /// What is being converted, and by which call.
    under_way: HashMap<Slot, Call>,
}

/// What was converted, and when.
#[derive(Clone)]
struct Known {
    state: Arc<Stored>,
    since: Instant,
}

/// Tells how a call ends: `None` while it lasts.
type Call = watch::Receiver<Option<Result<(), Failed>>>;

/// A call that came to nothing.
#[derive(Clone)]
pub(super) struct Failed {
    why: String,
    /// What was asked for.
    slots: Arc<[Slot]>,
}

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
    ends: watch::Sender<Option<Result<(), Failed>>>,
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
        let is_fresh = |known: &Known| known.since.elapsed() < LASTS;
        if let Some(known) = self.young.get(slot) {
            return Some(known).filter(|known| is_fresh(known)).map(|known| Arc::clone(&known.state));
        }
        // Whatever is asked for stays until its time is over.
        let known = self.old.remove(slot).filter(is_fresh)?;
        self.keep(slot.clone(), known.clone());
        Some(known.state)
    }

    fn keep(&mut self, slot: Slot, known: Known) {
        if self.young.len() >= OBJECTS || self.bytes >= BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        let length = |known: &Known| known.state.bytes().len();
        let added = length(&known);
        let replaced = self.young.insert(slot, known).as_ref().map(length).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(added).saturating_sub(replaced);
    }
}

impl Others {
    /// Waits until the call ends. Whoever has given up has not failed.
    pub async fn wait(mut self) -> Result<(), Failed> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|end| end.clone()).unwrap_or(Ok(()))
    }
}

impl Failed {
    /// The failure of a call that asked for nothing but what is wanted is also that of who has waited. Otherwise what was asked for
    /// besides may be the reason.
    pub fn concerns(self, wanted: &[(usize, Slot)]) -> Result<(), Failure> {
        let wanted: HashSet<&Slot> = wanted.iter().map(|(_, slot)| slot).collect();
        match self.slots.iter().all(|slot| wanted.contains(slot)) {
            true => Err(failure(self.why)),
            false => Ok(()),
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
        let failed = |why: &String| Failed { why: why.clone(), slots: self.slots.as_slice().into() };
        let (end, why) = (result.as_ref().map(drop).map_err(failed), result.as_ref().err().cloned());
        let settled: HashMap<Slot, Arc<Stored>> =
            self.slots.iter().cloned().zip(result.into_iter().flatten()).collect();
        {
            let (mut halves, since) = (lock(&self.cache), Instant::now());
            for (slot, state) in &settled {
                halves.keep(slot.clone(), Known { state: Arc::clone(state), since });
            }
            self.slots.iter().for_each(|slot| drop(halves.under_way.remove(slot)));
        }
        self.ends.send_replace(Some(end));
        why.map_or(Ok(settled), |why| Err(failure(why)))
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
        assert!(waiting.await.unwrap().is_ok());
        let known = cache.claim(&[slot("a"), slot("b")]);
        assert_eq!((known.known.len(), known.mine.is_none(), known.others.is_none()), (2, true, true));
    }

    #[tokio::test]
    async fn a_failure_is_that_of_whoever_wants_as_much_and_is_not_remembered() {
        let cache = Cache::default();
        let first = cache.claim(&[slot("a"), slot("b")]);
        let less = cache.claim(&[slot("a")]).others.unwrap();
        let more = cache.claim(&[slot("c"), slot("b"), slot("a")]).others.unwrap();
        assert!(first.mine.unwrap().settle(Err("no idea".to_owned())).is_err());
        let failed = less.wait().await.err().unwrap();
        assert!(failed.concerns(&[slot("a")]).is_ok(), "b may be the reason");
        let failed = more.wait().await.err().unwrap();
        let failure = failed.concerns(&[slot("c"), slot("b"), slot("a")]).unwrap_err();
        assert_eq!(failure.status.message, "no idea");
        assert!(cache.claim(&[slot("a")]).mine.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_grows_old() {
        let cache = Cache::default();
        let convert = || cache.claim(&[slot("a")]).mine.unwrap().settle(Ok(vec![state("a")])).unwrap();
        convert();
        tokio::time::advance(LASTS / 2).await;
        {
            let mut halves = lock(&cache.0);
            halves.old = std::mem::take(&mut halves.young);
        }
        assert_eq!(cache.claim(&[slot("a")]).known.len(), 1);
        // Being asked for has not made it any younger.
        tokio::time::advance(LASTS / 2).await;
        convert();
        assert_eq!(cache.claim(&[slot("a")]).known.len(), 1);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_it_to_the_next() {
        let cache = Cache::default();
        let first = cache.claim(&[slot("a")]);
        let others = cache.claim(&[slot("a")]).others.unwrap();
        drop(first);
        assert!(others.wait().await.is_ok());
        assert!(cache.claim(&[slot("a")]).mine.is_some());
    }
}
