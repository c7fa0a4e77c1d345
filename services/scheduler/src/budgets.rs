//! Disruption budgets as preemption counts on them: what their status allows, less what was decided since.

use std::collections::HashMap;
use std::sync::Arc;

use api::views::PodDisruptionBudget;
use api::{Object, ObjectKey};

use crate::class::PodClass;

/// All budgets, by namespace.
#[derive(Debug, Default)]
pub struct Budgets(HashMap<Arc<str>, HashMap<ObjectKey, Budget>>);

/// One budget.
#[derive(Debug)]
pub struct Budget {
    /// As it is.
    pub object: Arc<Object<PodDisruptionBudget>>,
    /// Pods that have to go and that its status does not know of yet.
    spent: i64,
}

impl Budgets {
    /// A budget was created or changed. Its status tells of what was decided before, or soon will.
    pub fn put(&mut self, object: Arc<Object<PodDisruptionBudget>>) {
        let of_namespace = self.0.entry(object.key.namespace().into()).or_default();
        of_namespace.insert(object.key.clone(), Budget { object, spent: 0 });
    }

    /// A budget was deleted.
    pub fn remove(&mut self, key: &ObjectKey) {
        if let Some(of_namespace) = self.0.get_mut(key.namespace()) {
            of_namespace.remove(key);
        }
    }

    /// Those that protect pods of a class.
    pub fn of(&self, class: &PodClass) -> impl Iterator<Item = &Budget> {
        let of_namespace = self.0.get(&class.namespace).into_iter().flat_map(HashMap::values);
        of_namespace.filter(|budget| budget.object.spec.selects(&class.labels))
    }

    /// A pod of a class has to go.
    pub fn spend(&mut self, class: &PodClass) {
        let of_namespace = self.0.get_mut(&class.namespace).into_iter().flat_map(HashMap::values_mut);
        let concerned = of_namespace.filter(|budget| budget.object.spec.selects(&class.labels));
        concerned.for_each(|budget| budget.spent += 1);
    }
}

impl Budget {
    /// How many pods may still go.
    pub fn left(&self) -> i64 {
        self.object.status.disruptions_allowed - self.spent
    }

    /// Whether it allows for the pod's going already.
    pub fn has_counted(&self, pod: &str) -> bool {
        self.object.status.disrupted_pods.contains_key(pod)
    }
}
