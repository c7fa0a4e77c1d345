//! Figures with their spread, and the table of them.

use std::time::Duration;

use serde::Serialize;

/// One measured quantity.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The median, or the only value.
    pub median: f64,
    /// The 99th percentile, where there are enough values.
    pub p99: Option<f64>,
    /// `ms`, `MiB`, `pods/s`.
    pub unit: &'static str,
    /// What it is to stay below (or above, for rates).
    pub target: Option<f64>,
    /// How many values it rests on.
    pub samples: usize,
}

impl Figure {
    /// A figure of durations, in milliseconds.
    pub fn of_durations(what: &str, durations: &[Duration], target: Option<f64>) -> Self {
        let mut values: Vec<f64> = durations.iter().map(|duration| duration.as_secs_f64() * 1000.0).collect();
        values.sort_by(f64::total_cmp);
        let p99 = (values.len() >= 50).then(|| quantile(&values, 99));
        Self {
            what: what.to_owned(),
            median: quantile(&values, 50),
            p99,
            unit: "ms",
            target,
            samples: values.len(),
        }
    }

    /// The 99th percentile of durations as a figure of its own, in milliseconds.
    pub fn of_tail(what: &str, durations: &[Duration], target: Option<f64>) -> Self {
        let whole = Self::of_durations(what, durations, target);
        Self { median: whole.p99.unwrap_or(whole.median), p99: None, ..whole }
    }

    /// A figure of how many requests were answered in a time.
    pub fn of_rate(what: &str, answered: usize, time: Duration, target: Option<f64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let rate = answered as f64 / time.as_secs_f64();
        Self { samples: answered, ..Self::single(what, rate, "/s", target) }
    }

    /// A figure of one value.
    pub fn single(what: &str, value: f64, unit: &'static str, target: Option<f64>) -> Self {
        Self { what: what.to_owned(), median: value, p99: None, unit, target, samples: 1 }
    }
}

/// A percentile of sorted values; 0 if there are none.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * percent).div_ceil(100)).copied().unwrap_or(0.0)
}

/// The table.
pub fn render(figures: &[Figure]) -> String {
    let mut rows = vec![["FIGURE", "MEDIAN", "P99", "TARGET", "SAMPLES"].map(str::to_owned).to_vec()];
    rows.extend(figures.iter().map(|figure| {
        let shown = |value: Option<f64>| {
            value.map_or_else(String::new, |value| {
                format!("{value:.*} {}", if value < 10.0 { 2 } else { 1 }, figure.unit)
            })
        };
        vec![
            figure.what.clone(),
            shown(Some(figure.median)),
            shown(figure.p99),
            shown(figure.target),
            figure.samples.to_string(),
        ]
    }));
    crate::verbs::align(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_tail_are_of_the_sorted_values() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let figure = Figure::of_durations("x", &durations, None);
        assert_eq!((figure.median, figure.p99, figure.samples), (51.0, Some(100.0), 100));
        assert_eq!(Figure::of_tail("x", &durations, None).median, 100.0);
        assert_eq!(Figure::of_rate("x", 100, Duration::from_secs(4), None).median, 25.0);
    }
}
