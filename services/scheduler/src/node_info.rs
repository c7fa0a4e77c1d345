//! The nodes as the scheduler counts on them: what they offer, and what bound and assumed pods take of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::views::{Node, Taint};
use api::{NodeName, Object, Timestamp, Uid};

use crate::amounts::Amounts;
use crate::budgets::Budgets;
use crate::class::{ClassId, GroupId, HostPort, PodClass};
use crate::storage::Storage;

/// The label that names a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// Pods on a node that does not say how many it takes.
const DEFAULT_PODS: i64 = 110;

/// One node and what is left of it.
#[derive(Debug, Default)]
pub struct NodeInfo {
    /// Its name.
    pub name: NodeName,
    /// False while only pods bound to it are known: nothing is placed there.
    pub exists: bool,
    /// Its labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// What pods must tolerate.
    pub taints: Vec<Taint>,
    /// Cordoned.
    pub unschedulable: bool,
    /// Its Ready condition is True.
    pub ready: bool,
    /// What pods may use.
    pub allocatable: Amounts,
    /// How many pods it takes.
    pub max_pods: i64,
    /// What its pods reserve.
    pub requested: Amounts,
    /// CPU and memory its pods count for when nodes are compared.
    pub weight: (i64, i64),
    /// How many pods it has.
    pub pods: i64,
    /// Its pods by owner.
    pub groups: HashMap<GroupId, u32>,
    /// Its pods by class.
    pub classes: HashMap<ClassId, (Arc<PodClass>, u32)>,
    /// Ports in use.
    pub ports: HashMap<HostPort, u32>,
}

impl NodeInfo {
    /// Takes over what the Node object says. True if pods that did not fit may fit now.
    fn describe(&mut self, node: &Object<Node>) -> bool {
        let pods = node.status.allocatable.get("pods").map_or(DEFAULT_PODS, |pods| pods.ceil_units());
        let ready = node.status.conditions.iter().any(|it| it.kind == "Ready" && it.status == "True");
        let allocatable = Amounts::read(&node.status.allocatable);
        let same = self.exists
            && self.labels == node.metadata.labels
            && self.taints == node.spec.taints
            && (self.unschedulable, self.ready, self.max_pods) == (node.spec.unschedulable, ready, pods)
            && self.allocatable == allocatable;
        if same {
            return false;
        }
        self.exists = true;
        self.labels.clone_from(&node.metadata.labels);
        self.taints.clone_from(&node.spec.taints);
        (self.unschedulable, self.ready, self.max_pods) = (node.spec.unschedulable, ready, pods);
        self.allocatable = allocatable;
        true
    }

    fn take(&mut self, class: &Arc<PodClass>) {
        self.requested.add(&class.request);
        self.weight = (self.weight.0 + class.weight.0, self.weight.1 + class.weight.1);
        self.pods += 1;
        if let Some(group) = class.group {
            *self.groups.entry(group).or_default() += 1;
        }
        self.classes.entry(class.id).or_insert_with(|| (class.clone(), 0)).1 += 1;
        for port in &class.host_ports {
            *self.ports.entry(port.clone()).or_default() += 1;
        }
    }

    fn release(&mut self, class: &PodClass) {
        self.requested.subtract(&class.request);
        self.weight = (self.weight.0 - class.weight.0, self.weight.1 - class.weight.1);
        self.pods -= 1;
        if let Some(group) = class.group {
            count_down(&mut self.groups, &group, |count| count);
        }
        count_down(&mut self.classes, &class.id, |(_, count)| count);
        for port in &class.host_ports {
            count_down(&mut self.ports, port, |count| count);
        }
    }

    /// The zone, empty if it has none.
    pub fn zone(&self) -> &str {
        self.labels.get(ZONE).map_or("", |zone| zone)
    }
}

fn count_down<K: Eq + std::hash::Hash, V>(
    counts: &mut HashMap<K, V>,
    key: &K,
    count: fn(&mut V) -> &mut u32,
) {
    if let Some(value) = counts.get_mut(key) {
        let count = count(value);
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// All nodes, and where every pod is.
#[derive(Debug, Default)]
pub struct Cluster {
    nodes: Vec<NodeInfo>,
    by_name: HashMap<NodeName, usize>,
    placed: HashMap<Uid, Placed>,
    /// How many placed pods have a priority.
    priorities: BTreeMap<i32, usize>,
    /// How many pods of an owner a zone has; only zones with a name are counted.
    zones: HashMap<GroupId, HashMap<Arc<str>, u32>>,
    /// Pods with required anti-affinity: while there are none, nobody looks for them.
    apart: usize,
    /// Claims and volumes.
    pub storage: Storage,
    /// What may be disrupted.
    pub budgets: Budgets,
}

/// A pod that is counted at a node.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name, in its class' namespace.
    pub name: Arc<str>,
    /// When it was created.
    pub created: Timestamp,
    /// How it must be treated.
    pub class: Arc<PodClass>,
    /// Whether it is there to stay.
    pub stay: Stay,
}

/// What a pod that is counted at a node does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// It is bound, or its binding is being written.
    Bound,
    /// It is being deleted, or its deletion is being written.
    Leaving,
    /// It waits for others to leave; its room is kept from pods of lower priority.
    Nominated,
}

/// A tenant and its node, by index.
#[derive(Debug)]
pub struct Placed {
    /// The node.
    pub node: usize,
    /// The pod.
    pub tenant: Tenant,
}

