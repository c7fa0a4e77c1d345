//! Scaling in the middle of a rollout: every set keeps its share.

use super::annotations::{self, DESIRED, MAX};
use super::rollout::{Rollout, Set};

impl Rollout<'_> {
    /// The deployment's `replicas` changed since its sets were last sized.
    pub fn is_being_scaled(&self) -> bool {
        let active = self.sets().filter(|set| set.size > 0);
        active
            .filter_map(|set| annotations::number(&set.object.metadata, DESIRED))
            .any(|sized| sized != i64::from(self.wanted()))
    }

    /// Sizes the sets for the wanted scale without moving the rollout on.
    pub fn scale(&mut self) {
        let (wanted, surge) = (self.wanted(), self.limits.surge);
        if let Some(only) = self.only_active() {
            only.resize(wanted, wanted, surge, "the deployment was scaled");
            return;
        }
        if self.is_saturated() {
            let active = self.old.iter_mut().filter(|set| set.size > 0);
            active.for_each(|set| set.resize(0, wanted, surge, "the current pods are all available"));
            return;
        }
        self.scale_in_proportion();
    }

    /// The one active set; if none is active, the current one, or else the youngest.
    fn only_active(&mut self) -> Option<&mut Set> {
        let active = self.sets().filter(|set| set.size > 0).count();
        let (current, old) = (&mut self.current, &mut self.old);
        match active {
            0 => current.as_mut().or(old.last_mut()),
            1 => old.iter_mut().chain(current).find(|set| set.size > 0),
            _ => None,
        }
    }

    /// The current set alone is what is wanted.
    fn is_saturated(&self) -> bool {
        let wanted = self.wanted();
        self.current.as_ref().is_some_and(|current| {
            let desired = annotations::number(&current.object.metadata, DESIRED);
            current.size == wanted
                && desired == Some(i64::from(wanted))
                && current.object.status.available_replicas == wanted
        })
    }

    /// Spreads the difference over the active sets by their sizes; the largest takes what rounding leaves.
    fn scale_in_proportion(&mut self) {
        let (wanted, surge) = (self.wanted(), self.limits.surge);
        let allowed = if wanted > 0 { wanted.saturating_add(surge) } else { 0 };
        let to_add = allowed - self.planned();
        let before = i64::from(self.me.status.replicas);
        let mut active: Vec<&mut Set> =
            self.old.iter_mut().chain(&mut self.current).filter(|set| set.size > 0).collect();
        // Stable, and the input is oldest first: growing prefers the younger of equals, shrinking the older.
        if to_add > 0 {
            active.reverse();
        }
        active.sort_by_key(|set| std::cmp::Reverse(set.size));
        let mut added = 0;
        let mut sizes = Vec::with_capacity(active.len());
        for set in &active {
            let share = share(set, wanted, surge, before);
            let part =
                if to_add >= 0 { share.clamp(0, to_add - added) } else { share.clamp(to_add - added, 0) };
            added += part;
            sizes.push(set.size + part);
        }
        if let Some(largest) = sizes.first_mut() {
            *largest = (*largest + to_add - added).max(0);
        }
        for (set, size) in active.into_iter().zip(sizes) {
            set.resize(size, wanted, surge, "the deployment was scaled during a rollout");
        }
    }
}

/// How much a set grows if all grow alike.
fn share(set: &Set, wanted: i32, surge: i32, pods_before: i64) -> i32 {
    if wanted == 0 {
        return -set.size;
    }
    let before = annotations::number(&set.object.metadata, MAX).filter(|max| *max > 0).unwrap_or(pods_before);
    if before <= 0 {
        return 0;
    }
    let after = i64::from(wanted.saturating_add(surge));
    // Rounds half up, as Kubernetes does.
    let size = (i64::from(set.size).saturating_mul(after).saturating_mul(2) + before) / (before * 2);
    i32::try_from(size).unwrap_or(i32::MAX).saturating_sub(set.size)
}
