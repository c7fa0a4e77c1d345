//! Decides where waiting pods go: one look over the nodes per class, then pod by pod from the best node down.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use api::views::Pod;
use api::{NodeName, ObjectKey, Resource, Uid};

use crate::class::{ClassId, PodClass};
use crate::filter::{Misfit, fits, misfits};
use crate::node_info::{Cluster, NodeInfo, Stay, Tenant};
use crate::preemption::{self, Lower, Plan};
use crate::queue::{Pending, Queue};
use crate::score::{room, score};
use crate::storage::Need;
use crate::surroundings::Surroundings;

/// Nodes that an explanation names one by one.
const NAMED_NODES: usize = 10;
const NO_NODES: &str = "no nodes available to schedule pods";
/// Why others do not go for a pod, in Kubernetes' words.
const NEVER: &str = "not eligible due to preemptionPolicy=Never.";
/// What stands between the reasons of a pod and those of others.
const PREEMPTION: &str = " preemption: ";
/// For so many pods others make room in one run.
const PLANS: usize = 50;
const UNHELPFUL: &str = "Preemption is not helpful for scheduling";

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
    /// It fits nowhere, but others have less priority: they have to go. Its room is kept until they have gone.
    Preempt {
        /// The pod.
        pod: Pending,
        /// Where it will go.
        node: NodeName,
        /// Who has to go.
        victims: Vec<Victim>,
        /// Why it fits nowhere now.
        verdict: Verdict,
    },
    /// It fits nowhere and its condition does not say so yet; it is parked.
    Unplaced {
        /// The pod.
        pod: Pending,
        /// Why.
        verdict: Arc<Verdict>,
    },
}

/// A pod that has to go for one that is more important.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Where it lives.
    pub key: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// Its priority.
    pub priority: i32,
}

/// Pods for which others make room, and where: the cluster keeps room for each.
pub type Nominations = HashMap<Uid, NodeName>;

/// Tries up to `limit` waiting pods.
pub fn decide(
    cluster: &mut Cluster,
    queue: &mut Queue,
    nominations: &mut Nominations,
    limit: usize,
) -> Vec<Outcome> {
    let (frontiers, lower, outcomes) = (HashMap::new(), Lower::default(), Vec::new());
    let mut turn = Turn { cluster, queue, nominations, frontiers, lower, plans: 0, outcomes };
    for pod in turn.queue.take(limit) {
        turn.try_pod(pod);
    }
    turn.outcomes
}

/// One run over waiting pods.
struct Turn<'a> {
    cluster: &'a mut Cluster,
    queue: &'a mut Queue,
    nominations: &'a mut Nominations,
    frontiers: HashMap<ClassId, Frontier>,
    lower: Lower,
    /// For how many pods others make room.
    plans: usize,
    outcomes: Vec<Outcome>,
}

