//! The objects of Odeon: kinds, names, defaults, validation, and the messages between processes. No IO.

pub mod journal;
pub mod json;
pub mod kinds;
pub mod lifecycle;
pub mod messages;
pub mod meta;
pub mod names;
pub mod object;
pub mod qos;
pub mod quantity;
pub mod time;
pub mod views;

pub use kinds::{KindInfo, by_gvk, by_path, kind, kinds};
pub use meta::{Metadata, OwnerReference};
pub use names::{NodeName, ObjectKey, ResourceId, Revision, Uid};
pub use object::{Object, Resource};
pub use time::Timestamp;
