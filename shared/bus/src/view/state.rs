//! The objects of a view and its indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use api::{NodeName, ObjectKey, ResourceId, Revision, Uid};

use super::follow::with_last_state;
use super::labels::Labels;
use super::only_reader::OnlyReader;
use super::{Change, ChangeKind};
use crate::stored::Stored;

/// Deletions that are remembered, so that their names can be taken again without asking the server.
const MARKERS: usize = 200_000;

type Collection = BTreeMap<ObjectKey, Arc<Stored>>;

/// What a view knows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) revision: Revision,
    collections: BTreeMap<ResourceId, Collection>,
    /// About how many bytes all objects take.
    weight: usize,
    owners: HashMap<Uid, BTreeSet<ObjectKey>>,
    nodes: HashMap<NodeName, BTreeSet<ObjectKey>>,
    uids: HashMap<Uid, ObjectKey>,
    labels: Labels,
    /// Names whose last message is a delete marker, with the marker's revision.
    markers: HashMap<ObjectKey, Revision>,
    /// The markers by age, so that the oldest are forgotten first.
    marker_ages: BTreeMap<Revision, ObjectKey>,
}

/// A view at one moment.
pub struct Reader<'a> {
    state: RwLockReadGuard<'a, State>,
    _only: OnlyReader,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(lock: &'a RwLock<State>) -> Self {
        let only = OnlyReader::of(lock);
        Self { state: lock.read().unwrap_or_else(PoisonError::into_inner), _only: only }
    }
}

impl api::admission::Cluster for Reader<'_> {
    fn objects(&self, resource: ResourceId, namespace: Option<&str>) -> Arc<[serde_json::Value]> {
        self.list(resource, namespace).map(|stored| stored.value()).collect()
    }
}

impl Reader<'_> {
    /// Everything up to here is included, nothing after.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.state.get(key)
    }

    /// A collection, or the part of it in one namespace, ordered by namespace and name.
    pub fn list(&self, resource: ResourceId, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Stored>> {
        let collection = self.state.collections.get(&resource);
        let start = match namespace {
            Some(namespace) => ObjectKey::namespaced(resource, namespace, ""),
            None => ObjectKey::cluster(resource, ""),
        };
        let objects = collection.into_iter().flat_map(move |collection| collection.range(start.clone()..));
        let namespace = namespace.map(str::to_owned);
        objects
            .take_while(move |(key, _)| namespace.as_deref().is_none_or(|it| key.namespace() == it))
            .map(|(_, object)| object)
    }

    /// Objects that have `owner` among their owner references.
    pub fn owned_by(&self, owner: &Uid) -> impl Iterator<Item = &Arc<Stored>> {
        self.state.each(self.state.owners.get(owner))
    }

    /// Pods that are bound to `node`.
    pub fn pods_on(&self, node: &NodeName) -> impl Iterator<Item = &Arc<Stored>> {
        self.state.each(self.state.nodes.get(node))
    }

    /// Nodes that pods are bound to, whether they exist or not.
    pub fn nodes_with_pods(&self) -> impl Iterator<Item = &NodeName> {
        self.state.nodes.keys()
    }

    /// Objects of a namespace that carry all these labels, ordered by name; pods and ReplicaSets are looked up by their rarest label.
    pub fn labelled<'r>(
        &'r self,
        resource: ResourceId,
        namespace: &str,
        labels: &'r BTreeMap<Arc<str>, Arc<str>>,
    ) -> impl Iterator<Item = &'r Arc<Stored>> {
        let is_indexed = Labels::covers(resource) && !labels.is_empty();
        let few = is_indexed.then(|| self.state.each(self.state.labels.rarest(resource, namespace, labels)));
        let all = (!is_indexed).then(|| self.list(resource, Some(namespace)));
        few.into_iter()
            .flatten()
            .chain(all.into_iter().flatten())
            .filter(|stored| labels.iter().all(|(key, value)| stored.metadata.labels.get(key) == Some(value)))
    }

    /// Everything in a namespace.
    pub fn namespaced(&self, namespace: &str) -> impl Iterator<Item = &Arc<Stored>> {
        self.state.collections.keys().flat_map(move |resource| self.list(*resource, Some(namespace)))
    }

    /// The object with this uid.
    pub fn by_uid(&self, uid: &Uid) -> Option<&Arc<Stored>> {
        self.state.uids.get(uid).and_then(|key| self.state.get(key))
    }

    /// The collections that have objects.
    pub fn resources(&self) -> impl Iterator<Item = ResourceId> {
        self.state
            .collections
            .iter()
            .filter(|(_, objects)| !objects.is_empty())
            .map(|(resource, _)| *resource)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.state.collections.values().map(BTreeMap::len).sum()
    }

    /// There is no object at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest revision of all objects.
    pub(crate) fn oldest(&self) -> Option<Revision> {
        self.state.objects().map(|object| object.revision).min()
    }

    /// The delete marker that a name has.
    pub(crate) fn marker(&self, key: &ObjectKey) -> Option<Revision> {
        self.state.markers.get(key).copied()
    }
}

