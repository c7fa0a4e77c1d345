//! Policies and webhooks that say yes or no to what is about to be stored.

use api::hooks::{self, Attributes, Operation, Webhook};
use futures::future::join_all;
use serde_json::json;
use tracing::warn;

use super::asking::{Asking, Step, Versioned};
use super::{calls, policies};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;

/// Asks policies, then all webhooks at once. No lock is held meanwhile: what is admitted is stored by compare-and-set, and admitted
/// again when that fails.
pub async fn validate(context: &Context, call: &Call, step: Step<'_>) -> Result<(), Failure> {
    let index = context.hooks.index();
    if index.is_empty() || hooks::configures(call.kind.id) {
        return Ok(());
    }
    let asking = Asking::of(context, call, step.operation);
    let attributes = asking.attributes(call, &step);
    if matches!(step.operation, Operation::Delete | Operation::Connect) {
        // There is nothing to change, but they may have something against it.
        for webhook in &index.mutating {
            one(context, call, webhook, &attributes, &asking).await?;
        }
    }
    policies::check(context, call, &index, &attributes, &asking).await?;
    let answers = index.validating.iter().map(|webhook| one(context, call, webhook, &attributes, &asking));
    join_all(answers).await.into_iter().collect()
}

/// Asks about a connection into a pod, which the query describes.
pub async fn connect(context: &Context, call: &Call, kind: &str) -> Result<(), Failure> {
    if context.hooks.index().is_empty() {
        return Ok(());
    }
    let mut options = json!({"kind": kind, "apiVersion": "v1"});
    for flag in ["stdin", "stdout", "stderr", "tty"].into_iter().filter(|flag| call.query.flag(flag)) {
        set(&mut options, flag, true);
    }
    match call.query.text("container") {
        "" => {}
        container => set(&mut options, "container", container),
    }
    let command = call.query.all("command");
    if !command.is_empty() {
        set(&mut options, "command", json!(command));
    }
    let ports: Vec<u16> = call.query.all("ports").iter().filter_map(|port| port.parse().ok()).collect();
    if !ports.is_empty() {
        set(&mut options, "ports", json!(ports));
    }
    let step = Step {
        operation: Operation::Connect,
        name: call.name(),
        object: Some(&options),
        old: None,
        dry_run: false,
        own_kind: Some(("", "v1", kind)),
    };
    validate(context, call, step).await
}

async fn one(
    context: &Context,
    call: &Call,
    webhook: &Webhook,
    attributes: &Attributes<'_>,
    asking: &Asking,
) -> Result<(), Failure> {
    let Some(kind) = webhook.constraints.matched(attributes) else { return Ok(()) };
    let versioned = Versioned::of(context, attributes, kind).await?;
    let attributes = &versioned.attributes(attributes);
    if !calls::is_asked(webhook, attributes, kind, asking)? {
        return Ok(());
    }
    match calls::ask(context, webhook, attributes, kind, false).await {
        Ok(answer) => {
            call.warn(answer.warnings);
            match answer.allowed {
                true => Ok(()),
                false => Err(hooks::refusal(&webhook.name, &answer.result).into()),
            }
        }
        Err(error) if webhook.ignores_failures => {
            warn!(webhook = %webhook.name, ?error, "failed to call a webhook, going on without it");
            Ok(())
        }
        Err(error) => Err(error.failure(webhook)),
    }
}
