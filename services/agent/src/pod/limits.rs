//! What a container gets of the machine, and what must happen to it when that changes (KEP-1287).

use api::quantity::Quantity;
use k8s_openapi::api::core::v1 as k8s;

use crate::runtime::Limits;

/// The share of a container that asks for nothing.
const LEAST_SHARE: i64 = 2;
/// The largest share that the kernel knows.
const LARGEST_SHARE: i64 = 262_144;

/// What a container's `resources` ask the kernel for.
pub fn of(container: &k8s::Container) -> Limits {
    container.resources.as_ref().map_or_else(|| of_resources(&Default::default()), of_resources)
}

/// What `resources` ask the kernel for.
pub fn of_resources(resources: &k8s::ResourceRequirements) -> Limits {
    let amount = |map: &Option<std::collections::BTreeMap<String, _>>, name: &str| {
        let quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity = map.as_ref()?.get(name)?;
        Quantity::parse(&quantity.0).map(|quantity| quantity.milli).filter(|milli| *milli > 0)
    };
    let number = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    let share = amount(&resources.requests, "cpu").or_else(|| amount(&resources.limits, "cpu"));
    Limits {
        nano_cpus: amount(&resources.limits, "cpu").map(|milli| number(milli.saturating_mul(1_000_000))),
        cpu_shares: Some(share.map_or(LEAST_SHARE, |milli| {
            number(milli.saturating_mul(1024) / 1000).clamp(LEAST_SHARE, LARGEST_SHARE)
        })),
        memory: amount(&resources.limits, "memory").map(|milli| number(milli / 1000)),
    }
}

/// Which changes a container must be restarted for (`resizePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartsFor {
    cpu: bool,
    memory: bool,
}

impl RestartsFor {
    /// As the container says.
    pub fn of(container: &k8s::Container) -> Self {
        let restarts = |resource: &str| {
            let mut policies = container.resize_policy.iter().flatten();
            policies
                .any(|policy| policy.resource_name == resource && policy.restart_policy == "RestartContainer")
        };
        Self { cpu: restarts("cpu"), memory: restarts("memory") }
    }

    /// Whether going from one to the other needs a restart.
    pub fn between(self, now: &Limits, wanted: &Limits) -> bool {
        let cpu = now.cpu_shares != wanted.cpu_shares || now.nano_cpus != wanted.nano_cpus;
        (self.cpu && cpu) || (self.memory && now.memory != wanted.memory)
    }
}
