//! The agent's metrics.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::pod::decide::PodOp;

/// The agent's metrics.
#[derive(Clone)]
pub struct Metrics {
    /// Pods by node.
    pub pods: IntGaugeVec,
    /// How long operations of the runtime took.
    operations: HistogramVec,
    /// Images fetched.
    pub pulls: IntCounterVec,
    /// Containers that were restarted.
    pub restarts: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        use telemetry::metrics::{SECONDS, counter_vec, histogram_vec, int_gauge_vec};
        Self {
            pods: int_gauge_vec("odeon_agent_pods", "Pods that the agent runs.", &[]),
            operations: histogram_vec(
                "odeon_agent_operation_seconds",
                "How long operations of the container runtime took.",
                &["operation", "outcome"],
                SECONDS,
            ),
            pulls: counter_vec("odeon_agent_pulls_total", "Images fetched from registries.", &["outcome"]),
            restarts: counter_vec("odeon_agent_restarts_total", "Containers that were started again.", &[]),
        }
    }
}

impl Metrics {
    /// One operation has ended.
    pub fn operation(&self, op: &PodOp, failed: bool, took: Duration) {
        let operation = match op {
            PodOp::CreateSandbox { .. } => "create_sandbox",
            PodOp::RemoveSandbox { .. } => "remove_sandbox",
            PodOp::FillVolumes { .. } => "fill_volumes",
            PodOp::Run { .. } => "run",
            PodOp::Start { .. } => "start",
            PodOp::PostStart { .. } => "post_start",
            PodOp::Probe { .. } => "probe",
            PodOp::Resize { .. } => "resize",
            PodOp::PreStop { .. } => "pre_stop",
            PodOp::Terminate { .. } => "terminate",
            PodOp::Kill { .. } => "kill",
            PodOp::Remove { .. } => "remove",
            PodOp::Clear => "clear",
        };
        let outcome = if failed { "failed" } else { "done" };
        self.operations.with_label_values(&[operation, outcome]).observe(took.as_secs_f64());
    }
}
