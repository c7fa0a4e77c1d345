//! MutatingAdmissionPolicies: change what a request wants, one after the other, before webhooks are asked.

use std::collections::BTreeSet;

use api::hooks::{Binding, MutatingPolicy, Setting};
use serde_json::{Value, json};

use super::asking::Versioned;
use super::index::Index;
use super::mutating::Round;
use super::policies::params;
use crate::failure::Failure;

/// A policy and one of its bindings, by their places in the index.
pub(super) type Invocation = (usize, usize);

/// What policies did.
#[derive(Default)]
pub(super) struct Done {
    /// Any of them was about the request.
    pub anybody: bool,
    /// Those that wish to see what others change after them.
    pub reinvoked: BTreeSet<Invocation>,
}

impl Round<'_> {
    /// Lets policies change a draft: all that are about it, or `only` these.
    pub(super) async fn policies(
        &self,
        index: &Index,
        draft: &mut Value,
        only: Option<&BTreeSet<Invocation>>,
    ) -> Result<Done, Failure> {
        let mut done = Done::default();
        let mut refusals = Vec::new();
        for (place, (policy, bindings)) in index.changing.iter().enumerate() {
            for (which, binding) in bindings.iter().enumerate() {
                let invocation = (place, which);
                if only.is_some_and(|only| !only.contains(&invocation)) {
                    continue;
                }
                let Some(faults) = self.invoke(policy, binding, draft).await? else { continue };
                done.anybody = true;
                if policy.is_reinvoked {
                    done.reinvoked.insert(invocation);
                }
                let told = |fault| {
                    let (policy, binding) = (&policy.name, &binding.name);
                    format!("policy '{policy}' with binding '{binding}' denied request: {fault}")
                };
                refusals.extend(faults.into_iter().filter(|_| !policy.ignores_failures).map(told));
            }
        }
        match refusals.first() {
            None => Ok(done),
            Some(first) => {
                let mut failure = Failure::forbidden(&self.call.kind, self.name, "");
                failure.status.message.clone_from(first);
                failure.status.reason = "Invalid";
                let causes = refusals.iter().map(|message| json!({"message": message})).collect();
                failure.status.details.insert("causes".into(), causes);
                Err(failure)
            }
        }
    }

    fn is_about(&self, policy: &MutatingPolicy, binding: &Binding, draft: &Value) -> bool {
        let step = self.step(draft);
        let attributes = self.asking.attributes(self.call, &step);
        policy.matched(&attributes).is_some() && binding.is_about(&attributes)
    }

    /// One policy with each of its parameters; what went wrong, or `None` if it is not about this.
    async fn invoke(
        &self,
        policy: &MutatingPolicy,
        binding: &Binding,
        draft: &mut Value,
    ) -> Result<Option<Vec<String>>, Failure> {
        if !self.is_about(policy, binding, draft) {
            return Ok(None);
        }
        let before = draft.clone();
        let step = self.step(&before);
        let attributes = self.asking.attributes(self.call, &step);
        let Some(kind) = policy.matched(&attributes) else { return Ok(None) };
        let found = match params(self.context, policy.param_kind.as_ref(), binding, &attributes).await {
            Ok(found) => found,
            Err(why) => return Ok(Some(vec![why])),
        };
        let mut faults = None;
        for params in &found {
            let current = draft.clone();
            let step = self.step(&current);
            let attributes = self.asking.attributes(self.call, &step);
            let versioned = Versioned::of(self.context, &attributes, kind).await?;
            let attributes = versioned.attributes(&attributes);
            let (params, authorizer) = (params.as_ref(), &self.asking.authorizer);
            let setting = Setting { attributes: &attributes, kind, params, authorizer };
            if let Some(changed) = policy.change(setting) {
                *draft = self.context.converter.value(&self.call.kind, changed.object).await?;
                self.keep_identity(draft, &before);
                faults.get_or_insert_with(Vec::new).extend(changed.faults);
            }
        }
        Ok(faults)
    }
}
