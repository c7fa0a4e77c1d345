//! Requests for certificates: who asked is written down, decisions need permission, and what is approved the authority signs.

mod asked;
mod authority;

use api::kinds::FieldError;
use api::{ResourceId, json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json as value};

use crate::access::{ResourceWish, Wish};
use crate::auth::MASTERS;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use asked::{Asked, CLIENTS, NODE_SERVERS, NODES};
use authority::Contents;
pub use authority::{Authority, AuthorityError};

/// Requests for certificates.
pub const ID: ResourceId = ResourceId::new("certificatesigningrequests.certificates.k8s.io");
/// How long a certificate lasts if nobody says otherwise, and at most: a year, in seconds.
const YEAR: i64 = 365 * 24 * 3600;
/// Clocks may differ by so much, in seconds.
const BACKDATED: i64 = 300;
/// What a user is, as a request keeps it.
const WHO: [(&str, &str); 4] =
    [("username", "username"), ("uid", "uid"), ("groups", "groups"), ("extra", "extra")];

/// Writes down who asks, and refuses what cannot be signed.
pub fn creation(call: &Call, object: &mut Value) -> Result<(), Failure> {
    if call.kind.id != ID {
        return Ok(());
    }
    let user = call.user.to_value();
    if let Some(spec) = json::child(object, "spec") {
        for (field, source) in WHO {
            spec.remove(field);
            spec.extend(user.get(source).map(|value| (field.to_owned(), value.clone())));
        }
    }
    if json::text(object, "/spec/request").is_empty() {
        return Ok(());
    }
    let name = json::text(object, "/metadata/name").to_owned();
    let asked = Asked::read(object).map_err(|why| {
        let message = format!("Invalid value: {:?}: {why}", json::text(object, "/spec/request"));
        let error = FieldError { field: "spec.request".to_owned(), reason: "FieldValueInvalid", message };
        Failure::invalid(&call.kind, &name, &[error])
    })?;
    if json::text(object, "/spec/signerName") == CLIENTS
        && asked.organizations.iter().any(|group| group == MASTERS)
    {
        let why = format!("use of {CLIENTS} signer with {MASTERS} group is not allowed");
        return Err(Failure::forbidden(&call.kind, &name, &why));
    }
    Ok(())
}

/// What was asked for stays as it is.
pub fn kept(call: &Call, new: &mut Value, old: &Value) {
    if call.kind.id == ID
        && let Some(spec) = old.get("spec")
    {
        set(new, "spec", spec.clone());
    }
}

/// Prepares a decision: `old` with the conditions of `new`, and with a certificate if that follows.
pub fn decided(context: &Context, call: &Call, new: &mut Value, old: &Value) -> Result<(), Failure> {
    let errors = api::validation::signing_conditions(new, old, true);
    if !errors.is_empty() {
        return Err(Failure::invalid(&call.kind, call.name(), &errors));
    }
    permit(context, call, old, "approve")?;
    let conditions = new.pointer("/status/conditions").cloned().unwrap_or_else(|| value!([]));
    let metadata = new.get("metadata").cloned();
    *new = old.clone();
    metadata.into_iter().for_each(|metadata| set(new, "metadata", metadata));
    put(new, "conditions", conditions);
    dated(new);
    issue(context, new);
    Ok(())
}

/// Who writes a certificate or says that there will be none signs.
pub fn status(context: &Context, call: &Call, new: &mut Value, old: &Value) -> Result<(), Failure> {
    if call.kind.id != ID {
        return Ok(());
    }
    let errors = api::validation::signing_conditions(new, old, false);
    if !errors.is_empty() {
        return Err(Failure::invalid(&call.kind, call.name(), &errors));
    }
    dated(new);
    let certificate = |object: &Value| json::text(object, "/status/certificate").to_owned();
    let failed = |object: &Value| {
        json::items(object, "/status/conditions").iter().any(|one| json::text(one, "/type") == "Failed")
    };
    if !certificate(old).is_empty() && certificate(old) != certificate(new) {
        let message = "Forbidden: field cannot be changed once it is set".to_owned();
        let error =
            FieldError { field: "status.certificate".to_owned(), reason: "FieldValueForbidden", message };
        return Err(Failure::invalid(&call.kind, call.name(), &[error]));
    }
    match certificate(old) != certificate(new) || failed(old) != failed(new) {
        true => permit(context, call, old, "sign"),
        false => Ok(()),
    }
}

