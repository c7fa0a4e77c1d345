//! The keeper of nodes: hears their agents, tells them what to run, writes what they report, and gives lost nodes up.
//!
//! Pure: `node` and `evict` (the Node actor), `standing`, `presence`, `register`, `drain`, `assignment`, `report` (what a report
//! changes), `routes` and `table`. Shells: `mailroom` (registrations, heartbeats, reports), `attendance` (which nodes are ours, who fell
//! silent), `assigner`, `broadcast` (the route table), `census` (metrics), `volumes` (removes them) and `gauges` (what autoscalers look at).

mod assigner;
mod assignment;
mod attendance;
mod broadcast;
mod census;
mod config_refs;
mod drain;
mod evict;
mod gauges;
mod mailroom;
mod node;
mod presence;
mod register;
mod report;
mod reports;
mod routes;
mod standing;
mod table;
#[cfg(test)]
mod tests;
mod volumes;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actor::{Facts, Hands, HostHandle, Partitions};
use api::views::Node;
use api::{NodeName, ObjectKey, Resource};
use assigner::Behind;
use bus::{Bus, BusError, View};
use dashmap::DashMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use node::NodeActor;

/// What the keeper's shells share.
pub struct Keeper {
    bus: Bus,
    view: Arc<View>,
    facts: Arc<Facts>,
    partitions: Arc<Partitions>,
    host: Arc<HostHandle>,
    hands: Hands,
    /// The last assignment that was sent to each node of ours; a node that is not in here needs a full one.
    sequences: DashMap<NodeName, u64>,
    /// What was sent to every node that is not behind tells of everything up to here. Set after `sequences`, so read before.
    told: AtomicU64,
    /// For the assigner: nodes that are not where we are.
    behind: mpsc::UnboundedSender<Behind>,
    /// For the attendance: nodes that were heard after they had been silent, or for the first time.
    heard: mpsc::UnboundedSender<NodeName>,
}

/// What the shells are made of.
pub struct Parts {
    /// The bus.
    pub bus: Bus,
    /// The process's view.
    pub view: Arc<View>,
    /// Where presence is kept, shared with the host.
    pub facts: Arc<Facts>,
    /// Which nodes are ours.
    pub partitions: Arc<Partitions>,
    /// Runs the Node actors.
    pub host: Arc<HostHandle>,
    /// Our name in the journal.
    pub identity: String,
}

impl Keeper {
    /// Starts every shell. They end when `shutdown` is cancelled.
    pub async fn start(parts: Parts, shutdown: &CancellationToken) -> Result<JoinSet<()>, BusError> {
        let Parts { bus, view, facts, partitions, host, identity } = parts;
        let hands = Hands::new(&bus, &view, &identity, Node::ID.as_str());
        let (behind, behind_inbox) = mpsc::unbounded_channel();
        let (heard, heard_inbox) = mpsc::unbounded_channel();
        let keeper = Arc::new(Self {
            bus,
            view,
            facts,
            partitions,
            host,
            hands,
            sequences: DashMap::new(),
            told: AtomicU64::new(0),
            behind,
            heard,
        });
        let mut shells = JoinSet::new();
        attendance::start(&keeper, heard_inbox, &mut shells, shutdown);
        assigner::start(&keeper, behind_inbox, &mut shells, shutdown).await?;
        mailroom::start(&keeper, &mut shells, shutdown).await?;
        broadcast::start(&keeper, &mut shells, shutdown).await?;
        census::start(&keeper, &mut shells, shutdown);
        volumes::start(&keeper, &mut shells, shutdown);
        gauges::start(&keeper, &mut shells, shutdown);
        Ok(shells)
    }

    /// Whether this process answers for the node.
    fn owns(&self, node: &NodeName) -> bool {
        self.partitions.owns(&node_key(node))
    }

    /// Whether this process speaks for the whole cluster (route table, counts).
    fn leads(&self) -> bool {
        self.partitions.owned().contains(0)
    }
}

/// Where a node's object lives.
fn node_key(node: &NodeName) -> ObjectKey {
    ObjectKey::cluster(Node::ID, node.as_str())
}
