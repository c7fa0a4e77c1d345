//! Prints an error and what caused it, once each, and what to do about it.

use std::process::ExitCode;

use crate::client::Refusal;

/// Prints the chain of causes to standard error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => eprintln!("Error {refusal}"),
        None => eprintln!("error: {}", telemetry::chain(error.as_ref())),
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cause_that_was_printed_is_not_printed_again() {
        let error = anyhow::anyhow!("no route").context("cannot connect: no route").context("cannot start");
        assert_eq!(telemetry::chain(error.as_ref()), "cannot start: cannot connect: no route");
    }
}