/// The verb on the signer, or on all signers of its domain.
fn permit(context: &Context, call: &Call, request: &Value, verb: &str) -> Result<(), Failure> {
    let signer = json::text(request, "/spec/signerName");
    let all = signer.split_once('/').map(|(domain, _)| format!("{domain}/*")).unwrap_or_default();
    let may = |name: &str| {
        let wish = ResourceWish {
            verb: verb.to_owned(),
            group: call.kind.group.to_owned(),
            resource: "signers".to_owned(),
            name: name.to_owned(),
            ..ResourceWish::default()
        };
        context.access.allows(&call.user, &Wish::Resource(wish))
    };
    if may(signer) || may(&all) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName \"{signer}\"");
    Err(Failure::forbidden(&call.kind, call.name(), &why))
}

/// Every condition says when it became what it is.
fn dated(object: &mut Value) {
    let now = value!(telemetry::clock::now().to_seconds_text());
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        for field in ["lastUpdateTime", "lastTransitionTime"] {
            if json::text(condition, &format!("/{field}")).is_empty() {
                set(condition, field, now.clone());
            }
        }
    }
}

/// Signs what is approved, if the cluster's authority is the signer, or says why not.
fn issue(context: &Context, request: &mut Value) {
    let signer = json::text(request, "/spec/signerName").to_owned();
    let conditions = json::items(request, "/status/conditions");
    let is = |kind: &str| conditions.iter().any(|condition| json::text(condition, "/type") == kind);
    let due = is("Approved")
        && !is("Denied")
        && !is("Failed")
        && json::text(request, "/status/certificate").is_empty();
    if !due || ![CLIENTS, NODES, NODE_SERVERS].contains(&signer.as_str()) {
        return;
    }
    match signed(context, request, &signer) {
        Ok(certificate) => put(request, "certificate", value!(STANDARD.encode(certificate))),
        Err(why) => {
            let mut conditions = json::items(request, "/status/conditions").to_vec();
            conditions.push(value!({
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why,
            }));
            put(request, "conditions", Value::Array(conditions));
            dated(request);
        }
    }
}

fn signed(context: &Context, request: &Value, signer: &str) -> Result<String, String> {
    let asked = Asked::read(request)?;
    let usages: Vec<&str> = json::items(request, "/spec/usages").iter().filter_map(Value::as_str).collect();
    asked.suits(signer, &usages)?;
    let now = telemetry::clock::now().0.div_euclid(1_000_000);
    let life = json::int(request, "/spec/expirationSeconds").unwrap_or(YEAR).min(YEAR);
    let contents = Contents {
        subject: &asked.subject,
        public_key: &asked.public_key,
        other_names: asked.other_names.as_ref().map(|(names, critical)| (names.as_slice(), *critical)),
        signs: usages.contains(&"digital signature"),
        enciphers: usages.contains(&"key encipherment"),
        for_clients: usages.contains(&"client auth"),
        for_servers: usages.contains(&"server auth"),
        begins: now - BACKDATED,
        ends: now + life,
    };
    context.authority_key.sign(&contents, &rand::random()).map_err(|error| error.to_string())
}

fn put(object: &mut Value, field: &str, value: Value) {
    if !object.get("status").is_some_and(Value::is_object) {
        set(object, "status", value!({}));
    }
    if let Some(status) = json::child(object, "status") {
        status.insert(field.to_owned(), value);
    }
}
