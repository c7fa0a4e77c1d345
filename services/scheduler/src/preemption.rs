//! Makes room for a pod that fits nowhere: which pods of lower priority have to go, and from which node.
//!
//! As Kubernetes' `DefaultPreemption`: each node that may help is looked at without its pods of lower priority. If the pod fits then, as
//! many of them stay as can, those first that a disruption budget protects, then the most important. The node that loses least is taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use api::{Timestamp, Uid};

use crate::class::PodClass;
use crate::filter::{fits, misfits};
use crate::node_info::{Cluster, Placed, Stay};
use crate::storage::Need;
use crate::surroundings::Surroundings;

/// Nodes whose losses are compared: with so many the search ends, if one of them violates no budget (Kubernetes' figure).
const CANDIDATES: usize = 100;
/// The same for pods that look at other nodes, too, whenever one pod is lifted.
const FAR_SIGHTED: usize = 10;
/// Added to each priority before they are summed, so that fewer victims cost less whatever their priorities are.
const ABOVE_ALL_PRIORITIES: i64 = 1 << 31;

/// What has to happen for a pod to fit.
#[derive(Debug)]
pub struct Plan {
    /// The node, by index.
    pub node: usize,
    /// Pods that have to go, the least important first.
    pub victims: Vec<Uid>,
    /// Pods of lower priority that lose the room that is kept for them there.
    pub displaced: Vec<Uid>,
    /// Nothing has to go: the pod fits as soon as those who are displaced are.
    pub at_once: bool,
}

/// Pods of lower priority than some priority, by node, as they were when one decision began.
#[derive(Debug, Default)]
pub struct Lower(HashMap<i32, HashMap<usize, Vec<Uid>>>);

/// What a node's victims cost. Less is better; what comes first matters most.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    budgets_violated: usize,
    highest_priority: i32,
    priorities: i64,
    victims: usize,
    /// Others have to leave first, if only those who are leaving anyway.
    waits: bool,
    /// When the oldest of those with the highest priority was created: the younger, the better.
    oldest: Reverse<Timestamp>,
}

struct Victim {
    uid: Uid,
    placed: Placed,
    violates: bool,
}

/// Looks for a node among `helpful` ones, beginning at one of them. A class that never preempts may still take room that is kept for
/// others. Otherwise: how many nodes have which reason, in Kubernetes' words. The cluster is as before.
pub fn plan(
    class: &PodClass,
    cluster: &mut Cluster,
    (helpful, begin): (&[usize], usize),
    lower: &mut Lower,
) -> Result<Plan, BTreeMap<String, usize>> {
    let lower = lower.0.entry(class.priority).or_insert_with(|| cluster.lower_than(class.priority));
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut candidates: Vec<(Cost, Plan)> = Vec::new();
    let look = Look::new(class, cluster);
    let begin = begin.checked_rem(helpful.len()).unwrap_or_default();
    let (first, then) = helpful.split_at(begin);
    for at in then.iter().chain(first) {
        let Some(pods) = lower.get(at) else {
            *reasons.entry("No preemption victims found for incoming pod".to_owned()).or_default() += 1;
            continue;
        };
        match look.without(*at, pods, cluster) {
            Ok((_, plan)) if !class.preempts && !plan.at_once => {}
            Ok(candidate) => candidates.push(candidate),
            Err(found) => found.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1),
        }
        let enough = if look.fixed.is_some() { CANDIDATES } else { FAR_SIGHTED };
        if candidates.len() >= enough && candidates.iter().any(|(cost, _)| cost.budgets_violated == 0) {
            break;
        }
    }
    let best = candidates.into_iter().min_by(|(one, _), (other, _)| one.cmp(other));
    best.map(|(_, plan)| plan).ok_or(reasons)
}

/// Whether pods of lower priority are about to leave the node.
pub fn awaits(class: &PodClass, at: usize, cluster: &Cluster, lower: &mut Lower) -> bool {
    let lower = lower.0.entry(class.priority).or_insert_with(|| cluster.lower_than(class.priority));
    let leaves = |uid: &Uid| cluster.placed(uid).is_some_and(|placed| placed.tenant.stay == Stay::Leaving);
    lower.get(&at).is_some_and(|pods| pods.iter().any(leaves))
}

/// How a class looks at nodes that change while it looks.
struct Look<'a> {
    class: &'a PodClass,
    /// What is around it, if that does not depend on who is lifted.
    fixed: Option<Surroundings>,
}

impl<'a> Look<'a> {
    fn new(class: &'a PodClass, cluster: &Cluster) -> Self {
        let around = Surroundings::of(class, cluster);
        let moves = around.spread.iter().any(|rule| rule.hard)
            || !around.near.is_empty()
            || !around.apart.is_empty()
            || !around.repelled.is_empty()
            || around.claims.iter().any(|need| matches!(need, Need::Alone));
        Self { class, fixed: (!moves).then_some(around) }
    }

