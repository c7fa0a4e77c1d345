//! The active scheduler: feeds the brain with the view's changes and writes what it decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use api::views::{Node, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, StorageClass};
use api::{NodeName, Object, Resource, Uid};
use bus::{Bus, Change, ChangeKind, Changes, Expired, Stored, View};
use telemetry::metrics::{self, HistogramVec, IntGaugeVec};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::binding::{Scribe, Written};
use crate::brain::Brain;
use crate::queue::Pending;

/// Pods that are tried in one go, and written together.
const BATCH: usize = 1_000;
/// Batches that are written at the same time: enough to decide while others wait for the disk.
const BATCHES_IN_FLIGHT: usize = 3;

/// What the scheduler measures.
#[derive(Clone)]
pub struct Metrics {
    seconds: HistogramVec,
    queue: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    pub fn register() -> Self {
        Self {
            seconds: metrics::histogram_vec(
                "odeon_scheduling_seconds",
                "From a pod's creation to its durable binding.",
                &[],
                metrics::SECONDS,
            ),
            queue: metrics::int_gauge_vec("odeon_scheduler_queue", "Pods that wait for a node.", &[]),
        }
    }
}

/// One term of being the active scheduler.
pub struct Active {
    view: Arc<View>,
    scribe: Scribe,
    metrics: Metrics,
    brain: Brain,
    writing: JoinSet<Vec<Written>>,
    /// When pods without a node were first seen, for the metric.
    seen: HashMap<Uid, Instant>,
}

impl Active {
    /// Starts with an empty memory.
    pub fn new(bus: &Bus, view: &Arc<View>, metrics: Metrics) -> Self {
        Self {
            view: view.clone(),
            scribe: Scribe::new(bus, view),
            metrics,
            brain: Brain::default(),
            writing: JoinSet::new(),
            seen: HashMap::new(),
        }
    }

    /// Schedules for ever. Safe to drop at any await; `finish` then waits for what is being written.
    pub async fn work(&mut self) {
        loop {
            let mut changes = self.load().await;
            let Err(expired) = self.follow(&mut changes).await;
            warn!(%expired, "fell behind the view, starting over");
            self.finish().await;
        }
    }

    /// Waits until nothing is being written.
    pub async fn finish(&mut self) {
        while let Some(written) = self.writing.join_next().await {
            self.settle(written.unwrap_or_default());
        }
        self.metrics.queue.with_label_values::<&str>(&[]).set(0);
    }

    /// Reads one moment of the view, and follows from there.
    async fn load(&mut self) -> Changes {
        loop {
            self.brain = Brain::default();
            let revision = {
                let reader = self.view.read();
                for node in reader.list(Node::ID, None) {
                    self.brain.node(&node.object::<Node>());
                }
                for budget in reader.list(PodDisruptionBudget::ID, None) {
                    self.brain.budget(budget.object());
                }
                for class in reader.list(StorageClass::ID, None) {
                    self.brain.class(class.object());
                }
                for volume in reader.list(PersistentVolume::ID, None) {
                    self.brain.volume(volume.object());
                }
                for claim in reader.list(PersistentVolumeClaim::ID, None) {
                    self.brain.claim(claim.object());
                }
                for pod in reader.list(Pod::ID, None) {
                    self.brain.pod(&pod.object::<Pod>());
                }
                reader.revision()
            };
            match self.view.changes(revision) {
                Ok(changes) => return changes,
                Err(expired) => debug!(%expired, "the view moved on while it was read"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn follow(&mut self, changes: &mut Changes) -> Result<std::convert::Infallible, Expired> {
        loop {
            while self.brain.has_work() && self.writing.len() < BATCHES_IN_FLIGHT {
                let outcomes = self.brain.decide(BATCH);
                if !outcomes.is_empty() {
                    let scribe = self.scribe.clone();
                    self.writing.spawn(async move { scribe.write(outcomes).await });
                }
            }
            let waiting = i64::try_from(self.brain.waiting()).unwrap_or(i64::MAX);
            self.metrics.queue.with_label_values::<&str>(&[]).set(waiting);
            tokio::select! {
                Some(written) = self.writing.join_next() => self.settle(written.unwrap_or_default()),
                batch = changes.next_batch() => {
                    for change in batch? {
                        self.observe(&change);
                    }
                }
            }
        }
    }

    fn observe(&mut self, change: &Change) {
        let object = &change.object;
        match (object.key.resource, change.kind) {
            (Node::ID, ChangeKind::Put) => self.brain.node(&object.object::<Node>()),
            (Node::ID, ChangeKind::Deleted) => self.brain.node_gone(&NodeName::from(&*object.key.name)),
            (Pod::ID, ChangeKind::Put) => self.observe_pod(change, object),
            (Pod::ID, ChangeKind::Deleted) => {
                self.seen.remove(&object.metadata.uid);
                self.brain.pod_gone(&object.metadata.uid);
            }
            (PersistentVolumeClaim::ID, ChangeKind::Put) => {
                let undone = self.brain.claim(object.object());
                self.look_again(undone);
            }
            (PersistentVolume::ID, ChangeKind::Put) => {
                let undone = self.brain.volume(object.object());
                self.look_again(undone);
            }
            (PodDisruptionBudget::ID, ChangeKind::Put) => self.brain.budget(object.object()),
            (PodDisruptionBudget::ID, ChangeKind::Deleted) => self.brain.budget_gone(&object.key),
            (StorageClass::ID, ChangeKind::Put) => self.brain.class(object.object()),
            (PersistentVolumeClaim::ID | PersistentVolume::ID | StorageClass::ID, ChangeKind::Deleted) => {
                let undone = self.brain.storage_gone(&object.key);
                self.look_again(undone);
            }
            _ => {}
        }
    }

    /// Gives pods back to the brain as they are now.
    fn look_again(&mut self, pods: Vec<Pending>) {
        for pod in pods {
            let current = self.view.get(&pod.key).map(|stored| stored.object::<Pod>());
            self.brain.failed(&pod.uid, current.as_deref());
        }
    }

    fn observe_pod(&mut self, change: &Change, stored: &Stored) {
        let pod: Arc<Object<Pod>> = stored.object();
        let recreated = change.previous.as_ref().filter(|previous| previous.metadata.uid != pod.metadata.uid);
        if let Some(previous) = recreated {
            self.brain.pod_gone(&previous.metadata.uid);
        }
        if change.is_creation() && pod.spec.node_name.is_none() {
            self.seen.insert(pod.metadata.uid.clone(), Instant::now());
        }
        self.brain.pod(&pod);
    }

    fn settle(&mut self, written: Vec<Written>) {
        for written in written {
            match written {
                Written::Bound { uid, created } => {
                    let waited = match self.seen.remove(&uid) {
                        Some(since) => since.elapsed(),
                        None => telemetry::clock::now().since(created),
                    };
                    self.metrics.seconds.with_label_values::<&str>(&[]).observe(waited.as_secs_f64());
                    self.brain.written(&uid);
                }
                Written::Failed { key, uid } => {
                    let current = self.view.get(&key).map(|stored| stored.object::<Pod>());
                    self.brain.failed(&uid, current.as_deref());
                }
                Written::Spared { uid } => self.brain.spared(&uid),
                Written::Told => {}
            }
        }
    }
}
