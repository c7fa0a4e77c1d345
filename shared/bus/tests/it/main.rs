//! The bus against a real server.

mod messages;
mod store;
mod support;
