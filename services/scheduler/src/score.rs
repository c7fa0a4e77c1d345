//! How good a node is for a pod, among those that fit. Placing a pod never makes a node better for its own plain class.

use crate::class::PodClass;
use crate::filter::{term_holds, tolerated};
use crate::node_info::NodeInfo;
use crate::surroundings::Surroundings;

/// What one more pod of the same owner on the node costs; the room that is left counts up to 100.
const SAME_NODE: i64 = 100;
/// What one more pod of the same owner in the node's zone costs.
const SAME_ZONE: i64 = 50;
/// What an untolerated `PreferNoSchedule` taint costs.
const DISLIKED: i64 = 300;
/// What one more pod in the domain of a `ScheduleAnyway` rule costs.
const SKEW: i64 = 100;

/// Higher is better. `in_zone` is how many pods of the owner the node's zone has.
pub fn score(class: &PodClass, node: &NodeInfo, around: &Surroundings, in_zone: u32) -> i64 {
    let on_node = class.group.and_then(|group| node.groups.get(&group)).copied().unwrap_or(0);
    let mut score = room(class, node) - SAME_NODE * i64::from(on_node) - SAME_ZONE * i64::from(in_zone);
    let disliked = node
        .taints
        .iter()
        .filter(|taint| taint.effect == "PreferNoSchedule" && !tolerated(taint, &class.tolerations))
        .count();
    score -= DISLIKED * i64::try_from(disliked).unwrap_or(1);
    for wish in class.preferred.iter().filter(|wish| term_holds(&wish.preference, node)) {
        score += 2 * i64::from(wish.weight);
    }
    for (weight, domains) in &around.drawn {
        score += 2 * weight * i64::from(domains.at(node).unwrap_or(0).min(10));
    }
    for rule in around.spread.iter().filter(|rule| !rule.hard) {
        score -= SKEW * i64::from(rule.domains.at(node).unwrap_or(u32::from(u16::MAX)));
    }
    score
}

/// What share of CPU and memory would be left, on average, in percent.
pub fn room(class: &PodClass, node: &NodeInfo) -> i64 {
    let left = |has: i64, used: i64, asked: i64| match has {
        ..=0 => 0,
        has => ((has - used - asked).max(0).saturating_mul(100)) / has,
    };
    let cpu = left(node.allocatable.cpu, node.weight.0, class.weight.0);
    let memory = left(node.allocatable.memory, node.weight.1, class.weight.1);
    i64::midpoint(cpu, memory)
}
