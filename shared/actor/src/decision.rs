//! The brain of one kind of resource, and what it concludes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use api::{Object, ObjectKey, Resource, ResourceId, Timestamp};
use bus::{Change, Reader, Stored};

use crate::{World, Write};

/// The brain of one kind of resource. Pure: the host observes, `decide` thinks, the host acts.
pub trait ResourceActor: Sized + 'static {
    /// The kind whose objects are this actor's bodies.
    type Kind: Resource;

    /// The verbs this actor may use: `Write` for controllers.
    type Command: Clone + Debug;

    /// Its name in logs, metrics and the journal; unique within a host.
    const NAME: &'static str = <Self::Kind as Resource>::ID.as_str();

    /// Changes that wake this actor, besides a change to its own object.
    fn wakes() -> Vec<Wake>;

    /// Compares what is desired with what is observed. Total: a bad spec becomes a condition, not an error.
    fn decide(me: &Object<Self::Kind>, world: &World<'_>, now: Timestamp) -> Decision<Self>;
}

/// What one turn concludes. Performing any prefix of `commands` and deciding again is always safe.
pub struct Decision<A: ResourceActor> {
    /// What to do; independent of each other, performed at the same time.
    pub commands: Vec<A::Command>,
    /// The complete status; `None` leaves the stored one.
    pub status: Option<<A::Kind as Resource>::Status>,
    /// Decide again after this time even if nothing changes.
    pub wake_after: Option<Duration>,
}

/// The brain of objects of many kinds, read as they are stored (the collector, for example).
pub trait AnyActor: Sized + 'static {
    /// Its name in logs, metrics and the journal; unique within a host.
    const NAME: &'static str;

    /// Whether an object is one of its bodies: it is woken by the object's changes, and once at the start.
    fn concerns(object: &Stored) -> bool;

    /// Whether a change of one of its bodies could change what it decides; called for every such change.
    fn stirs(_change: &Change) -> bool {
        true
    }

    /// Whether one of its bodies needs a turn when a host starts or takes it over. Asked of all of them at once, so it should cost
    /// less than a turn.
    fn is_due(_me: &Arc<Stored>, _reader: &Reader<'_>, _now: Timestamp) -> bool {
        true
    }

    /// Changes that wake this actor, besides a change to its own objects. `Wake::Owned` has no meaning here.
    fn wakes() -> Vec<Wake>;

    /// As `ResourceActor::decide`.
    fn decide(me: &Arc<Stored>, world: &World<'_>, now: Timestamp) -> Thought;
}

/// What one turn of an `AnyActor` concludes.
#[derive(Clone, Debug, Default)]
pub struct Thought {
    /// What to do; independent of each other, performed at the same time.
    pub commands: Vec<Write>,
    /// The complete new status in JSON; `None` leaves the stored one.
    pub status: Option<serde_json::Value>,
    /// Decide again after this time even if nothing changes.
    pub wake_after: Option<Duration>,
}

/// Which of an actor's keys a change of another object concerns.
#[derive(Clone, Copy)]
pub enum Wake {
    /// Wake the owner (ownerReferences with controller: true and of the actor's kind) of every changed object of this resource.
    Owned(ResourceId),
    /// Anything else: which of my keys does this change concern? Also gets `previous`.
    By {
        /// Only changes of this resource; `None` is every resource.
        resource: Option<ResourceId>,
        /// The keys to wake. Called for every such change, so it must be quick.
        keys: fn(&Change, &Reader<'_>) -> Vec<ObjectKey>,
    },
}

impl<A: ResourceActor> Decision<A> {
    /// Nothing to do, and the status may stay.
    pub fn nothing() -> Self {
        Self { commands: Vec::new(), status: None, wake_after: None }
    }
}

impl<A: ResourceActor> Default for Decision<A> {
    fn default() -> Self {
        Self::nothing()
    }
}

impl<A: ResourceActor> Clone for Decision<A> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), status: self.status.clone(), wake_after: self.wake_after }
    }
}

impl<A: ResourceActor> Debug for Decision<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("commands", &self.commands)
            .field("status", &self.status)
            .field("wake_after", &self.wake_after)
            .finish()
    }
}
