//! DELETE of objects and collections: gone at once, or marked until finalizers and grace periods allow.

use std::sync::Arc;

use api::ObjectKey;
use api::hooks::Operation;
use api::lifecycle::{DeleteOptions, Deletion, request_deletion};
use bus::{ChangeTo, Expect, WriteError};
use serde_json::{Value, json};

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::hooks::Step;
use crate::read::view_of;
use crate::respond::{self, Response};
use crate::selection::Selection;
use crate::table::Shape;
use crate::{admission, allocate, body, discovery, explain_write, hooks, options, write};

/// How often a deletion is tried again when others write the same object.
const ATTEMPTS: usize = 12;

/// What a deletion led to.
pub enum Outcome {
    /// The object is gone; this was its last state.
    Gone(Value),
    /// It stays for now, like this.
    Ending(Value),
}

/// `DELETE` of an object.
pub async fn one(context: &Context, call: &Call) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let (options, dry_run) = options_of(call)?;
    admission::deletion(call, call.name())?;
    match delete(context, call, &call.key(call.name()), &options, dry_run).await? {
        // Kubernetes answers with the pod itself even if it is gone.
        Outcome::Gone(last) if call.kind.id.as_str() == "pods" => {
            Ok(respond::value(200, &shape.value(&last, telemetry::clock::now())))
        }
        Outcome::Gone(last) => Ok(gone(call, &last)),
        Outcome::Ending(object) => {
            let object = context.converter.value(&call.kind, object).await?;
            Ok(respond::value(200, &shape.value(&object, telemetry::clock::now())))
        }
    }
}

/// `DELETE` of what is selected in a collection.
pub async fn collection(context: &Context, call: &Call) -> Result<Response, Failure> {
    if !discovery::verbs(&call.kind).contains(&"deletecollection") {
        return Err(Failure::method_not_allowed());
    }
    let (options, dry_run) = options_of(call)?;
    let selection = Selection::of(call)?;
    // A list that makes no sense deletes nothing.
    call.query.version()?;
    let snapshot = selection.of_stored(&call.kind).now(view_of(context, call));
    let snapshot = selection.shown(&context.converter, &call.kind, snapshot).await?;
    // What cannot be shown is not deleted; and all of it is converted at once.
    let shown = context.converter.all(&call.kind, snapshot.objects).await?;
    let mut items = Vec::new();
    for object in &shown {
        let name = &object.key.name;
        if admission::deletion(call, name).is_err() {
            continue;
        }
        match delete(context, call, &object.key, &options, dry_run).await {
            Ok(Outcome::Gone(last) | Outcome::Ending(last)) => {
                // What a webhook converts is told as it was listed, as in Kubernetes.
                let last = if call.kind.webhook().is_some() { object.value() } else { last };
                items.push(call.kind.shown(last));
            }
            Err(failure) if failure.code() == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    let list = json!({
        "kind": call.kind.list_kind(), "apiVersion": call.kind.api_version(),
        "metadata": {"resourceVersion": view_of(context, call).revision().to_string()}, "items": items,
    });
    Ok(respond::value(200, &list))
}

/// Deletes an object as `options` wish.
pub async fn delete(
    context: &Context,
    call: &Call,
    key: &ObjectKey,
    options: &DeleteOptions,
    dry_run: bool,
) -> Result<Outcome, Failure> {
    for _ in 0..ATTEMPTS {
        let stored =
            view_of(context, call).get(key).ok_or_else(|| Failure::not_found(&call.kind, &key.name))?;
        let current = stored.value();
        let deletion = request_deletion(&current, &call.kind, options, telemetry::clock::now())
            .map_err(|refusal| Failure::not_as_demanded(&call.kind, &key.name, &refusal))?;
        let (object, change, reservations) = match deletion {
            Deletion::Already => return Ok(Outcome::Ending(current)),
            Deletion::Mark(marked) => (marked.clone(), ChangeTo::Put(marked), Vec::new()),
            Deletion::Remove(last) => {
                let released = allocate::releases(&context.view, &last);
                (last.clone(), ChangeTo::Delete(last), released)
            }
        };
        if call.path.subresource.is_none() {
            let shown = match context.hooks.asks_anybody() {
                true => context.converter.one(&call.kind, Arc::clone(&stored)).await?.value(),
                false => Value::Null,
            };
            let (name, old) = (key.name.as_ref(), Some(if shown.is_null() { &current } else { &shown }));
            let step =
                Step { operation: Operation::Delete, name, object: None, old, dry_run, own_kind: None };
            hooks::validate(context, call, step).await?;
        }
        let is_gone = matches!(change, ChangeTo::Delete(_));
        let outcome = |object: Value| if is_gone { Outcome::Gone(object) } else { Outcome::Ending(object) };
        if dry_run {
            return Ok(outcome(write::with_revision(object, stored.revision)));
        }
        match write::commit(context, call, key, Expect::At(stored.revision), change, reservations).await {
            Ok(revision) => {
                explain_write::journal(context, call, key, &object, "delete");
                write::takes_effect(context, call, revision).await?;
                return Ok(outcome(write::with_revision(object, revision)));
            }
            Err(WriteError::Conflict { current }) => write::catch_up_after_conflict(context, current).await,
            Err(error) => return Err(Failure::write(&call.kind, &key.name, &error)),
        }
    }
    Err(Failure::modified(&call.kind, &key.name))
}

/// `DeleteOptions` from the body, or from the query as older clients send them.
fn options_of(call: &Call) -> Result<(DeleteOptions, bool), Failure> {
    let body = body::read(call)?;
    options::check_deletion(&body)?;
    let from_query = query_options(call);
    if body.is_null() {
        options::check_deletion(&from_query)?;
    }
    let from_query = DeleteOptions::from_value(&from_query);
    let mut options = DeleteOptions::from_value(&body);
    options.grace = match options.grace {
        None => call.query.number("gracePeriodSeconds")?,
        some => some,
    };
    options.propagation = options.propagation.or(from_query.propagation);
    options.uid = options.uid.or(from_query.uid);
    if call.path.name.is_some() {
        options.resource_version = options.resource_version.or(from_query.resource_version);
    }
    let dry_run = call.query.dry_run()? || body.get("dryRun").is_some_and(|all| *all == json!(["All"]));
    Ok((options, dry_run))
}

/// The same options where they are given in the query.
fn query_options(call: &Call) -> Value {
    let given = |key: &str| Some(call.query.text(key).to_owned()).filter(|text| !text.is_empty());
    let mut options = json!({
        "propagationPolicy": given("propagationPolicy"),
        "preconditions": {"uid": given("uid"), "resourceVersion": given("resourceVersion")},
    });
    if !call.query.all("orphanDependents").is_empty() {
        set(&mut options, "orphanDependents", call.query.flag("orphanDependents"));
    }
    options
}

fn gone(call: &Call, last: &Value) -> Response {
    let mut details = json!({
        "name": api::json::text(last, "/metadata/name"), "kind": call.kind.id.plural(),
        "uid": api::json::text(last, "/metadata/uid"),
    });
    if !call.kind.group.is_empty() {
        set(&mut details, "group", json!(call.kind.group));
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    respond::value(200, &status)
}
