//! RollingUpdate: new pods come and old pods go, within the limits at every moment.

use actor::World;
use api::names_for::template_hash;
use api::views::ReplicaSet;

use super::rollout::{Rollout, Set};
use crate::actors::template::same_template;

impl Rollout<'_> {
    /// Grows the current set as far as the surge allows, then shrinks the old ones as far as availability allows.
    pub fn roll(&mut self, world: &World<'_>) {
        // Counts of before a set was last sized could hide pods that still run: wait for its actor's word.
        if !self.sets().all(Set::is_counted) {
            return;
        }
        match self.current.is_some() {
            true => self.size_current(),
            false => self.introduce(world, self.room()),
        }
        self.shrink_old();
    }

    /// Makes the current set with so many pods, under a name that the template gives it.
    pub fn introduce(&mut self, world: &World<'_>, size: i32) {
        let hash = template_hash(&self.me.spec.template, self.collisions.unwrap_or_default().into());
        let name = format!("{}-{hash}", self.me.key.name);
        match world.get::<ReplicaSet>(self.me.key.namespace(), &name) {
            None => self.create_current(&name, &hash, size),
            // It is ours and still to be observed as such; the change that makes it so wakes us.
            Some(found)
                if same_template(&found.spec.template, &self.me.spec.template)
                    && self.manages(&found.metadata) => {}
            Some(_) => self.collisions = Some(self.collisions.unwrap_or_default().saturating_add(1)),
        }
    }

    fn manages(&self, metadata: &api::Metadata) -> bool {
        metadata.controller().is_some_and(|controller| controller.uid == self.me.metadata.uid)
    }

    /// How many pods the current set may get.
    fn room(&self) -> i32 {
        let size = self.current.as_ref().map_or(0, |current| current.size);
        let most = self.wanted().saturating_add(self.limits.surge);
        let free = (most - self.sets().map(Set::possible).sum::<i32>()).max(0);
        size + free.min(self.wanted() - size)
    }

    fn size_current(&mut self) {
        let (wanted, surge) = (self.wanted(), self.limits.surge);
        let room = self.room();
        let Some(current) = &mut self.current else { return };
        if current.size > wanted {
            current.resize(wanted, wanted, surge, "it has more pods than are wanted");
        } else if current.size < wanted && room > current.size {
            current.resize(room, wanted, surge, "the rollout has room for new pods");
        }
    }

    /// Old pods that are not available go first; then as many available ones as can be spared.
    fn shrink_old(&mut self) {
        let least = self.wanted() - self.limits.unavailable;
        let coming = self.current.as_ref().map_or(0, |current| current.size - current.available());
        let mut spare = self.planned() - least - coming;
        let (wanted, surge) = (self.wanted(), self.limits.surge);
        for set in &mut self.old {
            let broken = (set.size - set.available()).min(spare).max(0);
            if broken > 0 {
                spare -= broken;
                set.resize(set.size - broken, wanted, surge, "its pods are old and not available");
            }
        }
        let available: i32 = self.sets().map(Set::available).sum();
        let mut spare = spare.min(available - least);
        for set in &mut self.old {
            let count = set.size.min(spare).max(0);
            if count > 0 {
                spare -= count;
                set.resize(set.size - count, wanted, surge, "enough other pods are available");
            }
        }
    }
}
