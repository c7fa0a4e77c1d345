//! Reads a pod as the scheduler sees it: pods that must be treated alike share one `PodClass`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::quantity::Quantity;
use api::views::{
    Container, LabelSelector, NodeSelectorTerm, Pod, PreemptionPolicy, PreferredSchedulingTerm, Toleration,
    TopologySpreadConstraint,
};
use api::{Object, Uid};
use serde::{Deserialize, Serialize};

use crate::amounts::Amounts;

/// CPU that a container without a request counts for when nodes are compared (Kubernetes' figure), in milli-cores.
const UNSTATED_CPU: i64 = 100;
/// Memory that a container without a request counts for when nodes are compared (Kubernetes' figure), in bytes.
const UNSTATED_MEMORY: i64 = 200 << 20;

/// Names a class within one scheduler process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// Names a controlling owner within one scheduler process: pods of one group are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(pub u32);

/// A port of the node itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct HostPort {
    /// The port.
    pub port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
}

/// Everything that placing a pod depends on. Pods of one ReplicaSet have the same class.
#[derive(Debug)]
pub struct PodClass {
    /// Its name in this process.
    pub id: ClassId,
    /// The pods' namespace.
    pub namespace: Arc<str>,
    /// The pods' labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// The pods' owner.
    pub group: Option<GroupId>,
    /// Higher goes first.
    pub priority: i32,
    /// Whether pods of lower priority may have to go for one of this class.
    pub preempts: bool,
    /// What a pod reserves.
    pub request: Amounts,
    /// CPU and memory that a pod counts for when nodes are compared; never zero.
    pub weight: (i64, i64),
    /// Ports of the node that a pod takes.
    pub host_ports: Vec<HostPort>,
    /// Labels the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// One of these must hold of the node, if there are any wishes.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Terms that make a node better.
    pub preferred: Vec<PreferredSchedulingTerm>,
    /// Taints that do not matter.
    pub tolerations: Vec<Toleration>,
    /// Spreading rules.
    pub spread: Vec<TopologySpreadConstraint>,
    /// Claims that a pod mounts, and whether they are made for it.
    pub claims: Vec<(Arc<str>, bool)>,
    /// Must run where such pods run.
    pub near: Vec<PodTerm>,
    /// Must not run where such pods run.
    pub apart: Vec<PodTerm>,
    /// Rather near such pods (positive weight) or rather not (negative).
    pub drawn: Vec<(i64, PodTerm)>,
}

/// One term of a pod affinity or anti-affinity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodTerm {
    /// Which pods; `None` matches nothing.
    pub label_selector: Option<LabelSelector>,
    /// In these namespaces besides the pod's own (which counts only if there are none).
    pub namespaces: Vec<String>,
    /// Present: in every namespace. Labels of namespaces are not distinguished.
    pub namespace_selector: Option<serde_json::Value>,
    /// The node label that names a domain.
    pub topology_key: Arc<str>,
}

impl PodTerm {
    /// Whether a pod of class `other` is meant by this term of a pod in `namespace`.
    pub fn means(&self, namespace: &str, other: &PodClass) -> bool {
        let in_scope = match (&self.namespace_selector, self.namespaces.is_empty()) {
            (Some(_), _) => true,
            (None, true) => *other.namespace == *namespace,
            (None, false) => self.namespaces.iter().any(|listed| **listed == *other.namespace),
        };
        in_scope && self.label_selector.as_ref().is_some_and(|selector| selector.matches(&other.labels))
    }
}

impl PodClass {
    /// Placing one pod of this class changes which other nodes fit the next one, so nothing may be reused between two.
    pub fn is_entangled(&self) -> bool {
        !(self.spread.is_empty()
            && self.near.is_empty()
            && self.apart.is_empty()
            && self.drawn.is_empty()
            && self.claims.is_empty())
    }
}

/// The classes in use, each found by everything it depends on.
#[derive(Debug, Default)]
pub struct Classes {
    by_content: HashMap<Arc<str>, Arc<PodClass>>,
    groups: HashMap<Uid, GroupId>,
    next_class: u32,
    next_group: u32,
    /// Classes that nobody holds are dropped when so many are known.
    prune_at: usize,
}

/// What makes two pods alike, in a form that can be compared.
#[derive(Serialize)]
struct Content<'a> {
    namespace: &'a str,
    labels: &'a BTreeMap<Arc<str>, Arc<str>>,
    owner: Option<&'a Uid>,
    priority: i32,
    preempts: bool,
    request: &'a Amounts,
    weight: (i64, i64),
    host_ports: &'a [HostPort],
    node_selector: &'a BTreeMap<String, String>,
    affinity: &'a api::views::Affinity,
    tolerations: &'a [Toleration],
    spread: &'a [TopologySpreadConstraint],
    claims: &'a [(Arc<str>, bool)],
}

