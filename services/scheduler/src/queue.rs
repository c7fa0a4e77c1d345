//! Pods that wait for a node: those to try, by priority and age, and those that are known not to fit anywhere now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::{ObjectKey, Revision, Timestamp, Uid};

use crate::class::{ClassId, PodClass};
use crate::decide::Verdict;

/// A pod without a node.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where it lives.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// The revision that was read.
    pub revision: Revision,
    /// Higher goes first.
    pub priority: i32,
    /// Older goes first.
    pub created: Timestamp,
    /// How it must be treated.
    pub class: Arc<PodClass>,
    /// What its PodScheduled condition says already.
    pub told: String,
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
    parked: Option<ClassId>,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Order, Pending>,
    parked: HashMap<ClassId, Parked>,
    places: HashMap<Uid, Place>,
}

impl Queue {
    /// Adds a pod, or replaces what is known of it. A parked pod that is still of its class stays parked.
    pub fn put(&mut self, pod: Pending) {
        let order = match self.places.get(&pod.uid) {
            Some(Place { order, parked: Some(class) }) if *class == pod.class.id => {
                let entry = self.parked.get_mut(class).and_then(|parked| parked.pods.get_mut(order));
                if let Some(entry) = entry {
                    *entry = pod;
                }
                return;
            }
            Some(place) => place.order.clone(),
            None => Order {
                urgency: -i64::from(pod.priority),
                created: pod.created,
                revision: pod.revision,
                uid: pod.uid.clone(),
            },
        };
        self.remove(&pod.uid);
        self.places.insert(pod.uid.clone(), Place { order: order.clone(), parked: None });
        self.waiting.insert(order, pod);
    }

    /// The pod is gone, bound or no longer ours.
    pub fn remove(&mut self, uid: &Uid) {
        let Some(place) = self.places.remove(uid) else { return };
        let Some(class) = place.parked else {
            self.waiting.remove(&place.order);
            return;
        };
        if let Some(parked) = self.parked.get_mut(&class) {
            parked.pods.remove(&place.order);
            if parked.pods.is_empty() {
                self.parked.remove(&class);
            }
        }
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
        let order = Order {
            urgency: -i64::from(pod.priority),
            created: pod.created,
            revision: pod.revision,
            uid: pod.uid.clone(),
        };
        let class = pod.class.id;
        self.places.insert(pod.uid.clone(), Place { order: order.clone(), parked: Some(class) });
        let parked = self
            .parked
            .entry(class)
            .or_insert_with(|| Parked { verdict: verdict.clone(), pods: BTreeMap::new() });
        parked.verdict = verdict;
        parked.pods.insert(order, pod);
    }

    /// Something changed: everything is worth another try.
    pub fn revive(&mut self) {
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
        for (_, parked) in self.parked.extract_if(|_, parked| is_worth(parked)) {
            for (order, pod) in parked.pods {
                if let Some(place) = self.places.get_mut(&pod.uid) {
                    place.parked = None;
                }
                self.waiting.insert(order, pod);
            }
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
