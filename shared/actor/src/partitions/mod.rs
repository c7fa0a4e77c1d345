//! Shares keys among processes: hashed partitions, each owned by one live process at a time.
//!
//! Every member holds a lease that says it lives, and aims at its fair share of the partitions' leases. A member that is
//! killed loses its leases after [`TTL`], and the others take them over at their next look. Two owners at once would cost work,
//! never correctness: every write is compare-and-set.

mod member;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::ObjectKey;
use bus::{Bus, BusError};
use tokio::sync::{oneshot, watch};

use member::{Farewell, Member};

/// The default number of partitions.
pub const COUNT: usize = 16;
/// How long the leases of a dead process last.
pub const TTL: Duration = Duration::from_millis(2_200);
/// The largest number of partitions that a set holds.
const MOST: usize = 128;

/// The partitions that this process owns.
pub struct Partitions {
    shared: Arc<Shared>,
    /// Taken by the first `leave`; dropped with this, which also ends the membership.
    farewell: Mutex<Option<oneshot::Sender<Farewell>>>,
}

/// What the member task tells the others.
struct Shared {
    owned: watch::Sender<Owned>,
    /// The fencing epoch of each partition, zero while it is not owned. As many as there are partitions.
    epochs: Vec<AtomicU64>,
}

/// A set of partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owned(u128);

/// One partition: who holds it leads.
pub struct Leadership {
    partitions: Partitions,
}

impl Owned {
    /// Whether a partition is in the set.
    pub fn contains(self, partition: usize) -> bool {
        self.0 & Self::bit(partition) != 0
    }

    /// How many partitions are in the set.
    pub fn len(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or_default()
    }

    /// No partition is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn with(self, partition: usize) -> Self {
        Self(self.0 | Self::bit(partition))
    }

    fn bit(partition: usize) -> u128 {
        u32::try_from(partition).ok().and_then(|partition| 1_u128.checked_shl(partition)).unwrap_or(0)
    }
}

impl Partitions {
    /// Takes part under `identity` in sharing `count` partitions of `group`. Returns after the first look: a process that is alone
    /// owns everything then. A second process under the same identity would own the same partitions, so give each its own.
    pub async fn join(bus: &Bus, group: &str, identity: &str, count: usize) -> Result<Self, BusError> {
        let shared = Arc::new(Shared::new(count.clamp(1, MOST)));
        let mut member = Member::new(bus.leases(), group, identity, Arc::clone(&shared));
        member.look().await?;
        let (farewell, farewells) = oneshot::channel();
        tokio::spawn(member.live(farewells));
        Ok(Self { shared, farewell: Mutex::new(Some(farewell)) })
    }

    /// Owns everything without asking anyone, for tests and tools.
    pub fn alone() -> Self {
        let shared = Shared::new(1);
        shared.publish([(0, 1)]);
        Self { shared: Arc::new(shared), farewell: Mutex::new(None) }
    }

    /// Whether this process acts for a key now.
    pub fn owns(&self, key: &ObjectKey) -> bool {
        self.owned().contains(self.of(key))
    }

    /// The fencing epoch under which this process owns a key; grows with every change of owner.
    pub fn epoch(&self, key: &ObjectKey) -> Option<u64> {
        self.shared.epoch(self.of(key))
    }

    /// The partition of a key, by its namespace and name: an object and its children may be apart.
    pub fn of(&self, key: &ObjectKey) -> usize {
        let count = u64::try_from(self.count()).unwrap_or(1).max(1);
        usize::try_from(stable_hash(&[key.namespace(), &key.name]) % count).unwrap_or_default()
    }

    /// What this process owns now.
    pub fn owned(&self) -> Owned {
        *self.shared.owned.borrow()
    }

    /// How many partitions there are.
    pub fn count(&self) -> usize {
        self.shared.epochs.len()
    }

    /// What is owned, whenever it changes.
    pub fn changes(&self) -> watch::Receiver<Owned> {
        self.shared.owned.subscribe()
    }

    /// Gives everything back at once, so that others need not wait for leases to end.
    pub async fn leave(&self) {
        let farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (left, when_left) = oneshot::channel();
        if farewell.is_some_and(|farewell| farewell.send(left).is_ok()) {
            // An error means that the member has ended, which is what we wait for.
            let _ = when_left.await;
        }
    }
}

impl Leadership {
    /// Takes part in the election of `group`; returns after the first attempt.
    pub async fn campaign(bus: &Bus, group: &str, identity: &str) -> Result<Self, BusError> {
        Ok(Self { partitions: Partitions::join(bus, group, identity, 1).await? })
    }

    /// Whether this process leads now.
    pub fn is_leader(&self) -> bool {
        self.partitions.owned().contains(0)
    }

    /// The fencing epoch under which this process leads.
    pub fn epoch(&self) -> Option<u64> {
        self.partitions.shared.epoch(0)
    }

    /// Returns when this process leads (at once if it does).
    pub async fn won(&self) {
        let _ = self.partitions.changes().wait_for(|owned| owned.contains(0)).await;
    }

    /// Returns when this process does not lead (any more).
    pub async fn lost(&self) {
        let _ = self.partitions.changes().wait_for(|owned| !owned.contains(0)).await;
    }

    /// Steps down.
    pub async fn leave(&self) {
        self.partitions.leave().await;
    }
}

impl Shared {
    fn new(count: usize) -> Self {
        let epochs = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { owned: watch::Sender::new(Owned::default()), epochs }
    }

    fn epoch(&self, partition: usize) -> Option<u64> {
        self.epochs.get(partition).map(|epoch| epoch.load(Ordering::Acquire)).filter(|epoch| *epoch != 0)
    }

    /// Replaces what is owned by these partitions and their epochs; observers are told only if the set changes.
    fn publish(&self, held: impl IntoIterator<Item = (usize, u64)>) {
        let mut owned = Owned::default();
        let held: Vec<(usize, u64)> = held.into_iter().collect();
        for (partition, epoch) in self.epochs.iter().enumerate() {
            let held = held.iter().find(|(held, _)| *held == partition);
            epoch.store(held.map_or(0, |(_, epoch)| (*epoch).max(1)), Ordering::Release);
            if held.is_some() {
                owned = owned.with(partition);
            }
        }
        self.owned.send_if_modified(|now| std::mem::replace(now, owned) != owned);
    }
}

/// FNV-1a over the parts with a separator: the same in every process and version.
fn stable_hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([b'/']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
