//! Sends the route table to the proxies: the holder of partition 0 says what changes, and every controller answers who is behind.

use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use api::messages::RouteTable;
use bus::{BusError, Changes, Subscription};
use serde::de::IgnoredAny;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Keeper;
use super::table::Table;

/// What changes within this time goes out together.
const GATHER: Duration = Duration::from_millis(3);
/// A table goes out at least so often, so that proxies know that they miss nothing.
const BEAT: Duration = Duration::from_secs(1);
/// Where deltas go.
const TABLE: &str = "odeon.proxy.table";
/// Where full tables are asked for.
const SNAPSHOT: &str = "odeon.proxy.snapshot";

/// Starts broadcasting.
pub async fn start(
    keeper: &Arc<Keeper>,
    shells: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    let requests = keeper.bus.subscribe_queue::<IgnoredAny>(SNAPSHOT, "controllers").await?;
    let tables = keeper.bus.subscribe::<RouteTable>(TABLE).await?;
    let broadcaster = Broadcaster { keeper: keeper.clone(), table: Table::default(), published: None };
    let stop = shutdown.clone().cancelled_owned();
    shells.spawn(async move {
        tokio::select! {
            () = stop => {}
            () = broadcaster.broadcast(requests, tables) => {}
        }
    });
    Ok(())
}

struct Broadcaster {
    keeper: Arc<Keeper>,
    table: Table,
    /// The last table that went out, by whomever; `None` while ours cannot build on it.
    published: Option<Revision>,
}

impl Broadcaster {
    async fn broadcast(
        mut self,
        mut requests: Subscription<IgnoredAny>,
        mut tables: Subscription<RouteTable>,
    ) {
        let mut changes = self.load();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        loop {
            let gathered = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                batch = changes.next_batch() => match batch {
                    Ok(batch) => {
                        let reader = self.keeper.view.read();
                        if self.table.apply(&batch, &reader) && due.is_none() {
                            due = Some(Instant::now() + GATHER);
                        }
                    }
                    Err(expired) => {
                        warn!(%expired, "fell behind the view, building the route table again");
                        changes = self.load();
                    }
                },
                () = gathered => {
                    due = None;
                    self.publish().await;
                }
                _ = beat.tick() => self.publish().await,
                Some(delivery) = tables.next() => self.note(&delivery.message),
                Some(request) = requests.next() => {
                    let Some(reply) = request.reply else { continue };
                    if let Err(error) = reply.send(&self.table.full()).await {
                        debug!(error = %telemetry::chain(&error), "failed to send a route table");
                    }
                }
            }
        }
    }

    fn load(&mut self) -> Changes {
        loop {
            self.table = Table::of(&self.keeper.view.read());
            self.published = None;
            if let Ok(changes) = self.keeper.view.changes(self.table.revision()) {
                return changes;
            }
        }
    }

    /// Another controller's table tells where proxies are, should we have to go on from there.
    fn note(&mut self, table: &RouteTable) {
        let (RouteTable::Full { revision, .. } | RouteTable::Delta { revision, .. }) = table;
        if !self.keeper.leads() && *revision >= self.table.since_when() {
            self.published = Some(*revision);
        }
    }

    async fn publish(&mut self) {
        if !self.keeper.leads() {
            return;
        }
        // Without a table to build on, an empty delta from here makes everyone who is elsewhere ask for a snapshot.
        let delta = self.table.since(self.published.unwrap_or(self.table.revision()));
        match self.keeper.bus.publish(TABLE, &delta).await {
            Ok(()) => self.published = Some(self.table.revision().max(self.published.unwrap_or_default())),
            Err(error) => warn!(error = %telemetry::chain(&error), "failed to publish the route table"),
        }
    }
}
