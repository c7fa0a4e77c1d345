//! PATCH: JSON, merge and strategic merge patches, and server-side apply.

use api::kinds::FieldError;
use api::{json, merge_patch, schema, strategic};
use json_patch::PatchOperation;
use serde_json::Value;

use crate::body::{self, Checked};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::{self, Response};
use crate::table::Shape;
use crate::write::{self, Part};
use crate::{apply, options};

/// What Kubernetes says of a JSON patch that does not apply.
const REJECTED: &str = "the server rejected our request due to an error in our request";
/// More operations than these are too many for a JSON patch.
const OPERATIONS: usize = 10_000;

/// How a patch is written.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own: lists merge by keys.
    Strategic(Value),
    /// Server-side apply: the fields that a manager wants, and no others.
    Apply(Value),
}

impl Patch {
    /// Reads the request's body as its `Content-Type` says.
    pub fn read(call: &Call) -> Result<Self, Failure> {
        match body::media_type(&call.content_type) {
            "application/json-patch+json" => json_patch(&call.body).map(Self::Json),
            "application/merge-patch+json" => body::from_json(&call.body).map(Self::Merge),
            "application/strategic-merge-patch+json" if call.kind.custom().is_some() => {
                Err(api::status::unsupported_media_type(&[
                    "application/json-patch+json",
                    "application/merge-patch+json",
                    "application/apply-patch+yaml",
                ])
                .into())
            }
            "application/strategic-merge-patch+json" => body::from_json(&call.body).map(Self::Strategic),
            options::APPLY => body::from_yaml(&call.body).map(Self::Apply),
            _ => Err(api::status::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                options::APPLY,
            ])
            .into()),
        }
    }

    /// Applies it to a value of a type (`apps/v1`, `Deployment`).
    pub fn apply_to(&self, value: &mut Value, api_version: &str, kind: &str) -> Result<(), Failure> {
        match self {
            Self::Json(patch) => apply_json(patch, value),
            Self::Merge(patch) => {
                merge_patch::apply(value, patch);
                Ok(())
            }
            Self::Strategic(patch) | Self::Apply(patch) => {
                strategic::apply(value, patch, schema::root(api_version, kind))
                    .map_err(|error| Failure::bad_request(error.to_string()))
            }
        }
    }
}

fn json_patch(body: &[u8]) -> Result<json_patch::Patch, Failure> {
    let patch: json_patch::Patch = serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    match patch.0.len() {
        many if many > OPERATIONS => {
            let why = format!("The allowed maximum operations in a JSON patch is {OPERATIONS}, got {many}");
            Err(api::status::too_large(why).into())
        }
        _ => Ok(patch),
    }
}

/// As with Kubernetes, a test for `null` passes where nothing stands: clients add the first of a list's elements like that.
fn apply_json(patch: &json_patch::Patch, value: &mut Value) -> Result<(), Failure> {
    for operation in patch.iter() {
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && test.path.resolve(value).is_err()
        {
            continue;
        }
        json_patch::patch(value, std::slice::from_ref(operation))
            .map_err(|_| Failure::new(422, "Invalid", REJECTED))?;
    }
    Ok(())
}

/// `PATCH` of an object.
pub async fn answer(context: &Context, call: &Call) -> Result<Response, Failure> {
    part(context, call, Part::Object).await
}

/// `PATCH` of a part of an object.
pub async fn part(context: &Context, call: &Call, part: Part) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let patch = Patch::read(call)?;
    if let Patch::Apply(wanted) = patch {
        return apply::answer(context, call, part, wanted).await;
    }
    let edit = |old: &Value| edited(call, &patch, old);
    let (object, warnings) = write::modify(context, call, part, "patch", edit).await?;
    let mut response = respond::value(200, &shape.value(&object, telemetry::clock::now()));
    respond::warn(&mut response, &warnings);
    Ok(response)
}

fn edited(call: &Call, patch: &Patch, old: &Value) -> Result<Checked, Failure> {
    let mut new = call.kind.shown(old.clone());
    patch.apply_to(&mut new, &call.kind.api_version(), call.kind.kind)?;
    let checked = match patch {
        Patch::Strategic(patch) => body::check_or(call, new, |error| unfit(patch, &error.converting)),
        Patch::Json(_) | Patch::Merge(_) | Patch::Apply(_) => body::check(call, new),
    }?;
    for field in ["/metadata/name", "/metadata/namespace"] {
        let (wanted, found) = (json::text(&checked.object, field), json::text(old, field));
        if wanted != found {
            let message =
                format!("the name of the object ({wanted}) does not match the name on the URL ({found})");
            return Err(Failure::bad_request(message));
        }
    }
    Ok(checked)
}

/// What Kubernetes says when a strategic merge patch makes of an object what is none.
fn unfit(patch: &Value, why: &str) -> Failure {
    let message = format!("Invalid value: {:?}: {why}", go_value(patch));
    let error = FieldError { field: "patch".to_owned(), reason: "FieldValueInvalid", message };
    api::status::invalid_options("", "", "", &[error]).into()
}

/// A value as Go prints it: `map[a:1 b:[x y]]`.
fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_value).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{name}:{}", go_value(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}