impl State {
    /// About how many bytes all objects take.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.collections.get(&key.resource)?.get(key)
    }

    /// All objects.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.collections.values().flat_map(BTreeMap::values)
    }

    /// Takes a change in; `None` if it is no news: an old revision, or the deletion of nothing.
    pub(crate) fn apply(&mut self, kind: ChangeKind, mut object: Arc<Stored>) -> Option<Change> {
        if self.get(&object.key).is_some_and(|known| known.revision >= object.revision) {
            return None;
        }
        self.revision = self.revision.max(object.revision);
        if kind == ChangeKind::Put
            && let Some(previous) = self.replace(&mut object)
        {
            return Some(Change { kind, object, previous: Some(previous) });
        }
        let previous = self.remove(&object.key);
        let object = match (kind, &previous) {
            (ChangeKind::Deleted, Some(previous)) => with_last_state(object, previous),
            (ChangeKind::Deleted, None) | (ChangeKind::Put, _) => object,
        };
        self.forget_marker(&object.key);
        match kind {
            ChangeKind::Put => self.insert(Arc::clone(&object)),
            ChangeKind::Deleted => self.remember_marker(&object),
        }
        match (kind, &previous) {
            (ChangeKind::Deleted, None) => None,
            (ChangeKind::Put, _) | (ChangeKind::Deleted, Some(_)) => Some(Change { kind, object, previous }),
        }
    }

    /// What leads from here to `other`, whose revisions need not continue ours.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Change> {
        let gone = self.objects().filter(|known| other.get(&known.key).is_none()).map(|known| {
            let object = Arc::new(known.at(other.revision));
            Change { kind: ChangeKind::Deleted, object, previous: Some(Arc::clone(known)) }
        });
        let put = other.objects().filter_map(|object| {
            let previous = self.get(&object.key).cloned();
            let same =
                |known: &Arc<Stored>| known.revision == object.revision && known.bytes() == object.bytes();
            let change = Change { kind: ChangeKind::Put, object: Arc::clone(object), previous };
            (!change.previous.as_ref().is_some_and(same)).then_some(change)
        });
        gone.chain(put).collect()
    }

    fn each<'a>(&'a self, keys: Option<&'a BTreeSet<ObjectKey>>) -> impl Iterator<Item = &'a Arc<Stored>> {
        keys.into_iter().flatten().filter_map(|key| self.get(key))
    }

    /// Replaces an object where all indexes stay as they are (most writes are of a status); the state before.
    fn replace(&mut self, object: &mut Arc<Stored>) -> Option<Arc<Stored>> {
        let place = self.collections.get_mut(&object.key.resource)?.get_mut(&object.key)?;
        if !Arc::get_mut(object)?.share_with(place) {
            return None;
        }
        let previous = std::mem::replace(place, Arc::clone(object));
        self.weight = (self.weight + object.weight()).saturating_sub(previous.weight());
        Some(previous)
    }

    fn insert(&mut self, object: Arc<Stored>) {
        let key = &object.key;
        for owner in &object.metadata.owner_references {
            self.owners.entry(owner.uid.clone()).or_default().insert(key.clone());
        }
        if let Some(node) = &object.node {
            self.nodes.entry(node.clone()).or_default().insert(key.clone());
        }
        if !object.metadata.uid.as_str().is_empty() {
            self.uids.insert(object.metadata.uid.clone(), key.clone());
        }
        self.labels.insert(&object);
        self.weight += object.weight();
        self.collections.entry(key.resource).or_default().insert(key.clone(), object);
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Stored>> {
        let object = self.collections.get_mut(&key.resource)?.remove(key)?;
        for owner in &object.metadata.owner_references {
            remove_from(&mut self.owners, &owner.uid, key);
        }
        if let Some(node) = &object.node {
            remove_from(&mut self.nodes, node, key);
        }
        if self.uids.get(&object.metadata.uid) == Some(key) {
            self.uids.remove(&object.metadata.uid);
        }
        self.labels.remove(&object);
        self.weight = self.weight.saturating_sub(object.weight());
        Some(object)
    }

    fn remember_marker(&mut self, object: &Stored) {
        self.markers.insert(object.key.clone(), object.revision);
        self.marker_ages.insert(object.revision, object.key.clone());
        while self.marker_ages.len() > MARKERS {
            let Some((_, oldest)) = self.marker_ages.pop_first() else { break };
            self.markers.remove(&oldest);
        }
    }

    fn forget_marker(&mut self, key: &ObjectKey) {
        if let Some(revision) = self.markers.remove(key) {
            self.marker_ages.remove(&revision);
        }
    }
}

fn remove_from<K: std::hash::Hash + Eq>(
    index: &mut HashMap<K, BTreeSet<ObjectKey>>,
    value: &K,
    key: &ObjectKey,
) {
    if let Some(keys) = index.get_mut(value) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(value);
        }
    }
}
