//! How long a request may take: what its `timeout` says, at most a minute.

use std::time::Duration;

use crate::failure::Failure;
use crate::path::Query;

/// The longest that any request may take that is no stream.
const LONGEST: Duration = Duration::from_secs(60);

/// How long the client wants to wait.
pub fn limit_of(query: &Query) -> Result<Duration, Failure> {
    limit(query.text("timeout"))
}

/// Answers in time, or says that it did not.
pub async fn within<T>(
    limit: Duration,
    answering: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, answering).await.unwrap_or_else(|_| {
        Err(Failure::timeout("request did not complete within requested timeout - context deadline exceeded"))
    })
}

/// `0s` and nothing mean the longest.
fn limit(timeout: &str) -> Result<Duration, Failure> {
    if timeout.is_empty() {
        return Ok(LONGEST);
    }
    match parse(timeout) {
        Some(limit) if limit.is_zero() => Ok(LONGEST),
        Some(limit) => Ok(limit.min(LONGEST)),
        None => Err(Failure::bad_request("invalid timeout specified in the request URL")),
    }
}

/// A duration as Go writes it: `32s`, `1m30s`, `1.5h`; a negative one has passed already.
fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut seconds) = (text.strip_prefix('+').unwrap_or(text), 0.0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end =
            unit.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn timeouts_are_read_as_go_does() {
        let shown =
            ["", "0", "0s", "32s", "1m30s", "1.5s", "250ms", "1h", "5", "s", "-1s", "1x", "1.2.3s", "é"].map(
                |text| match limit(text) {
                    Ok(limit) => format!("{text:?}: {limit:?}\n"),
                    Err(failure) => format!("{text:?}: {}\n", failure.status.message),
                },
            );
        expect![[r#"
            "": 60s
            "0": 60s
            "0s": 60s
            "32s": 32s
            "1m30s": 60s
            "1.5s": 1.5s
            "250ms": 250ms
            "1h": 60s
            "5": invalid timeout specified in the request URL
            "s": invalid timeout specified in the request URL
            "-1s": invalid timeout specified in the request URL
            "1x": invalid timeout specified in the request URL
            "1.2.3s": invalid timeout specified in the request URL
            "é": invalid timeout specified in the request URL
        "#]]
        .assert_eq(&shown.concat());
    }
}
