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
/// How often a member among others looks at what they hold. With `TTL` it makes up the time of a takeover.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How often a member that is alone looks whether others have come.
const LOOK_ALONE_EVERY: Duration = Duration::from_millis(900);
/// A lease is given up so long before it ends by our clock, so that nobody else can have it while we act on it.
const MARGIN: Duration = Duration::from_millis(200);
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
    life: Option<Lease>,
    held: BTreeMap<usize, Lease>,
    /// Members that live, this one included, as last seen.
    members: usize,
    shared: Arc<Shared>,
}

/// What the others' leases look like.
#[derive(Debug, Default, PartialEq)]
struct Look {
    /// Names of other members' lives, dead or alive.
    lives: BTreeSet<String>,
    /// Partitions that nobody holds, beginning elsewhere for each member.
    free: Vec<usize>,
    /// Partitions that others hold, dead or alive.
    taken: BTreeSet<usize>,
}

impl Member {
    pub(super) fn new(leases: Leases, group: &str, identity: &str, shared: Arc<Shared>) -> Self {
        let (group, identity) = (group.to_owned(), identity.to_owned());
        Self { leases, group, identity, life: None, held: BTreeMap::new(), members: 1, shared }
    }

    /// Lives until it is told to leave, or everyone who could tell is gone.
    pub(super) async fn live(mut self, mut farewells: oneshot::Receiver<Farewell>) {
        loop {
            let pause = if self.members > 1 || self.lacks() { LOOK_EVERY } else { LOOK_ALONE_EVERY };
            tokio::select! {
                farewell = &mut farewells => {
                    self.leave().await;
                    if let Ok(farewell) = farewell {
                        // Nobody waits any more: then nobody needs to know.
                        let _ = farewell.send(());
                    }
                    return;
                }
                () = tokio::time::sleep(pause) => self.try_to_look().await,
            }
        }
    }

    async fn try_to_look(&mut self) {
        match tokio::time::timeout(2 * PATIENCE, self.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    group = self.group,
                    error = telemetry::chain(&error),
                    "partitions not looked at"
                );
            }
            Err(_) => tracing::warn!(group = self.group, "partitions not looked at: the bus does not answer"),
        }
    }

    /// One step: renew what is due, then give up or take what the fair share asks for.
    pub(super) async fn look(&mut self) -> Result<(), BusError> {
        self.renew().await;
        self.publish();
        if self.life.is_none() {
            let name = format!("{}{}", self.lives(), bus::token(&self.identity));
            self.life = self.leases.try_acquire(&name, &self.identity, TTL).await?;
        }
        let look = self.sort_out(&self.leases.holders().await?);
        self.members = 1 + self.count_living(look.lives).await?;
        let share = self.shared.epochs.len().div_ceil(self.members);
        self.give_up(share).await;
        let lacking = share.saturating_sub(self.held.len());
        // Those that others hold are asked for even without need: a lease is taken over only after it was seen standing still
        // for its time, and what turns out to be too much is given up at the next look.
        let wanted = look.free.into_iter().take(lacking).chain(look.taken);
        self.take(wanted.collect()).await?;
        self.publish();
        Ok(())
    }

    async fn renew(&mut self) {
        let now = Instant::now();
        let all = self.held.iter_mut().map(|(partition, lease)| (Some(*partition), lease));
        let all = all.chain(self.life.iter_mut().map(|lease| (None, lease)));
        let renewals = all.map(|(partition, lease)| async move {
            let is_due = lease.valid_until().saturating_duration_since(now) <= TTL - RENEW_EVERY;
            // A refusal is final; silence may be a bus that comes back in time.
            let is_kept = !is_due || tokio::time::timeout(PATIENCE, lease.renew()).await.unwrap_or(true);
            let is_trusted = lease.valid_until().saturating_duration_since(Instant::now()) > MARGIN;
            (partition, is_kept && is_trusted)
        });
        let lost: Vec<Option<usize>> = join_all(renewals)
            .await
            .into_iter()
            .filter(|(_, kept)| !kept)
            .map(|(partition, _)| partition)
            .collect();
        for partition in lost {
            match partition {
                Some(partition) => {
                    tracing::warn!(group = self.group, partition, "lease of a partition lost");
                    self.held.remove(&partition);
                }
                None => self.life = None,
            }
        }
    }

    fn sort_out(&self, holders: &[Holder]) -> Look {
        let (lives, partitions) = (self.lives(), self.partition(""));
        let mut look = Look::default();
        // Our own leases from before a restart are ours to take again.
        for holder in holders.iter().filter(|holder| holder.holder != self.identity) {
            if holder.name.starts_with(&lives) {
                look.lives.insert(holder.name.clone());
            }
            let number =
                holder.name.strip_prefix(&partitions).and_then(|number| number.parse::<usize>().ok());
            look.taken.extend(number.filter(|number| !self.held.contains_key(number)));
        }
        let count = self.shared.epochs.len();
        let first = usize::try_from(stable_hash(&[&self.identity])).unwrap_or_default() % count.max(1);
        let is_free =
            |partition: &usize| !look.taken.contains(partition) && !self.held.contains_key(partition);
        look.free = (0..count).map(|step| (first + step) % count).filter(is_free).collect();
        look.taken.retain(|partition| *partition < count);
        look
    }

    /// How many of the other members live. The lease of a dead one can be taken; it is given back, and nobody counts it any more.
    async fn count_living(&self, lives: BTreeSet<String>) -> Result<usize, BusError> {
        let looks = lives.iter().map(|name| self.leases.try_acquire(name, &self.identity, TTL));
        let (mut living, mut dead) = (0, Vec::new());
        for look in join_all(looks).await {
            match look? {
                Some(lease) => dead.push(lease),
                None => living += 1,
            }
        }
        if !dead.is_empty() {
            tracing::info!(group = self.group, members = dead.len(), "members are gone");
        }
        release(dead).await;
        Ok(living)
    }

    /// Gives back what is beyond the share; acting for it ends before others may begin.
    async fn give_up(&mut self, share: usize) {
        let mut surplus = Vec::new();
        while self.held.len() > share {
            surplus.extend(self.held.pop_last().map(|(_, lease)| lease));
        }
        self.publish();
        release(surplus).await;
    }

    async fn take(&mut self, wanted: Vec<usize>) -> Result<(), BusError> {
        let member = &*self;
        let attempts = wanted.into_iter().map(|partition| async move {
            let name = member.partition(&partition.to_string());
            Ok(member.leases.try_acquire(&name, &member.identity, TTL).await?.map(|lease| (partition, lease)))
        });
        let taken: Vec<Result<Option<(usize, Lease)>, BusError>> = join_all(attempts).await;
        for attempt in taken {
            self.held.extend(attempt?);
        }
        Ok(())
    }

    async fn leave(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.publish();
        release(held.into_values().chain(self.life.take()).collect()).await;
    }

    fn publish(&self) {
        self.shared.publish(self.held.iter().map(|(partition, lease)| (*partition, lease.epoch)));
    }

    fn lacks(&self) -> bool {
        self.held.len() < self.shared.epochs.len().div_ceil(self.members)
    }

    fn lives(&self) -> String {
        format!("{}.member.", self.group)
    }

    fn partition(&self, number: &str) -> String {
        format!("{}.partition.{number}", self.group)
    }
}

fn release(leases: Vec<Lease>) -> impl Future<Output = ()> {
    let releases = join_all(leases.into_iter().map(Lease::release));
    async {
        // Those that cannot be given back end by themselves.
        let _ = tokio::time::timeout(PATIENCE, releases).await;
    }
}
