//! The data plane: what puts routes into force.

pub mod balancer;
mod http;
pub mod listen;
mod relay;
mod tcp;
mod udp;
pub mod userspace;
mod worker;

use std::future::Future;

use crate::route::Route;

/// Puts routes into force. Performing a route twice is performing it once.
pub trait Plane: Send + Sync {
    /// Performs `routes` in order. When it returns, no new connection goes where the routes do not lead.
    /// What cannot be opened (a port in use) is reported, kept, and tried again by `retry`.
    fn apply(&self, routes: Vec<Route>) -> impl Future<Output = ()> + Send;

    /// Tries again to open what could not be opened. Returns how much still is not open.
    fn retry(&self) -> usize;
}
