//! The rolling update of a StatefulSet: from the last ordinal down to the partition.

use actor::Write;
use api::intstr::IntOrPercent;

use super::super::pods;
use super::Step;

impl Step<'_> {
    /// Ends pods of other revisions, as many at a time as may be unavailable.
    pub(super) fn roll(&self) -> Vec<Write> {
        let strategy = &self.me.spec.update_strategy;
        if strategy.kind == "OnDelete" {
            return Vec::new();
        }
        let first_new = self.me.spec.ordinals.start.saturating_add(strategy.rolling_update.partition);
        let mut may_go = self.most_unavailable();
        let mut writes = Vec::new();
        let members = self.members.wanted.range(first_new..).rev();
        for (_, member) in members {
            match member {
                Some(member) if member.revision != self.update.name && !member.is_terminating() => {
                    let because = format!("it is of {}, {} is wanted", member.revision, self.update.name);
                    writes.push(pods::delete(&member.pod, &because));
                }
                Some(member) if member.available => continue,
                Some(_) | None => {}
            }
            may_go -= 1;
            if may_go == 0 {
                break;
            }
        }
        writes
    }

    /// At least one.
    fn most_unavailable(&self) -> i64 {
        let stated = IntOrPercent::parse(&self.me.spec.update_strategy.rolling_update.max_unavailable);
        stated.map_or(1, |stated| stated.of_rounded_up(i64::from(self.me.spec.replicas))).max(1)
    }
}
