//! Which nodes a pod may go to, and why not to the others.

use std::fmt;
use std::ops::ControlFlow;

use api::views::{NodeSelectorTerm, Taint, Toleration};

use crate::amounts::{Amounts, written};
use crate::class::PodClass;
use crate::node_info::NodeInfo;
use crate::surroundings::Surroundings;

/// One reason why a pod cannot go to a node. `Display` is Kubernetes' wording, without the node.
#[derive(Clone, Debug, PartialEq)]
pub enum Misfit<'a> {
    /// The node is cordoned.
    Unschedulable,
    /// The pod does not tolerate a taint.
    Taint(&'a Taint),
    /// The node's agent or runtime is not well.
    NotReady,
    /// The pod wants other nodes.
    Unwanted,
    /// A host port is taken.
    Port(u16),
    /// The node takes no more pods.
    TooManyPods {
        /// How many it takes.
        max: i64,
    },
    /// Not enough is left of a resource.
    Insufficient {
        /// Which resource.
        resource: &'a str,
        /// What is left.
        free: i64,
        /// What the pod asks for.
        asked: i64,
        /// What there would be without any pods.
        most: i64,
    },
    /// Pods would be spread too unevenly.
    Skewed,
    /// The node lacks the label that a spreading rule names.
    NoDomain,
    /// Pods it wants to be near to are elsewhere.
    NotNear,
    /// Pods it must not be near to are there.
    NotApart,
    /// Pods that are there do not want it.
    Repelled,
    /// It does not reach a volume of the pod.
    VolumeElsewhere,
    /// No volume for a claim of the pod is there or can be made.
    NoVolume,
    /// Another pod uses a claim that only one may use.
    ClaimTaken,
}

impl fmt::Display for Misfit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable => f.write_str("node(s) were unschedulable"),
            Self::Taint(taint) => {
                write!(f, "node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)
            }
            Self::NotReady => f.write_str("node(s) were not ready"),
            Self::Unwanted => f.write_str("node(s) didn't match Pod's node affinity/selector"),
            Self::Port(_) => f.write_str("node(s) didn't have free ports for the requested pod ports"),
            Self::TooManyPods { .. } => f.write_str("Too many pods"),
            Self::Insufficient { resource, .. } => write!(f, "Insufficient {resource}"),
            Self::Skewed => f.write_str("node(s) didn't match pod topology spread constraints"),
            Self::NoDomain => {
                f.write_str("node(s) didn't match pod topology spread constraints (missing required label)")
            }
            Self::NotNear => f.write_str("node(s) didn't match pod affinity rules"),
            Self::NotApart => f.write_str("node(s) didn't match pod anti-affinity rules"),
            Self::Repelled => f.write_str("node(s) didn't satisfy existing pods anti-affinity rules"),
            Self::VolumeElsewhere => f.write_str("node(s) had volume node affinity conflict"),
            Self::NoVolume => f.write_str("node(s) didn't find available persistent volumes to bind"),
            Self::ClaimTaken => f.write_str(
                "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
            ),
        }
    }
}

impl Misfit<'_> {
    /// Whether it may go away when pods leave the node.
    pub fn yields(&self) -> bool {
        match self {
            Self::Insufficient { asked, most, .. } => asked <= most,
            Self::Port(_)
            | Self::TooManyPods { .. }
            | Self::Skewed
            | Self::NotApart
            | Self::Repelled
            | Self::ClaimTaken => true,
            Self::Unschedulable
            | Self::Taint(_)
            | Self::NotReady
            | Self::Unwanted
            | Self::NoDomain
            | Self::NotNear
            | Self::VolumeElsewhere
            | Self::NoVolume => false,
        }
    }

    /// The reason as a sentence about the node: `has 200Mi of memory free and the pod asks for 512Mi`.
    pub fn about_node(&self) -> String {
        match self {
            Self::Unschedulable => "is cordoned".to_owned(),
            Self::Taint(taint) => format!("has the taint {}={}:{}", taint.key, taint.value, taint.effect),
            Self::NotReady => "is not ready".to_owned(),
            Self::Unwanted => "is not one that the pod's selector or affinity names".to_owned(),
            Self::Port(port) => format!("has its port {port} taken"),
            Self::TooManyPods { max } => format!("has all of its {max} pods"),
            Self::Insufficient { resource, free, asked, .. } => format!(
                "has {} of {resource} free and the pod asks for {}",
                written(resource, (*free).max(0)),
                written(resource, *asked)
            ),
            Self::Skewed => "has more of such pods in its domain than the spreading rule allows".to_owned(),
            Self::NoDomain => "lacks the label that the spreading rule names".to_owned(),
            Self::NotNear => "has none of the pods that the pod wants to be near to".to_owned(),
            Self::NotApart => "has pods that the pod must not be near to".to_owned(),
            Self::Repelled => "has pods that must not be near to the pod".to_owned(),
            Self::VolumeElsewhere => "does not reach a volume of the pod".to_owned(),
            Self::NoVolume => "has no volume for a claim of the pod, and none can be made there".to_owned(),
            Self::ClaimTaken => {
                "is no place for a claim that another pod uses and only one may use".to_owned()
            }
        }
    }
}

