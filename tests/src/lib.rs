//! What the end-to-end tests share: the built binary, a cluster of their own, kubectl, and waiting on predicates.

mod cluster;
pub mod images;
mod tools;

pub use cluster::{Cluster, Started};
pub use tools::{Output, binary, eventually, odeon, repository, run, tool};
