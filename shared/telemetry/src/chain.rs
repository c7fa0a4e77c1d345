//! Prints an error with everything that led to it, each text once.

use std::error::Error;

/// `failed to bind pod: bus unavailable: connection refused`. A cause that its parent's text already ends with is skipped,
/// because some libraries print their source themselves.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.ends_with(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        source: Option<Box<Link>>,
    }

    fn link(text: &'static str, source: Option<Link>) -> Link {
        Link { text, source: source.map(Box::new) }
    }

    #[test]
    fn every_link_is_printed_once() {
        let refused = link("connection refused", None);
        let unavailable = link("bus unavailable: connection refused", Some(refused));
        let error = link("failed to bind pod", Some(unavailable));
        assert_eq!(chain(&error), "failed to bind pod: bus unavailable: connection refused");
    }
}
