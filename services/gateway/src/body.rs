//! Reads request bodies: JSON, YAML or protobuf in, a checked object of the right kind out.

use std::time::Duration;

use api::custom::CustomResource;
use api::kinds::SchemaError;
use api::{KindInfo, json, managed};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json as json_value};

use crate::call::Call;
use crate::failure::Failure;
use crate::owners::Owners;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// The largest body that is read.
const BODY_LIMIT: usize = 3 * 1024 * 1024;
/// How long a client may take to send its body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// An object that its kind's type understands.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Only fields that the type knows.
    pub object: Value,
    /// Who owns its fields, so far as is known.
    pub owners: Owners,
    /// For `Warning` headers.
    pub warnings: Vec<String>,
}

/// Receives a body whole.
pub async fn receive(body: Incoming) -> Result<Bytes, Failure> {
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_LIMIT).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(api::status::too_large(format!("Request entity too large: limit is {BODY_LIMIT}")).into())
        }
        Ok(Err(error)) => Err(Failure::bad_request(format!("failed to read the body: {error}"))),
        Err(_) => Err(Failure::timeout("the body did not arrive in time")),
    }
}

/// The body as it was sent, whatever it is. An empty one is `null`.
pub fn read(call: &Call) -> Result<Value, Failure> {
    parse(&call.content_type, &call.body)
}

/// A body of any type that objects are sent in.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    match media_type(content_type) {
        "" | "application/json" | "*/*" => from_json(body),
        PROTOBUF => from_protobuf(body),
        "application/yaml" | "application/x-yaml" | "text/yaml" => from_yaml(body),
        _ => Err(Failure::unsupported_media_type()),
    }
}

/// The body as an object of the call's kind, for its namespace and name.
pub fn object(call: &Call) -> Result<Checked, Failure> {
    // Custom resources have no protobuf form, whatever their name.
    if call.kind.custom().is_some() && media_type(&call.content_type) == PROTOBUF {
        return Err(Failure::unsupported_media_type());
    }
    let value = read(call)?;
    if value.is_null() {
        return Err(Failure::bad_request("the request has no body"));
    }
    let mut checked = check(call, value)?;
    fit_namespace(call, &mut checked.object)?;
    if call.path.name.is_some() {
        fit_name(call, &mut checked.object)?;
    }
    Ok(checked)
}

/// Reads a value through the call's kind; what is unknown is refused, told or ignored as the request wishes.
pub fn check(call: &Call, value: Value) -> Result<Checked, Failure> {
    check_or(call, value, |error| Failure::bad_request(error.message))
}

/// The same for those who say in their own way what does not fit the kind.
pub fn check_or(
    call: &Call,
    mut value: Value,
    refuse: impl Fn(SchemaError) -> Failure,
) -> Result<Checked, Failure> {
    let kind = &call.kind;
    fit_kind(kind, &mut value)?;
    let entries = value.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null());
    let owners = Owners::Sent(if entries { managed::detach(&mut value) } else { None });
    let title = format!("{} in version \"{}\" cannot be handled as a {}", kind.kind, kind.version, kind.kind);
    let decoded = kind.decode(value).map_err(&refuse)?;
    let unknown = decoded.unknown.iter().map(|path| format!("unknown field \"{path}\""));
    let warnings = match call.query.text("fieldValidation") {
        "Ignore" => Vec::new(),
        "Strict" if !decoded.unknown.is_empty() => {
            let list = unknown.collect::<Vec<_>>().join(", ");
            let converting = format!("strict decoding error: {list}");
            return Err(refuse(SchemaError { message: format!("{title}: {converting}"), converting }));
        }
        _ => unknown.collect(),
    };
    let deprecation = kind.custom().and_then(CustomResource::deprecation).map(str::to_owned);
    let warnings = deprecation.into_iter().chain(warnings).collect();
    Ok(Checked { object: decoded.object, owners, warnings })
}

/// JSON; a failure that names the place.
pub fn from_json(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    })
}

/// YAML; also used for apply.
pub fn from_yaml(bytes: &[u8]) -> Result<Value, Failure> {
    serde_yaml_ng::from_slice(bytes)
        .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))
}

/// `application/json` of `application/json; charset=utf-8`.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn from_protobuf(bytes: &[u8]) -> Result<Value, Failure> {
    api::protobuf::decode(bytes)
        .map_err(|error| Failure::bad_request(format!("error decoding protobuf: {error}")))
}

/// An object may leave out its kind; if it names one, it must be the path's.
fn fit_kind(kind: &KindInfo, value: &mut Value) -> Result<(), Failure> {
    let (api_version, kind_name) = (json::text(value, "/apiVersion"), json::text(value, "/kind"));
    let expected = kind.api_version();
    if !api_version.is_empty() && api_version != expected {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )));
    }
    if !kind_name.is_empty() && kind_name != kind.kind {
        let (found, wanted) = (kind_name, kind.kind);
        return Err(Failure::bad_request(format!(
            "the kind in the data ({found}) does not match the expected kind ({wanted})"
        )));
    }
    let Some(fields) = value.as_object_mut() else {
        return Err(Failure::bad_request("couldn't get version/kind; the body is not an object"));
    };
    fields.insert("apiVersion".into(), expected.into());
    fields.insert("kind".into(), kind.kind.into());
    match fields.entry("metadata").or_insert_with(|| json_value!({})) {
        Value::Object(_) => Ok(()),
        absent @ Value::Null => {
            *absent = json_value!({});
            Ok(())
        }
        _ => Err(Failure::bad_request("metadata is not an object")),
    }
}

/// An object may leave out its name; if it has one, it must be the path's.
pub fn fit_name(call: &Call, object: &mut Value) -> Result<(), Failure> {
    let (found, wanted) = (json::text(object, "/metadata/name"), call.name());
    if !found.is_empty() && found != wanted {
        return Err(Failure::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({wanted})"
        )));
    }
    if let Some(metadata) = json::child(object, "metadata") {
        metadata.insert("name".into(), wanted.into());
    }
    Ok(())
}

/// An object may leave out its namespace; if it has one, it must be the path's.
pub fn fit_namespace(call: &Call, object: &mut Value) -> Result<(), Failure> {
    let Some(wanted) = &call.path.namespace else { return Ok(()) };
    let found = json::text(object, "/metadata/namespace");
    if !found.is_empty() && found != wanted {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    if let Some(metadata) = json::child(object, "metadata") {
        metadata.insert("namespace".into(), wanted.as_str().into());
    }
    Ok(())
}
