//! The actors' stage: brains decide purely, and this crate alone observes, awaits, retries, performs and measures.
//!
//! * [`Stage`] is the lower half: an actix actor per live key, one turn at a time, wakes collapsed, remedies applied.
//! * [`Host`] is the upper half: it runs [`ResourceActor`]s over the bucket's view and performs their [`Write`]s.
//! * [`Partitions`] says which keys this process acts for; [`Leadership`] is the same with one partition.
//! * [`laws`] (feature `testing`) holds every actor to settle, to be idempotent and to survive crashes.

mod decision;
mod hands;
mod host;
#[cfg(any(test, feature = "testing"))]
pub mod laws;
pub mod partitions;
mod remedy;
mod stage;
#[cfg(test)]
mod toy;
mod world;
mod write;

pub use decision::{AnyActor, Decision, ResourceActor, Thought, Wake};
pub use hands::{Hands, Performed};
pub use host::{Host, HostBuilder, HostHandle};
pub use partitions::{Leadership, Owned, Partitions};
pub use remedy::{Remedy, TurnError};
pub use stage::{After, Performer, Reason, Reasons, Stage};
pub use world::{Facts, Presence, Reading, Refusal, World};
pub use write::{Propagation, Write};
