//! `/livez`, `/readyz` and `/healthz`: what is checked, told one by one on request, in Kubernetes' words.

use bytes::Bytes;

use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::respond::{self, Response};

/// One thing that has to be right.
struct Check {
    name: &'static str,
    passes: fn(&Context) -> bool,
    /// Says only whether new requests are welcome.
    of_readiness: bool,
}

const CHECKS: [Check; 3] = [
    Check { name: "ping", passes: |_| true, of_readiness: false },
    Check { name: "bus", passes: |context| *context.bus.connected().borrow(), of_readiness: false },
    Check { name: "shutdown", passes: |context| !context.stopping.is_cancelled(), of_readiness: true },
];

/// Answers for all checks, or for the one that the path names.
pub fn answer(context: &Context, path: &str, query: &Query) -> Result<Response, Failure> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let place = segments.next().unwrap_or_default();
    let checks = CHECKS.iter().filter(|check| place == "readyz" || !check.of_readiness);
    let results = checks.map(|check| (check.name, (check.passes)(context)));
    let (code, text) = match segments.next() {
        None => told(place, &results.collect::<Vec<_>>(), query.flag("verbose"), query.all("exclude")),
        Some(one) => match results.into_iter().find(|(name, _)| *name == one) {
            Some((_, true)) => (200, "ok".to_owned()),
            Some((_, false)) => (500, format!("internal server error: {one} failed\n")),
            None => return Err(Failure::no_such_path()),
        },
    };
    Ok(respond::bytes(code, "text/plain; charset=utf-8", Bytes::from(text)))
}

/// What is said of the results: briefly when all is well, unless more is asked for.
fn told(place: &str, results: &[(&str, bool)], verbose: bool, excluded: &[String]) -> (u16, String) {
    let (mut text, mut well) = (String::new(), true);
    for (name, passes) in results {
        let excluded = excluded.iter().any(|one| one == name);
        well &= excluded || *passes;
        text += &match (excluded, passes) {
            (true, _) => format!("[+]{name} excluded: ok\n"),
            (false, true) => format!("[+]{name} ok\n"),
            (false, false) => format!("[-]{name} failed: reason withheld\n"),
        };
    }
    let unknown: Vec<String> = excluded
        .iter()
        .filter(|one| !results.iter().any(|(name, _)| one == name))
        .map(|one| format!("{one:?}"))
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(",");
        text += &format!("warn: some health checks cannot be excluded: no matches for {unknown}\n");
    }
    match (well, verbose) {
        (true, false) => (200, "ok".to_owned()),
        (true, true) => (200, format!("{text}{place} check passed\n")),
        (false, _) => (500, format!("{text}{place} check failed\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_told_one_by_one() {
        let told = |bus, verbose, excluded: &[&str]| {
            let excluded: Vec<String> = excluded.iter().map(|name| (*name).to_owned()).collect();
            told("readyz", &[("ping", true), ("bus", bus)], verbose, &excluded)
        };
        assert_eq!(told(true, false, &[]), (200, "ok".to_owned()));
        assert_eq!(told(true, true, &[]), (200, "[+]ping ok\n[+]bus ok\nreadyz check passed\n".to_owned()));
        assert_eq!(
            told(false, false, &[]),
            (500, "[+]ping ok\n[-]bus failed: reason withheld\nreadyz check failed\n".to_owned())
        );
        assert_eq!(told(false, false, &["bus"]).0, 200);
        assert_eq!(
            told(true, true, &["bus", "moon"]).1,
            "[+]ping ok\n[+]bus excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"moon\"\nreadyz check passed\n"
        );
    }
}
