//! The gateway against a real NATS server, over TLS.

mod cluster;
mod deleting;
mod discovery;
mod events;
mod kubectl;
mod reading;
mod services;
mod watching;
mod writing;
