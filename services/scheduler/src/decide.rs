//! Decides where waiting pods go: one look over the nodes per class, then pod by pod from the best node down.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use api::{NodeName, ObjectKey};

use crate::class::{ClassId, PodClass};
use crate::filter::{fits, misfits};
use crate::node_info::{Cluster, NodeInfo};
use crate::queue::{Pending, Queue};
use crate::score::{room, score};
use crate::storage::Need;
use crate::surroundings::Surroundings;

/// Nodes that an explanation names one by one.
const NAMED_NODES: usize = 10;

/// Why a class fits nowhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Kubernetes' sentence: `0/3 nodes are available: 3 Insufficient memory.`
    pub message: String,
    /// Node by node, for people.
    pub because: String,
}

/// What becomes of one pod.
#[derive(Debug)]
pub enum Outcome {
    /// It goes to a node; the cluster counts it there already.
    Bind {
        /// The pod.
        pod: Pending,
        /// Where to.
        node: NodeName,
        /// Why there.
        because: String,
    },
    /// It goes to a node when its claims have volumes there: the claims are told the node, the cluster counts the pod there already.
    Choose {
        /// The pod.
        pod: Pending,
        /// Where to.
        node: NodeName,
        /// Claims that wait for a node.
        claims: Vec<ObjectKey>,
    },
    /// It fits nowhere and its condition does not say so yet; it is parked.
    Unplaced {
        /// The pod.
        pod: Pending,
        /// Why.
        verdict: Arc<Verdict>,
    },
}

/// Tries up to `limit` waiting pods.
pub fn decide(cluster: &mut Cluster, queue: &mut Queue, limit: usize) -> Vec<Outcome> {
    let mut frontiers: HashMap<ClassId, Frontier> = HashMap::new();
    let mut outcomes = Vec::new();
    for pod in queue.take(limit) {
        if let Some(verdict) = queue.verdict(pod.class.id).cloned() {
            outcomes.extend(unplaced(queue, pod, verdict));
            continue;
        }
        let class = pod.class.clone();
        if let Err(why) = cluster.storage.needs(&class) {
            let verdict = Arc::new(held_back(&why, cluster));
            outcomes.extend(unplaced(queue, pod, verdict));
            continue;
        }
        let frontier = frontiers.entry(class.id).or_insert_with(|| Frontier::of(&class, cluster));
        let Some(choice) = frontier.best(&class, cluster) else {
            let verdict = Arc::new(explain(&class, cluster));
            outcomes.extend(unplaced(queue, pod, verdict));
            continue;
        };
        let claims = frontier.claims_without_volume();
        cluster.place(&pod.uid, &choice.node, &class);
        if class.is_entangled() {
            frontiers.remove(&class.id);
        }
        if !class.apart.is_empty() {
            frontiers.clear();
        }
        outcomes.push(match claims.is_empty() {
            true => Outcome::Bind { pod, node: choice.node, because: choice.because },
            false => Outcome::Choose { pod, node: choice.node, claims },
        });
    }
    outcomes
}

/// Parks the pod; an outcome only if that is news to the pod.
fn unplaced(queue: &mut Queue, pod: Pending, verdict: Arc<Verdict>) -> Option<Outcome> {
    let news = pod.told != verdict.message;
    queue.park(pod.clone(), verdict.clone());
    news.then_some(Outcome::Unplaced { pod, verdict })
}

struct Choice {
    node: NodeName,
    because: String,
}

/// The nodes that fit a class, best first. Scores may be out of date, but only too high: while pods are placed,
/// a node only gets worse for a plain class, so the top is the best once it has been looked at again.
struct Frontier {
    around: Surroundings,
    heap: BinaryHeap<(i64, std::cmp::Reverse<usize>)>,
    fitting: usize,
    live: usize,
}

impl Frontier {
    fn of(class: &PodClass, cluster: &Cluster) -> Self {
        let around = Surroundings::of(class, cluster);
        let candidates = cluster.nodes().iter().enumerate().filter(|(_, node)| node.exists);
        let heap: BinaryHeap<_> = candidates
            .filter(|(_, node)| fits(class, node, &around))
            .map(|(at, node)| (rate(class, node, &around, cluster), std::cmp::Reverse(at)))
            .collect();
        Self { around, fitting: heap.len(), heap, live: cluster.live() }
    }

    fn best(&mut self, class: &PodClass, cluster: &Cluster) -> Option<Choice> {
        loop {
            let mut top = self.heap.peek_mut()?;
            let (stored, at) = (top.0, top.1.0);
            let node = cluster.nodes().get(at).filter(|node| node.exists && fits(class, node, &self.around));
            let Some(node) = node else {
                std::collections::binary_heap::PeekMut::pop(top);
                continue;
            };
            let rated = rate(class, node, &self.around, cluster);
            if rated < stored {
                top.0 = rated;
                continue;
            }
            drop(top);
            return Some(Choice { node: node.name.clone(), because: self.reason(class, node) });
        }
    }

    fn claims_without_volume(&self) -> Vec<ObjectKey> {
        let waiting = self.around.claims.iter().filter_map(|need| match need {
            Need::Choose { claim, .. } => Some(claim.clone()),
            Need::Reach(_) | Need::Alone => None,
        });
        waiting.collect()
    }

    fn reason(&self, class: &PodClass, node: &NodeInfo) -> String {
        let siblings = class.group.and_then(|group| node.groups.get(&group)).copied().unwrap_or(0);
        let siblings = match siblings {
            0 => "none of its siblings".to_owned(),
            count => format!("{count} of its siblings"),
        };
        let (name, left, fitting, live) = (&node.name, room(class, node), self.fitting, self.live);
        format!(
            "{name} is the best of {fitting} nodes that fit, of {live}: it has {siblings} and {left}% of room left"
        )
    }
}

fn rate(class: &PodClass, node: &NodeInfo, around: &Surroundings, cluster: &Cluster) -> i64 {
    let in_zone = match (class.group, node.zone()) {
        (Some(group), zone) if !zone.is_empty() => cluster.in_zone(group, zone),
        _ => 0,
    };
    score(class, node, around, in_zone)
}

/// Why pods of a class wait wherever they are to go.
fn held_back(why: &str, cluster: &Cluster) -> Verdict {
    let message = match cluster.live() {
        0 => "no nodes available to schedule pods".to_owned(),
        live => format!("0/{live} nodes are available: {why}."),
    };
    Verdict { message, because: why.to_owned() }
}

/// Says of every node why it does not fit, in Kubernetes' aggregated form and node by node.
pub fn explain(class: &PodClass, cluster: &Cluster) -> Verdict {
    let around = Surroundings::of(class, cluster);
    let nodes = || cluster.nodes().iter().filter(|node| node.exists);
    let live = cluster.live();
    if live == 0 {
        let message = "no nodes available to schedule pods".to_owned();
        return Verdict { because: message.clone(), message };
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut named = Vec::new();
    for (at, node) in nodes().enumerate() {
        let found = misfits(class, node, &around);
        for misfit in &found {
            *counts.entry(misfit.to_string()).or_default() += 1;
        }
        if at < NAMED_NODES {
            let reasons: Vec<String> = found.iter().map(crate::filter::Misfit::about_node).collect();
            named.push(format!("{} {}", node.name, reasons.join(", ")));
        }
    }
    if live > NAMED_NODES {
        named.push(format!("and {} more nodes", live - NAMED_NODES));
    }
    let mut reasons: Vec<String> =
        counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort();
    Verdict {
        message: format!("0/{live} nodes are available: {}.", reasons.join(", ")),
        because: named.join("; "),
    }
}
