//! Takes over what the engine lists: what it lists is the truth, what was remembered is only what it cannot know.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{ContainerMemory, HookState, Instance, PodState, Sandbox};
use crate::runtime::{Container, Role, RunState};

impl PodState {
    /// Takes over a listing of all of the pod's containers.
    pub fn observe(&mut self, listed: Vec<Container>) {
        let adopted = !self.observed;
        let mut sandboxes = Vec::new();
        let mut members: BTreeMap<Arc<str>, Vec<Container>> = BTreeMap::new();
        for container in listed {
            match &container.role {
                Role::Sandbox => sandboxes.push(container),
                Role::Member(name) => members.entry(Arc::clone(name)).or_default().push(container),
            }
        }
        self.surplus.clear();
        self.observe_sandboxes(sandboxes);
        for (name, memory) in &mut self.containers {
            // How a container of a pod that ends has ended is still to be told after it was removed.
            let told_later = self.stop.is_some() && memory.exit().is_some();
            if !members.contains_key(name) && !told_later {
                memory.forget_instances();
            }
        }
        for (name, instances) in members {
            self.observe_member(name, instances, adopted);
        }
        self.removing.retain(|id| self.surplus.contains(id));
        self.observed = true;
    }

    fn observe_sandboxes(&mut self, mut sandboxes: Vec<Container>) {
        sandboxes.sort_by_key(|sandbox| sandbox.attempt);
        let newest = sandboxes.pop();
        self.surplus.extend(sandboxes.into_iter().map(|sandbox| sandbox.id));
        self.sandbox = match newest {
            None => Sandbox::Absent,
            Some(newest) => {
                self.sandbox_attempts = self.sandbox_attempts.max(newest.attempt.saturating_add(1));
                self.last_address = newest.address.or(self.last_address);
                match newest.state {
                    RunState::Running { .. } => Sandbox::Running { id: newest.id, address: newest.address },
                    RunState::Created | RunState::Exited(_) => Sandbox::Dead { id: newest.id },
                }
            }
        };
        if !matches!(self.sandbox, Sandbox::Running { .. }) {
            self.filled = None;
        }
    }

    fn observe_member(&mut self, name: Arc<str>, mut instances: Vec<Container>, adopted: bool) {
        instances.sort_by_key(|instance| instance.attempt);
        let current = instances.pop().map(Instance::from);
        let previous = instances.pop().map(Instance::from);
        self.surplus.extend(instances.into_iter().map(|instance| instance.id));
        let memory = self.containers.entry(name).or_default();
        memory.previous = previous;
        if let Some(current) = current {
            memory.see(current, adopted);
        }
    }
}

impl ContainerMemory {
    /// Takes over the newest instance.
    fn see(&mut self, seen: Instance, adopted: bool) {
        let same = self.current.as_ref().is_some_and(|known| known.id == seen.id);
        let had_ended = same && self.exit().is_some();
        if !same {
            self.probes.clear();
            self.stopping = None;
            self.last_words = None;
            self.resize = None;
            // The agent that started it has run its hook, or was killed while it did.
            self.post_start = if adopted { HookState::Done } else { HookState::Pending };
        }
        self.attempts = self.attempts.max(seen.attempt.saturating_add(1));
        match &seen.state {
            RunState::Exited(exit) if !had_ended => {
                self.count_exit(&exit.clone());
                self.stopping = None;
                self.probes.clear();
            }
            RunState::Exited(_) | RunState::Running { .. } | RunState::Created => {}
        }
        self.current = Some(seen);
    }

    fn forget_instances(&mut self) {
        self.current = None;
        self.previous = None;
        self.stopping = None;
        self.probes.clear();
        self.post_start = HookState::Pending;
    }
}

impl From<Container> for Instance {
    fn from(container: Container) -> Self {
        Self {
            id: container.id,
            attempt: container.attempt,
            hash: container.spec_hash,
            sandbox: container.sandbox,
            image: container.image,
            image_id: container.image_id,
            limits: container.limits,
            state: container.state,
        }
    }
}
