//! Gives every pod a node: one scheduler is active at a time, decides in memory and writes in batches.
//!
//! `Brain` is fed with every change of pods and nodes and decides without IO: `filter` says which nodes fit, `score` which is best,
//! `decide` goes from class to class, `preemption` says who has to go where none fits. `active` is the shell around it.

mod active;
mod amounts;
mod binding;
mod brain;
mod budgets;
mod choosing;
mod class;
mod decide;
mod evicting;
mod filter;
mod node_info;
mod preemption;
mod queue;
mod score;
mod storage;
mod surroundings;
#[cfg(test)]
mod tests;

use actor::Leadership;
use bus::{Bus, BusError};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// What can be chosen about a scheduler.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Config {
    /// The name of this scheduler in leases and logs; drawn at random if it is not given.
    #[arg(long = "scheduler-identity", value_name = "NAME")]
    pub identity: Option<String>,
}

/// The scheduler cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The view of the bucket is not available.
    #[error("failed to open the view of the cluster")]
    View(#[source] BusError),
    /// Taking part in the election failed.
    #[error("failed to join the election of the scheduler")]
    Campaign(#[source] BusError),
}

/// Schedules whenever it leads, until `shutdown`.
pub async fn run(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    let identity = config.identity.unwrap_or_else(fresh_identity);
    let view = bus.view().await.map_err(Error::View)?;
    let leadership = Leadership::campaign(&bus, "scheduler", &identity).await.map_err(Error::Campaign)?;
    let metrics = active::Metrics::register();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = leadership.won() => {}
        }
        info!(identity, "scheduling");
        let mut active = active::Active::new(&bus, &view, metrics.clone());
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = leadership.lost() => {}
            () = active.work() => {}
        }
        active.finish().await;
        if shutdown.is_cancelled() {
            break;
        }
        info!(identity, "another scheduler leads");
    }
    leadership.leave().await;
    Ok(())
}

fn fresh_identity() -> String {
    let uid = telemetry::clock::fresh_uid();
    format!("scheduler-{}", uid.as_str().get(..8).unwrap_or_default())
}
