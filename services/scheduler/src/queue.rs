//! Pods that wait for a node: those to try, by priority and age, and those that are known not to fit anywhere now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::views::Pod;
use api::{NodeName, Object, ObjectKey, Revision, Timestamp, Uid};

use crate::class::{ClassId, PodClass};
use crate::decide::Verdict;
use crate::node_info::{Stay, Tenant};

/// A pod without a node.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where it lives.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// The revision that was read.
    pub revision: Revision,
    /// Older goes first.
    pub created: Timestamp,
    /// How it must be treated.
    pub class: Arc<PodClass>,
    /// What its PodScheduled condition says already.
    pub told: Box<str>,
    /// The node that its status nominates already.
    pub nominated: Option<NodeName>,
}

impl Pending {
    /// Reads a pod of a class.
    pub fn of(pod: &Object<Pod>, class: Arc<PodClass>) -> Self {
        Self {
            key: pod.key.clone(),
            uid: pod.metadata.uid.clone(),
            revision: pod.revision,
            created: pod.metadata.creation_timestamp,
            class,
            told: told(pod),
            nominated: pod.status.nominated_node_name.clone(),
        }
    }

    /// The pod as it is counted where it goes.
    pub fn tenant(&self, stay: Stay) -> Tenant {
        let (name, class) = (Arc::clone(&self.key.name), self.class.clone());
        Tenant { name, created: self.created, class, stay }
    }

    fn order(&self) -> Order {
        Order {
            urgency: -i64::from(self.class.priority),
            created: self.created,
            revision: self.revision,
            uid: self.uid.clone(),
        }
    }
}

/// What the pod's PodScheduled condition says, if it says that it does not fit.
fn told(pod: &Object<Pod>) -> Box<str> {
    let scheduled = pod.status.conditions.iter().find(|condition| condition.kind == "PodScheduled");
    scheduled.filter(|it| it.status == "False").map(|it| it.message.as_str().into()).unwrap_or_default()
}

/// The place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    urgency: i64,
    created: Timestamp,
    /// Among pods of one second: the order of writing.
    revision: Revision,
    uid: Uid,
}

#[derive(Debug)]
struct Parked {
    verdict: Arc<Verdict>,
    pods: BTreeMap<Order, Pending>,
}

#[derive(Debug)]
struct Place {
    order: Order,
    spot: Spot,
}

/// Where in the queue a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spot {
    /// To be tried.
    Waiting,
    /// Put aside with all of its class.
    Parked(ClassId),
    /// Put aside alone, while others make room for it on a node.
    Held(ClassId, NodeName),
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Order, Pending>,
    parked: HashMap<ClassId, Parked>,
    held: HashMap<NodeName, BTreeMap<Order, Pending>>,
    places: HashMap<Uid, Place>,
}

impl Queue {
    /// Adds a pod, or replaces what is known of it. A pod that was put aside and is still of its class stays aside.
    pub fn put(&mut self, pod: Pending) {
        let order = match self.places.get(&pod.uid) {
            Some(Place { order, spot: Spot::Parked(class) }) if *class == pod.class.id => {
                let entry = self.parked.get_mut(class).and_then(|parked| parked.pods.get_mut(order));
                if let Some(entry) = entry {
                    *entry = pod;
                }
                return;
            }
            Some(Place { order, spot: Spot::Held(class, node) }) if *class == pod.class.id => {
                self.held.entry(node.clone()).or_default().insert(order.clone(), pod);
                return;
            }
            Some(place) => place.order.clone(),
            None => pod.order(),
        };
        self.remove(&pod.uid);
        self.places.insert(pod.uid.clone(), Place { order: order.clone(), spot: Spot::Waiting });
        self.waiting.insert(order, pod);
    }

    /// The pod is gone, bound or no longer ours.
    pub fn remove(&mut self, uid: &Uid) {
        let Some(place) = self.places.remove(uid) else { return };
        match place.spot {
            Spot::Waiting => drop(self.waiting.remove(&place.order)),
            Spot::Held(_, node) => drop(self.take_held(&node, &place.order)),
            Spot::Parked(class) => {
                let Some(parked) = self.parked.get_mut(&class) else { return };
                parked.pods.remove(&place.order);
                if parked.pods.is_empty() {
                    self.parked.remove(&class);
                }
            }
        }
    }

