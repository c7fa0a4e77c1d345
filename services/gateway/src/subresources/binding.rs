//! `pods/binding`: a scheduler says where a pod runs.

use api::hooks::Operation;
use api::json::{self, text};
use serde_json::{Value, json as value};

use super::success;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks::{self, Step};
use crate::respond::Response;
use crate::{body, write};

/// `POST pods/<name>/binding`.
pub async fn create(context: &Context, call: &Call) -> Result<Response, Failure> {
    let binding = body::read(call)?;
    let node = text(&binding, "/target/name");
    if node.is_empty() {
        return Err(Failure::bad_request("a binding needs a target: target.name: Required value"));
    }
    let step = Step {
        operation: Operation::Create,
        name: call.name(),
        object: Some(&binding),
        old: None,
        dry_run: call.query.dry_run()?,
        own_kind: Some(("", "v1", "Binding")),
    };
    hooks::validate(context, call, step).await?;
    let uid = text(&binding, "/metadata/uid");
    let now = telemetry::clock::now();
    let bind = |pod: &mut Value| {
        let found = text(pod, "/metadata/uid");
        if !uid.is_empty() && uid != found {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
            return Err(Failure::conflict(&call.kind, call.name(), &why));
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            let why = format!("pod {} is being deleted, cannot be assigned to a host", call.name());
            return Err(Failure::conflict(&call.kind, call.name(), &why));
        }
        let bound = text(pod, "/spec/nodeName");
        if !bound.is_empty() {
            let why = format!("pod {} is already assigned to node \"{bound}\"", call.name());
            return Err(Failure::conflict(&call.kind, call.name(), &why));
        }
        if let Some(spec) = json::child(pod, "spec") {
            spec.insert("nodeName".into(), node.into());
        }
        set_scheduled(pod, &now.to_seconds_text());
        Ok(())
    };
    write::rewrite(context, call, "bind", bind).await?;
    Ok(success())
}

fn set_scheduled(pod: &mut Value, now: &str) {
    let Some(status) = json::child(pod, "status") else { return };
    let Some(conditions) = status.entry("conditions").or_insert_with(|| value!([])).as_array_mut() else {
        return;
    };
    conditions.retain(|condition| text(condition, "/type") != "PodScheduled");
    conditions.push(
        value!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}),
    );
}
