//! The nodes as one DaemonSet sees them: which of them fit, and the pods that it has there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actor::{World, Write};
use api::views::{DaemonSet, DaemonSetStatus, Node, Pod, PodSpec, Toleration};
use api::{Object, Timestamp};

use super::super::history::{REVISION_HASH, Revision};
use super::super::ownership::Owner;
use super::super::{pods, sooner};
use super::{HOLD_BACK, place};

/// All nodes, and the pods of a DaemonSet on them.
pub(super) struct Daemons {
    /// By name.
    pub nodes: Vec<Place>,
    /// Pods meant for nodes that are gone.
    pub lost: Vec<Arc<Object<Pod>>>,
    /// When time alone changes something.
    pub next_change: Option<Duration>,
}

/// One node.
pub(super) struct Place {
    /// Its name.
    pub name: String,
    /// Whether a pod should be there.
    pub fit: Fit,
    /// The pods that are there or are meant to be, the oldest first.
    pub pods: Vec<Daemon>,
}

/// Whether a node fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It shall have a pod.
    Yes,
    /// A pod that is there may stay; no new one comes.
    KeepsOnly,
    /// It shall have none.
    No,
}

/// One pod.
pub(super) struct Daemon {
    /// As observed.
    pub pod: Arc<Object<Pod>>,
    /// It is of the present template.
    pub is_current: bool,
    /// It has been ready for long enough, and stays.
    pub available: bool,
}

impl Daemons {
    /// Looks at all nodes and at the pods that the set manages.
    pub fn observe(
        owner: &Owner<'_>,
        me: &Object<DaemonSet>,
        current: &Revision,
        world: &World<'_>,
        now: Timestamp,
    ) -> (Self, Vec<Write>) {
        let (mut own, claims) = owner.claim_all::<Pod>(world, |pod| !pod.has_ended());
        own.sort_by_key(|pod| (pod.metadata.creation_timestamp, pod.key.clone()));
        let template = me.spec.template.get("spec").cloned().unwrap_or_default();
        let mut spec: PodSpec = serde_json::from_value(template).unwrap_or_default();
        spec.tolerations.extend(place::tolerations(spec.host_network));
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        for node in world.list::<Node>(None) {
            let name = node.key.name.to_string();
            places.insert(name.clone(), Place { fit: Fit::of(&spec, &node), name, pods: Vec::new() });
        }
        let mut daemons = Self { nodes: Vec::new(), lost: Vec::new(), next_change: None };
        let settle = pods::seconds(me.spec.min_ready_seconds);
        for pod in own {
            let daemon = Daemon::of(&pod, current, settle, now);
            daemons.note(&daemon, settle, now);
            match place::target(&pod).and_then(|name| places.get_mut(&name)) {
                Some(place) => place.pods.push(daemon),
                // What runs on a node that is gone is the collector's business.
                None if pod.spec.node_name.is_none() && !pod.metadata.is_terminating() => {
                    daemons.lost.push(pod)
                }
                None => {}
            }
        }
        daemons.nodes = places.into_values().collect();
        (daemons, claims)
    }

    /// Time makes ready pods available, and ended ones old enough to be replaced.
    fn note(&mut self, daemon: &Daemon, settle: Duration, now: Timestamp) {
        if daemon.is_terminating() {
            return;
        }
        let wait = match daemon.pod.has_ended() {
            true => HOLD_BACK.checked_sub(now.since(daemon.pod.metadata.creation_timestamp)),
            false => pods::available_in(&daemon.pod, settle, now),
        };
        self.next_change = sooner(self.next_change, wait.filter(|wait| !wait.is_zero()));
    }

    /// The revisions that some pod has, by hash.
    pub fn revisions(&self) -> impl Iterator<Item = String> {
        let daemons = self.nodes.iter().flat_map(|node| &node.pods);
        daemons.filter_map(|daemon| Some(daemon.pod.metadata.labels.get(REVISION_HASH)?.to_string()))
    }

    /// The counts, in nodes.
    pub fn status(&self, me: &Object<DaemonSet>) -> DaemonSetStatus {
        let count = |counts: &dyn Fn(&Place) -> bool| {
            i32::try_from(self.nodes.iter().filter(|node| counts(node)).count()).unwrap_or(i32::MAX)
        };
        let wanted = |node: &Place| node.fit == Fit::Yes;
        let of_wanted =
            |holds: fn(&Daemon) -> bool| count(&|node| wanted(node) && node.pods.iter().any(holds));
        let desired = count(&wanted);
        let available = of_wanted(|daemon| daemon.available);
        DaemonSetStatus {
            current_number_scheduled: of_wanted(|_| true),
            number_misscheduled: count(&|node| !wanted(node) && !node.pods.is_empty()),
            desired_number_scheduled: desired,
            number_ready: of_wanted(|daemon| daemon.pod.is_ready() && !daemon.is_terminating()),
            observed_generation: me.metadata.generation,
            updated_number_scheduled: of_wanted(|daemon| daemon.is_current && !daemon.is_terminating()),
            number_available: available,
            number_unavailable: desired - available,
            conditions: me.status.conditions.clone(),
        }
    }
}

impl Place {
    /// The newest of the present template and the oldest of another one may be there at the same time, while the one gives way to the
    /// other. All others are too many.
    pub fn duplicates(&self) -> impl Iterator<Item = &Daemon> {
        let living = |current: bool| {
            self.pods.iter().filter(move |daemon| {
                daemon.is_current == current && !daemon.is_terminating() && !daemon.pod.has_ended()
            })
        };
        living(true).skip(1).chain(living(false).skip(1))
    }

    /// The pod of the present template that stays there, and the one of another.
    pub fn pair(&self) -> (Option<&Daemon>, Option<&Daemon>) {
        let first = |current: bool| {
            self.pods.iter().find(|daemon| daemon.is_current == current && !daemon.is_terminating())
        };
        (first(true), first(false))
    }
}

impl Daemon {
    fn of(pod: &Arc<Object<Pod>>, current: &Revision, settle: Duration, now: Timestamp) -> Self {
        let stays = !pod.metadata.is_terminating() && !pod.has_ended();
        Self {
            pod: Arc::clone(pod),
            is_current: pod.metadata.labels.get(REVISION_HASH).is_some_and(|hash| **hash == *current.hash),
            available: stays && pods::available_in(pod, settle, now) == Some(Duration::ZERO),
        }
    }

    /// It is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.pod.metadata.is_terminating()
    }
}

impl Fit {
    /// Kubernetes' rules: selectors must match; taints keep new pods away, and those with `NoExecute` also drive pods out.
    fn of(spec: &PodSpec, node: &Object<Node>) -> Self {
        let named = spec.node_name.as_ref().is_none_or(|name| *name.as_str() == *node.key.name);
        if !named || !spec.wants_node(&node.key.name, &node.metadata.labels) {
            return Self::No;
        }
        let untolerated = |effect: &str| {
            let taints = node.spec.taints.iter().filter(|taint| taint.effect == effect);
            taints.into_iter().any(|taint| !spec.tolerations.iter().any(|it: &Toleration| it.covers(taint)))
        };
        match (untolerated("NoExecute"), untolerated("NoSchedule")) {
            (true, _) => Self::No,
            (false, true) => Self::KeepsOnly,
            (false, false) => Self::Yes,
        }
    }
}
