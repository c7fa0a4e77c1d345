//! A small deterministic world: performs actors' writes on a view without a server, and moves pods on as a kubelet would.

use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, ResourceId, Revision, Timestamp, Uid};
use bus::{ChangeKind, ChangeTo, Expect, Stored, View};
use serde_json::{Value, json};

use super::cluster::{Cluster, NOW};
use super::render;
use crate::hands::plan::{Bases, StatusChange, plan};
use crate::host::brain::{Brain, Typed};
use crate::{Facts, ResourceActor, Thought, World, Write};

/// What happens to pods by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pods {
    /// Pods are bound, run and are ready at the next step; terminating pods are gone at the next step.
    #[default]
    Run,
    /// As `Run`, and pods that have run succeed at the next step.
    Succeed,
    /// As `Run`, and pods that have run fail at the next step.
    Fail,
    /// Pods stay as they were made; terminating pods are gone at the next step.
    Stay,
}

/// One actor of a simulation.
#[derive(Clone, Copy)]
pub(crate) struct Player {
    pub(crate) name: &'static str,
    is_body: fn(&Stored) -> bool,
    think: fn(&Arc<Stored>, &World<'_>, Timestamp) -> Thought,
}

/// A world that only its actors, its kubelet and its collector change.
pub struct Simulation {
    /// As everyone sees it.
    pub view: Arc<View>,
    /// As the text said.
    pub facts: Arc<Facts>,
    /// The time now.
    pub now: Timestamp,
    revision: u64,
    uids: u64,
    pods: Pods,
    /// Every change so far: prefixes of it are what stale views show.
    history: Vec<(ChangeKind, Arc<Stored>)>,
}

/// What a turn did.
#[derive(Default)]
pub(crate) struct Turned {
    /// Objects that changed.
    pub(crate) changed: usize,
    /// The turn's commands, as text, if it changed something.
    pub(crate) text: String,
    pub(crate) wake_after: Option<Duration>,
}

impl Player {
    pub(crate) fn of<A: ResourceActor<Command = Write>>() -> Self {
        Self { name: A::NAME, is_body: Typed::<A>::is_body, think: Typed::<A>::think }
    }
}

impl Simulation {
    /// A cluster at its own time.
    pub fn of(cluster: &Cluster, pods: Pods) -> Self {
        let view = View::offline();
        let mut simulation = Self {
            view,
            facts: Arc::clone(&cluster.facts),
            now: NOW,
            revision: 0,
            uids: 0,
            pods,
            history: Vec::new(),
        };
        let reader = cluster.view.read();
        for stored in cluster.keys.iter().filter_map(|key| reader.get(key)) {
            simulation.apply(&stored.key, ChangeTo::Put(stored.value()));
        }
        simulation
    }

    /// The bodies of a player, in order of their keys.
    pub(crate) fn bodies(&self, player: Player) -> Vec<ObjectKey> {
        let reader = self.view.read();
        let resources: Vec<ResourceId> = reader.resources().collect();
        let mut bodies: Vec<ObjectKey> = resources
            .into_iter()
            .flat_map(|resource| reader.list(resource, None).filter(|stored| (player.is_body)(stored)))
            .map(|stored| stored.key.clone())
            .collect();
        bodies.sort();
        bodies
    }

    /// How many changes there were.
    pub(crate) fn age(&self) -> usize {
        self.history.len()
    }

    /// The view as it was after the first `changes` changes.
    pub(crate) fn view_at(&self, changes: usize) -> Arc<View> {
        let view = View::offline();
        for (kind, stored) in self.history.iter().take(changes) {
            view.apply(*kind, Arc::clone(stored));
        }
        view
    }

    /// One turn of a body: it decides on `view`, and the first `prefix` mutations are tried on the present world.
    pub(crate) fn turn(
        &mut self,
        player: Player,
        body: &ObjectKey,
        view: &Arc<View>,
        prefix: usize,
    ) -> Turned {
        let Some((me, thought)) = self.think(player, body, view) else { return Turned::default() };
        let bases = Bases::collect(&view.read(), &thought.commands, Some(&me));
        let status = thought.status.clone().map(|status| StatusChange {
            key: body.clone(),
            seen: me.revision,
            status,
        });
        let (now, mut uids) = (self.now, self.uids);
        let fresh = || {
            uids += 1;
            Uid::from(format!("uid-{uids}"))
        };
        let plan = plan(&thought.commands, status, &bases, now, fresh);
        self.uids = uids;
        let mut changed = 0;
        for planned in plan.mutations.into_iter().chain(plan.charged).take(prefix) {
            changed += usize::from(self.mutate(&planned.key, planned.expect, planned.change));
        }
        let commands: Vec<String> = thought.commands.iter().map(render::write).collect();
        let mut text = format!("{}:\n", render::show(body));
        commands.iter().for_each(|command| text.push_str(&format!("  {command}\n")));
        if plan.writes_status {
            text.push_str("  status\n");
        }
        Turned { changed, text, wake_after: thought.wake_after }
    }

