//! Keeps the route table: follows what controllers publish, puts each change into force, and acknowledges it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::NodeName;
use api::messages::{Applied, RouteTable};
use bus::{Bus, BusError};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info};

use crate::diff::diff;
use crate::metrics::ProxyMetrics;
use crate::plane::Plane;
use crate::table::{Table, Verdict};

/// Where controllers publish the table.
const TABLE: &str = "odeon.proxy.table";
/// Where controllers answer with all of it.
const SNAPSHOT: &str = "odeon.proxy.snapshot";
/// How often the table in force is acknowledged though nothing changed.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);
/// How often listeners that could not be opened are tried again.
const RETRY_EVERY: Duration = Duration::from_secs(10);
/// How long a controller may take to send a snapshot.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between attempts to get one.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(200);
/// When nothing but an older table was heard of for this long, it is the truth: the cluster's history began anew.
const TRUST_OLDER_AFTER: Duration = Duration::from_secs(5);
/// Changes that are kept while a snapshot is on its way.
const MOST_PENDING: usize = 1_024;

/// The follower of the route table.
pub struct Keeper<P> {
    bus: Bus,
    node: NodeName,
    plane: Arc<P>,
    /// What is in force, for DNS.
    table: watch::Sender<Arc<Table>>,
    /// Changes that came while a snapshot was on its way, in order.
    pending: Vec<RouteTable>,
    /// Set while a snapshot is on its way.
    snapshot: Option<BoxFuture<'static, RouteTable>>,
    /// Since when only older tables were heard of.
    stale_since: Option<Instant>,
    /// False until there is a table: a proxy without one does not acknowledge.
    serving: bool,
    metrics: ProxyMetrics,
}

impl<P: Plane> Keeper<P> {
    /// A keeper with an empty table.
    pub fn new(bus: Bus, node: NodeName, plane: Arc<P>) -> Self {
        Self {
            bus,
            node,
            plane,
            table: watch::channel(Arc::default()).0,
            pending: Vec::new(),
            snapshot: None,
            stale_since: None,
            serving: false,
            metrics: ProxyMetrics::of_process(),
        }
    }

    /// Follows the table in force.
    pub fn table(&self) -> watch::Receiver<Arc<Table>> {
        self.table.subscribe()
    }

    /// Runs until it is dropped. Fails only if the subscription cannot be made at the start.
    pub async fn run(mut self) -> Result<(), BusError> {
        let mut updates = self.bus.subscribe::<RouteTable>(TABLE).await?;
        self.ask();
        let mut acknowledge = interval(ACKNOWLEDGE_EVERY);
        acknowledge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry = interval(RETRY_EVERY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                update = updates.next() => match update {
                    Some(delivery) => self.hear(delivery.message).await,
                    None => {
                        tokio::time::sleep(SNAPSHOT_PAUSE).await;
                        updates = self.bus.subscribe(TABLE).await?;
                        self.ask();
                    }
                },
                snapshot = arrival(&mut self.snapshot) => self.receive(snapshot).await,
                _ = acknowledge.tick() => self.acknowledge().await,
                _ = retry.tick() => self.retry(),
            }
        }
    }

    /// A published message.
    async fn hear(&mut self, message: RouteTable) {
        let trust_older = self.stale_since.is_some_and(|since| since.elapsed() >= TRUST_OLDER_AFTER);
        let kept = self.snapshot.is_some().then(|| message.clone());
        match self.current().offer(message, trust_older) {
            Verdict::Same => self.stale_since = None,
            Verdict::Next(next) => self.serve(next).await,
            Verdict::Gap => {
                match kept {
                    Some(message) if self.pending.len() < MOST_PENDING => self.pending.push(message),
                    Some(_) | None => {}
                }
                self.ask();
            }
            Verdict::Stale => drop(self.stale_since.get_or_insert_with(Instant::now)),
        }
    }

    /// The snapshot that was asked for, and then what came meanwhile.
    async fn receive(&mut self, snapshot: RouteTable) {
        let trust_older = self.stale_since.is_some_and(|since| since.elapsed() >= TRUST_OLDER_AFTER);
        match self.current().offer(snapshot, trust_older) {
            Verdict::Next(next) => self.serve(next).await,
            Verdict::Same => self.serving = true,
            Verdict::Stale => drop(self.stale_since.get_or_insert_with(Instant::now)),
            Verdict::Gap => self.ask(),
        }
        for message in std::mem::take(&mut self.pending) {
            match self.current().offer(message, false) {
                Verdict::Next(next) => self.serve(next).await,
                Verdict::Gap => self.ask(),
                Verdict::Same | Verdict::Stale => {}
            }
        }
        self.acknowledge().await;
    }

    /// Puts a table into force and says so.
    async fn serve(&mut self, next: Table) {
        if !self.serving {
            info!(revision = %next.revision, services = next.services.len(), "serving the first route table");
        }
        let routes = diff(&self.current(), &next, &self.node);
        if !routes.is_empty() {
            debug!(revision = %next.revision, routes = routes.len(), "routes changed");
            self.plane.apply(routes).await;
            self.retry();
        }
        self.metrics.revision.set(next.revision.0 as i64);
        self.metrics.services.set(next.services.len() as i64);
        self.table.send_replace(Arc::new(next));
        (self.serving, self.stale_since) = (true, None);
        self.acknowledge().await;
    }

    async fn acknowledge(&mut self) {
        if !self.serving {
            return;
        }
        let applied = Applied { node: self.node.clone(), revision: self.current().revision };
        let subject = format!("odeon.proxy.{}.applied", bus::token(self.node.as_str()));
        if let Err(error) = self.bus.publish(&subject, &applied).await {
            debug!(%error, "table not acknowledged");
        }
    }

    /// Asks for a snapshot unless one is on its way.
    fn ask(&mut self) {
        if self.snapshot.is_none() {
            self.metrics.snapshots.inc();
            self.snapshot = Some(snapshot(self.bus.clone()).boxed());
        }
    }

    fn retry(&self) {
        self.metrics.refused_listeners.set(self.plane.retry() as i64);
    }

    fn current(&self) -> Arc<Table> {
        Arc::clone(&self.table.borrow())
    }
}

/// The snapshot when it is here; never, if none is on its way.
async fn arrival(snapshot: &mut Option<BoxFuture<'static, RouteTable>>) -> RouteTable {
    match snapshot {
        Some(pending) => {
            let arrived = pending.await;
            *snapshot = None;
            arrived
        }
        None => std::future::pending().await,
    }
}

/// Asks until a controller answers.
async fn snapshot(bus: Bus) -> RouteTable {
    let mut complained = false;
    loop {
        match bus.request::<(), RouteTable>(SNAPSHOT, &(), SNAPSHOT_TIMEOUT).await {
            Ok(table) => return table,
            Err(error) => {
                if !std::mem::replace(&mut complained, true) {
                    info!(%error, "no controller sends the route table yet; the one in force stays");
                }
                tokio::time::sleep(SNAPSHOT_PAUSE).await;
            }
        }
    }
}
