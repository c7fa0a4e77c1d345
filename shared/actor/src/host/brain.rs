//! One face for both kinds of brains, typed and untyped, with the status compared the way each can.

use std::marker::PhantomData;
use std::sync::Arc;

use api::{Resource, ResourceId, Timestamp};
use bus::{Change, Reader, Stored};
use serde_json::Value;

use crate::{AnyActor, Decision, ResourceActor, Thought, Wake, World, Write};

/// What the host needs of an actor.
pub(crate) trait Brain: 'static {
    const NAME: &'static str;

    /// The kind of its bodies, if it is one kind.
    const KIND: Option<ResourceId>;

    /// Whether an object is one of its bodies.
    fn is_body(object: &Stored) -> bool;

    /// Whether a change of one of its bodies wakes it.
    fn stirs(change: &Change) -> bool;

    /// Whether a body needs a turn when the host starts or takes it over.
    fn is_due(_me: &Arc<Stored>, _reader: &Reader<'_>, _now: Timestamp) -> bool {
        true
    }

    fn wakes() -> Vec<Wake>;

    /// `status` is `None` if the stored one is right already.
    fn think(me: &Arc<Stored>, world: &World<'_>, now: Timestamp) -> Thought;
}

/// The brain of a `ResourceActor`.
pub(crate) struct Typed<A>(PhantomData<A>);

/// The brain of an `AnyActor`.
pub(crate) struct Any<A>(PhantomData<A>);

impl<A: ResourceActor<Command = Write>> Brain for Typed<A> {
    const NAME: &'static str = A::NAME;
    const KIND: Option<ResourceId> = Some(<A::Kind as Resource>::ID);

    fn is_body(object: &Stored) -> bool {
        object.key.resource == <A::Kind as Resource>::ID
    }

    fn stirs(_change: &Change) -> bool {
        true
    }

    fn wakes() -> Vec<Wake> {
        A::wakes()
    }

    fn think(me: &Arc<Stored>, world: &World<'_>, now: Timestamp) -> Thought {
        let me = me.object::<A::Kind>();
        let Decision { commands, status, wake_after } = A::decide(&me, world, now);
        let status = status.filter(|status| status != me.status()).and_then(|status| {
            serde_json::to_value(status)
                .inspect_err(|error| tracing::error!(%error, actor = A::NAME, "status not encoded"))
                .ok()
        });
        Thought { commands, status, wake_after }
    }
}

impl<A: AnyActor> Brain for Any<A> {
    const NAME: &'static str = A::NAME;
    const KIND: Option<ResourceId> = None;

    fn is_body(object: &Stored) -> bool {
        A::concerns(object)
    }

    fn stirs(change: &Change) -> bool {
        A::stirs(change)
    }

    fn is_due(me: &Arc<Stored>, reader: &Reader<'_>, now: Timestamp) -> bool {
        A::is_due(me, reader, now)
    }

    fn wakes() -> Vec<Wake> {
        A::wakes()
    }

    fn think(me: &Arc<Stored>, world: &World<'_>, now: Timestamp) -> Thought {
        let mut thought = A::decide(me, world, now);
        thought.status =
            thought.status.filter(|status| me.value().get("status").unwrap_or(&Value::Null) != status);
        thought
    }
}
