//! Performs pods on a stage: observes the runtime, decides, starts what is to be done, reports what has changed.

mod room;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use actor::{After, Performer, Reasons, Remedy, Stage, TurnError};
use api::messages::{AssignedPod, PodReport, RunningPod};
use api::{NodeName, ObjectKey, ResourceId, Timestamp, Uid};
use dashmap::DashMap;

use super::allotment::Share;
use super::decide::{Decision, PodOp, decide};
use super::fields::Place;
use super::hands::{Circumstances, Hands};
use super::plan::PodPlan;
use super::slot::{Slot, because, lock};
use super::state::{PodState, Sandbox};
use crate::node::outbox::Outbox;
use crate::runtime::{Container, ContainerRuntime, PodRef, Role, Scope};

/// A pod is never looked at more often than this for the clock's sake.
const SOONEST: Duration = Duration::from_millis(5);

/// All pods of this process, and the stage that they perform on.
pub struct Pods<R: ContainerRuntime> {
    inner: Arc<Inner<R>>,
}

/// What pods' turns share.
pub struct Inner<R: ContainerRuntime> {
    slots: DashMap<Uid, Arc<Mutex<Slot>>>,
    /// The pods of each node.
    by_node: DashMap<NodeName, HashSet<Uid>>,
    places: DashMap<NodeName, Place>,
    /// Pods that ask for resources that their node does not have now.
    waiting: DashMap<Uid, NodeName>,
    hands: Hands<R>,
    outbox: Arc<Outbox>,
    /// Turns run on the actors' threads; operations run here.
    runtime: tokio::runtime::Handle,
    stage: OnceLock<Stage<PodPerformer<R>>>,
}

/// What the stage runs.
pub struct PodPerformer<R: ContainerRuntime>(Weak<Inner<R>>);

impl<R: ContainerRuntime> Clone for Pods<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R: ContainerRuntime> Pods<R> {
    /// An empty stage.
    pub fn start(hands: Hands<R>, outbox: Arc<Outbox>) -> Self {
        let inner = Arc::new(Inner {
            slots: DashMap::new(),
            by_node: DashMap::new(),
            places: DashMap::new(),
            waiting: DashMap::new(),
            hands,
            outbox,
            runtime: tokio::runtime::Handle::current(),
            stage: OnceLock::new(),
        });
        let stage = Stage::start("agent-pod", PodPerformer(Arc::downgrade(&inner)));
        // Nobody else can have set it: it was made a line above.
        let _ = inner.stage.set(stage);
        Self { inner }
    }

    /// The engine.
    pub fn runtime(&self) -> &Arc<R> {
        &self.inner.hands.runtime
    }

    /// Pods of this node may run here.
    pub fn open_node(&self, node: &NodeName, place: Place) {
        self.inner.places.insert(node.clone(), place);
    }

    /// Takes over what the runtime runs already. Nothing happens to it until an assignment says what shall.
    pub fn adopt(&self, listed: Vec<Container>) {
        for container in listed {
            let slot = self.inner.slot(&container.pod, true);
            lock(&slot).grace = container.grace;
        }
    }

    /// What it runs, as a registration offers it.
    pub fn running(&self, node: &NodeName) -> Vec<RunningPod> {
        let slots = self.inner.slots_of(node);
        slots
            .iter()
            .map(|(_, slot)| lock(slot).pod.clone())
            .map(|pod| RunningPod {
                key: ObjectKey::namespaced(ResourceId::new("pods"), &pod.namespace, &pod.name),
                uid: pod.uid,
            })
            .collect()
    }

    /// How many pods a node runs.
    pub fn count(&self, node: &NodeName) -> usize {
        self.inner.by_node.get(node).map_or(0, |uids| uids.len())
    }

    /// A new or changed assignment.
    pub fn assign(&self, node: &NodeName, assigned: AssignedPod, now: Timestamp) {
        let (uid, stop) = (assigned.uid.clone(), assigned.stop);
        let key = assigned.key.clone();
        match PodPlan::read(node, assigned) {
            Ok(plan) => self.inner.assign(plan, stop, now),
            Err(error) => {
                let text = telemetry::chain(&error);
                tracing::error!(pod = %key, error = text, "pod cannot be read");
                let status =
                    serde_json::json!({ "phase": "Failed", "reason": "InvalidPod", "message": text });
                self.inner.outbox.put(
                    node,
                    PodReport {
                        key,
                        uid,
                        status: status.to_string(),
                        gone: stop.is_some(),
                        because: text,
                        events: Vec::new(),
                    },
                );
            }
        }
    }

