//! Server-side apply: what a manager applies is merged in; what it applied before and leaves out now goes again.

use api::{ObjectKey, ResourceId, json, schema, strategic};
use bus::{ChangeTo, Expect};
use serde_json::{Map, Value, json as value};

use crate::allocate::Reservation;
use crate::body::{self, Checked};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::{self, Response};
use crate::table::Shape;
use crate::write::{self, Part};

/// What each manager last applied to each object, beside the object: `<uid>.<manager>`.
const APPLIED: ResourceId = ResourceId::new("appliedconfigurations.odeon.dev");

/// `PATCH` with `application/apply-patch+yaml`.
pub async fn answer(context: &Context, call: &Call, part: Part, wanted: Value) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    if call.query.text("fieldManager").is_empty() {
        let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
        return Err(Failure::new(422, "Invalid", message));
    }
    let Checked { object: mut wanted, warnings } = body::check(call, wanted)?;
    without_server_fields(&mut wanted);
    let exists = context.view.get(&call.key(call.name())).is_some();
    let (code, object) = match exists {
        true => (200, merge(context, call, part, &wanted).await?),
        false if part == Part::Object => (201, create(context, call, &wanted).await?),
        false => return Err(Failure::not_found(&call.kind, call.name())),
    };
    remember(context, call, &object, &wanted).await?;
    let mut response = respond::value(code, &shape.value(&object, telemetry::clock::now()));
    respond::warn(&mut response, &warnings);
    Ok(response)
}

async fn create(context: &Context, call: &Call, wanted: &Value) -> Result<Value, Failure> {
    let mut object = wanted.clone();
    if let Some(metadata) = json::child(&mut object, "metadata") {
        metadata.insert("name".into(), call.name().into());
        metadata.extend(
            call.path.namespace.as_deref().map(|namespace| ("namespace".to_owned(), namespace.into())),
        );
    }
    write::create_object(context, call, object).await
}

async fn merge(context: &Context, call: &Call, part: Part, wanted: &Value) -> Result<Value, Failure> {
    let edit = |old: &Value| {
        let before = applied_before(context, call, old);
        let patch = patch_between(&before, wanted, schema::root(&call.kind.api_version(), call.kind.kind));
        let mut new = old.clone();
        strategic::apply(&mut new, &patch, schema::root(&call.kind.api_version(), call.kind.kind))
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        body::check(call, new)
    };
    write::modify(context, call, part, "apply", edit).await.map(|(object, _)| object)
}

fn memory_of(call: &Call, object: &Value) -> ObjectKey {
    let manager: String =
        call.manager().chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let part = call.path.subresource.as_deref().unwrap_or("object");
    ObjectKey::cluster(APPLIED, &format!("{}.{part}.{manager}", json::text(object, "/metadata/uid")))
}

fn applied_before(context: &Context, call: &Call, object: &Value) -> Value {
    let stored = context.view.get(&memory_of(call, object));
    stored.and_then(|stored| stored.value().get("applied").cloned()).unwrap_or_default()
}

/// Losing this write costs a field that stays when its manager drops it, so it follows the object's rather than joining it.
async fn remember(context: &Context, call: &Call, object: &Value, wanted: &Value) -> Result<(), Failure> {
    if call.query.dry_run()? {
        return Ok(());
    }
    let key = memory_of(call, object);
    let memory = value!({
        "apiVersion": "odeon.dev/v1", "kind": "AppliedConfiguration", "metadata": {
            "name": &*key.name,
            "ownerReferences": [{
                "apiVersion": call.kind.api_version(), "kind": call.kind.kind,
                "name": json::text(object, "/metadata/name"), "uid": json::text(object, "/metadata/uid"),
            }],
        },
        "applied": wanted,
    });
    let known = context.view.get(&key);
    if known.as_ref().is_some_and(|known| known.value().get("applied") == Some(wanted)) {
        return Ok(());
    }
    let expect = known.map_or(Expect::Absent, |known| Expect::At(known.revision));
    match write::commit(context, call, &key, expect, ChangeTo::Put(memory), Vec::<Reservation>::new()).await {
        Ok(revision) => context.caught_up(revision).await,
        Err(error) => Err(Failure::write(&call.kind, call.name(), &error)),
    }
}

/// What only the server writes is no wish.
fn without_server_fields(wanted: &mut Value) {
    if let Some(metadata) = json::child(wanted, "metadata") {
        for field in
            ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"]
        {
            metadata.remove(field);
        }
    }
}

/// The strategic merge patch that brings what is wanted and takes away what was applied before and is wanted no more.
fn patch_between(before: &Value, wanted: &Value, message: Option<&'static schema::Message>) -> Value {
    match (before, wanted) {
        (Value::Object(before), Value::Object(wanted)) => {
            let mut patch = Map::new();
            for (key, value) in wanted {
                let field = message.and_then(|message| message.field(key));
                let merge = field.and_then(|field| field.merge);
                let inner = field.and_then(schema::Field::message);
                let change = match (before.get(key), merge) {
                    (Some(Value::Array(old)), Some(schema::Merge::By(by))) => {
                        merge_list(old, value, by, inner)
                    }
                    (Some(old), None) => patch_between(old, value, inner),
                    (Some(_) | None, _) => value.clone(),
                };
                patch.insert(key.clone(), change);
            }
            for key in before.keys().filter(|key| !wanted.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            Value::Object(patch)
        }
        (_, wanted) => wanted.clone(),
    }
}

fn merge_list(
    before: &[Value],
    wanted: &Value,
    by: &str,
    message: Option<&'static schema::Message>,
) -> Value {
    let Some(wanted) = wanted.as_array() else { return wanted.clone() };
    let twin =
        |item: &Value, list: &[Value]| list.iter().find(|other| other.get(by) == item.get(by)).cloned();
    let mut items: Vec<Value> = wanted
        .iter()
        .map(|item| twin(item, before).map_or_else(|| item.clone(), |old| patch_between(&old, item, message)))
        .collect();
    for gone in before.iter().filter(|item| twin(item, wanted).is_none()) {
        items.push(value!({"$patch": "delete", by: gone.get(by)}));
    }
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_goes() {
        let message = schema::root("apps/v1", "Deployment");
        let before = value!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 3, "template": {"spec": {
            "containers": [{"name": "x", "image": "i", "command": ["c"]}, {"name": "y", "image": "i"}]}}}});
        let wanted = value!({"metadata": {"labels": {"a": "2"}}, "spec": {"template": {"spec": {
            "containers": [{"name": "x", "image": "j"}]}}}});
        let patch = patch_between(&before, &wanted, message);
        assert_eq!(
            patch,
            value!({"metadata": {"labels": {"a": "2", "b": null}}, "spec": {"replicas": null, "template": {"spec": {
                "containers": [{"name": "x", "image": "j", "command": null}, {"$patch": "delete", "name": "y"}]}}}})
        );
    }
}
