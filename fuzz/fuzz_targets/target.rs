//! Gives what libFuzzer makes up to the parser that this binary is named after.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| gateway::fuzzing::run(env!("CARGO_BIN_NAME"), bytes));
