//! Figures: what was measured, how it spread, and whether it is what it should be.

use std::time::Duration;

use serde::Serialize;

use super::targets::Target;

/// Fewer values than this have no 99th percentile.
const ENOUGH: usize = 50;

/// One measured quantity.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The median, or the only value.
    pub value: f64,
    /// The 99th percentile, where there are enough values.
    pub p99: Option<f64>,
    /// `ms`, `MiB`, `pods/s`.
    pub unit: &'static str,
    /// What the value is to be.
    pub target: Option<Target>,
    /// How many values it rests on.
    pub samples: usize,
}

impl Figure {
    /// A figure of one value.
    pub fn single(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, p99: None, unit, target: None, samples: 1 }
    }

    /// A figure of one duration, in milliseconds.
    pub fn took(what: impl Into<String>, took: Duration) -> Self {
        Self::single(what, took.as_secs_f64() * 1000.0, "ms")
    }

    /// A figure of durations, in milliseconds.
    pub fn of_durations(what: impl Into<String>, durations: &[Duration]) -> Self {
        let values = sorted_millis(durations);
        let p99 = (values.len() >= ENOUGH).then(|| quantile(&values, 0.99));
        Self { p99, samples: values.len(), ..Self::single(what, quantile(&values, 0.5), "ms") }
    }

    /// The 99th percentile of durations as a figure of its own, in milliseconds.
    pub fn of_tail(what: impl Into<String>, durations: &[Duration]) -> Self {
        let values = sorted_millis(durations);
        Self { samples: values.len(), ..Self::single(what, quantile(&values, 0.99), "ms") }
    }

    /// A figure of how many requests were answered in a time.
    pub fn of_rate(what: impl Into<String>, answered: usize, time: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let rate = answered as f64 / time.as_secs_f64();
        Self { samples: answered, ..Self::single(what, rate, "/s") }
    }

    /// With what it is to be.
    pub fn against(self, target: impl Into<Option<Target>>) -> Self {
        Self { target: target.into(), ..self }
    }

    /// Whether it is what it should be, if anything is asked of it.
    pub fn is_met(&self) -> Option<bool> {
        self.target.map(|target| target.is_met(self.value))
    }

    /// `reached`, `missed` with by how much, or nothing.
    pub fn verdict(&self) -> String {
        match (self.is_met(), self.target.map(Target::sign_and_bound)) {
            (Some(true), _) => "reached".to_owned(),
            (Some(false), Some((_, bound))) => {
                format!("MISSED by {:.0} %", (self.value / bound - 1.0).abs() * 100.0)
            }
            (Some(false) | None, _) => String::new(),
        }
    }
}

/// Durations in milliseconds, the shortest first.
pub fn sorted_millis(durations: &[Duration]) -> Vec<f64> {
    let mut values: Vec<f64> = durations.iter().map(|duration| duration.as_secs_f64() * 1000.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value of sorted ones below which that part of them lies; 0 if there are none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of a slice, times at most one"
)]
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).ceil() as usize).copied().unwrap_or(0.0)
}

/// As many digits as a person wants to read.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        whole if whole.fract() == 0.0 => 0,
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (index, character) in whole.chars().enumerate() {
        let left = whole.len() - index;
        let after_digit = grouped.ends_with(|last: char| last.is_ascii_digit());
        if left.is_multiple_of(3) && after_digit {
            grouped.push(',');
        }
        grouped.push(character);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_tail_are_of_the_sorted_values() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let figure = Figure::of_durations("x", &durations);
        assert_eq!((figure.value, figure.p99, figure.samples), (51.0, Some(100.0), 100));
        assert_eq!(Figure::of_tail("x", &durations).value, 100.0);
        assert_eq!(Figure::of_rate("x", 100, Duration::from_secs(4)).value, 25.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_verdict_says_by_how_much() {
        let figure = Figure::single("x", 3.0, "ms").against(Target::AtMost(2.0));
        assert_eq!((figure.is_met(), figure.verdict().as_str()), (Some(false), "MISSED by 50 %"));
        assert_eq!(figure.clone().against(Target::AtLeast(2.0)).verdict(), "reached");
        assert_eq!(figure.against(None).verdict(), "");
    }

    #[test]
    fn numbers_are_as_precise_as_they_are_small() {
        let shown = [0.0, 30.0, 0.1234, 12.345, 999.6, 1_234_567.8, -1234.0].map(number);
        assert_eq!(shown, ["0", "30", "0.12", "12.3", "1,000", "1,234,568", "-1,234"]);
    }
}
