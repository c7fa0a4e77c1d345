//! `--report DIR`: what was measured as JSON for programs, and as a page for people.

mod page;
mod plot;
mod scale;

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::record::Record;

/// What it was measured on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// When the report was written.
    pub time: String,
    /// Our version.
    pub odeon: String,
    /// The processors' name.
    pub processor: String,
    /// How many of them we may use.
    pub cores: usize,
    /// The machine's memory.
    pub memory_mib: f64,
    /// The kernel's version.
    pub kernel: String,
}

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    runs: &'a [Record],
}

/// Makes sure that reports can be written, before hours are spent on them.
///
/// # Errors
/// The directory cannot be made or written.
pub fn prepare(directory: &Path) -> Result<()> {
    let unwritable = || format!("cannot write reports to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(unwritable)?;
    let probe = directory.join(".odeon-bench");
    std::fs::write(&probe, "").with_context(unwritable)?;
    std::fs::remove_file(probe).with_context(unwritable)
}

/// Writes `report.json` and `report.html`.
///
/// # Errors
/// They cannot be written.
pub fn write(directory: &Path, records: &[Record]) -> Result<()> {
    let machine = Machine::here();
    let report = Report { machine: &machine, runs: records };
    let json = directory.join("report.json");
    std::fs::write(&json, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("cannot write {}", json.display()))?;
    let html = directory.join("report.html");
    std::fs::write(&html, page::page(records, &machine))
        .with_context(|| format!("cannot write {}", html.display()))
}

impl Machine {
    fn here() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib: f64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Self {
            time: telemetry::clock::now().to_string(),
            odeon: env!("CARGO_PKG_VERSION").to_owned(),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_mib: kib / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    fn describe(&self) -> String {
        format!(
            "{} · odeon {} · {} × {} · {:.0} GiB · Linux {}",
            self.time,
            self.odeon,
            self.cores,
            self.processor,
            self.memory_mib / 1024.0,
            self.kernel
        )
    }
}
