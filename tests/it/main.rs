//! End-to-end tests: the built binary, real NATS, the real Docker engine, real kubectl and the Python client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

mod access;
mod admission;
mod aggregation;
mod autoscaling;
mod bad_input;
mod bench;
mod clients;
mod conformance;
mod containers;
mod conversion;
mod corners;
mod crash;
mod custom;
mod demo;
mod golden;
mod hook;
mod inside;
mod kubectl;
mod operator;
mod pod_security;
mod schema;
mod streams;
mod tidy;
mod tls_server;
mod volumes;
mod workloads;
