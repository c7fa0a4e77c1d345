//! Counts pods by phase and nodes by readiness; only the holder of partition 0 shows the counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::Resource;
use api::views::{Node, Pod};
use bus::{Change, ChangeKind, Changes, Stored};
use telemetry::metrics::{self, IntGaugeVec};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Keeper;

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(1);

/// Starts counting.
pub fn start(keeper: &Arc<Keeper>, shells: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let census = Census {
        keeper: keeper.clone(),
        counts: HashMap::new(),
        pods: metrics::int_gauge_vec("odeon_pods", "Pods by phase.", &["phase"]),
        nodes: metrics::int_gauge_vec("odeon_nodes", "Nodes by readiness.", &["ready"]),
    };
    let stop = shutdown.clone().cancelled_owned();
    shells.spawn(async move {
        tokio::select! {
            () = stop => {}
            () = census.count() => {}
        }
    });
}

/// What one object counts as.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Pod(&'static str),
    Node(&'static str),
}

struct Census {
    keeper: Arc<Keeper>,
    counts: HashMap<Class, i64>,
    pods: IntGaugeVec,
    nodes: IntGaugeVec,
}

impl Census {
    async fn count(mut self) {
        let mut changes = self.count_all();
        let mut show = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                batch = changes.next_batch() => match batch {
                    Ok(batch) => batch.iter().for_each(|change| self.observe(change)),
                    Err(_fell_behind) => changes = self.count_all(),
                },
                _ = show.tick() => self.show(),
            }
        }
    }

    fn count_all(&mut self) -> Changes {
        loop {
            self.counts.clear();
            let (revision, objects) = {
                let reader = self.keeper.view.read();
                let objects = reader.list(Pod::ID, None).chain(reader.list(Node::ID, None));
                (reader.revision(), objects.cloned().collect::<Vec<Arc<Stored>>>())
            };
            for class in objects.iter().filter_map(|stored| class_of(stored)) {
                *self.counts.entry(class).or_default() += 1;
            }
            if let Ok(changes) = self.keeper.view.changes(revision) {
                return changes;
            }
        }
    }

    fn observe(&mut self, change: &Change) {
        if let Some(class) = change.previous.as_deref().and_then(class_of) {
            *self.counts.entry(class).or_default() -= 1;
        }
        if let Some(class) = class_of(&change.object).filter(|_| change.kind == ChangeKind::Put) {
            *self.counts.entry(class).or_default() += 1;
        }
    }

    fn show(&self) {
        let shown = |class: Class| match self.keeper.leads() {
            true => self.counts.get(&class).copied().unwrap_or(0),
            false => 0,
        };
        for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
            self.pods.with_label_values(&[phase]).set(shown(Class::Pod(phase)));
        }
        for ready in ["true", "false", "unknown"] {
            self.nodes.with_label_values(&[ready]).set(shown(Class::Node(ready)));
        }
    }
}

fn class_of(stored: &Stored) -> Option<Class> {
    match stored.key.resource {
        Pod::ID => Some(Class::Pod(match stored.object::<Pod>().status.phase.as_str() {
            "" | "Pending" => "Pending",
            "Running" => "Running",
            "Succeeded" => "Succeeded",
            "Failed" => "Failed",
            _ => "Unknown",
        })),
        Node::ID => {
            let node = stored.object::<Node>();
            let ready = node.status.conditions.iter().find(|condition| condition.kind == "Ready");
            Some(Class::Node(match ready.map(|condition| condition.status.as_str()) {
                Some("True") => "true",
                Some("False") => "false",
                _ => "unknown",
            }))
        }
        _ => None,
    }
}
