//! Turns the view's changes into wakes of the actors that they concern.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{ObjectKey, OwnerReference, ResourceId, Timestamp};
use bus::{Change, ChangeKind, Changes, Expired, Reader, Stored, View};

use super::brain::Brain;
use super::turn::Turns;
use crate::partitions::Owned;
use crate::stage::Reason;
use crate::{Partitions, Stage, Wake};

/// When everything is woken, so many are woken at a time.
const CHUNK: usize = 1_000;
/// How long the next chunk waits for the last one, if its turns do not end (the bus may be gone).
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const BREATH: Duration = Duration::from_millis(1);

/// One served actor, as the router sees it.
pub(super) trait Route: Send + Sync {
    /// The kind of its bodies, if it is one kind.
    fn kind(&self) -> Option<ResourceId>;

    /// Whether an object is one of its bodies.
    fn is_body(&self, object: &Stored) -> bool;

    /// Whether a change of one of its bodies wakes it.
    fn stirs(&self, change: &Change) -> bool;

    /// Whether a body needs a turn when the host starts or takes it over.
    fn is_due(&self, me: &Arc<Stored>, reader: &Reader<'_>, now: Timestamp) -> bool;

    /// Its wakes, asked for once.
    fn wakes(&self) -> Vec<Wake>;

    fn wake(&self, key: ObjectKey, reason: Reason);

    fn live(&self) -> usize;

    fn stop(&self, patience: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// All served actors and what wakes them.
pub(super) struct Router {
    view: Arc<View>,
    partitions: Arc<Partitions>,
    routes: Vec<Served>,
    /// Which wakes look at a change, by its resource: `(route, wake)`.
    by_resource: HashMap<ResourceId, Vec<(usize, Wake)>>,
    /// Wakes that look at every change.
    by_any: Vec<(usize, Wake)>,
}

struct Served {
    route: Box<dyn Route>,
    /// The kind that owners of this route's bodies' children name.
    owner_kind: Option<OwnerKind>,
}

/// How owner references call a resource.
struct OwnerKind {
    resource: ResourceId,
    kind: &'static str,
    group: &'static str,
    namespaced: bool,
}

impl<B: Brain> Route for Stage<Turns<B>> {
    fn kind(&self) -> Option<ResourceId> {
        B::KIND
    }

    fn is_body(&self, object: &Stored) -> bool {
        B::is_body(object)
    }

    fn stirs(&self, change: &Change) -> bool {
        B::stirs(change)
    }

    fn is_due(&self, me: &Arc<Stored>, reader: &Reader<'_>, now: Timestamp) -> bool {
        B::is_due(me, reader, now)
    }

    fn wakes(&self) -> Vec<Wake> {
        B::wakes()
    }

    fn wake(&self, key: ObjectKey, reason: Reason) {
        self.wake_because(key, reason);
    }

    fn live(&self) -> usize {
        Stage::live(self)
    }

    fn stop(&self, patience: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Stage::stop(self, patience))
    }
}

impl Router {
    pub(super) fn new(view: Arc<View>, partitions: Arc<Partitions>, routes: Vec<Box<dyn Route>>) -> Self {
        let mut by_resource: HashMap<ResourceId, Vec<(usize, Wake)>> = HashMap::new();
        let mut by_any = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            for wake in route.wakes() {
                match wake {
                    Wake::Owned(resource) | Wake::By { resource: Some(resource), .. } => {
                        by_resource.entry(resource).or_default().push((index, wake));
                    }
                    Wake::By { resource: None, .. } => by_any.push((index, wake)),
                }
            }
        }
        let routes = routes
            .into_iter()
            .map(|route| Served { owner_kind: route.kind().and_then(OwnerKind::of), route })
            .collect();
        Self { view, partitions, routes, by_resource, by_any }
    }

    /// Wakes everything once, then whatever changes concern; for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut ownership = self.partitions.changes();
        let mut owned = *ownership.borrow_and_update();
        loop {
            let mut changes = self.start_over(owned).await;
            loop {
                tokio::select! {
                    batch = changes.next_batch() => match batch {
                        Ok(batch) => self.route(&batch),
                        Err(expired) => {
                            tracing::warn!(error = %expired, "fell behind the view, waking every actor");
                            break;
                        }
                    },
                    Ok(()) = ownership.changed() => {
                        let before = std::mem::replace(&mut owned, *ownership.borrow_and_update());
                        self.wake_all("this process took over", |key| {
                            let partition = self.partitions.of(key);
                            owned.contains(partition) && !before.contains(partition)
                        })
                        .await;
                    }
                }
            }
        }
    }

    /// Wakes the actors whose body an object is.
    pub(super) fn wake_own(&self, key: &ObjectKey, reason: Reason) {
        if !self.partitions.owns(key) {
            return;
        }
        let stored = self.view.get(key);
        for served in &self.routes {
            let is_body = match &stored {
                Some(stored) => served.route.is_body(stored),
                None => served.route.kind() == Some(key.resource),
            };
            if is_body {
                served.route.wake(key.clone(), reason.clone());
            }
        }
    }

