//! Where other pods are, as far as a class cares: spreading, affinity and anti-affinity over topology domains.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::views::TopologySpreadConstraint;

use crate::class::{PodClass, PodTerm};
use crate::filter;
use crate::node_info::{Cluster, NodeInfo};

/// Pods per domain of one topology key.
#[derive(Debug, Default)]
pub struct Domains {
    /// The node label that names a domain.
    pub key: Arc<str>,
    /// Domain to pods.
    pub counts: HashMap<Arc<str>, u32>,
}

impl Domains {
    /// How many pods the node's domain has; `None` if the node has no such label.
    pub fn at(&self, node: &NodeInfo) -> Option<u32> {
        node.labels.get(&self.key).map(|domain| self.counts.get(domain).copied().unwrap_or(0))
    }

    fn count(
        cluster: &Cluster,
        key: &str,
        eligible: impl Fn(&NodeInfo) -> bool,
        meant: impl Fn(&PodClass) -> bool,
    ) -> Self {
        let mut counts: HashMap<Arc<str>, u32> = HashMap::new();
        for node in cluster.nodes().iter().filter(|node| node.exists && eligible(node)) {
            let Some(domain) = node.labels.get(key) else { continue };
            let here =
                node.classes.values().filter(|(class, _)| meant(class)).map(|(_, count)| count).sum::<u32>();
            *counts.entry(domain.clone()).or_default() += here;
        }
        Self { key: key.into(), counts }
    }
}

/// A spreading rule and how things stand.
#[derive(Debug)]
pub struct Spread {
    /// Matching pods per domain.
    pub domains: Domains,
    /// How uneven it may be.
    pub max_skew: u32,
    /// The emptiest domain's pods.
    pub least: u32,
    /// 1 if the pod itself will be counted.
    pub own: u32,
    /// `DoNotSchedule`.
    pub hard: bool,
}

/// Everything about other pods that decides where one of a class may go.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// What its claims ask of a node.
    pub claims: Vec<crate::storage::Need>,
    /// Spreading rules.
    pub spread: Vec<Spread>,
    /// Required affinity: domains that have such pods. `None` in place of a term that the pod itself satisfies first.
    pub near: Vec<Option<Domains>>,
    /// Required anti-affinity: domains that have such pods.
    pub apart: Vec<Domains>,
    /// Domains, by key, whose pods do not want this class.
    pub repelled: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// Preferred affinity and anti-affinity.
    pub drawn: Vec<(i64, Domains)>,
}

impl Surroundings {
    /// Looks around for a class. Costs nothing for plain classes in a cluster without anti-affinity.
    pub fn of(class: &PodClass, cluster: &Cluster) -> Self {
        let mut around = Self::default();
        if cluster.has_repelling_pods() {
            around.repelled = repelled(class, cluster);
        }
        if !class.is_entangled() {
            return around;
        }
        let term = |term: &PodTerm| {
            Domains::count(cluster, &term.topology_key, |_| true, |other| term.means(&class.namespace, other))
        };
        around.spread = class.spread.iter().map(|rule| spread(class, rule, cluster)).collect();
        around.near = class
            .near
            .iter()
            .map(|wish| {
                let domains = term(wish);
                let alone = domains.counts.values().all(|count| *count == 0);
                (!(alone && wish.means(&class.namespace, class))).then_some(domains)
            })
            .collect();
        around.apart = class.apart.iter().map(term).collect();
        // Whoever asks knows already if there are claims that nothing can be done about.
        around.claims = cluster.storage.needs(class).unwrap_or_default();
        around.drawn = class.drawn.iter().map(|(weight, wish)| (*weight, term(wish))).collect();
        around
    }
}

fn spread(class: &PodClass, rule: &TopologySpreadConstraint, cluster: &Cluster) -> Spread {
    let meant =
        |other: &PodClass| other.namespace == class.namespace && rule.label_selector.matches(&other.labels);
    let domains = Domains::count(cluster, &rule.topology_key, |node| filter::wanted(class, node), meant);
    Spread {
        least: domains.counts.values().copied().min().unwrap_or(0),
        domains,
        max_skew: u32::try_from(rule.max_skew).unwrap_or(1).max(1),
        own: u32::from(meant(class)),
        hard: rule.when_unsatisfiable != "ScheduleAnyway",
    }
}

fn repelled(class: &PodClass, cluster: &Cluster) -> HashMap<Arc<str>, HashSet<Arc<str>>> {
    let mut repelled: HashMap<Arc<str>, HashSet<Arc<str>>> = HashMap::new();
    for node in cluster.nodes().iter().filter(|node| node.exists) {
        for (other, _) in node.classes.values() {
            for term in other.apart.iter().filter(|term| term.means(&other.namespace, class)) {
                if let Some(domain) = node.labels.get(&term.topology_key) {
                    repelled.entry(term.topology_key.clone()).or_default().insert(domain.clone());
                }
            }
        }
    }
    repelled
}
