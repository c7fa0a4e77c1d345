//! `serviceaccounts/token`: a token for a service account (`kubectl create token`).

use api::kinds::FieldError;
use api::{ObjectKey, ResourceId, json};
use bus::Stored;
use serde_json::{Value, json as value};

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::respond::{self, Response};
use crate::tokens::{self, Bound, Claims, ISSUER};
use crate::{body, read};

/// How long a token lasts if nobody says, in seconds.
const USUAL: i64 = 3_600;
/// How long a token must last at least and may last at most, in seconds.
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;

/// `POST serviceaccounts/<name>/token`.
pub async fn create(context: &Context, call: &Call) -> Result<Response, Failure> {
    let mut request = body::read(call)?;
    if !request.is_object() {
        return Err(Failure::bad_request("the request has no body"));
    }
    let account = read::find(context, call)?;
    let seconds = match request.pointer("/spec/expirationSeconds").and_then(Value::as_i64) {
        None => USUAL,
        Some(seconds) => lasting(seconds)?,
    };
    let wanted = json::items(&request, "/spec/audiences").iter().filter_map(Value::as_str);
    let mut audiences: Vec<String> = wanted.map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let now = telemetry::clock::now();
    let issued = now.0.div_euclid(1_000_000);
    let claims = Claims {
        namespace: account.key.namespace().to_owned(),
        name: account.key.name.to_string(),
        uid: uid_of(&account),
        audiences,
        id: telemetry::clock::fresh_uid().as_str().to_owned(),
        issued,
        expires: issued.saturating_add(seconds),
        bound: bound(context, call, &request)?,
    };
    let token = context
        .tokens
        .sign(&claims)
        .ok_or_else(|| Failure::unavailable("there is no randomness to sign with"))?;
    set(&mut request, "apiVersion", "authentication.k8s.io/v1");
    set(&mut request, "kind", "TokenRequest");
    let place = value!({"name": claims.name, "namespace": claims.namespace, "creationTimestamp": now.to_seconds_text()});
    set(&mut request, "metadata", place);
    let reference = request.pointer("/spec/boundObjectRef").cloned().unwrap_or_default();
    let spec =
        value!({"audiences": claims.audiences, "expirationSeconds": seconds, "boundObjectRef": reference});
    set(&mut request, "spec", spec);
    let expires = api::Timestamp(claims.expires.saturating_mul(1_000_000)).to_seconds_text();
    set(&mut request, "status", value!({"token": token, "expirationTimestamp": expires}));
    Ok(respond::value(201, &request))
}

fn lasting(seconds: i64) -> Result<i64, Failure> {
    let wrong = match seconds {
        ..SHORTEST => "may not specify a duration less than 10 minutes",
        SHORTEST..=LONGEST => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    Err(invalid("spec.expirationSeconds", format!("Invalid value: {seconds}: {wrong}")))
}

/// The object that the token shall die with; it must be there, and a pod must run as the account.
fn bound(context: &Context, call: &Call, request: &Value) -> Result<Option<Bound>, Failure> {
    let text = |field: &str| json::text(request, &format!("/spec/boundObjectRef/{field}"));
    if text("kind").is_empty() && text("name").is_empty() {
        return Ok(None);
    }
    let Some(kind) = tokens::bindable(text("kind")) else {
        let message = format!(
            "cannot bind token for serviceaccount \"{}\" to object with kind {}",
            call.name(),
            text("kind")
        );
        return Err(Failure::bad_request(message));
    };
    let namespace = call.path.namespace.as_deref().unwrap_or_default();
    let object = context
        .view
        .get(&key_of(kind, namespace, text("name")))
        .ok_or_else(|| missing(kind, text("name")))?;
    let uid = uid_of(&object);
    if !text("uid").is_empty() && text("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            text("uid")
        );
        return Err(Failure::conflict(&call.kind, call.name(), &why));
    }
    let stored = object.value();
    if kind == "Pod" && json::text(&stored, "/spec/serviceAccountName") != call.name() {
        let message = format!(
            "cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
            call.name()
        );
        return Err(Failure::bad_request(message));
    }
    Ok(Some(Bound { kind, name: text("name").to_owned(), uid }))
}

/// The key of an object that a token is bound to.
pub fn key_of(kind: &str, namespace: &str, name: &str) -> ObjectKey {
    match kind {
        "Node" => ObjectKey::cluster(ResourceId::new("nodes"), name),
        "Secret" => ObjectKey::namespaced(ResourceId::new("secrets"), namespace, name),
        _ => ObjectKey::namespaced(ResourceId::new("pods"), namespace, name),
    }
}

fn missing(kind: &str, name: &str) -> Failure {
    api::status::not_found(key_of(kind, "", name).resource, name).into()
}

fn uid_of(stored: &Stored) -> String {
    json::text(&stored.value(), "/metadata/uid").to_owned()
}

fn invalid(field: &str, message: String) -> Failure {
    let error = FieldError { field: field.to_owned(), reason: "FieldValueInvalid", message };
    let text =
        format!("TokenRequest.authentication.k8s.io \"\" is invalid: {}: {}", error.field, error.message);
    Failure::new(422, "Invalid", text)
}
