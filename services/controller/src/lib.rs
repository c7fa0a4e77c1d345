//! TODO
pub mod actors;