impl Cluster {
    /// The nodes, in a stable order. Those that do not exist are among them.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// How many nodes exist.
    pub fn live(&self) -> usize {
        self.nodes.iter().filter(|node| node.exists).count()
    }

    /// Whether any placed pod has required anti-affinity.
    pub fn has_repelling_pods(&self) -> bool {
        self.apart > 0
    }

    /// How many pods of an owner the zone has.
    pub fn in_zone(&self, group: GroupId, zone: &str) -> u32 {
        self.zones.get(&group).and_then(|zones| zones.get(zone)).copied().unwrap_or(0)
    }

    /// Takes over a Node object. True if pods that did not fit may fit now.
    pub fn describe(&mut self, node: &Object<Node>) -> bool {
        let at = self.slot(&NodeName::from(&*node.key.name));
        let zone_before = self.nodes.get(at).map(|info| info.zone().to_owned()).unwrap_or_default();
        let Some(info) = self.nodes.get_mut(at) else { return false };
        let changed = info.describe(node);
        if changed && info.zone() != zone_before {
            self.count_zones();
        }
        changed
    }

    /// The Node object is gone. Pods bound to it stay counted, should it return.
    pub fn forget(&mut self, name: &NodeName) {
        if let Some(node) = self.by_name.get(name).and_then(|at| self.nodes.get_mut(*at)) {
            node.exists = false;
            node.labels.clear();
            self.count_zones();
        }
    }

    /// A pod is bound, assumed to be, or nominated. Saying it twice changes nothing but that who leaves does not stay
    /// any more; a pod that is elsewhere moves.
    pub fn place(&mut self, uid: &Uid, node: &NodeName, mut tenant: Tenant) {
        let at = self.slot(node);
        if let Some(known) = self.placed.get_mut(uid) {
            if known.tenant.stay == Stay::Leaving {
                tenant.stay = Stay::Leaving;
            }
            if known.node == at && known.tenant.class.id == tenant.class.id {
                known.tenant.stay = tenant.stay;
                return;
            }
        }
        self.remove(uid);
        self.put_back(uid.clone(), Placed { node: at, tenant });
    }

    /// A pod is gone or has ended. What was counted, if it was.
    pub fn remove(&mut self, uid: &Uid) -> Option<Placed> {
        let placed = self.placed.remove(uid)?;
        let class = &placed.tenant.class;
        if let Some(info) = self.nodes.get_mut(placed.node) {
            info.release(class);
        }
        self.storage.count_users(class, -1);
        self.shift(placed.node, class, -1);
        if let Some(count) = self.priorities.get_mut(&class.priority) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.priorities.remove(&class.priority);
            }
        }
        Some(placed)
    }

    /// Counts again what was removed.
    pub fn put_back(&mut self, uid: Uid, placed: Placed) {
        let class = &placed.tenant.class;
        if let Some(info) = self.nodes.get_mut(placed.node) {
            info.take(class);
        }
        self.storage.count_users(class, 1);
        self.shift(placed.node, class, 1);
        *self.priorities.entry(class.priority).or_default() += 1;
        self.placed.insert(uid, placed);
    }

    /// A pod's deletion is being written (`true`), or could not be (`false`).
    pub fn leaves(&mut self, uid: &Uid, leaves: bool) {
        if let Some(placed) = self.placed.get_mut(uid) {
            placed.tenant.stay = if leaves { Stay::Leaving } else { Stay::Bound };
        }
    }

    /// Where a node is among the nodes.
    pub fn index_of(&self, node: &NodeName) -> Option<usize> {
        self.by_name.get(node).copied()
    }

    /// Where a pod is counted, if it is.
    pub fn placed(&self, uid: &Uid) -> Option<&Placed> {
        self.placed.get(uid)
    }

    /// Pods of lower priority, by node. Looks at nothing while there are none.
    pub fn lower_than(&self, priority: i32) -> HashMap<usize, Vec<Uid>> {
        let mut lower: HashMap<usize, Vec<Uid>> = HashMap::new();
        if self.priorities.range(..priority).next().is_none() {
            return lower;
        }
        for (uid, placed) in self.placed.iter().filter(|(_, it)| it.tenant.class.priority < priority) {
            lower.entry(placed.node).or_default().push(uid.clone());
        }
        lower
    }

    fn slot(&mut self, name: &NodeName) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        self.nodes.push(NodeInfo { name: name.clone(), ..NodeInfo::default() });
        self.by_name.insert(name.clone(), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn shift(&mut self, node: usize, class: &PodClass, by: i32) {
        if !class.apart.is_empty() {
            self.apart = self.apart.saturating_add_signed(by as isize);
        }
        let Some(zone) = self.nodes.get(node).and_then(|info| info.labels.get(ZONE)) else { return };
        let Some(group) = class.group else { return };
        let zones = self.zones.entry(group).or_default();
        let count = zones.entry(zone.clone()).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            zones.remove(zone);
        }
        if zones.is_empty() {
            self.zones.remove(&group);
        }
    }

    /// Counts anew: a node's zone changed, which is rare.
    fn count_zones(&mut self) {
        self.zones.clear();
        for node in &self.nodes {
            let Some(zone) = node.labels.get(ZONE) else { continue };
            for (group, count) in &node.groups {
                *self.zones.entry(*group).or_default().entry(zone.clone()).or_default() += count;
            }
        }
    }
}
