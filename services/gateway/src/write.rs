//! The write pipeline: decode, default, allocate, validate, admit, compare-and-set, explain, and wait until it can be read.

use std::sync::Arc;

use api::hooks::Operation;
use api::kinds::FieldError;
use api::{KindInfo, ObjectKey, Revision, json, lifecycle, managed};
use bus::{ChangeTo, Expect, Mutation, Stored, WriteError};
use serde_json::Value;

use crate::allocate::{self, Reservation};
use crate::body::{self, Checked};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks::Step;
use crate::owners;
use crate::quota::{self, Ready};
use crate::read::view_of;
use crate::respond::{self, Response};
use crate::table::Shape;
use crate::{admission, events, explain_write, hooks, pod_security, prepare, subresources};

/// How often a write is tried again when others write the same object.
const ATTEMPTS: usize = 12;

/// Which part of an object a request may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but status.
    Object,
    /// Status.
    Status,
    /// Ephemeral containers of a pod.
    EphemeralContainers,
    /// Resources of a pod's containers.
    Resources,
    /// What is decided about a request for a certificate.
    Approval,
}

/// `POST` to a collection.
pub async fn create(context: &Context, call: &Call) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let checked = body::object(call)?;
    let object = create_object(context, call, checked).await?;
    Ok(respond::value(201, &shape.value(&object, telemetry::clock::now())))
}

/// `PUT` of an object or its status.
pub async fn update(context: &Context, call: &Call) -> Result<Response, Failure> {
    replace(context, call, Part::Object).await
}

/// `PUT` of a part.
pub async fn replace(context: &Context, call: &Call, part: Part) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let checked = body::object(call)?;
    let object = modify(context, call, part, "update", |_| Ok(checked.clone())).await?;
    Ok(respond::value(200, &shape.value(&object, telemetry::clock::now())))
}

/// Creates an object; returns it as stored.
pub async fn create_object(context: &Context, call: &Call, checked: Checked) -> Result<Value, Failure> {
    let dry_run = call.query.dry_run()?;
    admission::creation(context, call, &checked.object)?;
    let checked = hooks::mutate(context, call, Part::Object, checked, None, dry_run).await?;
    let Checked { object: decoded, owners } = checked;
    let generated = json::text(&decoded, "/metadata/name").is_empty();
    if generated && json::text(&decoded, "/metadata/generateName").is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        let error = FieldError { field: "metadata.name".to_owned(), reason: "FieldValueRequired", message };
        return Err(Failure::invalid(&call.kind, "", &[error]));
    }
    if !json::text(&decoded, "/metadata/resourceVersion").is_empty() {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let (object, reservations) = prepare::creation(context, call, decoded.clone(), &owners)?;
        let name = json::text(&object, "/metadata/name").to_owned();
        let key = call.key(&name);
        admit(context, call, &object, None, dry_run).await?;
        if dry_run {
            quota::check(context, call, &object, None)?;
            return match view_of(context, call).get(&key) {
                Some(there) if !generated => Err(Failure::is_there(&call.kind, &name, &there)),
                _ => Ok(object),
            };
        }
        let stored = context.converter.to_store(&call.kind, object.clone()).await?;
        let ready =
            Ready { key: &key, expect: Expect::Absent, object: &object, stored, old: None, reservations };
        match quota::commit(context, call, ready).await? {
            Ok(revision) => {
                explain_write::journal(context, call, &key, &object, "create");
                return readable(context, call, &key, object, revision).await;
            }
            Err(WriteError::Conflict { current }) => {
                catch_up_after_conflict(context, current).await;
                let there = view_of(context, call).get(&key);
                if let Some(there) = &there {
                    last = Some(Failure::is_there(&call.kind, &name, there));
                    if !generated {
                        break;
                    }
                }
            }
            Err(error) => return Err(Failure::write(&call.kind, &name, &error)),
        }
    }
    Err(last.unwrap_or_else(|| Failure::timeout("the object could not be created now, please try again")))
}

/// Admits a new object that somebody else is going to store under its name, and completes it as if it were stored here.
pub async fn admit_new(context: &Context, call: &Call, checked: Checked) -> Result<Value, Failure> {
    let name = json::text(&checked.object, "/metadata/name").to_owned();
    admission::creation(context, call, &checked.object)?;
    let Checked { mut object, owners } =
        hooks::mutate(context, call, Part::Object, checked, None, false).await?;
    if let Some(metadata) = json::child(&mut object, "metadata") {
        metadata.insert("name".into(), name.into());
    }
    let (object, _) = prepare::creation(context, call, object, &owners)?;
    admit(context, call, &object, None, false).await?;
    Ok(object)
}

