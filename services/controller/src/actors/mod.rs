//! The actors of the controller: one file per kind, each a pure `decide` from what is observed to what is to be written.

pub mod autoscaler;
mod cluster_role;
mod collector;
mod cron_job;
mod custom_resource_definition;
mod daemon_set;
mod deployment;
mod disruption_budget;
mod history;
mod job;
mod names;
mod namespace;
mod ownership;
mod persistent_volume;
mod persistent_volume_claim;
mod pod_claims;
mod pods;
mod replica_set;
mod resource_quota;
mod selecting;
mod service;
mod signing_request;
mod stateful_set;
mod template;

pub use autoscaler::AutoscalerActor;
pub use cluster_role::ClusterRoleActor;
pub use collector::Collector;
pub use cron_job::CronJobActor;
pub use custom_resource_definition::CustomResourceDefinitionActor;
pub use daemon_set::DaemonSetActor;
pub use deployment::DeploymentActor;
pub use disruption_budget::DisruptionBudgetActor;
pub use job::{JobActor, ReleasedPods};
pub use namespace::NamespaceActor;
pub use persistent_volume::PersistentVolumeActor;
pub use persistent_volume_claim::PersistentVolumeClaimActor;
pub use pod_claims::PodClaims;
pub use replica_set::{ReplicaSetActor, ReplicationControllerActor};
pub use resource_quota::ResourceQuotaActor;
pub use service::ServiceActor;
pub use signing_request::SigningRequestActor;
pub use stateful_set::StatefulSetActor;

use std::time::Duration;

use api::journal::EventView;
use api::views::Condition;

/// A `Normal` event about the actor's own object.
fn normal(reason: &str, message: String) -> Option<EventView> {
    Some(EventView { severity: "Normal".into(), reason: reason.into(), message, regarding: None })
}

/// A `Warning` event about the actor's own object.
fn warning(reason: &str, message: String) -> Option<EventView> {
    Some(EventView { severity: "Warning".into(), reason: reason.into(), message, regarding: None })
}

/// The condition of those whose pods are not admitted.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// The condition of a kind, if the status has it.
fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// The sooner of two wishes to be woken.
fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_language;
