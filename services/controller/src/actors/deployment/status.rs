//! The counts of a deployment.

use std::time::Duration;

use api::views::DeploymentStatus;

use super::rollout::{Rollout, Set};

impl Rollout<'_> {
    /// The complete status, and when the deadline asks for another look.
    pub fn status(&mut self) -> (DeploymentStatus, Option<Duration>) {
        let counts = self.counts();
        self.note_availability(counts.available_replicas);
        let status = DeploymentStatus { conditions: self.conditions.clone(), ..counts };
        (status, self.until_deadline())
    }

    /// What the sets' own actors have counted.
    pub fn counts(&self) -> DeploymentStatus {
        let sum = |count: fn(&Set) -> i32| self.sets().map(count).sum::<i32>();
        let available = sum(|set| set.object.status.available_replicas);
        DeploymentStatus {
            observed_generation: self.me.metadata.generation,
            replicas: sum(|set| set.object.status.replicas),
            updated_replicas: self.current.as_ref().map_or(0, |current| current.object.status.replicas),
            ready_replicas: sum(|set| set.object.status.ready_replicas),
            available_replicas: available,
            unavailable_replicas: (self.planned() - available).max(0),
            conditions: Vec::new(),
            collision_count: self.collisions,
        }
    }

    /// Every wanted pod is of the current template and available, and no other is left.
    pub fn is_complete(&self) -> bool {
        let (counts, wanted) = (self.counts(), self.wanted());
        counts.updated_replicas == wanted && counts.replicas == wanted && counts.available_replicas == wanted
    }
}