impl Classes {
    /// The class of a pod.
    pub fn of(&mut self, pod: &Object<Pod>) -> Arc<PodClass> {
        let spec = &pod.spec;
        let (request, weight, host_ports) = (request_of(pod), weight_of(pod), host_ports_of(pod));
        let claims: Vec<(Arc<str>, bool)> = api::volumes::claims_of(pod).collect();
        let owner = pod.metadata.controller().map(|owner| &owner.uid);
        let priority = spec.priority;
        let preempts = spec.preemption_policy == PreemptionPolicy::PreemptLowerPriority;
        let content = serde_json::to_string(&Content {
            namespace: pod.key.namespace(),
            labels: &pod.metadata.labels,
            owner,
            priority,
            preempts,
            request: &request,
            weight,
            host_ports: &host_ports,
            node_selector: &spec.node_selector,
            affinity: &spec.affinity,
            tolerations: &spec.tolerations,
            spread: &spec.topology_spread_constraints,
            claims: &claims,
        })
        .unwrap_or_else(|_| pod.metadata.uid.to_string());
        if let Some(known) = self.by_content.get(content.as_str()) {
            return known.clone();
        }
        self.prune();
        let group = owner.map(|owner| self.group(owner));
        self.next_class += 1;
        let (near, apart, drawn) = pod_terms(&spec.affinity);
        let class = Arc::new(PodClass {
            id: ClassId(self.next_class),
            namespace: pod.key.namespace().into(),
            labels: pod.metadata.labels.clone(),
            group,
            priority,
            preempts,
            request,
            weight,
            host_ports,
            node_selector: spec.node_selector.clone(),
            required: required_terms(&spec.affinity),
            preferred: spec
                .affinity
                .node_affinity
                .preferred_during_scheduling_ignored_during_execution
                .clone(),
            tolerations: spec.tolerations.clone(),
            spread: spec.topology_spread_constraints.clone(),
            claims,
            near,
            apart,
            drawn,
        });
        self.by_content.insert(content.into(), class.clone());
        class
    }

    fn group(&mut self, owner: &Uid) -> GroupId {
        if let Some(known) = self.groups.get(owner) {
            return *known;
        }
        self.next_group += 1;
        self.groups.insert(owner.clone(), GroupId(self.next_group));
        GroupId(self.next_group)
    }

    fn prune(&mut self) {
        if self.by_content.len() < self.prune_at.max(1024) {
            return;
        }
        self.by_content.retain(|_, class| Arc::strong_count(class) > 1);
        let used: std::collections::HashSet<_> =
            self.by_content.values().filter_map(|class| class.group).collect();
        self.groups.retain(|_, group| used.contains(group));
        self.prune_at = self.by_content.len() * 2;
    }
}

fn required_terms(affinity: &api::views::Affinity) -> Option<Vec<NodeSelectorTerm>> {
    let required = affinity.node_affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    Some(required.node_selector_terms.clone())
}

/// Pod affinity as the API has it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodAffinity {
    required_during_scheduling_ignored_during_execution: Vec<PodTerm>,
    preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodTerm>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WeightedPodTerm {
    weight: i64,
    pod_affinity_term: PodTerm,
}

/// Required terms of affinity, of anti-affinity, and the weighed wishes of both.
fn pod_terms(affinity: &api::views::Affinity) -> (Vec<PodTerm>, Vec<PodTerm>, Vec<(i64, PodTerm)>) {
    let read = |value: &Option<serde_json::Value>| -> PodAffinity {
        value.as_ref().and_then(|value| PodAffinity::deserialize(value).ok()).unwrap_or_default()
    };
    let (towards, away) = (read(&affinity.pod_affinity), read(&affinity.pod_anti_affinity));
    let signed = |wishes: Vec<WeightedPodTerm>, sign: i64| {
        wishes.into_iter().map(move |wish| (sign * wish.weight, wish.pod_affinity_term))
    };
    let mut drawn: Vec<_> = signed(towards.preferred_during_scheduling_ignored_during_execution, 1).collect();
    drawn.extend(signed(away.preferred_during_scheduling_ignored_during_execution, -1));
    (
        towards.required_during_scheduling_ignored_during_execution,
        away.required_during_scheduling_ignored_during_execution,
        drawn,
    )
}

/// What a container reserves; a limit without a request is one.
fn container_request(container: &Container) -> Amounts {
    let mut amounts = Amounts::default();
    let resources = &container.resources;
    for (name, quantity) in &resources.requests {
        amounts.put(name, *quantity);
    }
    for (name, quantity) in
        resources.limits.iter().filter(|(name, _)| !resources.requests.contains_key(*name))
    {
        amounts.put(name, *quantity);
    }
    amounts
}

/// Kubernetes' rule: containers and sidecars together, or the largest init container beside the sidecars before it.
fn request_of(pod: &Object<Pod>) -> Amounts {
    let mut total = Amounts::default();
    for container in &pod.spec.containers {
        total.add(&container_request(container));
    }
    let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
    for container in &pod.spec.init_containers {
        let mut own = container_request(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&own);
            own = sidecars.clone();
        } else {
            own.add(&sidecars);
        }
        peak.raise_to(&own);
    }
    total.add(&sidecars);
    total.raise_to(&peak);
    for (name, quantity) in &pod.spec.overhead {
        let mut overhead = Amounts::default();
        overhead.put(name, *quantity);
        total.add(&overhead);
    }
    total
}

fn weight_of(pod: &Object<Pod>) -> (i64, i64) {
    let stated = |container: &Container, name: &str| -> Option<Quantity> {
        let resources = &container.resources;
        resources.requests.get(name).or_else(|| resources.limits.get(name)).copied()
    };
    pod.spec.containers.iter().fold((0, 0), |(cpu, memory), container| {
        let own_cpu = stated(container, "cpu").map_or(UNSTATED_CPU, crate::amounts::milli);
        let own_memory = stated(container, "memory").map_or(UNSTATED_MEMORY, Quantity::ceil_units);
        (cpu + own_cpu, memory + own_memory)
    })
}

fn host_ports_of(pod: &Object<Pod>) -> Vec<HostPort> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let ports = containers.flat_map(|container| &container.ports);
    ports
        .map(|port| {
            let on_node = if pod.spec.host_network { port.container_port } else { port.host_port };
            let protocol = if port.protocol.is_empty() { "TCP".to_owned() } else { port.protocol.clone() };
            HostPort { port: on_node, protocol }
        })
        .filter(|port| port.port != 0)
        .collect()
}
