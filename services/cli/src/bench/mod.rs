//! `odeon bench`: starts clusters of its own, measures them through the public API, and prints one table.

mod boot;
mod cluster;
mod containers;
mod engine;
mod figures;
mod loss;
mod pods;
mod watch;

use anyhow::{Result, bail};

use figures::Figure;

/// Measure this machine's figures
#[derive(clap::Args, Clone, Debug)]
pub struct Bench {
    /// What to measure (repeatable) [default: everything that runs here]
    #[arg(value_enum)]
    scenario: Vec<Scenario>,
    /// Replicas of the `deploy` scenario, on a tenth as many hollow nodes
    #[arg(long, default_value_t = 1000)]
    replicas: u32,
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
    /// A node's death until its pods are Ready elsewhere, on hollow nodes
    NodeLoss,
    /// A pod and a container's replacement, against what the engine itself needs
    Containers,
}

const ALL: [Scenario; 5] =
    [Scenario::Boot, Scenario::Watch, Scenario::Deploy, Scenario::NodeLoss, Scenario::Containers];

/// Runs the scenarios one after the other.
///
/// # Errors
/// A scenario did not reach its state in time; what is missing is said. The others still run and are printed.
pub async fn bench(options: &Bench) -> Result<()> {
    let chosen = if options.scenario.is_empty() { &ALL[..] } else { &options.scenario };
    let mut figures: Vec<Figure> = Vec::new();
    let mut failed = Vec::new();
    for scenario in chosen {
        eprintln!("measuring {scenario:?} …");
        let measured = match scenario {
            Scenario::Boot => boot::measure().await,
            Scenario::Watch => watch::measure().await,
            Scenario::Deploy => pods::measure(options.replicas).await,
            Scenario::NodeLoss => loss::measure().await,
            Scenario::Containers => containers::measure().await,
        };
        match measured {
            Ok(measured) => figures.extend(measured),
            Err(error) => failed.push(format!("{scenario:?}: {}", crate::failure::chain(&error))),
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
