//! Decides: bindings by whom they bind, so that a request costs a look-up per group and a walk over the rules that it has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::rbac::{Binding, ROLES, Rule, Subject};
use api::{ObjectKey, Revision};
use serde_json::{Value, json};

use super::{ResourceWish, Wish};
use crate::auth::User;

/// All roles and bindings at one revision.
#[derive(Debug, Default)]
pub struct Policy {
    /// Everything up to here is considered.
    pub revision: Revision,
    users: HashMap<String, Grants>,
    groups: HashMap<String, Grants>,
}

/// What one user or group has been given.
#[derive(Debug, Default)]
struct Grants {
    everywhere: Vec<Grant>,
    within: HashMap<String, Vec<Grant>>,
}

/// A role, given by a binding.
#[derive(Debug)]
struct Grant {
    role: ObjectKey,
    /// `None`: there is no such role.
    rules: Option<Arc<[Rule]>>,
    /// `ClusterRoleBinding "admins" of ClusterRole "cluster-admin" to User "jane"`.
    sentence: String,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A rule allows it.
    Allowed {
        /// Which binding gave the rule; empty for the cluster's masters.
        because: String,
    },
    /// No rule allows it.
    Denied {
        /// What went wrong on the way; usually empty.
        because: String,
    },
}

impl Policy {
    /// Puts roles and bindings together.
    pub fn of<'a>(
        revision: Revision,
        roles: &BTreeMap<ObjectKey, Arc<[Rule]>>,
        bindings: impl Iterator<Item = &'a Binding>,
    ) -> Self {
        let mut policy = Self { revision, ..Self::default() };
        for binding in bindings {
            let rules = roles.get(&binding.role);
            for (subject, sentence) in &binding.subjects {
                let grants = match subject {
                    Subject::User(name) => policy.users.entry(name.clone()).or_default(),
                    Subject::Group(name) => policy.groups.entry(name.clone()).or_default(),
                };
                let place = match &binding.namespace {
                    None => &mut grants.everywhere,
                    Some(namespace) => grants.within.entry(namespace.clone()).or_default(),
                };
                place.push(Grant {
                    role: binding.role.clone(),
                    rules: rules.cloned(),
                    sentence: sentence.clone(),
                });
            }
        }
        policy
    }

    /// Whether the user may.
    pub fn decide(&self, user: &User, wish: &Wish) -> Verdict {
        if user.may_do_everything() {
            return Verdict::Allowed { because: String::new() };
        }
        let namespace = match wish {
            Wish::Resource(wish) => wish.namespace.as_str(),
            Wish::Path { .. } => "",
        };
        match self.grants(user, namespace).find(|grant| grant.rules().iter().any(|rule| allows(rule, wish))) {
            Some(grant) => Verdict::Allowed { because: format!("RBAC: allowed by {}", grant.sentence) },
            None => Verdict::Denied { because: self.troubles(user, namespace) },
        }
    }

    /// All rules that count for a user in a namespace (empty: at the cluster scope).
    pub fn rules<'a>(&'a self, user: &'a User, namespace: &'a str) -> Vec<&'a Rule> {
        self.grants(user, namespace).flat_map(Grant::rules).collect()
    }

    /// What the user may do in a namespace, as a status of a SelfSubjectRulesReview (`kubectl auth can-i --list`).
    pub fn rules_review(&self, user: &User, namespace: &str) -> Value {
        let (mut resources, mut paths): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        for rule in self.rules(user, namespace) {
            let shown = json!(rule);
            match rule.non_resource_urls.is_empty() {
                true => resources.push(shown),
                false => paths.push(shown),
            }
        }
        let troubles = self.troubles(user, namespace);
        let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": !troubles.is_empty()});
        if !troubles.is_empty() {
            crate::fields::set(&mut status, "evaluationError", troubles);
        }
        status
    }

    /// What is given everywhere comes first.
    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = &'a Grant> {
        let of_user = move || {
            let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
            self.users.get(&user.name).into_iter().chain(groups)
        };
        let within = of_user().filter_map(move |grants| grants.within.get(namespace));
        of_user().flat_map(|grants| &grants.everywhere).chain(within.flatten())
    }

    /// Roles that bindings name and that are not there.
    fn troubles(&self, user: &User, namespace: &str) -> String {
        let missing = self.grants(user, namespace).filter(|grant| grant.rules.is_none());
        let missing: Vec<String> = missing
            .map(|grant| {
                let kind = if grant.role.resource == ROLES { "role" } else { "clusterrole" };
                format!("{kind}.{} \"{}\" not found", api::rbac::GROUP, grant.role.name)
            })
            .collect();
        match missing.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        }
    }
}

impl Grant {
    fn rules(&self) -> &[Rule] {
        self.rules.as_deref().unwrap_or_default()
    }
}

fn allows(rule: &Rule, wish: &Wish) -> bool {
    match wish {
        Wish::Resource(wish) => rule.allows(&ResourceWish::wanted(wish)),
        Wish::Path { verb, path } => rule.allows_path(verb, path),
    }
}

#[cfg(test)]
mod tests;
