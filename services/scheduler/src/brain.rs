//! The scheduler's memory: fed with every change of pods and nodes, it keeps the cluster and the queue. No IO.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::views::{Node, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, StorageClass};
use api::{NodeName, Object, ObjectKey, Resource, Uid};

use crate::choosing::Choice;
use crate::class::Classes;
use crate::decide::{Nominations, Outcome, decide};
use crate::node_info::{Cluster, Stay};
use crate::queue::{Pending, Queue};

/// The name that pods give for this scheduler.
const NAME: &str = "default-scheduler";

/// Everything that a decision depends on.
#[derive(Debug, Default)]
pub struct Brain {
    cluster: Cluster,
    queue: Queue,
    classes: Classes,
    /// Pods for which others make room.
    nominations: Nominations,
    /// Pods whose binding is being written: the cluster counts them where they go.
    in_flight: HashSet<Uid>,
    /// Pods in flight that wait for volumes of their claims.
    choosing: HashMap<Uid, Choice>,
    /// Of those, the ones whose volumes are there.
    ready: Vec<Outcome>,
}

impl Brain {
    /// A pod was created or changed.
    pub fn pod(&mut self, pod: &Object<Pod>) {
        let uid = &pod.metadata.uid;
        if pod.has_ended() {
            self.pod_gone(uid);
            return;
        }
        if let Some(node) = &pod.spec.node_name {
            self.queue.remove(uid);
            self.in_flight.remove(uid);
            self.choosing.remove(uid);
            self.nominations.remove(uid);
            let class = self.classes.of(pod);
            let before = self.cluster.placed(uid).map(|placed| placed.tenant.class.id);
            let changed = before.is_some_and(|before| before != class.id);
            let stay = if pod.metadata.is_terminating() { Stay::Leaving } else { Stay::Bound };
            self.cluster.place(uid, node, Pending::of(pod, class).tenant(stay));
            match before {
                None => self.queue.revive_company(),
                // It may ask for less than before.
                Some(_) if changed => self.queue.revive(),
                Some(_) => {}
            }
            return;
        }
        if self.in_flight.contains(uid) {
            return;
        }
        let ours = matches!(pod.spec.scheduler_name.as_str(), "" | NAME);
        if pod.metadata.is_terminating() || !ours || is_gated(pod) {
            self.queue.remove(uid);
            self.release(uid);
            return;
        }
        let pending = Pending::of(pod, self.classes.of(pod));
        if let Some(node) = &pending.nominated
            && !self.queue.knows(uid)
            && !self.nominations.contains_key(uid)
        {
            // Another scheduler, or this one before it was started again, keeps room for it.
            self.cluster.place(uid, node, pending.tenant(Stay::Nominated));
            self.nominations.insert(uid.clone(), node.clone());
        }
        self.queue.put(pending);
    }

    /// No room is kept for the pod any more.
    fn release(&mut self, uid: &Uid) {
        if self.nominations.remove(uid).is_some() && self.cluster.remove(uid).is_some() {
            self.queue.revive();
        }
    }

    /// A pod was deleted or has ended.
    pub fn pod_gone(&mut self, uid: &Uid) {
        self.queue.remove(uid);
        self.in_flight.remove(uid);
        self.choosing.remove(uid);
        self.nominations.remove(uid);
        if let Some(placed) = self.cluster.remove(uid) {
            self.queue.revive_parked();
            if let Some(node) = self.cluster.nodes().get(placed.node) {
                self.queue.wake_on(&node.name);
            }
        }
    }

    /// A node was created or changed.
    pub fn node(&mut self, node: &Object<Node>) {
        if self.cluster.describe(node) {
            self.queue.revive();
        }
    }

    /// A node was deleted: what did not fit may have another explanation now.
    pub fn node_gone(&mut self, name: &NodeName) {
        self.cluster.forget(name);
        self.queue.revive();
    }

    /// A claim was created or changed. Tells which pods have to be looked at again: what was chosen for them does not hold.
    pub fn claim(&mut self, claim: Arc<Object<PersistentVolumeClaim>>) -> Vec<Pending> {
        let name = Arc::clone(&claim.key.name);
        self.cluster.storage.put_claim(claim);
        self.storage_changed(Some(&name))
    }

