//! Wall-clock time as Kubernetes writes it. Read from the clock only by `telemetry::clock`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch. Serialises as RFC 3339 in whole seconds (`metav1.Time`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `duration` later.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 with seconds, as `metav1.Time`: `2026-01-31T10:00:00Z`.
    pub fn to_seconds_text(self) -> String {
        jiff::Timestamp::from_second(self.0.div_euclid(1_000_000)).map(|t| t.to_string()).unwrap_or_default()
    }

    /// RFC 3339 with microseconds, as `metav1.MicroTime`: `2026-01-31T10:00:00.000000Z`.
    pub fn to_micro_text(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
            .unwrap_or_default()
    }

    /// Parses any RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }
}

/// What Go says of a text that is no RFC 3339 time: what is left of it, and what should stand there.
pub fn complaint(text: &str) -> String {
    const LAYOUT: [&str; 11] = ["2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05"];
    let mut rest = text;
    let mut expected = "Z07:00";
    for element in LAYOUT {
        let digits = element.bytes().all(|byte| byte.is_ascii_digit());
        let fits = |part: &&str| match digits {
            true => part.bytes().all(|byte| byte.is_ascii_digit()),
            false => *part == element,
        };
        match rest.get(..element.len()).filter(fits) {
            Some(part) => rest = rest.get(part.len()..).unwrap_or_default(),
            None => {
                expected = element;
                break;
            }
        }
    }
    format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {rest:?} as {expected:?}")
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_seconds_text())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_micro_text())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_seconds_text())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}
