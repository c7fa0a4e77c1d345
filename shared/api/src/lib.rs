//! The objects of Odeon: kinds, names, defaults, validation, and the messages between processes. No IO.

pub mod admission;
pub mod columns;
pub mod conversation;
pub mod cron;
pub mod defaults;
pub mod intstr;
pub mod journal;
pub mod json;
pub mod kinds;
pub mod lifecycle;
pub mod managed;
pub mod merge_patch;
pub mod messages;
pub mod meta;
pub mod names;
pub mod names_for;
pub mod object;
pub mod protobuf;
pub mod qos;
pub mod quantity;
pub mod rbac;
pub mod schema;
pub mod selector;
pub mod service_account;
pub mod status;
pub mod strategic;
pub mod time;
pub mod validation;
pub mod versions;
pub mod views;

pub use kinds::{KindInfo, Kinds, by_gvk, by_path, kind, kinds};
pub use meta::{Metadata, OwnerReference};
pub use names::{NodeName, ObjectKey, ResourceId, Revision, Uid};
pub use object::{Object, Resource};
pub use time::Timestamp;
