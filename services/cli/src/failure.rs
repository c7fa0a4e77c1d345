//! Prints an error and what caused it, once each, and what to do about it.

use std::process::ExitCode;

use crate::client::Refusal;

/// Prints the chain of causes to standard error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => eprintln!("Error {refusal}"),
        None => eprintln!("error: {}", chain(error)),
    }
    ExitCode::FAILURE
}

/// `message: cause: cause`; a cause whose text the message already ends with is left out, since some of our
/// dependencies print their source and return it as well.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let next = cause.to_string();
        if !text.is_empty() {
            if text.ends_with(&next) {
                continue;
            }
            text.push_str(": ");
        }
        text.push_str(&next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_printed_is_not_printed_again() {
        let error = anyhow::anyhow!("no route").context("cannot connect: no route").context("cannot start");
        assert_eq!(chain(&error), "cannot start: cannot connect: no route");
    }
}