    /// Their objects are gone: what is left of them ends.
    pub fn remove(&self, uids: &[Uid], now: Timestamp) {
        for uid in uids {
            let Some(slot) = self.inner.slots.get(uid).map(|slot| Arc::clone(&slot)) else { continue };
            lock(&slot).dismiss(now);
            self.inner.wake(uid, "its object is gone");
        }
    }

    /// The complete assignment of a node: what is not in it is surplus.
    pub fn retain(&self, node: &NodeName, wanted: &HashSet<Uid>, now: Timestamp) {
        let surplus: Vec<Uid> = match self.inner.by_node.get(node) {
            Some(own) => own.difference(wanted).cloned().collect(),
            None => return,
        };
        self.remove(&surplus, now);
    }

    /// Whether the node has all of these pods.
    pub fn has_all(&self, node: &NodeName, uids: &[Uid]) -> bool {
        self.inner.by_node.get(node).is_some_and(|own| uids.iter().all(|uid| own.contains(uid)))
            || uids.is_empty()
    }

    /// The keeper knows that a pod is gone.
    pub fn forget(&self, uid: &Uid) {
        self.inner.drop_slot(uid, |slot| slot.state.cleared);
    }

    /// The lease of a node is about to end, or it has one again: pods that must be unique stop or may run.
    pub fn fence(&self, node: &NodeName, fenced: bool) {
        for (uid, slot) in self.inner.slots_of(node) {
            let mut slot = lock(&slot);
            let unique = slot.plan.as_ref().is_some_and(|plan| plan.unique);
            if unique && slot.state.fenced != fenced {
                slot.state.fenced = fenced;
                drop(slot);
                self.inner.wake(&uid, if fenced { "the lease ends" } else { "the lease is renewed" });
            }
        }
    }

    /// The engine says that containers of a pod changed.
    pub fn changed(&self, uid: &Uid) {
        let Some(slot) = self.inner.slots.get(uid).map(|slot| Arc::clone(&slot)) else { return };
        lock(&slot).stale = true;
        self.inner.wake(uid, "its containers changed");
    }

    /// Events may have been lost: every pod is looked at.
    pub fn changed_all(&self) {
        let uids: Vec<Uid> = self.inner.slots.iter().map(|slot| slot.key().clone()).collect();
        for uid in uids {
            self.changed(&uid);
        }
    }

    /// Ends all pods of this process and returns when they are gone, or when `patience` is over.
    pub async fn stop_all(&self, patience: Duration, now: Timestamp) {
        let uids: Vec<Uid> = self.inner.slots.iter().map(|slot| slot.key().clone()).collect();
        for uid in &uids {
            let Some(slot) = self.inner.slots.get(uid).map(|slot| Arc::clone(&slot)) else { continue };
            let mut slot = lock(&slot);
            let grace = slot.own_grace().min(patience.saturating_sub(Duration::from_secs(1)));
            slot.stop(grace, now, "the node is being stopped");
            slot.surplus = true;
            drop(slot);
            self.inner.wake(uid, "the node is being stopped");
        }
        let deadline = tokio::time::Instant::now() + patience;
        while !self.inner.slots.is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// No turn begins any more.
    pub async fn close(&self) {
        if let Some(stage) = self.inner.stage.get() {
            stage.stop(Duration::from_secs(2)).await;
        }
    }

    /// The instances of a container that the engine has: the newest and the one before.
    pub async fn instances(
        &self,
        pod: &PodRef,
        container: &str,
    ) -> Result<Vec<Container>, crate::runtime::RuntimeError> {
        let listed = self.runtime().list(&Scope::Pod(pod.clone())).await?;
        let wanted = |found: &Container| matches!(&found.role, Role::Member(name) if **name == *container);
        let mut found: Vec<Container> = listed.into_iter().filter(wanted).collect();
        found.sort_by_key(|container| std::cmp::Reverse(container.attempt));
        Ok(found)
    }
}

impl<R: ContainerRuntime> Inner<R> {
    fn wake(&self, uid: &Uid, reason: &'static str) {
        if let Some(stage) = self.stage.get() {
            stage.wake(uid.clone(), reason);
        }
    }

