//! What an actor observes: one consistent moment of the bucket's view, and facts that are kept in memory only.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use api::messages::PodUsage;
use api::views::Pod;
use api::{NodeName, Object, ObjectKey, Resource, Timestamp, Uid};
use bus::{Reader, Stored};
use dashmap::DashMap;

/// One moment. Dereferences to the view's reader; adds typed reads and facts.
pub struct World<'a> {
    reader: Reader<'a>,
    facts: &'a Facts,
}

/// What is known of nodes' agents and of what pods use; never on disk, rebuilt from what agents say.
#[derive(Debug, Default)]
pub struct Facts {
    presences: DashMap<NodeName, Presence>,
    /// What autoscalers saw lately, by their uids, the oldest first.
    readings: DashMap<Uid, Vec<Arc<Reading>>>,
    /// What was not admitted of the last turn of an object's actor.
    refusals: DashMap<ObjectKey, Refusal>,
}

/// Something that an actor wanted to create or to delete was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// `FailedCreate` or `FailedDelete`.
    pub reason: &'static str,
    /// What is said against it.
    pub message: String,
}

/// What an autoscaler saw at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// How many pods its target wanted then.
    pub replicas: i32,
    /// What they used, as far as it could be measured.
    pub pods: Vec<PodUsage>,
}

/// How an agent was last heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presence {
    /// When the last heartbeat arrived, by this process's clock.
    pub last_heard: Timestamp,
    /// The agent process, as it drew it at its start.
    pub session: u64,
    /// The lease epoch under which it may run pods.
    pub epoch: u64,
    /// `None` while its runtime answers; else what is wrong.
    pub unhealthy: Option<String>,
    /// It said that it stops in order.
    pub leaving: bool,
    /// The bus reported its connection closed, and it has not come back.
    pub connection_lost: bool,
    /// Until when it may believe in its lease.
    pub lease_until: Timestamp,
}

impl Facts {
    /// Nothing known yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How a node's agent was last heard, if ever.
    pub fn presence(&self, node: &NodeName) -> Option<Presence> {
        self.presences.get(node).map(|presence| presence.clone())
    }

    /// Notes how a node's agent was heard.
    pub fn set_presence(&self, node: NodeName, presence: Presence) {
        self.presences.insert(node, presence);
    }

    /// Changes what is known of a node's agent, starting from nothing known.
    pub fn update_presence(&self, node: &NodeName, update: impl FnOnce(&mut Presence)) {
        update(&mut self.presences.entry(node.clone()).or_default());
    }

    /// Forgets a node, and returns what was known.
    pub fn forget(&self, node: &NodeName) -> Option<Presence> {
        self.presences.remove(node).map(|(_, presence)| presence)
    }

    /// Notes what an autoscaler saw, and forgets what it saw longer ago than `kept`.
    pub fn note_reading(&self, autoscaler: &Uid, reading: Reading, kept: Duration) {
        let mut readings = self.readings.entry(autoscaler.clone()).or_default();
        readings.retain(|known| reading.at.since(known.at) <= kept);
        readings.push(Arc::new(reading));
    }

    /// Forgets what other autoscalers saw.
    pub fn keep_readings_of(&self, autoscalers: &HashSet<&Uid>) {
        self.readings.retain(|autoscaler, _| autoscalers.contains(autoscaler));
    }

    /// Notes what of an actor's turn was not admitted; `None`: everything was.
    pub fn note_refusal(&self, object: &ObjectKey, refusal: Option<Refusal>) {
        match refusal {
            Some(refusal) => drop(self.refusals.insert(object.clone(), refusal)),
            None => drop(self.refusals.remove(object)),
        }
    }

    /// All nodes that were ever heard and not forgotten.
    pub fn nodes(&self) -> Vec<NodeName> {
        self.presences.iter().map(|entry| entry.key().clone()).collect()
    }
}

impl<'a> World<'a> {
    /// A moment of a view (also of an offline one, in tests) together with facts.
    pub fn new(reader: Reader<'a>, facts: &'a Facts) -> Self {
        Self { reader, facts }
    }

    /// The untyped reads.
    pub fn reader(&self) -> &Reader<'a> {
        &self.reader
    }

    /// The object of a name; `namespace` is `None` (or `""`) for cluster-scoped kinds.
    pub fn get<'n, K: Resource>(
        &self,
        namespace: impl Into<Option<&'n str>>,
        name: &str,
    ) -> Option<Arc<Object<K>>> {
        let key = match namespace.into().filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => ObjectKey::namespaced(K::ID, namespace, name),
            None => ObjectKey::cluster(K::ID, name),
        };
        self.reader.get(&key).map(|stored| stored.object::<K>())
    }

    /// All objects of a kind, of one namespace or of all, ordered by namespace and name.
    pub fn list<K: Resource>(&self, namespace: Option<&str>) -> impl Iterator<Item = Arc<Object<K>>> {
        self.reader.list(K::ID, namespace).map(|stored| stored.object::<K>())
    }

    /// Objects of a kind that have an owner reference (controlling or not) to `owner`.
    pub fn owned_by<K: Resource>(&self, owner: &Uid) -> impl Iterator<Item = Arc<Object<K>>> {
        self.reader
            .owned_by(owner)
            .filter(|stored| stored.key.resource == K::ID)
            .map(|stored| stored.object::<K>())
    }

    /// Objects of a kind whose controller is `owner`.
    pub fn controlled_by<K: Resource>(&self, owner: &Uid) -> impl Iterator<Item = Arc<Object<K>>> {
        self.owned_by::<K>(owner).filter(move |object| {
            object.metadata.controller().is_some_and(|controller| controller.uid == *owner)
        })
    }

    /// Pods bound to a node.
    pub fn pods_on(&self, node: &NodeName) -> impl Iterator<Item = Arc<Object<Pod>>> {
        self.reader.pods_on(node).map(|stored| stored.object::<Pod>())
    }

    /// How a node's agent was last heard, if ever.
    pub fn presence(&self, node: &NodeName) -> Option<Presence> {
        self.facts.presence(node)
    }

    /// What an autoscaler saw lately, the oldest first.
    pub fn readings(&self, autoscaler: &Uid) -> Vec<Arc<Reading>> {
        self.facts.readings.get(autoscaler).map(|readings| readings.clone()).unwrap_or_default()
    }

    /// What of the last turn of an object's actor was not admitted, as far as this process remembers.
    pub fn refusal(&self, object: &ObjectKey) -> Option<Refusal> {
        self.facts.refusals.get(object).map(|refusal| refusal.clone())
    }

    /// An object as it is stored.
    pub fn stored(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.reader.get(key)
    }
}

impl<'a> Deref for World<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}
