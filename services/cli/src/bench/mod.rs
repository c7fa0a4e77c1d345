//! `odeon bench`: measures clusters through the public API, and prints one table.

mod chart;
mod cluster;
mod figures;
mod lab;
mod limits;
mod load;
mod observe;
mod options;
mod proc;
mod progress;
mod record;
mod report;
mod sampler;
mod scenarios;
mod table;
mod targets;
mod wire;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::service;
use options::Options;
use progress::Progress;
use record::Record;
use scenarios::{SMALL, Scenario};

/// Measure a cluster: pace, cost, latency, recovery
///
/// Starts clusters of separate processes on free ports, as in production, with every write on disk before it is acknowledged, and
/// removes them again. With --kubeconfig it measures a cluster that runs already, of any kind of Kubernetes.
#[derive(clap::Args, Clone, Debug)]
pub struct Bench {
    /// What to measure (repeatable) [default: everything that takes seconds]
    #[arg(value_enum)]
    scenario: Vec<Scenario>,
    #[command(flatten)]
    options: Options,
    /// Write report.json and report.html, with plots, to this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print everything that was measured as JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the scenarios one after the other.
///
/// # Errors
/// A scenario did not reach its state in time; what is missing is said. The others still run and are printed.
pub async fn bench(bench: &Bench, kubeconfig: Option<&Path>) -> Result<()> {
    let mut options = bench.options.clone();
    options.kubeconfig = kubeconfig.map(Path::to_owned);
    options.check()?;
    let chosen = if bench.scenario.is_empty() { &SMALL[..] } else { &bench.scenario };
    chosen.iter().try_for_each(|scenario| scenario.check(&options))?;
    bench.report.as_deref().map_or(Ok(()), report::prepare)?;
    let stop = service::stop_on_signal()?;
    if let Some(kubeconfig) = &options.kubeconfig {
        wire::Endpoint::of(kubeconfig).await?.connect().await?;
    }
    limits::raise_open_files();
    let progress = Progress::start();
    let mut records: Vec<Record> = Vec::new();
    for scenario in chosen {
        for relaxed in [false, true] {
            let wanted = !relaxed || options.relaxed_sync;
            if wanted && !stop.is_cancelled() {
                records.push(scenarios::run(*scenario, &options, relaxed, &progress, &stop).await);
            }
        }
    }
    drop(progress);
    if let Some(directory) = &bench.report {
        report::write(directory, &records)?;
    }
    if bench.json {
        println!("{}", serde_json::to_string_pretty(&records)?);
    } else {
        print!("{}", table::render(&records));
    }
    let failed: Vec<String> = records.iter().filter(|record| !record.is_whole()).map(Record::title).collect();
    if !failed.is_empty() {
        bail!("not everything was reached: {}", failed.join(", "));
    }
    Ok(())
}
