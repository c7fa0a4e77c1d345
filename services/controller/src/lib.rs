//! Runs the controllers' actors and the keeper of nodes, for the share of the cluster that this process owns.

mod actors;
mod keeper;

use std::sync::Arc;
use std::time::Duration;

use actor::{Facts, Host, Partitions, partitions};
use actors::{
    AutoscalerActor, ClusterRoleActor, Collector, CronJobActor, CustomResourceDefinitionActor,
    DaemonSetActor, DeploymentActor, DisruptionBudgetActor, JobActor, NamespaceActor, PersistentVolumeActor,
    PersistentVolumeClaimActor, PodClaims, ReleasedPods, ReplicaSetActor, ReplicationControllerActor,
    ResourceQuotaActor, ServiceActor, SigningRequestActor, StatefulSetActor,
};
use bus::{Bus, BusError};
use keeper::{Keeper, NodeActor, Parts};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How long running turns may take to end when the process stops.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be chosen about a controller.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Config {
    /// The name of this controller in leases, logs and the journal; drawn at random if it is not given.
    #[arg(long = "controller-identity", value_name = "NAME")]
    pub identity: Option<String>,
}

/// The controller cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The view of the bucket is not available.
    #[error("failed to open the view of the cluster")]
    View(#[source] BusError),
    /// Sharing the work with other controllers failed.
    #[error("failed to join the controllers")]
    Join(#[source] BusError),
    /// The actors did not start.
    #[error("failed to start the actors")]
    Host(#[source] BusError),
    /// The keeper cannot listen.
    #[error("failed to start the keeper of nodes")]
    Keeper(#[source] BusError),
}

/// Acts for its share of the cluster until `shutdown`; then others take over at once.
pub async fn run(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    let identity = config.identity.unwrap_or_else(fresh_identity);
    let view = bus.view().await.map_err(Error::View)?;
    let facts = Facts::new();
    let joined =
        Partitions::join(&bus, "controller", &identity, partitions::COUNT).await.map_err(Error::Join)?;
    let shares = Arc::new(joined);
    let host = Host::builder(&bus, &view, &identity, &facts)
        .partitions(&shares)
        .serve::<DeploymentActor>()
        .serve::<ReplicaSetActor>()
        .serve::<ReplicationControllerActor>()
        .serve::<StatefulSetActor>()
        .serve::<DaemonSetActor>()
        .serve::<AutoscalerActor>()
        .serve::<JobActor>()
        .serve::<CronJobActor>()
        .serve::<ResourceQuotaActor>()
        .serve::<ServiceActor>()
        .serve::<NamespaceActor>()
        .serve::<CustomResourceDefinitionActor>()
        .serve::<NodeActor>()
        .serve::<DisruptionBudgetActor>()
        .serve::<PersistentVolumeActor>()
        .serve::<PersistentVolumeClaimActor>()
        .serve::<ClusterRoleActor>()
        .serve::<SigningRequestActor>()
        .serve_any::<ReleasedPods>()
        .serve_any::<PodClaims>()
        .serve_any::<Collector>()
        .start()
        .await
        .map_err(Error::Host)?;
    let host = Arc::new(host);
    let parts = Parts {
        bus: bus.clone(),
        view,
        facts,
        partitions: shares.clone(),
        host: host.clone(),
        identity: identity.clone(),
    };
    let mut shells = Keeper::start(parts, &shutdown).await.map_err(Error::Keeper)?;
    info!(identity, "controlling");
    shutdown.cancelled().await;
    while shells.join_next().await.is_some() {}
    if let Some(host) = Arc::into_inner(host) {
        host.stop(PATIENCE).await;
    }
    shares.leave().await;
    info!(identity, "stopped");
    Ok(())
}

fn fresh_identity() -> String {
    let uid = telemetry::clock::fresh_uid();
    format!("controller-{}", uid.as_str().get(..8).unwrap_or_default())
}
