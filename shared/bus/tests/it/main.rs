//! The bus against a real server.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails a test"
)]

mod chaos;
mod cluster;
mod layout;
mod messages;
mod speed;
mod store;
mod support;
mod view;