    fn fits(&self, at: usize, cluster: &Cluster) -> bool {
        let Some(node) = cluster.nodes().get(at) else { return false };
        match &self.fixed {
            Some(around) => fits(self.class, node, around),
            None => fits(self.class, node, &Surroundings::of(self.class, cluster)),
        }
    }

    fn reasons(&self, at: usize, cluster: &Cluster) -> Vec<String> {
        let Some(node) = cluster.nodes().get(at) else { return Vec::new() };
        let words = |around| misfits(self.class, node, around).iter().map(ToString::to_string).collect();
        match &self.fixed {
            Some(around) => words(around),
            None => words(&Surroundings::of(self.class, cluster)),
        }
    }

    /// What one node loses, or why that would not help.
    fn without(&self, at: usize, pods: &[Uid], cluster: &mut Cluster) -> Result<(Cost, Plan), Vec<String>> {
        let lifted: Vec<(Uid, Placed)> =
            pods.iter().filter_map(|uid| Some((uid.clone(), cluster.remove(uid)?))).collect();
        let (staying, mut others): (Vec<_>, Vec<_>) =
            lifted.into_iter().partition(|(_, placed)| placed.tenant.stay == Stay::Bound);
        if !self.fits(at, cluster) {
            let reasons = self.reasons(at, cluster);
            staying.into_iter().chain(others).for_each(|(uid, placed)| cluster.put_back(uid, placed));
            return Err(reasons);
        }
        let victims = self.reprieve(at, judged(staying, cluster), cluster);
        let displaced =
            others.extract_if(.., |(_, placed)| placed.tenant.stay == Stay::Nominated).collect::<Vec<_>>();
        others.into_iter().for_each(|(uid, placed)| cluster.put_back(uid, placed));
        let at_once = victims.is_empty() && self.fits(at, cluster);
        let cost = Cost::of(&victims, at_once);
        let plan = Plan {
            node: at,
            victims: victims.iter().rev().map(|victim| victim.uid.clone()).collect(),
            displaced: displaced.iter().map(|(uid, _)| uid.clone()).collect(),
            at_once,
        };
        displaced.into_iter().for_each(|(uid, placed)| cluster.put_back(uid, placed));
        victims.into_iter().for_each(|victim| cluster.put_back(victim.uid, victim.placed));
        Ok((cost, plan))
    }

    /// Puts back whoever may stay; the others, the most important first.
    fn reprieve(&self, at: usize, pods: Vec<Victim>, cluster: &mut Cluster) -> Vec<Victim> {
        let mut victims = Vec::new();
        for Victim { uid, placed, violates } in pods {
            cluster.put_back(uid.clone(), placed);
            if self.fits(at, cluster) {
                continue;
            }
            if let Some(placed) = cluster.remove(&uid) {
                victims.push(Victim { uid, placed, violates });
            }
        }
        victims.sort_by_key(|victim| importance(&victim.placed));
        victims
    }
}

impl Cost {
    /// `victims` begin with the most important.
    fn of(victims: &[Victim], at_once: bool) -> Self {
        let priority = |victim: &Victim| victim.placed.tenant.class.priority;
        let highest_priority = victims.first().map_or(i32::MIN, priority);
        Self {
            budgets_violated: victims.iter().filter(|victim| victim.violates).count(),
            highest_priority,
            priorities: victims.iter().map(|victim| i64::from(priority(victim)) + ABOVE_ALL_PRIORITIES).sum(),
            victims: victims.len(),
            waits: !at_once,
            oldest: Reverse(
                victims.first().map_or(Timestamp(i64::MAX), |victim| victim.placed.tenant.created),
            ),
        }
    }
}

/// Higher priority, then greater age.
fn importance(placed: &Placed) -> (Reverse<i32>, Timestamp) {
    (Reverse(placed.tenant.class.priority), placed.tenant.created)
}

/// The pods in the order in which they may come back: those whose going violates a disruption budget first, the most important first.
fn judged(mut pods: Vec<(Uid, Placed)>, cluster: &Cluster) -> Vec<Victim> {
    pods.sort_by(|(one, here), (other, there)| (importance(here), one).cmp(&(importance(there), other)));
    let mut allowed: HashMap<&api::ObjectKey, i64> = HashMap::new();
    let mut violates = |placed: &Placed| {
        let (name, class) = (&placed.tenant.name, &placed.tenant.class);
        let mut violates = false;
        for budget in cluster.budgets.of(class).filter(|budget| !budget.has_counted(name)) {
            let left = allowed.entry(&budget.object.key).or_insert(budget.left());
            *left -= 1;
            violates |= *left < 0;
        }
        violates
    };
    let judged = pods.into_iter().map(|(uid, placed)| Victim { violates: violates(&placed), uid, placed });
    let (mut first, then): (Vec<_>, Vec<_>) = judged.partition(|victim| victim.violates);
    first.extend(then);
    first
}
