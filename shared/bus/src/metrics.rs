//! What the bus counts and measures.

use std::sync::LazyLock;
use std::time::Instant;

use telemetry::metrics::{
    HistogramVec, IntCounterVec, IntGaugeVec, SECONDS, counter_vec, histogram_vec, int_gauge_vec,
};

use crate::subject::class;

static MESSAGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_vec(
        "odeon_bus_messages_total",
        "Messages by class of subject and direction.",
        &["class", "direction"],
    )
});
static WRITES: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter_vec("odeon_bus_writes_total", "Writes to the bucket by outcome.", &["outcome"]));
static WRITE_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram_vec("odeon_bus_write_seconds", "From asking for a write to its outcome.", &[], SECONDS)
});
static BATCH_SIZE: LazyLock<HistogramVec> = LazyLock::new(|| {
    let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];
    histogram_vec("odeon_bus_batch_size", "Mutations that were committed together.", &[], &sizes)
});
static REVISION: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    int_gauge_vec("odeon_bus_view_revision", "The revision that the process's view has reached.", &[])
});
static RESYNCS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_vec(
        "odeon_bus_resyncs_total",
        "Times that the view's consumer had to begin anew, by reason.",
        &["reason"],
    )
});
static RECONNECTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_vec("odeon_bus_reconnects_total", "Connections to the server after the first.", &[])
});
static JOURNAL: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_vec("odeon_bus_journal_entries_total", "Journal entries by what became of them.", &["outcome"])
});
static BATCH_CONFLICTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter_vec(
        "odeon_bus_batch_conflicts_total",
        "Batches that failed because of some of their writes.",
        &[],
    )
});

/// A message went out.
pub(crate) fn sent(subject: &str) {
    MESSAGES.with_label_values(&[class(subject), "out"]).inc();
}

/// A message came in.
pub(crate) fn received(subject: &str) {
    MESSAGES.with_label_values(&[class(subject), "in"]).inc();
}

/// A write that began at `begun` has ended.
pub(crate) fn written(outcome: &'static str, begun: Instant) {
    WRITES.with_label_values(&[outcome]).inc();
    WRITE_SECONDS.with_label_values::<&str>(&[]).observe(begun.elapsed().as_secs_f64());
}

/// A batch of so many mutations is on its way.
pub(crate) fn batch(size: usize) {
    BATCH_SIZE.with_label_values::<&str>(&[]).observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
}

/// A batch failed because of some of its writes.
pub(crate) fn batch_conflict() {
    BATCH_CONFLICTS.with_label_values::<&str>(&[]).inc();
}

/// The view has come so far.
pub(crate) fn view_revision(revision: u64) {
    REVISION.with_label_values::<&str>(&[]).set(i64::try_from(revision).unwrap_or(i64::MAX));
}

/// The view's consumer begins anew.
pub(crate) fn resync(reason: &'static str) {
    RESYNCS.with_label_values(&[reason]).inc();
}

/// The connection is back.
pub(crate) fn reconnected() {
    RECONNECTS.with_label_values::<&str>(&[]).inc();
}

/// So many journal entries were written, dropped or lost.
pub(crate) fn journal(outcome: &'static str, entries: usize) {
    JOURNAL.with_label_values(&[outcome]).inc_by(u64::try_from(entries).unwrap_or_default());
}
