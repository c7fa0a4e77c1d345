//! Text tables: a cluster in, decisions out.

mod cluster;
mod placement;
mod refusals;
mod safety;
mod volumes;
mod whole;