    /// Whether the pod waits already.
    pub fn knows(&self, uid: &Uid) -> bool {
        self.places.contains_key(uid)
    }

    /// The next pods to try. They leave the queue; those that do not fit come back by `park`.
    pub fn take(&mut self, limit: usize) -> Vec<Pending> {
        let mut taken = Vec::with_capacity(limit.min(self.waiting.len()));
        while taken.len() < limit {
            let Some((_, pod)) = self.waiting.pop_first() else { break };
            self.places.remove(&pod.uid);
            taken.push(pod);
        }
        taken
    }

    /// Why the class is known not to fit, if it is.
    pub fn verdict(&self, class: ClassId) -> Option<&Arc<Verdict>> {
        self.parked.get(&class).map(|parked| &parked.verdict)
    }

    /// Puts a pod aside until something changes.
    pub fn park(&mut self, pod: Pending, verdict: Arc<Verdict>) {
        let (order, class) = (pod.order(), pod.class.id);
        self.places.insert(pod.uid.clone(), Place { order: order.clone(), spot: Spot::Parked(class) });
        let parked = self
            .parked
            .entry(class)
            .or_insert_with(|| Parked { verdict: verdict.clone(), pods: BTreeMap::new() });
        parked.verdict = verdict;
        parked.pods.insert(order, pod);
    }

    /// Puts a pod aside, but not others of its class, while others make room for it on a node.
    pub fn hold(&mut self, pod: Pending, node: &NodeName) {
        let (order, spot) = (pod.order(), Spot::Held(pod.class.id, node.clone()));
        self.places.insert(pod.uid.clone(), Place { order: order.clone(), spot });
        self.held.entry(node.clone()).or_default().insert(order, pod);
    }

    fn take_held(&mut self, node: &NodeName, order: &Order) -> Option<Pending> {
        let of_node = self.held.get_mut(node)?;
        let pod = of_node.remove(order);
        if of_node.is_empty() {
            self.held.remove(node);
        }
        pod
    }

    /// The pod is worth another try, if it was held.
    pub fn wake(&mut self, uid: &Uid) {
        let Some(Place { order, spot: Spot::Held(_, node) }) = self.places.get(uid) else { return };
        let (order, node) = (order.clone(), node.clone());
        if let Some(pod) = self.take_held(&node, &order) {
            self.try_again([(order, pod)]);
        }
    }

    /// Something is different on a node: those for whom others make room there are worth another try.
    pub fn wake_on(&mut self, node: &NodeName) {
        let held = self.held.remove(node).unwrap_or_default();
        self.try_again(held);
    }

    /// Something changed: everything is worth another try.
    pub fn revive(&mut self) {
        self.revive_parked();
        let held = std::mem::take(&mut self.held);
        self.try_again(held.into_values().flatten());
    }

    /// Something has become free: what fitted nowhere is worth another try. Who is held waits for something else.
    pub fn revive_parked(&mut self) {
        self.revive_if(|_| true);
    }

    /// A pod was placed: classes that need company, or an evener spread, are worth another try.
    pub fn revive_company(&mut self) {
        self.revive_if(|class| !class.near.is_empty() || !class.spread.is_empty());
    }

    /// A claim, a volume or a class changed.
    pub fn revive_claimants(&mut self) {
        self.revive_if(|class| !class.claims.is_empty());
    }

    fn revive_if(&mut self, worth: impl Fn(&PodClass) -> bool) {
        let is_worth = |parked: &mut Parked| parked.pods.values().next().is_some_and(|pod| worth(&pod.class));
        let parked: Vec<_> = self.parked.extract_if(|_, parked| is_worth(parked)).collect();
        self.try_again(parked.into_iter().flat_map(|(_, parked)| parked.pods));
    }

    fn try_again(&mut self, pods: impl IntoIterator<Item = (Order, Pending)>) {
        for (order, pod) in pods {
            if let Some(place) = self.places.get_mut(&pod.uid) {
                place.spot = Spot::Waiting;
            }
            self.waiting.insert(order, pod);
        }
    }

    /// Pods that wait, parked or not.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// There is something to try.
    pub fn has_work(&self) -> bool {
        !self.waiting.is_empty()
    }
}
