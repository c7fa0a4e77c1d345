//! The Pod performer: what a pod wants, what its containers do, and what follows from both.

pub mod allotment;
pub mod ask;
pub mod claim;
pub mod content;
pub mod decide;
pub mod env;
pub mod fields;
mod grpc;
pub mod hands;
pub mod lifecycle;
pub mod limits;
pub mod observe;
pub mod outcome;
pub mod performer;
pub mod phase;
pub mod plan;
pub mod probe;
pub mod restart;
mod security;
mod slot;
pub mod spec;
pub mod state;
pub mod status;
#[cfg(test)]
mod tests;
mod tls;
