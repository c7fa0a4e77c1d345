//! Measures this process from `/proc`: memory, CPU time, open files, threads, start time; Prometheus' usual names.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Opts};

/// Clock ticks per second of `/proc/self/stat`: 100 on every Linux (`USER_HZ` is part of its ABI).
const TICKS_PER_SECOND: f64 = 100.0;
/// The page size of the architectures we build for.
const PAGE_BYTES: f64 = 4096.0;

/// Reads `/proc/self` at every scrape.
pub(crate) struct ProcessCollector {
    /// In the order of `Measured`'s fields.
    gauges: [Gauge; 5],
}

/// One reading.
#[derive(Debug, Default, PartialEq)]
struct Measured {
    resident_bytes: f64,
    cpu_seconds: f64,
    open_files: f64,
    threads: f64,
    started_at: f64,
}

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        let gauge = |name: &str, help: &str| {
            #[expect(clippy::expect_used, reason = "the names are literals below")]
            Gauge::with_opts(Opts::new(name, help)).expect("a well-formed metric name")
        };
        Self {
            gauges: [
                gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
                gauge("process_cpu_seconds_total", "User and system CPU time spent in seconds."),
                gauge("process_open_fds", "Number of open file descriptors."),
                gauge("process_threads", "Number of threads."),
                gauge(
                    "process_start_time_seconds",
                    "Start time of the process since the Unix epoch in seconds.",
                ),
            ],
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let measured = measure().unwrap_or_default();
        let Measured { resident_bytes, cpu_seconds, open_files, threads, started_at } = measured;
        let values = [resident_bytes, cpu_seconds, open_files, threads, started_at];
        self.gauges.iter().zip(values).for_each(|(gauge, value)| gauge.set(value));
        self.gauges.iter().flat_map(Collector::collect).collect()
    }
}

fn measure() -> Option<Measured> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    // The directory handle itself is open while we count.
    let open_files = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    read(&stat, &boot, open_files)
}

/// Field numbers are those of proc(5), counted from 1; the command (2) may contain spaces, so we count behind its `)`.
fn read(stat: &str, boot: &str, open_files: usize) -> Option<Measured> {
    let (_, behind_command) = stat.rsplit_once(')')?;
    let fields: HashMap<usize, &str> = (3..).zip(behind_command.split_whitespace()).collect();
    let field = |number: usize| fields.get(&number)?.parse::<f64>().ok();
    let boot_time: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a count of files fits")]
    let open_files = open_files as f64;
    Some(Measured {
        resident_bytes: field(24)? * PAGE_BYTES,
        cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        open_files,
        threads: field(20)?,
        started_at: boot_time + field(22)? / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whose_command_has_spaces() {
        let stat =
            "42 (odeon (up) x) S 1 1 1 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 12300 1000000 2560 0 0";
        let boot = "cpu 1 2 3\nbtime 1000\nprocesses 5\n";
        let expected = Measured {
            resident_bytes: 2560.0 * 4096.0,
            cpu_seconds: 2.0,
            open_files: 9.0,
            threads: 7.0,
            started_at: 1123.0,
        };
        assert_eq!(read(stat, boot, 9), Some(expected));
    }

    #[test]
    fn measures_itself() {
        let measured = measure().unwrap();
        assert!(measured.resident_bytes > 100_000.0 && measured.open_files >= 3.0, "{measured:?}");
    }
}
