//! DNS for the cluster's names, and a way to all others.

pub mod answer;
mod records;
mod server;
mod upstream;

pub use server::{Dns, serve};
