//! What every process of Odeon shares to be seen from outside: the clock, logs, metrics, and their HTTP server.

mod chain;
pub mod clock;
mod logs;
pub mod metrics;
mod process;
mod server;

pub use chain::chain;
pub use logs::{InitError, LogFormat, Options, init};
pub use server::{ServeError, ServeHandle, serve};
