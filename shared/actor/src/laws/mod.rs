//! Holds actors to the laws (settles, idempotent, crash-safe) and shows their decisions as text over a tiny cluster language.

pub mod cluster;
mod render;
mod simulation;
mod statutes;

use expect_test::Expect;

use crate::{Decision, ResourceActor, World, Write};
use api::{Object, Resource, Timestamp};
use std::sync::Arc;

pub use cluster::{Cluster, NOW};
pub use render::{show, write as show_write};
pub use simulation::{Pods, Simulation};
pub use statutes::Laws;

/// Lets the actor of the first object of its kind in `cluster` (or of the one marked with `>`) decide, and compares the decision,
/// as text, with `expect`: one line per command, the changes of the status, when to look again, or `nothing`.
pub fn check<A: ResourceActor<Command = Write>>(cluster: &str, expect: Expect) {
    check_at::<A>(cluster, NOW, expect);
}

/// As `check`, at a time of its own.
pub fn check_at<A: ResourceActor<Command = Write>>(cluster: &str, now: Timestamp, expect: Expect) {
    let cluster = Cluster::of(cluster);
    let (me, decision) = decide::<A>(&cluster, now);
    let stored = cluster.view.get(&me.key).map(|stored| stored.value()).unwrap_or_default();
    expect.assert_eq(&render::decision(&decision, &stored));
}

/// The decision itself, and the object that it is about, for what the text does not show.
#[expect(clippy::panic, reason = "a cluster without the actor's object is a mistake in a test")]
pub fn decide<A: ResourceActor<Command = Write>>(
    cluster: &Cluster,
    now: Timestamp,
) -> (Arc<Object<A::Kind>>, Decision<A>) {
    let resource = <A::Kind as Resource>::ID;
    let Some(key) = cluster.first(resource) else { panic!("the cluster has no object of {resource}") };
    let world = World::new(cluster.view.read(), &cluster.facts);
    let Some(me) = world.stored(&key).map(|stored| stored.object::<A::Kind>()) else {
        panic!("{key} is not in the view")
    };
    let decision = A::decide(&me, &world, now);
    (me, decision)
}

/// Tries the laws on `cluster` with a kubelet that makes pods run; panics with the text of what breaks them.
pub fn hold_for<A: ResourceActor<Command = Write>>(cluster: &str) {
    Laws::of::<A>().hold(cluster);
}

/// Plays `cluster` until it settles and compares every turn that did something, and the end, with `expect`.
pub fn story<A: ResourceActor<Command = Write>>(cluster: &str, expect: Expect) {
    Laws::of::<A>().story(cluster, expect);
}

#[cfg(test)]
mod tests;
