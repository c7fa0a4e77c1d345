//! `odeon bench`: starts clusters of its own, measures them through the public API, and prints one table.

mod api;
mod boot;
mod churn;
mod cluster;
mod containers;
mod delete;
mod engine;
mod figures;
mod loss;
mod pods;
mod roll;
mod scale;
mod watch;
mod wire;
mod workload;

use anyhow::{Result, bail};

use figures::Figure;
use workload::Size;

/// Measure this machine's figures
#[derive(clap::Args, Clone, Debug)]
pub struct Bench {
    /// What to measure (repeatable) [default: everything that runs here]
    #[arg(value_enum)]
    scenario: Vec<Scenario>,
    /// Pods of the scenarios on hollow nodes
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    replicas: u32,
    /// Hollow nodes [default: a tenth of the pods]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    nodes: Option<u32>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// One thing to measure.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Start until ready, and what an idle cluster holds in memory
    Boot,
    /// From a write's acknowledgement until a watcher has it
    Watch,
    /// One Deployment until all its pods are Ready, on hollow nodes
    Deploy,
    /// A Deployment's rolling update
    Roll,
    /// A Deployment's growth to ten times its size, and back
    Scale,
    /// A Deployment's deletion until none of its pods is left
    Delete,
    /// Pods that are deleted one by one and replaced all the while
    Churn,
    /// What the API answers to 1, 16 and 64 clients
    Api,
    /// A node's death until its pods are Ready elsewhere, on hollow nodes
    NodeLoss,
    /// A pod and a container's replacement, against what the engine itself needs
    Containers,
}

const ALL: [Scenario; 10] = [
    Scenario::Boot,
    Scenario::Watch,
    Scenario::Deploy,
    Scenario::Roll,
    Scenario::Scale,
    Scenario::Delete,
    Scenario::Churn,
    Scenario::Api,
    Scenario::NodeLoss,
    Scenario::Containers,
];

/// Runs the scenarios one after the other.
///
/// # Errors
/// A scenario did not reach its state in time; what is missing is said. The others still run and are printed.
pub async fn bench(options: &Bench) -> Result<()> {
    let chosen = if options.scenario.is_empty() { &ALL[..] } else { &options.scenario };
    let size =
        Size { nodes: options.nodes.unwrap_or(options.replicas.div_ceil(10)), replicas: options.replicas };
    let mut figures: Vec<Figure> = Vec::new();
    let mut failed = Vec::new();
    for scenario in chosen {
        eprintln!("measuring {scenario:?} …");
        let measured = match scenario {
            Scenario::Boot => boot::measure().await,
            Scenario::Watch => watch::measure().await,
            Scenario::Deploy => pods::measure(size).await,
            Scenario::Roll => roll::measure(size).await,
            Scenario::Scale => scale::measure(size).await,
            Scenario::Delete => delete::measure(size).await,
            Scenario::Churn => churn::measure(size).await,
            Scenario::Api => api::measure(size).await,
            Scenario::NodeLoss => loss::measure().await,
            Scenario::Containers => containers::measure().await,
        };
        match measured {
            Ok(measured) => figures.extend(measured),
            Err(error) => failed.push(format!("{scenario:?}: {}", telemetry::chain(error.as_ref()))),
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", figures::render(&figures));
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}
