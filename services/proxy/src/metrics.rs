//! What this proxy counts, per Service port and for itself.

use prometheus::{Histogram, IntCounter, IntGauge};
use telemetry::metrics::{SECONDS, counter_vec, histogram_vec, int_gauge_vec};

use crate::route::Owner;

const PORT: &[&str] = &["namespace", "service", "port"];
const DIRECTED: &[&str] = &["namespace", "service", "port", "direction"];

/// The counters of one Service port, looked up once per frontend.
pub struct PortMetrics {
    owner: Owner,
    /// TCP connections and UDP sessions that were led to a backend.
    pub connections: IntCounter,
    /// Those that are open.
    pub active: IntGauge,
    /// HTTP/1 requests on connections that turned out to carry them.
    pub http_requests: IntCounter,
    /// Those that were sent to a second backend because the first ended without an answer.
    pub http_retries: IntCounter,
    /// Connections turned away because there was no backend.
    pub refused: IntCounter,
    /// Attempts to reach a backend that failed.
    pub connect_errors: IntCounter,
    /// How long backends take to accept.
    pub connect_seconds: Histogram,
    /// Bytes from clients to backends.
    pub sent: IntCounter,
    /// Bytes from backends to clients.
    pub received: IntCounter,
}

impl PortMetrics {
    /// The counters of `owner`; the same ones each time.
    pub fn of(owner: &Owner) -> Self {
        let labels = [owner.namespace.as_str(), owner.service.as_str(), owner.port.as_str()];
        let [namespace, service, port] = labels;
        let bytes = counter_vec("odeon_proxy_bytes_total", "Bytes relayed for a Service port.", DIRECTED);
        Self {
            owner: owner.clone(),
            connections: connections().with_label_values(&labels),
            active: active().with_label_values(&labels),
            http_requests: http_requests().with_label_values(&labels),
            http_retries: http_retries().with_label_values(&labels),
            refused: refused().with_label_values(&labels),
            connect_errors: connect_errors().with_label_values(&labels),
            connect_seconds: connect_seconds().with_label_values(&labels),
            sent: bytes.with_label_values(&[namespace, service, port, "sent"]),
            received: bytes.with_label_values(&[namespace, service, port, "received"]),
        }
    }

    /// Stops to export the counters of a Service port that is gone.
    pub fn forget(&self) {
        let Owner { namespace, service, port } = &self.owner;
        let labels = [namespace.as_str(), service.as_str(), port.as_str()];
        for vec in [connections(), http_requests(), http_retries(), refused(), connect_errors()] {
            let _ = vec.remove_label_values(&labels);
        }
        let _ = active().remove_label_values(&labels);
        let _ = connect_seconds().remove_label_values(&labels);
        let bytes = counter_vec("odeon_proxy_bytes_total", "Bytes relayed for a Service port.", DIRECTED);
        for direction in ["sent", "received"] {
            let _ =
                bytes.remove_label_values(&[namespace.as_str(), service.as_str(), port.as_str(), direction]);
        }
    }
}

/// The counters of the proxy itself.
pub struct ProxyMetrics {
    /// The revision of the table in force.
    pub revision: IntGauge,
    /// Services in it.
    pub services: IntGauge,
    /// Listeners that could not be opened.
    pub refused_listeners: IntGauge,
    /// Snapshots asked for because something was missed.
    pub snapshots: IntCounter,
}

impl ProxyMetrics {
    /// The counters of this process.
    pub fn of_process() -> Self {
        let gauge = |name: &str, help: &str| int_gauge_vec(name, help, &[]).with_label_values::<&str>(&[]);
        let snapshots = "Snapshots of the route table that were asked for.";
        Self {
            revision: gauge("odeon_proxy_table_revision", "The revision of the route table in force."),
            services: gauge("odeon_proxy_services", "Services in the route table in force."),
            refused_listeners: gauge("odeon_proxy_refused_listeners", "Listeners that could not be opened."),
            snapshots: counter_vec("odeon_proxy_snapshots_total", snapshots, &[])
                .with_label_values::<&str>(&[]),
        }
    }
}

/// Counts one answer of the DNS server.
pub fn count_answer(outcome: &str) {
    counter_vec("odeon_proxy_dns_answers_total", "DNS answers by response code.", &["code"])
        .with_label_values(&[outcome])
        .inc();
}

fn connections() -> prometheus::IntCounterVec {
    let help = "TCP connections and UDP sessions that were led to a backend.";
    counter_vec("odeon_proxy_connections_total", help, PORT)
}

fn active() -> prometheus::IntGaugeVec {
    int_gauge_vec("odeon_proxy_connections_active", "Open TCP connections and UDP sessions.", PORT)
}

fn http_requests() -> prometheus::IntCounterVec {
    let help = "HTTP/1 requests on connections that turned out to carry them.";
    counter_vec("odeon_proxy_http_requests_total", help, PORT)
}

fn http_retries() -> prometheus::IntCounterVec {
    let help = "HTTP/1 requests sent again because a backend ended without an answer.";
    counter_vec("odeon_proxy_http_retries_total", help, PORT)
}

fn refused() -> prometheus::IntCounterVec {
    counter_vec("odeon_proxy_refused_total", "Connections turned away for want of a backend.", PORT)
}

fn connect_errors() -> prometheus::IntCounterVec {
    counter_vec("odeon_proxy_connect_errors_total", "Failed attempts to reach a backend.", PORT)
}

fn connect_seconds() -> prometheus::HistogramVec {
    histogram_vec("odeon_proxy_connect_seconds", "How long backends take to accept.", PORT, SECONDS)
}
