//! The gateway against a real NATS server, over TLS.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod access;
mod api_services;
mod applying;
mod certificates;
mod cluster;
mod custom;
mod deleting;
mod discovery;
mod events;
mod furnishings;
mod kubectl;
mod proxying;
mod reading;
mod services;
mod watching;
mod writing;