    /// The pod's slot; a new one for a pod that was `adopted` knows that there is something to be listed.
    fn slot(&self, pod: &PodRef, adopted: bool) -> Arc<Mutex<Slot>> {
        let new = || {
            self.by_node.entry(pod.node.clone()).or_default().insert(pod.uid.clone());
            Arc::new(Mutex::new(Slot::new(pod.clone(), adopted)))
        };
        let slot = Arc::clone(&self.slots.entry(pod.uid.clone()).or_insert_with(new));
        self.count();
        slot
    }

    fn drop_slot(&self, uid: &Uid, really: impl Fn(&Slot) -> bool) {
        if let Some((_, slot)) = self.slots.remove_if(uid, |_, slot| really(&lock(slot))) {
            let node = lock(&slot).pod.node.clone();
            if let Some(mut own) = self.by_node.get_mut(&node) {
                own.remove(uid);
            }
            self.waiting.remove(uid);
            self.room_appeared(&node);
        }
        self.count();
    }

    fn slots_of(&self, node: &NodeName) -> Vec<(Uid, Arc<Mutex<Slot>>)> {
        let uids: Vec<Uid> = self.by_node.get(node).iter().flat_map(|own| own.iter().cloned()).collect();
        let slot = |uid: Uid| self.slots.get(&uid).map(|slot| (uid.clone(), Arc::clone(&slot)));
        uids.into_iter().filter_map(slot).collect()
    }

    fn count(&self) {
        let count = i64::try_from(self.slots.len()).unwrap_or(i64::MAX);
        self.hands.metrics.pods.with_label_values::<&str>(&[]).set(count);
    }

    fn assign(&self, plan: PodPlan, stop: Option<u32>, now: Timestamp) {
        let uid = plan.pod.uid.clone();
        let (node, slot) = (plan.pod.node.clone(), self.slot(&plan.pod, false));
        let held = lock(&slot).plan.clone();
        // Of what was adopted it is only known now what it holds.
        let may_shrink = held.as_ref().is_none_or(|held| Share::of(held) != Share::of(&plan));
        let (plan, waits) = self.allotted(plan, held.as_deref());
        let mut slot = lock(&slot);
        let state = &mut slot.state;
        if state.started.is_none() {
            let before = plan.status.start_time.as_ref().map(|time| Timestamp(time.0.as_microsecond()));
            state.started = Some(before.unwrap_or(now));
            state.host_address = self.places.get(&plan.pod.node).map(|place| place.host_address.clone());
        }
        (slot.plan, slot.wanted) = (Some(plan), waits);
        slot.surplus = false;
        slot.reported_gone = false;
        // Whatever the keeper has by now, it is told again.
        slot.reported = None;
        if let Some(grace) = stop {
            slot.stop(Duration::from_secs(grace.into()), now, "it was deleted");
        }
        drop(slot);
        self.wake(&uid, "assigned");
        may_shrink.then(|| self.room_appeared(&node));
    }

    /// Looks at the engine if something changed there.
    async fn observe(&self, slot: &Mutex<Slot>) -> Result<(), TurnError> {
        let pod = {
            let mut slot = lock(slot);
            if !slot.stale {
                return Ok(());
            }
            slot.stale = false;
            slot.pod.clone()
        };
        match self.hands.runtime.list(&Scope::Pod(pod)).await {
            Ok(listed) => {
                lock(slot).state.observe(listed);
                self.hear_last_words(slot).await;
                Ok(())
            }
            Err(error) => {
                lock(slot).stale = true;
                Err(TurnError::because(Remedy::BackOff, "failed to list the pod's containers", error))
            }
        }
    }

    /// The log's end of failed containers that want it as their message.
    async fn hear_last_words(&self, slot: &Mutex<Slot>) {
        let wanted: Vec<_> = {
            let slot = lock(slot);
            let Some(plan) = &slot.plan else { return };
            let failed = |name: &Arc<str>| {
                let memory = slot.state.containers.get(name)?;
                let failed = memory.exit().is_some_and(|exit| exit.code != 0) && memory.last_words.is_none();
                memory
                    .current
                    .as_ref()
                    .filter(|_| failed)
                    .map(|instance| (Arc::clone(name), instance.id.clone()))
            };
            let fall_back = plan.containers.iter().filter(|container| container.fallback_to_logs);
            fall_back.filter_map(|container| failed(&container.name)).collect()
        };
        for (name, id) in wanted {
            let words = self.hands.last_words(&id).await;
            if let Some(memory) = lock(slot).state.containers.get_mut(&name) {
                memory.last_words = Some(words.unwrap_or_default());
            }
        }
    }

