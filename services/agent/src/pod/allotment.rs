//! What of its node a pod holds, and whether it may have more: a change of resources that does not fit waits (KEP-1287).

use std::collections::BTreeMap;

use api::quantity::Quantity;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;

use super::limits;
use super::plan::{ContainerKind, ContainerPlan, PodPlan};

/// Processors and memory: of a node, or that pods request. Zero of a node: it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Thousandths of a processor.
    pub cpu_milli: i128,
    /// Bytes.
    pub memory: i128,
}

/// Why a pod does not have the resources that it asks for: kubelet's reason and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `Deferred` until there is room, or `Infeasible` on this node.
    pub reason: &'static str,
    /// What is lacking.
    pub message: String,
}

impl std::ops::Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu_milli: self.cpu_milli + other.cpu_milli, memory: self.memory + other.memory }
    }
}

impl Share {
    /// More than any node has.
    pub const UNKNOWN: Self = Self { cpu_milli: 1 << 64, memory: 1 << 64 };

    /// What a pod requests: what runs side by side adds up, init containers run before that.
    pub fn of(plan: &PodPlan) -> Self {
        let (mut beside, mut peak) = (Self::default(), Self::default());
        for container in &plan.containers {
            let own = Self::requested(container);
            match container.kind {
                ContainerKind::Init => {
                    let then = beside + own;
                    peak.cpu_milli = peak.cpu_milli.max(then.cpu_milli);
                    peak.memory = peak.memory.max(then.memory);
                }
                ContainerKind::Sidecar | ContainerKind::App => beside = beside + own,
                ContainerKind::Ephemeral => {}
            }
        }
        Self { cpu_milli: beside.cpu_milli.max(peak.cpu_milli), memory: beside.memory.max(peak.memory) }
    }

    fn requested(container: &ContainerPlan) -> Self {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        let milli = |name: &str| {
            let amount = requests.and_then(|requests| requests.get(name));
            amount.and_then(|amount| Quantity::parse(&amount.0)).unwrap_or_default().milli
        };
        Self { cpu_milli: milli("cpu"), memory: milli("memory") / 1000 }
    }
}

/// Whether a pod asks for other resources than it holds.
pub fn is_changed(wanted: &PodPlan, held: Option<&PodPlan>) -> bool {
    wanted.containers.iter().any(|container| holds(wanted, held, container).is_some())
}

/// The pod as it may be now: with what it asks for if that fits beside what `others` on the `node` request, else with what it holds.
pub fn admit(mut wanted: PodPlan, held: Option<&PodPlan>, node: Share, others: Share) -> PodPlan {
    let Some(pending) = lacking(Share::of(&wanted), node, others) else { return wanted };
    let held: Vec<_> = wanted.containers.iter().map(|container| holds(&wanted, held, container)).collect();
    for (container, held) in wanted.containers.iter_mut().zip(held) {
        if let Some(resources) = held {
            container.limits = limits::of_resources(&resources);
            container.resources = Some(Box::new(resources));
        }
    }
    wanted.resize_pending = Some(Box::new(pending));
    wanted
}

/// The resources that a container holds, if they are others than those that it asks for.
fn holds(
    wanted: &PodPlan,
    held: Option<&PodPlan>,
    container: &ContainerPlan,
) -> Option<k8s::ResourceRequirements> {
    let of_plan = held.and_then(|held| held.container(&container.name));
    let resources = match of_plan {
        Some(known) => known.resources.as_deref().cloned().unwrap_or_default(),
        None => reported(&wanted.status, &container.name)?,
    };
    let asked = container.resources.as_deref().cloned().unwrap_or_default();
    let differ = |of: fn(&k8s::ResourceRequirements) -> &Option<BTreeMap<String, Amount>>| {
        let (asked, resources) = (of(&asked), of(&resources));
        ["cpu", "memory"].iter().any(|name| amount(asked, name) != amount(resources, name))
    };
    (differ(|all| &all.requests) || differ(|all| &all.limits)).then_some(resources)
}

/// What the agent has said that a container holds, before it started anew.
fn reported(status: &k8s::PodStatus, name: &str) -> Option<k8s::ResourceRequirements> {
    let statuses = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let known = statuses.into_iter().find(|known| known.name == name)?;
    let limits = known.resources.as_ref()?.limits.clone();
    Some(k8s::ResourceRequirements { requests: known.allocated_resources.clone(), limits, claims: None })
}

fn amount(list: &Option<BTreeMap<String, Amount>>, name: &str) -> Option<Quantity> {
    Quantity::parse(&list.as_ref()?.get(name)?.0)
}

/// The kubelet's checks, in its order and words.
fn lacking(asked: Share, node: Share, others: Share) -> Option<Pending> {
    if node.memory > 0 && asked.memory > node.memory {
        return Some(infeasible("memory", asked.memory, node.memory));
    }
    if node.cpu_milli > 0 && asked.cpu_milli > node.cpu_milli {
        return Some(infeasible("cpu", asked.cpu_milli, node.cpu_milli));
    }
    let of = [
        ("cpu", asked.cpu_milli, others.cpu_milli, node.cpu_milli),
        ("memory", asked.memory, others.memory, node.memory),
    ];
    let (name, asked, used, capacity) = of
        .into_iter()
        .find(|(_, asked, used, capacity)| *capacity > 0 && *asked > 0 && asked + used > *capacity)?;
    let message = format!(
        "Node didn't have enough resource: {name}, requested: {asked}, used: {used}, capacity: {capacity}"
    );
    Some(Pending { reason: "Deferred", message })
}