    /// What a body would do on `view`; nothing if it is not there.
    pub(crate) fn think(
        &self,
        player: Player,
        body: &ObjectKey,
        view: &Arc<View>,
    ) -> Option<(Arc<Stored>, Thought)> {
        let world = World::new(view.read(), &self.facts);
        let me = world.stored(body)?.clone();
        let thought = (player.think)(&me, &world, self.now);
        Some((me, thought))
    }

    /// Everything that happens without the actors under test. True if something did.
    pub(crate) fn evolve(&mut self) -> bool {
        let mut changes: Vec<(ObjectKey, ChangeTo)> = Vec::new();
        {
            let reader = self.view.read();
            let resources: Vec<ResourceId> = reader.resources().collect();
            for stored in resources.into_iter().flat_map(|resource| reader.list(resource, None)) {
                let orphaned =
                    stored.metadata.controller().is_some_and(|owner| reader.by_uid(&owner.uid).is_none());
                let is_pod = stored.key.resource.as_str() == "pods";
                let terminating = is_pod && stored.metadata.is_terminating();
                let held = !stored.metadata.finalizers.is_empty();
                let ends = terminating && !held;
                let grace_left = stored.metadata.deletion_grace_period_seconds.unwrap_or_default() > 0;
                if terminating && held && grace_left {
                    let mut ended = stored.value();
                    json_patch::merge(
                        &mut ended,
                        &json!({ "metadata": { "deletionGracePeriodSeconds": 0 } }),
                    );
                    changes.push((stored.key.clone(), ChangeTo::Put(ended)));
                } else if (orphaned && !held) || ends {
                    changes.push((stored.key.clone(), ChangeTo::Delete(stored.value())));
                } else if is_pod && self.pods != Pods::Stay {
                    let moved = moved_on(&stored.value(), self.pods, self.now);
                    changes.extend(moved.map(|pod| (stored.key.clone(), ChangeTo::Put(pod))));
                }
            }
        }
        let happened = !changes.is_empty();
        changes.into_iter().for_each(|(key, change)| self.apply(&key, change));
        happened
    }

    /// A compare-and-set write. False if it was refused.
    fn mutate(&mut self, key: &ObjectKey, expect: Expect, change: ChangeTo) -> bool {
        let current = self.view.get(key).map(|stored| stored.revision);
        let fits = match expect {
            Expect::Absent => current.is_none(),
            Expect::At(revision) => current == Some(revision),
        };
        if fits {
            self.apply(key, change);
        }
        fits
    }

    fn apply(&mut self, key: &ObjectKey, change: ChangeTo) {
        self.revision += 1;
        let (kind, value) = match change {
            ChangeTo::Put(value) => (ChangeKind::Put, value),
            ChangeTo::Delete(value) => (ChangeKind::Deleted, value),
            ChangeTo::PutBytes(bytes) => (ChangeKind::Put, bus::decode(&bytes).unwrap_or_default()),
        };
        let stored = Stored::test_at(key.clone(), value, self.revision);
        debug_assert_eq!(stored.revision, Revision(self.revision));
        self.view.apply(kind, Arc::clone(&stored));
        self.history.push((kind, stored));
    }
}

/// The pod at its next step. `None` if it has come to its end.
fn moved_on(pod: &Value, pods: Pods, now: Timestamp) -> Option<Value> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    let (end, code) = match (phase, pods) {
        ("Running", Pods::Succeed) => ("Succeeded", 0),
        ("Running", Pods::Fail) => ("Failed", 1),
        _ => return running(pod, now),
    };
    let mut pod = pod.clone();
    let exit = json!({ "terminated": { "exitCode": code, "finishedAt": now } });
    let status = json!({
        "phase": end,
        "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": now }],
        "containerStatuses": [{ "name": "app", "ready": false, "restartCount": 0, "state": exit }],
    });
    json_patch::merge(&mut pod, &json!({ "status": status }));
    Some(pod)
}

/// The pod as a kubelet would have it: bound, running, ready. `None` if it is so already or has ended.
fn running(pod: &Value, now: Timestamp) -> Option<Value> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if matches!(text("/status/phase"), "Succeeded" | "Failed" | "Running") {
        return None;
    }
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": now });
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let wished = format!("{required}/nodeSelectorTerms/0/matchFields/0/values/0");
    let node = ["/spec/nodeName", &wished].map(text).into_iter().find(|node| !node.is_empty());
    let mut pod = pod.clone();
    json_patch::merge(
        &mut pod,
        &json!({
            "spec": { "nodeName": node.unwrap_or("simulated") },
            "status": {
                "phase": "Running",
                "podIP": "10.244.0.1",
                "startTime": now,
                "conditions": conditions,
                "containerStatuses": [{ "name": "app", "ready": true, "restartCount": 0 }],
            },
        }),
    );
    Some(pod)
}
