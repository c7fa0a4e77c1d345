//! The keeper's rules as text tables.

mod drain;
mod lifecycle;
mod node;
mod report;
mod routes;
mod whole;
