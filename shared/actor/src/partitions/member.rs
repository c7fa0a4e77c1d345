//! One process's part in sharing partitions: it says that it lives, renews what it holds, and moves towards its fair share.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{BusError, Holder, Lease, Leases};
use futures::future::join_all;
use tokio::sync::oneshot;

use super::{Shared, TTL, stable_hash};

/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often the member looks at what the others hold. With `TTL` it makes up the time of a takeover.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A lease that could not be renewed for so long is no longer trusted: before it really ends.
const TRUST: Duration = Duration::from_millis(2_200);
/// A bus that does not answer must not keep the member from noticing that its leases end.
const PATIENCE: Duration = Duration::from_millis(800);

/// Told when everything has been given back.
pub(super) type Farewell = oneshot::Sender<()>;

/// This process.
pub(super) struct Member {
    leases: Leases,
    group: String,
    identity: String,
    /// Says that this process lives, so that the others count it.
    life: Option<Held>,
    held: BTreeMap<usize, Held>,
    shared: Arc<Shared>,
}

/// A lease of ours.
struct Held {
    lease: Lease,
    /// When the last renewal was asked for that succeeded.
    renewed: Instant,
}

/// What the others' leases look like.
struct Look {
    members: usize,
    /// Partitions that nobody holds.
    free: Vec<usize>,
}

impl Member {
    pub(super) fn new(leases: Leases, group: &str, identity: &str, shared: Arc<Shared>) -> Self {
        let (group, identity) = (group.to_owned(), identity.to_owned());
        Self { leases, group, identity, life: None, held: BTreeMap::new(), shared }
    }

    /// Lives until it is told to leave, or everyone who could tell is gone.
    pub(super) async fn live(mut self, mut farewells: oneshot::Receiver<Farewell>) {
        loop {
            tokio::select! {
                farewell = &mut farewells => {
                    self.leave().await;
                    if let Ok(farewell) = farewell {
                        // Nobody waits any more: then nobody needs to know.
                        let _ = farewell.send(());
                    }
                    return;
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    match tokio::time::timeout(2 * PATIENCE, self.look()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            tracing::warn!(group = self.group, error = telemetry::chain(&error), "partitions not looked at");
                        }
                        Err(_) => tracing::warn!(group = self.group, "partitions not looked at: the bus does not answer"),
                    }
                }
            }
        }
    }

    /// One step: renew what is due, then give up or take what the fair share asks for.
    pub(super) async fn look(&mut self) -> Result<(), BusError> {
        self.renew().await;
        self.publish();
        if self.life.is_none() {
            let name = self.life_name(&self.identity);
            self.life = self.acquire(name).await?;
        }
        let look = self.look_around(self.leases.holders().await?);
        let share = self.shared.epochs.len().div_ceil(look.members.max(1));
        self.give_up(share).await;
        self.take(share, look.free).await?;
        self.publish();
        Ok(())
    }

    async fn renew(&mut self) {
        let now = Instant::now();
        let due = |held: &&mut Held| now.duration_since(held.renewed) >= RENEW_EVERY;
        let all = self.held.values_mut().chain(&mut self.life).filter(due);
        join_all(all.map(|held| held.renew(now))).await;
        let trusted = |held: &Held| held.renewed.elapsed() < TRUST;
        self.held.retain(|partition, held| {
            trusted(held) || {
                tracing::warn!(partition, "lease of a partition lost");
                false
            }
        });
        self.life = self.life.take().filter(trusted);
    }

    fn look_around(&self, holders: Vec<Holder>) -> Look {
        let (life, partition) = (self.life_name(""), format!("{}.partition.", self.group));
        let mut members = BTreeSet::from([bus::token(&self.identity)]);
        let mut taken = BTreeSet::new();
        for holder in &holders {
            if let Some(member) = holder.name.strip_prefix(&life) {
                members.insert(member.to_owned());
            }
            let number = holder.name.strip_prefix(&partition).and_then(|number| number.parse::<usize>().ok());
            // Our own leases from before a restart are ours to take again.
            taken.extend(number.filter(|_| holder.holder != self.identity));
        }
        let count = self.shared.epochs.len();
        let is_free = |partition: &usize| !taken.contains(partition) && !self.held.contains_key(partition);
        // Each member begins elsewhere, so that two that look at the same time seldom want the same.
        let first = usize::try_from(stable_hash(&[&self.identity])).unwrap_or_default();
        let free = (0..count).map(|step| (first % count + step) % count).filter(is_free).collect();
        Look { members: members.len(), free }
    }

    /// Gives back what is beyond the share; acting for it ends before others may begin.
    async fn give_up(&mut self, share: usize) {
        let mut surplus = Vec::new();
        while self.held.len() > share {
            surplus.extend(self.held.pop_last().map(|(_, held)| held.lease));
        }
        self.publish();
        release(surplus).await;
    }

    async fn take(&mut self, share: usize, free: Vec<usize>) -> Result<(), BusError> {
        let lacking = share.saturating_sub(self.held.len());
        let wanted = free.into_iter().take(lacking);
        let member = &*self;
        let attempts = wanted.map(|partition| async move {
            let name = format!("{}.partition.{partition}", member.group);
            Ok(member.acquire(name).await?.map(|held| (partition, held)))
        });
        let taken: Vec<Result<Option<(usize, Held)>, BusError>> = join_all(attempts).await;
        for attempt in taken {
            self.held.extend(attempt?);
        }
        Ok(())
    }

    async fn acquire(&self, name: String) -> Result<Option<Held>, BusError> {
        let renewed = Instant::now();
        let lease = self.leases.try_acquire(&name, &self.identity, TTL).await?;
        Ok(lease.map(|lease| Held { lease, renewed }))
    }

    async fn leave(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.publish();
        let leases = held.into_values().chain(self.life.take()).map(|held| held.lease).collect();
        release(leases).await;
    }

    fn publish(&self) {
        self.shared.publish(self.held.iter().map(|(partition, held)| (*partition, held.lease.epoch)));
    }

    fn life_name(&self, identity: &str) -> String {
        match identity {
            "" => format!("{}.member.", self.group),
            identity => format!("{}.member.{}", self.group, bus::token(identity)),
        }
    }
}

impl Held {
    async fn renew(&mut self, now: Instant) {
        // A refusal is final; silence may be a bus that comes back in time.
        match tokio::time::timeout(PATIENCE, self.lease.renew()).await {
            Ok(true) => self.renewed = now,
            Ok(false) => self.renewed = now.checked_sub(TTL).unwrap_or(self.renewed),
            Err(_) => {}
        }
    }
}

fn release(leases: Vec<Lease>) -> impl Future<Output = ()> {
    let releases = join_all(leases.into_iter().map(Lease::release));
    async {
        // Those that cannot be given back end by themselves.
        let _ = tokio::time::timeout(PATIENCE, releases).await;
    }
}
