//! The Kubernetes REST API over the bus: stateless, any number of them, generic over the kinds that `api` knows.

mod admission;
mod allocate;
mod apply;
mod auth;
mod body;
mod bootstrap;
mod call;
mod config;
mod context;
mod delete;
mod discovery;
mod events;
mod explain_write;
mod failure;
mod fields;
mod metrics;
mod negotiate;
mod openapi;
mod patch;
mod path;
mod pki;
mod read;
mod respond;
mod router;
mod selection;
mod server;
mod subresources;
mod table;
mod tls;
mod watch;
pub mod why;
mod write;

pub use config::{Config, PortRange, RangeError, ServiceRange};
pub use pki::{Pki, PkiError};
pub use server::{Error, Gateway, run};
pub use tls::TlsError;