    /// A volume was created or changed.
    pub fn volume(&mut self, volume: Arc<Object<PersistentVolume>>) -> Vec<Pending> {
        let claim = volume.spec.claim_ref.as_ref().map(|claim| Arc::from(claim.name.as_str()));
        self.cluster.storage.put_volume(volume);
        self.storage_changed(claim.as_ref())
    }

    /// A class was created or changed.
    pub fn class(&mut self, class: Arc<Object<StorageClass>>) {
        self.cluster.storage.put_class(class);
        self.queue.revive_claimants();
    }

    /// A disruption budget was created or changed. It changes nobody's chances, only who has to go.
    pub fn budget(&mut self, budget: Arc<Object<PodDisruptionBudget>>) {
        self.cluster.budgets.put(budget);
    }

    /// A disruption budget was deleted.
    pub fn budget_gone(&mut self, key: &ObjectKey) {
        self.cluster.budgets.remove(key);
    }

    /// A claim, a volume or a class was deleted.
    pub fn storage_gone(&mut self, key: &ObjectKey) -> Vec<Pending> {
        self.cluster.storage.forget(key);
        let claim = (key.resource == PersistentVolumeClaim::ID).then_some(&key.name);
        self.storage_changed(claim)
    }

    /// Pods whose claims have volumes now are ready; the others whose choice does not hold any more come back.
    fn storage_changed(&mut self, claim: Option<&Arc<str>>) -> Vec<Pending> {
        self.queue.revive_claimants();
        let Some(claim) = claim else { return Vec::new() };
        let mut undone = Vec::new();
        let concerned =
            self.choosing.extract_if(|_, choice| choice.is_about(claim) && choice.look(&self.cluster));
        for (_, choice) in concerned {
            match choice.into_outcome() {
                Ok(outcome) => self.ready.push(outcome),
                Err(pod) => undone.push(pod),
            }
        }
        undone
    }

    /// Tries up to `limit` waiting pods. Pods to bind are in flight until `written` or `failed`.
    pub fn decide(&mut self, limit: usize) -> Vec<Outcome> {
        let mut outcomes = std::mem::take(&mut self.ready);
        outcomes.extend(decide(&mut self.cluster, &mut self.queue, &mut self.nominations, limit));
        for outcome in &outcomes {
            match outcome {
                Outcome::Bind { pod, .. } => {
                    self.in_flight.insert(pod.uid.clone());
                    self.queue.revive_company();
                }
                Outcome::Choose { pod, node, .. } => {
                    self.in_flight.insert(pod.uid.clone());
                    self.choosing.insert(pod.uid.clone(), Choice::new(pod.clone(), node.clone()));
                }
                Outcome::Preempt { .. } | Outcome::Unplaced { .. } => {}
            }
        }
        outcomes
    }

    /// The binding is durable. The pod stays counted at its node; the view will say the same.
    pub fn written(&mut self, uid: &Uid) {
        self.in_flight.remove(uid);
    }

    /// The decision was not written: look at the pod as it is now.
    pub fn failed(&mut self, uid: &Uid, current: Option<&Object<Pod>>) {
        self.queue.remove(uid);
        self.choosing.remove(uid);
        if self.in_flight.remove(uid) && self.cluster.remove(uid).is_some() {
            self.queue.revive();
        }
        self.release(uid);
        if let Some(pod) = current.filter(|pod| pod.metadata.uid == *uid) {
            self.pod(pod);
        }
    }

    /// A pod that had to go stays for now.
    pub fn spared(&mut self, uid: &Uid) {
        self.cluster.leaves(uid, false);
    }

    /// There is something to try.
    pub fn has_work(&self) -> bool {
        self.queue.has_work() || !self.ready.is_empty()
    }

    /// Pods that wait for a node, those that fit nowhere included.
    pub fn waiting(&self) -> usize {
        self.queue.size()
    }
}

/// Held back by `spec.schedulingGates`.
fn is_gated(pod: &Object<Pod>) -> bool {
    !pod.spec.scheduling_gates.is_empty()
}
