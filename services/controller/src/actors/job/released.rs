//! Lets go of the pods of jobs that are gone: there is nobody left to count them.

use std::sync::Arc;

use actor::{AnyActor, Thought, Wake, World, Write};
use api::views::{Job, Pod};
use api::{ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};

use super::crew::{is_tracked, release};

/// Takes the finalizers of gone jobs off their pods.
#[derive(Debug)]
pub struct ReleasedPods;

impl AnyActor for ReleasedPods {
    const NAME: &'static str = "released-pods";

    fn concerns(object: &Stored) -> bool {
        object.key.resource == Pod::ID && is_tracked(&object.metadata)
    }

    fn stirs(change: &Change) -> bool {
        // While it has its job, its job looks after it; a change of owners is a change of that.
        change.previous.as_ref().is_none_or(|previous| {
            previous.metadata.owner_references != change.object.metadata.owner_references
        })
    }

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: Some(Job::ID), keys: left_behind }]
    }

    fn decide(me: &Arc<Stored>, world: &World<'_>, _now: Timestamp) -> Thought {
        let reader: &Reader<'_> = world;
        let has_job = me
            .metadata
            .controller()
            .and_then(|owner| reader.by_uid(&owner.uid))
            .is_some_and(|owner| owner.key.resource == Job::ID);
        let commands: Vec<Write> = match has_job {
            true => Vec::new(),
            false => vec![release(&me.object::<Pod>(), "its job is gone")],
        };
        Thought { commands, ..Thought::default() }
    }
}

/// The pods of a job that is gone.
fn left_behind(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    if change.kind != ChangeKind::Deleted {
        return Vec::new();
    }
    let pods =
        reader.owned_by(&change.object.metadata.uid).filter(|dependent| dependent.key.resource == Pod::ID);
    pods.map(|pod| pod.key.clone()).collect()
}
