//! Keeps the policy in step with the roles and bindings of the view.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::rbac::{Binding, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Rule, rules_of};
use api::{ObjectKey, Revision};
use bus::{Change, ChangeKind, Stored, View};
use tokio_util::sync::CancellationToken;

use super::{Access, Policy};
use crate::context::Context;

/// Roles and bindings, read once each.
#[derive(Debug, Default)]
pub(super) struct Known {
    revision: Revision,
    roles: BTreeMap<ObjectKey, Arc<[Rule]>>,
    bindings: BTreeMap<ObjectKey, Binding>,
}

impl Known {
    /// All that the view has.
    pub(super) fn of(view: &View) -> Self {
        let reader = view.read();
        let mut known = Self { revision: reader.revision(), ..Self::default() };
        for resource in [ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS] {
            reader.list(resource, None).for_each(|stored| known.put(stored));
        }
        known
    }

    fn put(&mut self, stored: &Stored) {
        let key = stored.key.clone();
        match is_role(&key) {
            true => drop(self.roles.insert(key, rules_of(&stored.value()).into())),
            false => drop(self.bindings.insert(key, Binding::of(&stored.value()))),
        }
    }

    /// Takes changes in; false if none of them matters.
    fn take(&mut self, changes: &[Arc<Change>]) -> bool {
        let mut changed = false;
        for change in changes.iter().filter(|change| matters(change.key())) {
            changed = true;
            self.revision = change.revision();
            match change.kind {
                ChangeKind::Put => self.put(&change.object),
                ChangeKind::Deleted => {
                    self.roles.remove(change.key());
                    self.bindings.remove(change.key());
                }
            }
        }
        changed
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::of(self.revision, &self.roles, self.bindings.values())
    }
}

fn is_role(key: &ObjectKey) -> bool {
    key.resource == ROLES || key.resource == CLUSTER_ROLES
}

fn matters(key: &ObjectKey) -> bool {
    is_role(key) || key.resource == ROLE_BINDINGS || key.resource == CLUSTER_ROLE_BINDINGS
}

impl Access {
    /// Reads the policy from the view, for whoever asks before it is followed.
    pub fn load(&self, view: &View) {
        self.replace(Known::of(view).policy());
    }
}

/// Follows the view until `shutdown`.
pub async fn follow(context: Arc<Context>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let mut known = Known::of(&context.view);
        context.access.replace(known.policy());
        let Ok(mut changes) = context.view.changes(known.revision) else { continue };
        loop {
            match shutdown.run_until_cancelled(changes.next_batch()).await {
                None => return,
                // Too much happened at once: read everything again.
                Some(Err(_expired)) => break,
                Some(Ok(batch)) => {
                    if known.take(&batch) {
                        context.access.replace(known.policy());
                    }
                }
            }
        }
    }
}