fn infeasible(name: &str, asked: i128, capacity: i128) -> Pending {
    let message =
        format!("Node didn't have enough capacity: {name}, requested: {asked}, capacity: {capacity}");
    Pending { reason: "Infeasible", message }
}

#[cfg(test)]
mod tests {
    use api::messages::AssignedPod;
    use api::{NodeName, ObjectKey, ResourceId, Revision};
    use expect_test::{Expect, expect};
    use serde_bytes::ByteBuf;
    use serde_json::{Value, json};

    use super::*;

    /// A pod whose containers request so much, and what was last reported of them.
    fn plan(requests: &[(&str, &str)], status: &Value) -> PodPlan {
        let container = |(number, (cpu, memory)): (usize, &(&str, &str))| {
            let amounts = json!({"cpu": cpu, "memory": memory});
            json!({"name": format!("c{number}"), "image": "i", "resources": {"requests": amounts, "limits": {"memory": memory}}})
        };
        let containers: Vec<Value> = requests.iter().enumerate().map(container).collect();
        let object =
            json!({"metadata": {"name": "web"}, "spec": {"containers": containers}, "status": status});
        let assigned = AssignedPod {
            key: ObjectKey::namespaced(ResourceId::new("pods"), "default", "web"),
            uid: "u".into(),
            revision: Revision(1),
            object: ByteBuf::from(bus::encode(&object).unwrap()),
            config: Vec::new(),
            stop: None,
            cluster_domain: "cluster.local".to_owned(),
        };
        PodPlan::read(&NodeName::from("n"), assigned).unwrap()
    }

    fn check(wanted: PodPlan, held: Option<&PodPlan>, others: (i128, i128), expected: Expect) {
        let node = Share { cpu_milli: 4_000, memory: 1 << 30 };
        let mut told = format!("changed: {}\n", is_changed(&wanted, held));
        let plan = admit(wanted, held, node, Share { cpu_milli: others.0, memory: others.1 });
        for container in &plan.containers {
            let requests = container.resources.as_ref().unwrap().requests.as_ref().unwrap();
            told +=
                &format!("{} {} {:?}\n", requests["cpu"].0, requests["memory"].0, container.limits.memory);
        }
        let pending = plan.resize_pending.as_ref();
        told +=
            &pending.map_or("ok".to_owned(), |pending| format!("{}: {}", pending.reason, pending.message));
        expected.assert_eq(&told);
    }

    #[test]
    fn what_does_not_fit_waits() {
        let small = plan(&[("1", "64Mi"), ("500m", "64Mi")], &Value::Null);
        let larger = || plan(&[("2", "64Mi"), ("500m", "64Mi")], &Value::Null);
        check(
            larger(),
            Some(&small),
            (1_000, 0),
            expect![[r#"
            changed: true
            2 64Mi Some(67108864)
            500m 64Mi Some(67108864)
            ok"#]],
        );
        check(
            larger(),
            Some(&small),
            (1_600, 0),
            expect![[r#"
            changed: true
            1 64Mi Some(67108864)
            500m 64Mi Some(67108864)
            Deferred: Node didn't have enough resource: cpu, requested: 2500, used: 1600, capacity: 4000"#]],
        );
        check(
            larger(),
            Some(&small),
            (0, 1 << 30),
            expect![[r#"
            changed: true
            1 64Mi Some(67108864)
            500m 64Mi Some(67108864)
            Deferred: Node didn't have enough resource: memory, requested: 134217728, used: 1073741824, capacity: 1073741824"#]],
        );
        check(
            plan(&[("2", "64Mi"), ("500m", "2Gi")], &Value::Null),
            Some(&small),
            (0, 0),
            expect![[r#"
            changed: true
            1 64Mi Some(67108864)
            500m 64Mi Some(67108864)
            Infeasible: Node didn't have enough capacity: memory, requested: 2214592512, capacity: 1073741824"#]],
        );
        check(
            plan(&[("4", "64Mi"), ("500m", "64Mi")], &Value::Null),
            Some(&small),
            (0, 0),
            expect![[r#"
            changed: true
            1 64Mi Some(67108864)
            500m 64Mi Some(67108864)
            Infeasible: Node didn't have enough capacity: cpu, requested: 4500, capacity: 4000"#]],
        );
        check(
            plan(&[("1000m", "65536Ki"), ("500m", "64Mi")], &Value::Null),
            Some(&small),
            (0, 0),
            expect![[r#"
                changed: false
                1000m 65536Ki Some(67108864)
                500m 64Mi Some(67108864)
                ok"#]],
        );
    }

    #[test]
    fn an_agent_that_starts_anew_knows_what_it_reported() {
        let held = json!({"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "64Mi"}});
        let status = json!({"containerStatuses": [
            {"name": "c0", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "resources": held, "allocatedResources": held["requests"]},
        ]});
        check(
            plan(&[("2", "64Mi")], &status),
            None,
            (3_000, 0),
            expect![[r#"
            changed: true
            1 64Mi Some(67108864)
            Deferred: Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000"#]],
        );
        check(
            plan(&[("1", "64Mi")], &status),
            None,
            (3_000, 0),
            expect![[r#"
            changed: false
            1 64Mi Some(67108864)
            ok"#]],
        );
        check(
            plan(&[("2", "64Mi")], &Value::Null),
            None,
            (3_000, 0),
            expect![[r#"
            changed: false
            2 64Mi Some(67108864)
            Deferred: Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000"#]],
        );
    }
}
