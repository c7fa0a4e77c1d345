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
const STRATEGIC: &str = "application/strategic-merge-patch+json";
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
        match &*body::media_type(&call.content_type) {
            "application/json-patch+json" => json_patch(&call.body).map(Self::Json),
            "application/merge-patch+json" => body::from_json(&call.body)?.patch(call).map(Self::Merge),
            STRATEGIC if call.kind.custom().is_some() => Err(unsupported(call)),
            STRATEGIC => body::from_json(&call.body)?.patch(call).map(Self::Strategic),
            options::APPLY => body::from_yaml(&call.body)?.patch(call).map(Self::Apply),
            _ => Err(unsupported(call)),
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

fn unsupported(call: &Call) -> Failure {
    let known = ["application/json-patch+json", "application/merge-patch+json", STRATEGIC, options::APPLY];
    let is_custom = call.kind.custom().is_some();
    let known: Vec<&str> = known.into_iter().filter(|known| *known != STRATEGIC || !is_custom).collect();
    api::status::unsupported_media_type(&known).into()
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
    let object = write::modify(context, call, part, "patch", edit).await?;
    Ok(respond::value(200, &shape.value(&object, telemetry::clock::now())))
}

fn edited(call: &Call, patch: &Patch, old: &Value) -> Result<Checked, Failure> {
    let mut new = call.kind.shown(old.clone());
    patch.apply_to(&mut new, &call.kind.api_version(), call.kind.kind)?;
    fit_identity(call, old, &new)?;
    let checked = match patch {
        Patch::Strategic(patch) => body::check_or(call, new, |error| {
            unfit(&format!("{:?}", json::as_go_prints(patch)), &error.converting)
        }),
        Patch::Json(_) | Patch::Merge(_) | Patch::Apply(_) => {
            // Only what is refused is written down, so it is made once more.
            let patched = || {
                let mut new = call.kind.shown(old.clone());
                patch.apply_to(&mut new, &call.kind.api_version(), call.kind.kind).map(|()| new.to_string())
            };
            body::check_or(call, new, |error| {
                let shown = Value::from(patched().unwrap_or_default()).to_string();
                unfit(&shown, error.reading())
            })
        }
    }?;
    Ok(checked)
}

/// A patch leaves an object its name, its namespace and its identity.
pub fn fit_identity(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    let (name, namespace) = (json::text(new, "/metadata/name"), json::text(new, "/metadata/namespace"));
    body::named_as(call, name)?;
    if namespace != json::text(old, "/metadata/namespace") {
        return Err(Failure::bad_request(body::OTHER_NAMESPACE));
    }
    let mut errors = Vec::new();
    for field in ["uid", "deletionTimestamp"] {
        let pointer = format!("/metadata/{field}");
        let wanted = new.pointer(&pointer).filter(|wanted| !matches!(wanted, Value::Null));
        if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != old.pointer(&pointer)) {
            let message = format!("Invalid value: {wanted}: field is immutable");
            errors.push(FieldError {
                field: format!("metadata.{field}"),
                reason: "FieldValueInvalid",
                message,
            });
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::invalid(&call.kind, call.name(), &errors)),
    }
}

/// What Kubernetes says when a patch makes of an object what is none. It shows a strategic merge patch, of others what they lead to.
fn unfit(shown: &str, why: &str) -> Failure {
    let message = format!("Invalid value: {shown}: {why}");
    let error = FieldError { field: "patch".to_owned(), reason: "FieldValueInvalid", message };
    api::status::invalid_options("", "", "", &[error]).into()
}
