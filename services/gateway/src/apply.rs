//! Server-side apply: what a manager wants is merged in, what it wanted before and wants no more goes, and others' fields are
//! left to them.

use api::managed::{self, ApplyError, Conflicts, TypeRef};
use api::{KindInfo, json};
use serde_json::{Value, json as value};

use crate::access::{ResourceWish, Wish};
use crate::body::{self, Checked};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::owners::{self, Owners};
use crate::patch;
use crate::read::view_of;
use crate::respond::{self, Response};
use crate::table::Shape;
use crate::write::{self, Part};

/// How often an apply starts anew because the object came or went meanwhile.
const ATTEMPTS: usize = 3;

/// `PATCH` with `application/apply-patch+yaml`.
pub async fn answer(context: &Context, call: &Call, part: Part, wanted: Value) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let config = config(call, part, wanted)?.object;
    let (code, object) = apply(context, call, part, &config).await?;
    Ok(respond::value(code, &shape.value(&object, telemetry::clock::now())))
}

/// Applies what is wanted to the object, or creates it; returns the status code and what is stored then.
pub async fn apply(
    context: &Context,
    call: &Call,
    part: Part,
    config: &Value,
) -> Result<(u16, Value), Failure> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let exists = view_of(context, call).get(&call.key(call.name())).is_some();
        let applied = match exists {
            true => write::modify(context, call, part, "apply", |old| merged(call, Some(old), config))
                .await
                .map(|object| (200, object)),
            false if part == Part::Object && call.path.subresource.is_none() => {
                // Who may patch may not create by it.
                let creation = Wish::Resource(ResourceWish::of("POST", &call.path, &call.query));
                context.access.permit(&call.user, &creation)?;
                write::create_object(context, call, merged(call, None, config)?)
                    .await
                    .map(|object| (201, object))
            }
            false => return Err(Failure::not_found(&call.kind, call.name())),
        };
        match applied {
            Err(failure) if failure.status.reason == if exists { "NotFound" } else { "AlreadyExists" } => {
                last = Some(failure);
            }
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| Failure::modified(&call.kind, call.name())))
}

fn merged(call: &Call, old: Option<&Value>, config: &Value) -> Result<Checked, Failure> {
    let force = call.query.flag("force");
    let old = old.map(|old| call.kind.shown(old.clone()));
    let mut new = owners::by(call, |writer| {
        let kind = TypeRef::of(&call.kind);
        managed::apply(old.as_ref(), config, kind, owners::unowned(&call.kind), writer, force)
    })
    .map_err(|error| refusal(call, config, &error))?;
    if let Some(old) = &old {
        patch::fit_identity(call, old, &new)?;
    }
    let owners = Owners::Settled(managed::detach(&mut new));
    let mut checked = body::check(call, new)?;
    body::fit_namespace(call, &mut checked.object)?;
    body::fit_name(call, &mut checked.object)?;
    Ok(Checked { owners, ..checked })
}

/// What is applied, read through its type but without anything that it does not say itself, and without what this part may not write.
fn config(call: &Call, part: Part, wanted: Value) -> Result<Checked, Failure> {
    if wanted.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    fit_type(call, &wanted)?;
    let misfits = managed::misfits(TypeRef::of(&call.kind), &wanted);
    if !misfits.is_empty() {
        return Err(untyped(call, json::text(&wanted, "/metadata/namespace"), &listed(&misfits)));
    }
    let said = wanted.clone();
    let mut checked = body::check(call, wanted)?;
    let object = &mut checked.object;
    // What a schema describes is read as it is written.
    if call.kind.custom().is_none() {
        only_said(object, &said);
    }
    keep_part(&call.kind, part, object);
    Ok(checked)
}

