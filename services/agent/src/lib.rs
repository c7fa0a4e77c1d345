//! The agent: performs a node and its pods, with the Docker engine or, for scale and tests, hollowly.

pub mod config;
pub mod metrics;
pub mod node;
pub mod pod;
pub mod prepare;
pub mod run;
pub mod runtime;
pub mod sandbox;

pub use config::{Config, RuntimeKind};
pub use prepare::{Prepared, prepare};
pub use run::{Error, cleanup, run};
pub use runtime::hollow::{HollowConfig, MOST_AGENTS as MOST_HOLLOW_AGENTS};
