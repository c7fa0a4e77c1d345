//! The `odeon` binary: every service as a subcommand, `odeon up`, and kubectl-style verbs.
fn main() {}
