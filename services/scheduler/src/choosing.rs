//! A pod whose node is chosen and whose claims wait for their volumes there.

use std::sync::Arc;

use api::NodeName;

use crate::decide::Outcome;
use crate::node_info::Cluster;
use crate::queue::Pending;
use crate::storage::Need;

/// One pod's choice.
#[derive(Debug)]
pub struct Choice {
    pod: Pending,
    node: NodeName,
    /// Some claim was seen with the node on it: if it loses it, somebody wants another choice.
    seen: bool,
    end: Option<End>,
}

/// How waiting ended.
#[derive(Debug)]
enum End {
    /// All claims have volumes that the node reaches.
    Ready,
    /// Another node has to be chosen.
    Undone,
}

impl Choice {
    /// A choice that was just made.
    pub fn new(pod: Pending, node: NodeName) -> Self {
        Self { pod, node, seen: false, end: None }
    }

    /// Whether a claim of that name is among the pod's.
    pub fn is_about(&self, claim: &Arc<str>) -> bool {
        self.pod.class.claims.iter().any(|(name, _)| name == claim)
    }

    /// Looks whether waiting has ended.
    pub fn look(&mut self, cluster: &Cluster) -> bool {
        let node = cluster.nodes().iter().find(|node| node.name == self.node);
        self.end = match (cluster.storage.needs(&self.pod.class), node) {
            (Ok(needs), Some(node)) => {
                // The pod itself is counted among the users of its claims.
                let mut others = needs.iter().filter(|need| !matches!(need, Need::Alone));
                let waits = needs.iter().any(|need| matches!(need, Need::Choose { .. }));
                let chosen =
                    |need: &Need| matches!(need, Need::Choose { selected: Some(on), .. } if *on == self.node);
                let forgotten = |need: &Need| matches!(need, Need::Choose { selected, .. } if selected.as_ref() != Some(&self.node));
                let lost = self.seen && needs.iter().any(forgotten);
                self.seen |=
                    waits && needs.iter().filter(|need| matches!(need, Need::Choose { .. })).all(chosen);
                match waits {
                    _ if lost => Some(End::Undone),
                    true => None,
                    false if others.all(|need| need.misfit(node).is_none()) => Some(End::Ready),
                    false => Some(End::Undone),
                }
            }
            (Err(_), _) | (_, None) => Some(End::Undone),
        };
        self.end.is_some()
    }

    /// The binding, or the pod that has to be looked at again.
    pub fn into_outcome(self) -> Result<Outcome, Pending> {
        match self.end {
            Some(End::Ready) => {
                let because = format!("its volumes are on {}, which was chosen for them", self.node);
                Ok(Outcome::Bind { pod: self.pod, node: self.node, because })
            }
            Some(End::Undone) | None => Err(self.pod),
        }
    }
}
