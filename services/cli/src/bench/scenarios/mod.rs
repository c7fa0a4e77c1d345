//! What can be measured: one file for each scenario, and the list of them.

mod api;
mod boot;
mod churn;
mod containers;
mod curve;
mod delete;
mod deploy;
mod engine;
mod full;
mod idle;
mod loss;
mod recover;
mod roll;
mod scale;
mod watch;
mod watchers;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::cluster::{Layout, Shape};
use super::lab::Lab;
use super::options::Options;
use super::progress::Progress;
use super::record::Record;

/// One thing to measure.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Start until ready, and idle memory: separate processes, and `odeon up` in one
    Boot,
    /// Memory, CPU and writes while nothing happens: without nodes, and with all
    Idle,
    /// Deployments until all their pods are Ready: pace, CPU per pod, memory
    Deploy,
    /// A rolling update, whose limits must hold at every moment
    Roll,
    /// Growth to ten times the size, and back
    Scale,
    /// Deployments' deletion until none of their pods is left
    Delete,
    /// Nodes' sudden death until their pods are Ready elsewhere: one, and a tenth at once
    NodeLoss,
    /// A steady mix of changes at a rate
    Churn,
    /// GET, LIST, create, update with several numbers of clients, and many watchers
    Api,
    /// From a write until it is acknowledged, and until a watcher has it
    Watch,
    /// Each process killed and started again: time until decisions flow
    Recover,
    /// A pod and a container's replacement on the real engine, against what the engine itself needs
    Containers,
    /// Pace and cost per pod from 1,000 pods to all
    Curve,
    /// Everything deployed, then one pod at a time, a node lost, a controller killed
    Full,
}

/// What is measured when nothing is chosen: everything that takes seconds.
pub const SMALL: [Scenario; 11] = [
    Scenario::Boot,
    Scenario::Idle,
    Scenario::Deploy,
    Scenario::Roll,
    Scenario::Scale,
    Scenario::Delete,
    Scenario::NodeLoss,
    Scenario::Churn,
    Scenario::Api,
    Scenario::Watch,
    Scenario::Recover,
];

impl Scenario {
    /// As it is chosen on the command line.
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Fails if it cannot be run like this.
    ///
    /// # Errors
    /// Says what to change.
    pub fn check(self, options: &Options) -> Result<()> {
        match self {
            Self::NodeLoss => loss::check(options),
            Self::Recover => recover::check(options),
            _ => Ok(()),
        }
    }

    fn shape(self, options: &Options) -> Shape {
        match self {
            Self::Idle => idle::shape(options),
            Self::NodeLoss => options.shape_losing(&[loss::one(), loss::tenth(options)]),
            // Where no agent can be killed, none is set apart for it.
            Self::Full if options.shape().layout == Layout::Separate => options.shape_losing(&[loss::one()]),
            Self::Containers => options.shape_on_engine(),
            _ => options.shape(),
        }
    }

    async fn measure(self, lab: &mut Lab<'_>) -> Result<()> {
        match self {
            Self::Idle => idle::measure(lab).await,
            Self::Deploy => deploy::measure(lab).await,
            Self::Roll => roll::measure(lab).await,
            Self::Scale => scale::measure(lab).await,
            Self::Delete => delete::measure(lab).await,
            Self::NodeLoss => loss::measure(lab).await,
            Self::Churn => churn::measure(lab).await,
            Self::Api => api::measure(lab).await,
            Self::Watch => watch::measure(lab).await,
            Self::Recover => recover::measure(lab).await,
            Self::Curve => curve::measure(lab).await,
            Self::Full => full::measure(lab).await,
            Self::Containers => containers::measure(lab).await,
            // It starts what it needs itself.
            Self::Boot => Ok(()),
        }
    }
}

/// Runs a scenario to its end, or until it is told to stop; either way what it started is stopped, and what it measured is kept.
pub async fn run(
    scenario: Scenario,
    options: &Options,
    relaxed: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Record {
    progress.scenario(&scenario.name());
    let mut record = Record { scenario: scenario.name(), relaxed, ..Record::default() };
    let outcome = match scenario {
        Scenario::Boot => unless(stop, boot::measure(options, progress, &mut record)).await,
        in_lab => {
            let shape = Shape { relaxed, ..in_lab.shape(options) };
            match unless(stop, Lab::open(options, progress, &in_lab.name(), &shape)).await {
                Err(error) => Err(error),
                Ok(mut lab) => {
                    let measured = unless(stop, in_lab.measure(&mut lab)).await;
                    let (measurements, closed) = lab.close().await;
                    record = measurements;
                    measured.and(closed)
                }
            }
        }
    };
    record.failure = outcome.err().map(|error| telemetry::chain(error.as_ref()));
    record
}

async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = stop.cancelled() => anyhow::bail!("told to stop"),
    }
}