/// Changes an object that exists: `edit` turns what is stored into what is wanted. Tried again while others write, unless the edited
/// object insists on a `resourceVersion`. Returns what is stored then.
pub async fn modify(
    context: &Context,
    call: &Call,
    part: Part,
    verb: &'static str,
    edit: impl Fn(&Value) -> Result<Checked, Failure>,
) -> Result<Value, Failure> {
    let dry_run = call.query.dry_run()?;
    for _ in 0..ATTEMPTS {
        let stored = crate::read::find(context, call)?;
        let shown = context.converter.one(&call.kind, Arc::clone(&stored)).await?;
        let mut old = call.kind.up_to_date(shown.value());
        // It may be older than some default; as in Kubernetes, that is no change that anybody makes.
        call.kind.default(&mut old);
        let checked = edit(&old)?;
        let insists = json::text(&checked.object, "/metadata/resourceVersion").to_owned();
        let insists_on_none = matches!(&*insists, "" | "0");
        if verb == "update" && insists_on_none && call.kind.asks_for_version() {
            return Err(Failure::without_version(&call.kind, call.name()));
        }
        if !insists_on_none && insists != stored.revision.to_string() {
            return Err(Failure::modified(&call.kind, call.name()));
        }
        let checked = match call.path.subresource.as_deref() {
            // Who changes a scale changes no object.
            Some("scale") => checked,
            _ => hooks::mutate(context, call, part, checked, Some(&old), dry_run).await?,
        };
        let Checked { object: mut new, owners } = checked;
        let reservations = prepare::modification(context, call, part, &mut new, &owners, &old)?;
        let insists_on_owners = verb == "apply" && !call.query.flag("force");
        owners::settle_elsewhere(context, call, &mut new, &stored, insists_on_owners).await?;
        admit(context, call, &new, Some(&old), dry_run).await?;
        if is_unchanged(&new, &old) && is_stored_as_now(&call.kind, &stored) {
            return Ok(old);
        }
        if dry_run {
            quota::check(context, call, &new, Some(&old))?;
            return Ok(with_revision(new, stored.revision));
        }
        let ready = Ready {
            key: &stored.key,
            expect: Expect::At(stored.revision),
            object: &new,
            stored: context.converter.to_store(&call.kind, new.clone()).await?,
            old: Some(&old),
            reservations,
        };
        if let Some(object) = store_modification(context, call, ready, verb).await? {
            return Ok(object);
        }
    }
    Err(Failure::modified(&call.kind, call.name()))
}

/// Changes an object past the rules for clients: for subresources whose meaning is the change itself.
pub async fn rewrite(
    context: &Context,
    call: &Call,
    verb: &'static str,
    edit: impl Fn(&mut Value) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let dry_run = call.query.dry_run()?;
    for _ in 0..ATTEMPTS {
        let stored = crate::read::find(context, call)?;
        let old = stored.value();
        let mut object = old.clone();
        edit(&mut object)?;
        if dry_run {
            return Ok(object);
        }
        let ready = Ready {
            key: &stored.key,
            expect: Expect::At(stored.revision),
            object: &object,
            stored: context.converter.to_store(&call.kind, object.clone()).await?,
            old: Some(&old),
            reservations: Vec::new(),
        };
        if let Some(object) = store_modification(context, call, ready, verb).await? {
            return Ok(object);
        }
    }
    Err(Failure::modified(&call.kind, call.name()))
}

/// Holds an object that is ready to be stored to its namespace's standards, and asks policies and webhooks about it.
async fn admit(
    context: &Context,
    call: &Call,
    new: &Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), Failure> {
    pod_security::check(context, call, new, old)?;
    let operation = if old.is_some() { Operation::Update } else { Operation::Create };
    let step = |object, old, own_kind| Step {
        operation,
        name: json::text(new, "/metadata/name"),
        object: Some(object),
        old,
        dry_run,
        own_kind,
    };
    if call.path.subresource.as_deref() != Some("scale") {
        return hooks::validate(context, call, step(new, old, None)).await;
    }
    let scaled = subresources::scale::scale_of(&call.kind, new);
    let before = old.map(|old| subresources::scale::scale_of(&call.kind, old));
    let scale = Some(("autoscaling", "v1", "Scale"));
    hooks::validate(context, call, step(&scaled, before.as_ref(), scale)).await
}