/// Whether the node takes a pod of the class. Allocates nothing.
pub fn fits(class: &PodClass, node: &NodeInfo, around: &Surroundings) -> bool {
    check(class, node, around, &mut |_| ControlFlow::Break(())).is_continue()
}

/// Why it does not: the first stage that fails, with all that stage has to say.
pub fn misfits<'a>(class: &'a PodClass, node: &'a NodeInfo, around: &Surroundings) -> Vec<Misfit<'a>> {
    let mut found = Vec::new();
    let _ = check(class, node, around, &mut |misfit| {
        let more_to_say = matches!(misfit, Misfit::Insufficient { .. } | Misfit::TooManyPods { .. });
        found.push(misfit);
        if more_to_say { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found
}

/// Tells every misfit to `tell`, in Kubernetes' order, until it breaks. Resources are told all before going on.
fn check<'a>(
    class: &'a PodClass,
    node: &'a NodeInfo,
    around: &Surroundings,
    tell: &mut dyn FnMut(Misfit<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if node.unschedulable && !tolerates("node.kubernetes.io/unschedulable", &class.tolerations) {
        tell(Misfit::Unschedulable)?;
    }
    if let Some(taint) =
        node.taints.iter().find(|taint| repels(taint) && !tolerated(taint, &class.tolerations))
    {
        tell(Misfit::Taint(taint))?;
    }
    if !node.ready && !tolerates("node.kubernetes.io/not-ready", &class.tolerations) {
        tell(Misfit::NotReady)?;
    }
    if !wanted(class, node) {
        tell(Misfit::Unwanted)?;
    }
    if let Some(port) = class.host_ports.iter().find(|port| node.ports.contains_key(port)) {
        tell(Misfit::Port(port.port))?;
    }
    let short = resources(class, node, tell)?;
    if short {
        return ControlFlow::Break(());
    }
    for misfit in around.claims.iter().filter_map(|need| need.misfit(node)) {
        tell(misfit)?;
    }
    company(node, around, tell)
}

/// `NodeResourcesFit`; continues with true if anything was told.
fn resources<'a>(
    class: &'a PodClass,
    node: &'a NodeInfo,
    tell: &mut dyn FnMut(Misfit<'a>) -> ControlFlow<()>,
) -> ControlFlow<(), bool> {
    let Amounts { cpu, memory, disk, other } = &class.request;
    let (has, used) = (&node.allocatable, &node.requested);
    let mut short = false;
    if node.pods >= node.max_pods {
        short = true;
        tell(Misfit::TooManyPods { max: node.max_pods })?;
    }
    let stated = [
        ("cpu", *cpu, has.cpu, used.cpu),
        ("memory", *memory, has.memory, used.memory),
        ("ephemeral-storage", *disk, has.disk, used.disk),
    ];
    let others = other.iter().map(|(name, asked)| (name.as_str(), *asked, has.other(name), used.other(name)));
    for (resource, asked, most, used) in stated.into_iter().chain(others) {
        let free = most - used;
        if asked > 0 && asked > free {
            short = true;
            tell(Misfit::Insufficient { resource, free, asked, most })?;
        }
    }
    ControlFlow::Continue(short)
}

/// Rules about other pods.
fn company<'a>(
    node: &NodeInfo,
    around: &Surroundings,
    tell: &mut dyn FnMut(Misfit<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for rule in around.spread.iter().filter(|rule| rule.hard) {
        match rule.domains.at(node) {
            None => tell(Misfit::NoDomain)?,
            Some(here) if here + rule.own > rule.least + rule.max_skew => tell(Misfit::Skewed)?,
            Some(_) => {}
        }
    }
    if around.near.iter().flatten().any(|domains| domains.at(node).unwrap_or(0) == 0) {
        tell(Misfit::NotNear)?;
    }
    if around.apart.iter().any(|domains| domains.at(node).unwrap_or(0) > 0) {
        tell(Misfit::NotApart)?;
    }
    let is_repelled = |(key, domains): (&std::sync::Arc<str>, &std::collections::HashSet<_>)| {
        node.labels.get(key).is_some_and(|domain| domains.contains(domain))
    };
    if around.repelled.iter().any(is_repelled) {
        tell(Misfit::Repelled)?;
    }
    ControlFlow::Continue(())
}

/// Whether the pod's node selector and required node affinity name the node.
pub fn wanted(class: &PodClass, node: &NodeInfo) -> bool {
    let selected = class
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(key.as_str()).is_some_and(|own| **own == **value));
    selected && class.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term_holds(term, node)))
}

/// Whether one node selector term holds.
pub fn term_holds(term: &NodeSelectorTerm, node: &NodeInfo) -> bool {
    term.holds(node.name.as_str(), |key| node.labels.get(key).map(|value| &**value))
}

fn repels(taint: &Taint) -> bool {
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
}

/// Whether any toleration covers the taint.
pub fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| toleration.covers(taint))
}

/// Whether the tolerations cover a taint that the node only implies (cordoned, not ready).
fn tolerates(key: &str, tolerations: &[Toleration]) -> bool {
    !tolerations.is_empty()
        && tolerated(&Taint { key: key.into(), effect: "NoSchedule".into(), ..Taint::default() }, tolerations)
}
