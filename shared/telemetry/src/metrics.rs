//! The process's one registry of metrics: helpers that register a metric at its first use and find it again later.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::core::Collector;
pub use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder};

/// Buckets in seconds for work that takes between 50 µs and 10 s.
pub const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Metrics by name, so that asking twice gives the same one.
static KNOWN: LazyLock<Mutex<HashMap<String, Box<dyn Any + Send>>>> = LazyLock::new(Mutex::default);

/// A counter per combination of labels. `name` begins with `odeon_` and ends with `_total`.
pub fn counter_vec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    known_or(name, || IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge of floats per combination of labels.
pub fn gauge_vec(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    known_or(name, || GaugeVec::new(Opts::new(name, help), labels))
}

/// A gauge of integers per combination of labels.
pub fn int_gauge_vec(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    known_or(name, || IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A histogram per combination of labels; `SECONDS` suits most durations.
pub fn histogram_vec(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    known_or(name, || HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
}

/// Adds a collector of its own making. A second one with the same metrics is ignored.
pub fn register(collector: Box<dyn Collector>) {
    if let Err(error) = REGISTRY.register(collector) {
        tracing::debug!(%error, "metrics not registered");
    }
}

/// Everything, in Prometheus' text format.
pub fn render() -> String {
    let families = REGISTRY.gather();
    TextEncoder::new()
        .encode_to_string(&families)
        .unwrap_or_else(|error| format!("# metrics not encoded: {error}\n"))
}

/// The metric registered under `name`, or a new one.
fn known_or<M, F>(name: &str, make: F) -> M
where
    M: Collector + Clone + Send + 'static,
    F: Fn() -> prometheus::Result<M>,
{
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metric) = known.get(name).and_then(|metric| metric.downcast_ref::<M>()) {
        return metric.clone();
    }
    #[expect(
        clippy::expect_used,
        reason = "names and labels are literals of ours, so the first call of any test meets this"
    )]
    let metric = make().expect("metric names and labels are well formed");
    if let Err(error) = REGISTRY.register(Box::new(metric.clone())) {
        tracing::error!(metric = name, %error, "metric not registered");
    }
    known.insert(name.to_owned(), Box::new(metric.clone()));
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_gives_the_same_metric() {
        counter_vec("odeon_test_total", "A test.", &["kind"]).with_label_values(&["pod"]).inc();
        counter_vec("odeon_test_total", "A test.", &["kind"]).with_label_values(&["pod"]).inc();
        assert!(render().contains("odeon_test_total{kind=\"pod\"} 2"), "{}", render());
    }

    #[test]
    fn histograms_have_their_buckets() {
        histogram_vec("odeon_test_seconds", "A test.", &["kind"], SECONDS)
            .with_label_values(&["pod"])
            .observe(0.3);
        assert!(render().contains("odeon_test_seconds_bucket{kind=\"pod\",le=\"0.5\"} 1"), "{}", render());
    }
}
