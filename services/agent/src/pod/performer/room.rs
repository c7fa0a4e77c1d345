//! Gives pods the resources that they ask for as long as there is room on their node; the others wait until there is.

use std::sync::Arc;

use api::{NodeName, Uid};

use super::{Inner, Slot};
use crate::pod::allotment::{self, Share};
use crate::pod::plan::PodPlan;
use crate::pod::slot::lock;
use crate::runtime::ContainerRuntime;

impl<R: ContainerRuntime> Inner<R> {
    /// The plan as it may be performed now, and the one that waits, if that is another.
    pub(super) fn allotted(
        &self,
        wanted: PodPlan,
        held: Option<&PodPlan>,
    ) -> (Arc<PodPlan>, Option<Arc<PodPlan>>) {
        if !allotment::is_changed(&wanted, held) {
            self.waiting.remove(&wanted.pod.uid);
            return (Arc::new(wanted), None);
        }
        let (node, uid) = (wanted.pod.node.clone(), wanted.pod.uid.clone());
        let capacity = self
            .places
            .get(&node)
            .map(|place| Share { cpu_milli: place.cpu_milli.into(), memory: place.memory.into() });
        let others = self.requested_beside(&node, &uid);
        let admitted = allotment::admit(wanted.clone(), held, capacity.unwrap_or_default(), others);
        match admitted.resize_pending {
            Some(_) => {
                self.waiting.insert(uid, node);
                (Arc::new(admitted), Some(Arc::new(wanted)))
            }
            None => {
                self.waiting.remove(&uid);
                (Arc::new(admitted), None)
            }
        }
    }

    /// Looks again at what waits on a node, where somebody holds less than before.
    pub(super) fn room_appeared(&self, node: &NodeName) {
        if self.waiting.is_empty() {
            return;
        }
        let of_node = self.waiting.iter().filter(|waiting| waiting.value() == node);
        let waiting: Vec<Uid> = of_node.map(|waiting| waiting.key().clone()).collect();
        for uid in waiting {
            let Some(slot) = self.slots.get(&uid).map(|slot| Arc::clone(&slot)) else {
                self.waiting.remove(&uid);
                continue;
            };
            let (held, wanted) = {
                let slot = lock(&slot);
                (slot.plan.clone(), slot.wanted.clone())
            };
            let (Some(held), Some(wanted)) = (held, wanted) else { continue };
            let (plan, waits) = self.allotted((*wanted).clone(), Some(&held));
            {
                let mut slot = lock(&slot);
                if !is_still(&slot, &wanted) {
                    // It was assigned anew meanwhile.
                    continue;
                }
                (slot.plan, slot.wanted) = (Some(plan), waits);
            }
            self.wake(&uid, "there may be room for what it asks for");
        }
    }

    /// What the node's other pods request. Pods that were adopted and not assigned again yet may hold anything: nothing is free beside
    /// them.
    fn requested_beside(&self, node: &NodeName, uid: &Uid) -> Share {
        let others = self.slots_of(node).into_iter().filter(|(other, _)| other != uid);
        let shares = others.filter_map(|(_, slot)| {
            let slot = lock(&slot);
            let is_active = slot.state.ended.is_none() && !slot.state.cleared;
            is_active.then(|| slot.plan.as_ref().map_or(Share::UNKNOWN, |plan| Share::of(plan)))
        });
        shares.fold(Share::default(), |sum, share| sum + share)
    }
}

fn is_still(slot: &Slot, wanted: &Arc<PodPlan>) -> bool {
    slot.wanted.as_ref().is_some_and(|now| Arc::ptr_eq(now, wanted))
}