impl Turn<'_> {
    fn try_pod(&mut self, mut pod: Pending) {
        let nomination = self.nominations.remove(&pod.uid);
        if let Some(node) = nomination {
            // The room is kept from others, not from the pod itself.
            self.cluster.remove(&pod.uid);
            let Some(homeless) = self.try_nominated(pod, &node) else { return };
            pod = homeless;
            self.frontiers.clear();
        } else if let Some(verdict) = self.queue.verdict(pod.class.id).cloned() {
            self.park(pod, verdict);
            return;
        }
        let class = pod.class.clone();
        if let Err(why) = self.cluster.storage.needs(&class) {
            let verdict = Arc::new(held_back(&why, &class, self.cluster));
            self.park(pod, verdict);
            return;
        }
        let frontier = self.frontiers.entry(class.id).or_insert_with(|| Frontier::of(&class, self.cluster));
        let Some(choice) = frontier.best(&class, self.cluster) else {
            self.without_room(pod);
            return;
        };
        let claims = frontier.claims_without_volume();
        self.place(&pod, &choice.node, Stay::Bound);
        self.outcomes.push(match claims.is_empty() {
            true => Outcome::Bind { pod, node: choice.node, because: choice.because },
            false => Outcome::Choose { pod, node: choice.node, claims },
        });
    }

    fn place(&mut self, pod: &Pending, node: &NodeName, stay: Stay) {
        let class = &pod.class;
        self.cluster.place(&pod.uid, node, pod.tenant(stay));
        if class.is_entangled() {
            self.frontiers.remove(&class.id);
        }
        if !class.apart.is_empty() {
            self.frontiers.clear();
        }
    }

    /// Parks the pod; an outcome only if that is news to the pod.
    fn park(&mut self, pod: Pending, verdict: Arc<Verdict>) {
        // How others stand changes all the time, and is no news.
        let news = own_reasons(&pod.told) != own_reasons(&verdict.message) || pod.nominated.is_some();
        self.queue.park(pod.clone(), verdict.clone());
        if news {
            self.outcomes.push(Outcome::Unplaced { pod, verdict });
        }
    }

    /// Looks at the node where others make room for the pod, as Kubernetes' `evaluateNominatedNode` does: it goes there, or waits on. The
    /// pod back if that node is no place for it any more.
    fn try_nominated(&mut self, pod: Pending, node: &NodeName) -> Option<Pending> {
        let class = pod.class.clone();
        let around = Surroundings::of(&class, self.cluster);
        let at = self.cluster.index_of(node);
        let info = at.and_then(|at| self.cluster.nodes().get(at)).filter(|info| info.exists);
        let (Some(at), Some(info), Ok(_)) = (at, info, self.cluster.storage.needs(&class)) else {
            return Some(pod);
        };
        if fits(&class, info, &around)
            && around.claims.iter().all(|need| !matches!(need, Need::Choose { .. }))
        {
            let because = format!("others have made room for it on {node}");
            self.place(&pod, node, Stay::Bound);
            self.outcomes.push(Outcome::Bind { pod, node: node.clone(), because });
            return None;
        }
        let yields = misfits(&class, info, &around).iter().all(Misfit::yields);
        if yields && preemption::awaits(&class, at, self.cluster, &mut self.lower) {
            self.place(&pod, node, Stay::Nominated);
            self.nominations.insert(pod.uid.clone(), node.clone());
            self.queue.hold(pod, node);
            return None;
        }
        Some(pod)
    }

    /// The pod fits nowhere: others have to make room, or it is parked.
    fn without_room(&mut self, pod: Pending) {
        let class = pod.class.clone();
        if self.plans == PLANS {
            // What was decided so far is written first.
            self.queue.put(pod);
            return;
        }
        let (mut verdict, helpful) = explain(&class, self.cluster);
        if self.cluster.live() == 0 {
            self.park(pod, Arc::new(verdict));
            return;
        }
        let planned = preemption::plan(&class, self.cluster, (&helpful, self.plans), &mut self.lower);
        match planned {
            Ok(plan) => self.make_room(pod, &plan, verdict),
            Err(mut reasons) => {
                let why_not = match class.preempts {
                    true => unhelpful(self.cluster.live(), helpful.len(), &mut reasons),
                    false => NEVER.to_owned(),
                };
                verdict.message = format!("{}{PREEMPTION}{why_not}", verdict.message);
                self.park(pod, Arc::new(verdict));
            }
        }
    }

    /// Keeps the room for the pod, and lets those go who have to.
    fn make_room(&mut self, pod: Pending, plan: &Plan, verdict: Verdict) {
        let Some(node) = self.cluster.nodes().get(plan.node).map(|node| node.name.clone()) else { return };
        self.plans += 1;
        for uid in &plan.displaced {
            self.nominations.remove(uid);
            self.cluster.remove(uid);
            self.queue.wake(uid);
            self.frontiers.clear();
        }
        let victims: Vec<Victim> = plan.victims.iter().filter_map(|uid| self.evict(uid)).collect();
        self.place(&pod, &node, Stay::Nominated);
        self.nominations.insert(pod.uid.clone(), node.clone());
        match plan.at_once {
            true => self.queue.put(pod),
            false => {
                self.queue.hold(pod.clone(), &node);
                self.outcomes.push(Outcome::Preempt { pod, node, victims, verdict });
            }
        }
    }

    fn evict(&mut self, uid: &Uid) -> Option<Victim> {
        self.cluster.leaves(uid, true);
        let Tenant { name, class, .. } = &self.cluster.placed(uid)?.tenant;
        let key = ObjectKey::namespaced(Pod::ID, &class.namespace, name);
        let class = class.clone();
        self.cluster.budgets.spend(&class);
        Some(Victim { key, uid: uid.clone(), priority: class.priority })
    }
}

/// What a message says of the pod itself, without those that might have made room for it.
fn own_reasons(message: &str) -> &str {
    message.split(PREEMPTION).next().unwrap_or_default()
}

/// Why no pods go, in Kubernetes' words: `reasons` are of nodes among the `helpful` ones.
fn unhelpful(live: usize, helpful: usize, reasons: &mut BTreeMap<String, usize>) -> String {
    if live > helpful {
        reasons.insert(UNHELPFUL.to_owned(), live - helpful);
    }
    tally(live, reasons)
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
fn held_back(why: &str, class: &PodClass, cluster: &Cluster) -> Verdict {
    let message = match (cluster.live(), class.preempts) {
        (0, _) => NO_NODES.to_owned(),
        (live, true) => {
            let why_not = unhelpful(live, 0, &mut BTreeMap::new());
            format!("0/{live} nodes are available: {why}.{PREEMPTION}{why_not}")
        }
        (live, false) => format!("0/{live} nodes are available: {why}.{PREEMPTION}{NEVER}"),
    };
    Verdict { message, because: why.to_owned() }
}

/// Says of every node why it does not fit, in Kubernetes' aggregated form and node by node; and which nodes may fit when pods leave them.
fn explain(class: &PodClass, cluster: &Cluster) -> (Verdict, Vec<usize>) {
    let around = Surroundings::of(class, cluster);
    let nodes = cluster.nodes().iter().enumerate().filter(|(_, node)| node.exists);
    let live = cluster.live();
    if live == 0 {
        return (Verdict { because: NO_NODES.to_owned(), message: NO_NODES.to_owned() }, Vec::new());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut named, mut helpful) = (Vec::new(), Vec::new());
    for (at, node) in nodes {
        let found = misfits(class, node, &around);
        for misfit in &found {
            *counts.entry(misfit.to_string()).or_default() += 1;
        }
        if found.iter().all(Misfit::yields) {
            helpful.push(at);
        }
        if named.len() < NAMED_NODES {
            let reasons: Vec<String> = found.iter().map(Misfit::about_node).collect();
            named.push(format!("{} {}", node.name, reasons.join(", ")));
        }
    }
    if live > NAMED_NODES {
        named.push(format!("and {} more nodes", live - NAMED_NODES));
    }
    (Verdict { message: tally(live, &counts), because: named.join("; ") }, helpful)
}

/// Kubernetes' sentence of counted reasons.
fn tally(live: usize, counts: &BTreeMap<String, usize>) -> String {
    let mut reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort();
    format!("0/{live} nodes are available: {}.", reasons.join(", "))
}
