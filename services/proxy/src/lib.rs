//! The Service proxy of a node: follows the controllers' route table, serves cluster IPs and node ports, and answers DNS.

mod config;
mod datagram;
pub mod diff;
pub mod dns;
pub mod http;
mod keeper;
pub mod local_route;
mod metrics;
pub mod plane;
pub mod route;
mod run;
pub mod table;
#[cfg(test)]
mod text;

pub use config::{Config, DnsListen};
pub use keeper::Keeper;
pub use run::{Error, run};