/// What is applied says what it is.
fn fit_type(call: &Call, wanted: &Value) -> Result<(), Failure> {
    let (api_version, kind) = (json::text(wanted, "/apiVersion"), json::text(wanted, "/kind"));
    if (api_version, kind) == (&*call.kind.api_version(), call.kind.kind) {
        return Ok(());
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Err(Failure::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")))
}

/// Types have fields that are written even when nobody has given them; an apply must not own these. It owns what Go would leave out
/// if it is said: `paused: false` takes the field from whoever has paused.
fn only_said(decoded: &mut Value, said: &Value) {
    match (decoded, said) {
        (Value::Object(fields), Value::Object(said)) => {
            let identity = |name: &str| matches!(name, "apiVersion" | "kind" | "metadata");
            fields.retain(|name, _| identity(name) || said.get(name).is_some_and(|value| !value.is_null()));
            for (name, said) in said.iter().filter(|(_, said)| !said.is_null()) {
                match fields.get_mut(name) {
                    Some(value) => only_said(value, said),
                    None => drop(fields.insert(name.clone(), said.clone())),
                }
            }
        }
        (Value::Array(items), Value::Array(said)) => {
            items.iter_mut().zip(said).for_each(|(item, said)| only_said(item, said));
        }
        _ => {}
    }
}

/// Leaves what this part of the object may write, as updates of it do.
fn keep_part(kind: &KindInfo, part: Part, config: &mut Value) {
    let Some(fields) = config.as_object_mut() else { return };
    if part == Part::Object {
        owners::unowned(kind).iter().for_each(|field| drop(fields.remove(*field)));
        return;
    }
    fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    if let Some(metadata) = json::child(config, "metadata") {
        metadata.retain(|name, _| match name.as_str() {
            "labels" => matches!(kind.id.as_str(), "pods" | "nodes"),
            "finalizers" | "ownerReferences" => false,
            _ => true,
        });
    }
}

fn refusal(call: &Call, config: &Value, error: &ApplyError) -> Failure {
    match error {
        ApplyError::Conflicts(conflicts) => conflict(conflicts),
        ApplyError::Unmergeable(error) => {
            untyped(call, json::text(config, "/metadata/namespace"), &error.to_string())
        }
        ApplyError::Entries(_) => Failure::new(500, "", error.to_string()),
    }
}

/// What is applied does not fit its type.
fn untyped(call: &Call, namespace: &str, why: &str) -> Failure {
    let (group, version, kind) = (call.kind.group, call.kind.version, call.kind.kind);
    let name = call.name();
    let message = format!(
        "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={kind}): {why}"
    );
    Failure::new(500, "", message)
}

/// One sentence, or all of them, as Kubernetes lists them.
fn listed(sentences: &[String]) -> String {
    match sentences {
        [one] => one.clone(),
        all => format!("errors:\n  {}", all.join("\n  ")),
    }
}

/// Fields that others own.
pub fn conflict(conflicts: &Conflicts) -> Failure {
    let mut failure = Failure::new(409, "Conflict", conflicts.to_string());
    let causes = conflicts.causes().map(|(path, manager)| {
        value!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
    });
    failure.status.details.insert("causes".into(), causes.collect());
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_says_only_what_it_says() {
        let said = value!({"metadata": {"name": "web"}, "spec": {"replicas": null, "template": {"spec": {"containers": [{"name": "c"}]}}}});
        let mut decoded = value!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {}, "template": {"spec": {"containers": [{"name": "c", "resources": {}}]}}}});
        only_said(&mut decoded, &said);
        let template = value!({"spec": {"containers": [{"name": "c"}]}});
        assert_eq!(
            decoded,
            value!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}})
        );
    }

    #[test]
    fn a_status_is_applied_alone() {
        let pods = api::by_gvk("v1", "Pod").unwrap();
        let config = value!({"metadata": {"labels": {"a": "b"}, "finalizers": ["f"]}, "spec": {"nodeName": "n"}, "status": {"phase": "Failed"}});
        let (mut object, mut status) = (config.clone(), config);
        keep_part(pods, Part::Object, &mut object);
        keep_part(pods, Part::Status, &mut status);
        assert_eq!(object.get("status"), None);
        assert_eq!(status, value!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Failed"}}));
    }
}
