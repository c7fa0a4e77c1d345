//! Charts as data: what a scenario has to show, for whoever draws it.

use serde::Serialize;

use super::figures::sorted_millis;
use super::observe::Census;
use super::sampler::Sample;

/// Points of a line at most; more than a screen shows.
const MOST_POINTS: usize = 600;

/// Lines in a common frame.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// A strip that values should stay in, if there is one.
    pub band: Option<(f64, f64)>,
}

/// One axis.
#[derive(Clone, Debug, Serialize)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// Equal steps are equal factors.
    pub logarithmic: bool,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// What it is called in the legend.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// Single measurements, to be marked.
    pub marked: bool,
}

impl Axis {
    /// Equal steps are equal differences.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: false }
    }

    /// Equal steps are equal factors.
    pub fn logarithmic(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: true }
    }
}

impl Series {
    /// A line with no more points than can be seen.
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points: thinned(points), marked: false }
    }

    /// Single measurements and the line between them.
    pub fn marked(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, marked: true }
    }
}

/// How many pods there were, had a node and were Ready over time.
pub fn course(title: &str, course: &[(f64, Census)]) -> Chart {
    let line = |name: &str, of: fn(&Census) -> u32| {
        Series::line(name, course.iter().map(|(at, census)| (*at, f64::from(of(census)))).collect())
    };
    Chart {
        title: title.to_owned(),
        x: Axis::linear("seconds"),
        y: Axis::linear("pods"),
        series: vec![
            line("exist", |census| census.existing),
            line("have a node", |census| census.bound),
            line("are Ready", |census| census.ready),
        ],
        band: None,
    }
}

/// Which part of durations is below what: one line for each.
#[expect(clippy::cast_precision_loss, reason = "an index of a slice of durations")]
pub fn distribution(title: &str, sets: &[(String, Vec<std::time::Duration>)]) -> Chart {
    let line = |durations: &[std::time::Duration]| {
        let values = sorted_millis(durations);
        let last = values.len().saturating_sub(1).max(1) as f64;
        values
            .iter()
            .enumerate()
            .map(|(index, value)| (value.max(0.001), index as f64 / last * 100.0))
            .collect()
    };
    Chart {
        title: title.to_owned(),
        x: Axis::logarithmic("milliseconds"),
        y: Axis::linear("percent are done"),
        series: sets.iter().map(|(name, durations)| Series::line(name, line(durations))).collect(),
        band: None,
    }
}

/// How much of a core each process used over time.
pub fn cpu(samples: &[(String, Vec<Sample>)]) -> Chart {
    let rates = |samples: &[Sample]| {
        // Single looks are a few ticks of the kernel's clock apart: rates are taken over several.
        let step = (samples.len() / 30).max(2);
        let later = samples.iter().skip(step);
        let rate = |(before, after): (&Sample, &Sample)| {
            let seconds = after.at - before.at;
            (after.at, (after.cpu_seconds - before.cpu_seconds).max(0.0) / seconds.max(0.001) * 100.0)
        };
        samples.iter().zip(later).map(rate).collect()
    };
    over_time("CPU of each process", "percent of a core", samples, rates)
}

/// How much memory each process held over time.
pub fn memory(samples: &[(String, Vec<Sample>)]) -> Chart {
    over_time("Memory of each process", "MiB", samples, |samples| {
        samples.iter().map(|sample| (sample.at, sample.resident_mib)).collect()
    })
}

fn over_time(
    title: &str,
    unit: &str,
    samples: &[(String, Vec<Sample>)],
    points: impl Fn(&[Sample]) -> Vec<(f64, f64)>,
) -> Chart {
    Chart {
        title: title.to_owned(),
        x: Axis::linear("seconds"),
        y: Axis::linear(unit),
        series: samples.iter().map(|(name, samples)| Series::line(name, points(samples))).collect(),
        band: None,
    }
}

/// Every n-th point, and the last one.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points.last().copied();
    let mut thinned: Vec<_> = points.into_iter().step_by(step).collect();
    if thinned.last().copied() != last {
        thinned.extend(last);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|n| (f64::from(n), 0.0)).collect();
        let thin = thinned(points);
        assert!(thin.len() <= MOST_POINTS + 1);
        assert_eq!((thin.first(), thin.last()), (Some(&(0.0, 0.0)), Some(&(9999.0, 0.0))));
    }

    #[test]
    fn a_distribution_goes_from_nothing_to_everything() {
        let sets = [("a".to_owned(), [30, 10, 20].map(Duration::from_millis).to_vec())];
        let chart = distribution("x", &sets);
        assert_eq!(chart.series[0].points, [(10.0, 0.0), (20.0, 50.0), (30.0, 100.0)]);
    }

    #[test]
    fn cpu_is_the_rate_of_cpu_seconds() {
        let sample = |at: f64, cpu_seconds: f64| Sample { at, cpu_seconds, resident_mib: 1.0 };
        let samples = vec![("x".to_owned(), vec![sample(0.0, 1.0), sample(0.2, 1.0), sample(0.4, 1.2)])];
        let line = &cpu(&samples).series[0].points;
        assert!((line[0].1 - 50.0).abs() < 1e-9, "{line:?}");
    }
}
