//! What Prometheus sees of a gateway: requests by verb, resource and code, their latency, and open watches.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};
use telemetry::metrics::{SECONDS, counter_vec, histogram_vec, int_gauge_vec};

/// Registered once per process, whatever the number of gateways in it.
pub struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    watches: IntGaugeVec,
}

impl Metrics {
    /// Finds or registers them.
    pub fn register() -> Self {
        Self {
            requests: counter_vec(
                "odeon_http_requests_total",
                "Requests answered.",
                &["verb", "resource", "code"],
            ),
            seconds: histogram_vec(
                "odeon_http_request_duration_seconds",
                "Time until the answer began.",
                &["verb", "resource"],
                SECONDS,
            ),
            watches: int_gauge_vec("odeon_http_watches", "Open watches.", &["resource"]),
        }
    }

    /// Counts a request. `resource` is one of a bounded set: a kind's, or empty.
    pub fn request(&self, verb: &'static str, resource: &str, code: u16, took: Duration) {
        self.requests.with_label_values(&[verb, resource, code.to_string().as_str()]).inc();
        self.seconds.with_label_values(&[verb, resource]).observe(took.as_secs_f64());
    }

    /// Counts a watch for as long as the guard lives.
    pub fn watch(&self, resource: &'static str) -> WatchGuard {
        let open = self.watches.with_label_values(&[resource]);
        open.inc();
        WatchGuard { open }
    }
}

/// An open watch.
pub struct WatchGuard {
    open: IntGauge,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.open.dec();
    }
}