    async fn turn(self: &Arc<Self>, uid: &Uid) -> Result<After, TurnError> {
        let Some(slot) = self.slots.get(uid).map(|slot| Arc::clone(&slot)) else { return Ok(After::Retire) };
        self.observe(&slot).await?;
        let now = telemetry::clock::now();
        let mut guard = lock(&slot);
        let plan = match (&guard.plan, &guard.state.stop) {
            (Some(plan), _) => Arc::clone(plan),
            // Nobody has said yet what shall become of it.
            (None, None) => return Ok(After::Idle),
            (None, Some(_)) => {
                let containers = guard.state.containers.keys().cloned();
                Arc::new(PodPlan::unknown(guard.pod.clone(), guard.grace, containers))
            }
        };
        let decision = decide(&plan, &guard.state, now);
        let has_just_ended = guard.state.ended.is_none() && decision.ended.is_some();
        guard.state.ended.clone_from(&decision.ended);
        let address = match &guard.state.sandbox {
            Sandbox::Running { address, .. } => *address,
            Sandbox::Absent | Sandbox::Dead { .. } => None,
        };
        let place = self.place(&plan, &guard.state, address.map(|address| address.to_string()));
        for step in &decision.steps {
            guard.state.begin(step, now);
            let address = address.or_else(|| place.host_address.parse().ok());
            let ending = guard.ending.clone();
            let here = Circumstances { plan: Arc::clone(&plan), place: place.clone(), address, ending };
            self.start(Arc::clone(&slot), step.op.clone(), here);
        }
        self.report(&mut guard, &plan, &decision);
        if guard.state.cleared && guard.surplus {
            drop(guard);
            self.drop_slot(uid, |slot| slot.surplus && slot.state.cleared);
            return Ok(After::Retire);
        }
        drop(guard);
        if has_just_ended {
            self.room_appeared(&plan.pod.node);
        }
        Ok(decision.wake_at.map_or(After::Idle, |at| After::WakeIn(at.since(now).max(SOONEST))))
    }

    fn place(&self, plan: &PodPlan, state: &PodState, address: Option<String>) -> Place {
        let mut place = self.places.get(&plan.pod.node).map(|place| place.clone()).unwrap_or_default();
        place.host_address = state.host_address.clone().unwrap_or(place.host_address);
        place.pod_address = address.unwrap_or_else(|| match plan.host_network {
            true => place.host_address.clone(),
            false => String::new(),
        });
        place
    }

    fn start(self: &Arc<Self>, slot: Arc<Mutex<Slot>>, op: PodOp, here: Circumstances) {
        let inner = Arc::clone(self);
        self.runtime.spawn(async move {
            let outcome = inner.hands.perform(&op, &here).await;
            let now = telemetry::clock::now();
            {
                let mut slot = lock(&slot);
                slot.state.conclude(&op, &outcome, &here.plan, now);
                slot.stale |=
                    !matches!(op, PodOp::Probe { .. } | PodOp::FillVolumes { .. } | PodOp::PostStart { .. });
            }
            inner.wake(&here.plan.pod.uid, "an operation has ended");
        });
    }

    fn report(&self, slot: &mut Slot, plan: &PodPlan, decision: &Decision) {
        slot.state.conditions = decision.status.conditions.clone().unwrap_or_default();
        let gone = slot.state.cleared && slot.state.stop.is_some();
        // Before the first look at the engine nothing is known that is worth saying.
        if slot.surplus || !slot.state.observed || slot.reported_gone {
            return;
        }
        let status = serde_json::to_string(&decision.status).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        status.hash(&mut hasher);
        let hash = hasher.finish();
        if slot.reported == Some(hash) && !gone && slot.state.events.is_empty() {
            return;
        }
        slot.reported = Some(hash);
        slot.reported_gone = gone;
        let events = std::mem::take(&mut slot.state.events);
        let because = because(decision, &events, gone);
        let report =
            PodReport { key: plan.key.clone(), uid: plan.pod.uid.clone(), status, gone, because, events };
        self.outbox.put(&plan.pod.node, report);
    }
}

impl<R: ContainerRuntime> Performer for PodPerformer<R> {
    type Key = Uid;

    async fn turn(&self, key: &Uid, _reasons: &Reasons) -> Result<After, TurnError> {
        match self.0.upgrade() {
            Some(inner) => inner.turn(key).await,
            None => Ok(After::Retire),
        }
    }
}
