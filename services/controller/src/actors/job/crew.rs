//! The pods of one job as they are now.

use std::sync::Arc;

use actor::{World, Write};
use api::views::{Job, Pod};
use api::{Metadata, Object};
use serde_json::json;

use super::TRACKING;

/// Pods in some order.
pub(super) type PodList = Vec<Arc<Object<Pod>>>;

/// The pods that a job manages.
pub(super) struct Crew {
    /// They run or will run.
    pub active: PodList,
    /// They are being deleted and may still run.
    pub terminating: PodList,
    /// All of them, by name.
    pub all: PodList,
}

impl Crew {
    /// Looks at the pods that the job controls.
    pub fn observe(me: &Object<Job>, world: &World<'_>) -> Self {
        let mut all: Vec<_> = world.controlled_by::<Pod>(&me.metadata.uid).collect();
        all.sort_by(|one, other| one.key.cmp(&other.key));
        let of = |wanted: fn(&Object<Pod>) -> bool| all.iter().filter(|pod| wanted(pod)).cloned().collect();
        Self {
            active: of(|pod| !pod.metadata.is_terminating() && !pod.has_ended()),
            terminating: of(|pod| pod.metadata.is_terminating() && !pod.has_ended() && !is_gone(pod)),
            all,
        }
    }

    /// Those that are not counted, or have not yet been let go after they were.
    pub fn tracked(&self) -> impl Iterator<Item = &Arc<Object<Pod>>> {
        self.all.iter().filter(|pod| is_tracked(&pod.metadata))
    }
}

/// The job's finalizer holds it.
pub(super) fn is_tracked(pod: &Metadata) -> bool {
    pod.finalizers.iter().any(|finalizer| **finalizer == *TRACKING)
}

/// It was deleted, and only finalizers hold what is left.
fn is_gone(pod: &Object<Pod>) -> bool {
    pod.metadata.is_terminating() && pod.metadata.deletion_grace_period_seconds == Some(0)
}

/// It failed, or was deleted before it could succeed. A job that waits for failures believes in a deleted pod's failure only when
/// nothing of the pod is left.
pub(super) fn has_failed(pod: &Object<Pod>, only_failed: bool) -> bool {
    match pod.status.phase.as_str() {
        "Failed" => true,
        "Succeeded" => false,
        _ => pod.metadata.is_terminating() && (!only_failed || is_gone(pod)),
    }
}

/// Takes the job's finalizer off.
pub(super) fn release(pod: &Object<Pod>, because: &str) -> Write {
    let kept: Vec<_> = pod.metadata.finalizers.iter().filter(|name| ***name != *TRACKING).collect();
    let kept = (!kept.is_empty()).then_some(kept);
    Write::Patch {
        key: pod.key.clone(),
        seen: pod.revision,
        merge: json!({"metadata": {"finalizers": kept}}),
        subresource_status: false,
        because: because.into(),
        event: None,
    }
}
