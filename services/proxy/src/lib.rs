//! The Service proxy of a node: follows the controllers' route table, serves cluster IPs and node ports, and answers DNS.

mod datagram;
pub mod diff;
pub mod local_route;
mod metrics;
pub mod plane;
pub mod route;
pub mod table;
#[cfg(test)]
mod text;
