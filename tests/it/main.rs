//! End-to-end tests: the built binary, real NATS, the real Docker engine, real kubectl and the Python client.

mod bad_input;
mod clients;
mod containers;
mod crash;
mod demo;
mod kubectl;
mod streams;
mod tidy;
mod workloads;