/// `None`: someone else has written meanwhile.
async fn store_modification(
    context: &Context,
    call: &Call,
    ready: Ready<'_>,
    verb: &'static str,
) -> Result<Option<Value>, Failure> {
    let (key, new, expect) = (ready.key, ready.object, ready.expect);
    let outcome = match lifecycle::after_finalizers_removed(new, &call.kind) {
        true => {
            let released = allocate::releases(&context.view, new);
            commit(context, call, key, expect, ChangeTo::Delete(ready.stored), released).await
        }
        false => quota::commit(context, call, ready).await?,
    };
    match outcome {
        Ok(revision) => {
            explain_write::journal(context, call, key, new, verb);
            readable(context, call, key, new.clone(), revision).await.map(Some)
        }
        Err(WriteError::Conflict { current }) => {
            catch_up_after_conflict(context, current).await;
            Ok(None)
        }
        Err(error) => Err(Failure::write(&call.kind, &key.name, &error)),
    }
}

/// Writes an object together with what is reserved for it, all or nothing. The object comes first, so that whoever sees a reservation
/// sees its holder.
pub async fn commit(
    context: &Context,
    call: &Call,
    key: &ObjectKey,
    expect: Expect,
    change: ChangeTo,
    reservations: Vec<Reservation>,
) -> Result<Revision, WriteError> {
    if key.resource == events::ID {
        return events::commit(context, call, key, expect, change).await;
    }
    let main = Mutation { key: key.clone(), expect, change, cause: call.cause };
    if reservations.is_empty() {
        return context.store.write(main).await;
    }
    let others = reservations.into_iter().map(|reservation| reservation.into_mutation(call.cause));
    let revisions = context.store.write_atomically(std::iter::once(main).chain(others).collect()).await?;
    // The object's own revision answers the client.
    revisions
        .first()
        .copied()
        .ok_or_else(|| WriteError::Unknown("the batch was acknowledged without revisions".to_owned()))
}

/// Waits until the write can be read here, then shows the object as it was written, or what a webhook makes of what is stored.
async fn readable(
    context: &Context,
    call: &Call,
    key: &ObjectKey,
    object: Value,
    revision: Revision,
) -> Result<Value, Failure> {
    takes_effect(context, call, revision).await?;
    if call.kind.webhook().is_some()
        && let Some(stored) = context.view.get(key).filter(|stored| stored.revision == revision)
    {
        return context.converter.one(&call.kind, stored).await.map(|shown| shown.value());
    }
    Ok(with_revision(object, revision))
}

/// What is stored in the version of long ago is written anew, even if nothing else changes: so it is moved to the present one.
fn is_stored_as_now(kind: &KindInfo, stored: &Stored) -> bool {
    kind.custom().is_none() || stored.api_version() == kind.stored_version()
}

/// Waits until the next request here finds what was written, and is decided by it.
pub async fn takes_effect(context: &Context, call: &Call, revision: Revision) -> Result<(), Failure> {
    if call.kind.id == events::ID {
        return context.events_caught_up(revision).await;
    }
    context.caught_up(revision).await?;
    if call.kind.group == api::rbac::GROUP {
        context.access.caught_up(revision).await;
    }
    if api::hooks::configures(call.kind.id) {
        context.hooks.caught_up(revision).await;
    }
    Ok(())
}

/// After a conflict, the next attempt shall see what caused it.
pub async fn catch_up_after_conflict(context: &Context, current: Option<Revision>) {
    match current {
        Some(revision) => drop(context.caught_up(revision).await),
        None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
    }
}

/// The object with its `resourceVersion`.
pub fn with_revision(mut object: Value, revision: Revision) -> Value {
    if let Some(metadata) = json::child(&mut object, "metadata") {
        metadata.insert("resourceVersion".into(), revision.to_string().into());
    }
    object
}

/// A write that would change nothing but its revision and the times of the fields' owners is none.
fn is_unchanged(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return new == old };
    let same_metadata = || {
        let (new, old) =
            (new.get("metadata").and_then(Value::as_object), old.get("metadata").and_then(Value::as_object));
        let (Some(new), Some(old)) = (new, old) else { return false };
        let others =
            |(name, _): &(&String, &Value)| !matches!(name.as_str(), "managedFields" | "resourceVersion");
        new.iter().filter(others).eq(old.iter().filter(others))
            && managed::same_but_for_times(new.get("managedFields"), old.get("managedFields"))
    };
    new.len() == old.len()
        && new.iter().all(|(name, value)| name == "metadata" || old.get(name) == Some(value))
        && same_metadata()
}