    pub(super) fn live(&self) -> usize {
        self.routes.iter().map(|served| served.route.live()).sum()
    }

    pub(super) async fn stop(&self, patience: Duration) {
        futures::future::join_all(self.routes.iter().map(|served| served.route.stop(patience))).await;
    }

    /// Follows from now, and wakes everything: what happened before is in the view.
    async fn start_over(&self, owned: Owned) -> Changes {
        let changes = loop {
            // Only a burst larger than the ring between these two calls would expire.
            match self.view.changes(self.view.revision()) {
                Ok(changes) => break changes,
                Err(Expired { .. }) => continue,
            }
        };
        self.wake_all("the host started", |key| owned.contains(self.partitions.of(key))).await;
        changes
    }

    /// Wakes every body whose key is wanted, no faster than turns are taken: the actors of 150,000 objects need not live at once.
    async fn wake_all(&self, what: &'static str, wanted: impl Fn(&ObjectKey) -> bool) {
        for served in &self.routes {
            let bodies = self.bodies(served, &wanted);
            for some in bodies.chunks(CHUNK) {
                for body in self.due(served, some) {
                    served.route.wake(body.key.clone(), Reason { what, about: None, cause: body.cause });
                }
                let begun = Instant::now();
                while served.route.live() > CHUNK && begun.elapsed() < PATIENCE {
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Those that need a turn; the view is read for a few at a time, so that it need not stand still for all.
    fn due<'s>(&self, served: &Served, some: &'s [Arc<Stored>]) -> Vec<&'s Arc<Stored>> {
        let (reader, now) = (self.view.read(), telemetry::clock::now());
        some.iter().filter(|body| served.route.is_due(body, &reader, now)).collect()
    }

    fn bodies(&self, served: &Served, wanted: impl Fn(&ObjectKey) -> bool) -> Vec<Arc<Stored>> {
        let reader = self.view.read();
        let resources: Vec<ResourceId> = match served.route.kind() {
            Some(resource) => vec![resource],
            None => reader.resources().collect(),
        };
        let all = resources.into_iter().flat_map(|resource| reader.list(resource, None));
        all.filter(|stored| wanted(&stored.key) && served.route.is_body(stored)).cloned().collect()
    }

    fn route(&self, batch: &[Arc<Change>]) {
        let reader = self.view.read();
        for change in batch {
            self.wake_bodies(change);
            let of_resource = self.by_resource.get(&change.object.key.resource);
            for (route, wake) in of_resource.into_iter().flatten().chain(&self.by_any) {
                let Some(served) = self.routes.get(*route) else { continue };
                for key in served.concerned(wake, change, &reader) {
                    if self.partitions.owns(&key) {
                        served.route.wake(key, reason_of(change));
                    }
                }
            }
        }
    }

    fn wake_bodies(&self, change: &Change) {
        if change.kind == ChangeKind::Deleted || !self.partitions.owns(&change.object.key) {
            return;
        }
        let is_stirred =
            |served: &&Served| served.route.is_body(&change.object) && served.route.stirs(change);
        for served in self.routes.iter().filter(is_stirred) {
            served.route.wake(change.object.key.clone(), reason_of(change));
        }
    }
}

impl Served {
    fn concerned(&self, wake: &Wake, change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
        match wake {
            Wake::By { keys, .. } => keys(change, reader),
            Wake::Owned(_) => {
                let Some(kind) = &self.owner_kind else { return Vec::new() };
                let mut owners: Vec<ObjectKey> = std::iter::once(&change.object)
                    .chain(&change.previous)
                    .filter_map(|object| kind.owner_of(object))
                    .collect();
                owners.dedup();
                owners
            }
        }
    }
}

impl OwnerKind {
    fn of(resource: ResourceId) -> Option<Self> {
        let known = api::kind(resource)?;
        Some(Self { resource, kind: known.kind, group: known.group, namespaced: known.namespaced })
    }

    fn owner_of(&self, object: &Stored) -> Option<ObjectKey> {
        let owner = object.metadata.controller().filter(|owner| self.is_named_by(owner))?;
        Some(match self.namespaced {
            true => ObjectKey {
                resource: self.resource,
                namespace: object.key.namespace.clone(),
                name: owner.name.clone(),
            },
            false => ObjectKey::cluster(self.resource, &owner.name),
        })
    }

    fn is_named_by(&self, owner: &OwnerReference) -> bool {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        &*owner.kind == self.kind && group == self.group
    }
}

fn reason_of(change: &Change) -> Reason {
    let what = match change.kind {
        ChangeKind::Put if change.previous.is_none() => "was created",
        ChangeKind::Put => "changed",
        ChangeKind::Deleted => "was deleted",
    };
    Reason { what, about: Some(change.object.key.clone()), cause: change.object.cause }
}
