//! The bus against a real server.

mod chaos;
mod messages;
mod store;
mod support;
mod view;
