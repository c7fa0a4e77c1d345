//! Recreate: every old pod is really gone before the first new one is made.

use actor::World;
use api::views::Pod;

use super::rollout::Rollout;

impl Rollout<'_> {
    /// Old sets to zero, then wait, then the current set to its full size.
    pub fn recreate(&mut self, world: &World<'_>) {
        let wanted = self.wanted();
        let mut shrinks = false;
        for set in self.old.iter_mut().filter(|set| set.size > 0) {
            set.resize(0, wanted, 0, "all old pods go before new ones come");
            shrinks = true;
        }
        if shrinks || self.old_pods_exist(world) {
            return;
        }
        match &mut self.current {
            None => self.introduce(world, wanted),
            Some(current) => {
                let size_before = current.size;
                if size_before != wanted {
                    current.resize(wanted, wanted, 0, "all old pods are gone");
                }
            }
        }
    }

    /// Pods that are being deleted still run; only ended ones do no harm.
    fn old_pods_exist(&self, world: &World<'_>) -> bool {
        let runs = |set: &super::rollout::Set| {
            set.object.status.replicas > 0
                || world.controlled_by::<Pod>(&set.object.metadata.uid).any(|pod| !pod.has_ended())
        };
        self.old.iter().any(runs)
    }
}
