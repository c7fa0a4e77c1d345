//! Text tables: a cluster in, decisions out.

mod cluster;
mod fairness;
mod placement;
mod preemption;
mod refusals;
mod safety;
mod volumes;
mod whole;
