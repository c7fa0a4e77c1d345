//! The bus against a real server.

mod chaos;
mod layout;
mod messages;
mod speed;
mod store;
mod support;
mod view;
