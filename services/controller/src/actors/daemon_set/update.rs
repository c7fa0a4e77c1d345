//! The rolling update of a DaemonSet: so many nodes at a time go without, or have two.

use actor::Write;
use api::intstr::IntOrPercent;
use serde_json::Value;

use super::super::pods;
use super::nodes::{Daemon, Fit, Place};
use super::{Turn, place};

impl Turn<'_> {
    /// Replaces pods of other revisions, within the limits.
    pub(super) fn update(&self) -> Vec<Write> {
        let strategy = &self.me.spec.update_strategy;
        if strategy.kind == "OnDelete" {
            return Vec::new();
        }
        let surge = self.limit(&strategy.rolling_update.max_surge, 0);
        match surge {
            0 => self.replace(self.limit(&strategy.rolling_update.max_unavailable, 1).max(1)),
            surge => self.surge(surge),
        }
    }

    /// The old pod ends first. One that is of no use anyway may always go.
    fn replace(&self, most_unavailable: i64) -> Vec<Write> {
        let (mut unavailable, mut useless, mut candidates) = (0_i64, Vec::new(), Vec::new());
        for (_, new, old) in self.wanted() {
            match (new, old) {
                (Some(new), _) => unavailable += i64::from(!new.available),
                (None, None) => unavailable += 1,
                (None, Some(old)) if old.available => candidates.push(old),
                (None, Some(old)) => {
                    unavailable += 1;
                    useless.push(old);
                }
            }
        }
        let free = usize::try_from(most_unavailable - unavailable).unwrap_or_default();
        let go = useless.into_iter().chain(candidates.into_iter().take(free));
        let go = go.filter(|daemon| !daemon.pod.has_ended());
        go.map(|daemon| pods::delete(&daemon.pod, "it is of an older template")).collect()
    }

    /// The new pod comes first, and the old one ends when the new one is available.
    fn surge(&self, most: i64) -> Vec<Write> {
        let (mut surging, mut useless, mut candidates, mut done) =
            (0_i64, Vec::new(), Vec::new(), Vec::new());
        for (node, new, old) in self.wanted() {
            match (new, old) {
                (_, None) => {}
                (Some(new), Some(old)) if new.available => done.push(old),
                (Some(_), Some(_)) => surging += 1,
                (None, Some(old)) if old.available => candidates.push(node),
                (None, Some(_)) => useless.push(node),
            }
        }
        let free = usize::try_from(most - surging).unwrap_or_default();
        let nodes = useless.into_iter().chain(candidates.into_iter().take(free));
        let come = nodes.map(|node| place::create(self, &node.name, "the node has one of an older template"));
        let go = done
            .into_iter()
            .map(|daemon| pods::delete(&daemon.pod, "one of the present template has taken over"));
        come.chain(go).collect()
    }

    /// The nodes that shall have a pod, with the new and the old one that they have.
    fn wanted(&self) -> impl Iterator<Item = (&Place, Option<&Daemon>, Option<&Daemon>)> {
        let wanted = self.daemons.nodes.iter().filter(|node| node.fit == Fit::Yes);
        wanted.map(|node| {
            let (new, old) = node.pair();
            (node, new, old)
        })
    }

    /// A number of nodes, or a share of those that shall have a pod.
    fn limit(&self, stated: &Value, default: i64) -> i64 {
        let total = i64::try_from(self.wanted().count()).unwrap_or(i64::MAX);
        IntOrPercent::parse(stated).map_or(default, |stated| stated.of_rounded_up(total))
    }
}
