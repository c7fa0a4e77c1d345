//! Policies and then webhooks that change objects, one after the other; those that wish are asked again when others have changed
//! something after them.

use std::collections::BTreeSet;

use api::hooks::{self, Operation, Webhook};
use api::{json, managed};
use serde_json::Value;
use tracing::warn;

use super::asking::{Asking, Step, Versioned, name_of};
use super::calls;
use super::index::Index;
use crate::body::Checked;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::owners::Owners;
use crate::prepare;
use crate::write::Part;

/// Lets policies and webhooks change what a request wants, `old` being what is stored. Returns it as it was if nobody is asked.
pub async fn mutate(
    context: &Context,
    call: &Call,
    part: Part,
    checked: Checked,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Checked, Failure> {
    let index = context.hooks.index();
    if index.changes_nothing() || hooks::configures(call.kind.id) {
        return Ok(checked);
    }
    let operation = if old.is_some() { Operation::Update } else { Operation::Create };
    let asking = Asking::of(context, call, operation);
    let mut draft = draft(call, part, &checked, old)?;
    let name = old.map_or_else(|| name_of(&draft).to_owned(), |old| name_of(old).to_owned());
    let round = Round { context, call, asking: &asking, operation, name: &name, old, dry_run };
    if !round.all(&index, &mut draft).await? {
        return Ok(checked);
    }
    let owners = Owners::Settled(managed::detach(&mut draft));
    Ok(Checked { object: draft, owners })
}

/// The object as it would be stored, so far as that can be told now.
fn draft(call: &Call, part: Part, checked: &Checked, old: Option<&Value>) -> Result<Value, Failure> {
    let mut draft = checked.object.clone();
    let Some(old) = old else {
        call.kind.default(&mut draft);
        checked.owners.of_new(call, &mut draft);
        return Ok(draft);
    };
    prepare::settled(call, part, &mut draft, old)?;
    checked.owners.of_changed(call, &mut draft, old);
    Ok(draft)
}

/// One request's way past policies and webhooks.
pub(super) struct Round<'a> {
    pub(super) context: &'a Context,
    pub(super) call: &'a Call,
    pub(super) asking: &'a Asking,
    operation: Operation,
    pub(super) name: &'a str,
    old: Option<&'a Value>,
    dry_run: bool,
}

impl Round<'_> {
    /// Asks everybody; whether anybody was asked.
    async fn all(&self, index: &Index, draft: &mut Value) -> Result<bool, Failure> {
        let policies = self.policies(index, draft, None).await?;
        let mut anybody = policies.anybody;
        let (mut could_be_asked_again, mut again) = (BTreeSet::new(), BTreeSet::new());
        for (place, webhook) in index.mutating.iter().enumerate() {
            let Some(changed) = self.one(webhook, draft).await? else { continue };
            anybody = true;
            if changed {
                again.extend(could_be_asked_again.iter().copied());
            }
            if webhook.is_reinvoked {
                could_be_asked_again.insert(place);
            }
        }
        if !policies.reinvoked.is_empty() {
            let before = draft.clone();
            self.policies(index, draft, Some(&policies.reinvoked)).await?;
            if *draft != before {
                again = could_be_asked_again;
            }
        }
        for webhook in again.iter().filter_map(|place: &usize| index.mutating.get(*place)) {
            self.one(webhook, draft).await?;
        }
        Ok(anybody)
    }

    /// A draft as it is to be judged.
    pub(super) fn step<'s>(&'s self, draft: &'s Value) -> Step<'s> {
        Step {
            operation: self.operation,
            name: self.name,
            object: Some(draft),
            old: self.old,
            dry_run: self.dry_run,
            own_kind: None,
        }
    }

    /// Asks one webhook; `None` if it is not about this, else whether it has changed anything.
    async fn one(&self, webhook: &Webhook, draft: &mut Value) -> Result<Option<bool>, Failure> {
        let before = draft.clone();
        let step = self.step(&before);
        let attributes = self.asking.attributes(self.call, &step);
        let Some(kind) = webhook.constraints.matched(&attributes) else { return Ok(None) };
        let versioned = Versioned::of(self.context, &attributes, kind).await?;
        let attributes = versioned.attributes(&attributes);
        if !calls::is_asked(webhook, &attributes, kind, self.asking)? {
            return Ok(None);
        }
        let answer = match calls::ask(self.context, webhook, &attributes, kind, true).await {
            Ok(answer) => answer,
            Err(error) if webhook.ignores_failures => {
                warn!(webhook = %webhook.name, ?error, "failed to call a webhook, going on without it");
                return Ok(Some(false));
            }
            Err(error) => return Err(error.failure(webhook)),
        };
        self.call.warn(answer.warnings);
        if !answer.allowed {
            return Err(hooks::refusal(&webhook.name, &answer.result).into());
        }
        let Some(patch) = answer.patch else { return Ok(Some(false)) };
        let broken = |why: String| Failure::from(api::status::internal_error(&why));
        let patch: json_patch::Patch = serde_json::from_slice(&patch).map_err(|error| {
            broken(format!(
                "failed calling webhook {:?}: received undecodable patch in webhook response: {error}",
                webhook.name
            ))
        })?;
        let mut shown = kind.shown(attributes.object.cloned().unwrap_or_default());
        json_patch::patch(&mut shown, &patch).map_err(|error| broken(error.to_string()))?;
        let decoded = kind.decode(shown).map_err(|error| broken(error.to_string()))?;
        *draft = self.context.converter.value(&self.call.kind, decoded.object).await?;
        self.keep_identity(draft, &before);
        self.call.kind.default(draft);
        Ok(Some(*draft != before))
    }

    /// Which object it is does not change.
    pub(super) fn keep_identity(&self, draft: &mut Value, before: &Value) {
        let Some(metadata) = json::child(draft, "metadata") else { return };
        for field in ["namespace", "uid", "resourceVersion"] {
            match before.pointer("/metadata").and_then(|metadata| metadata.get(field)) {
                Some(value) => drop(metadata.insert(field.to_owned(), value.clone())),
                None => drop(metadata.remove(field)),
            }
        }
        if let Some(name) = self.old.and_then(|old| old.pointer("/metadata/name")) {
            metadata.insert("name".into(), name.clone());
        }
    }
}
