//! Reads request bodies: JSON, YAML or protobuf in, a checked object of the right kind out.

use std::time::Duration;

use api::kinds::{FieldError, Read, Repeated, SchemaError};
use api::{KindInfo, json, lifecycle, managed};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json as json_value};

use crate::call::Call;
use crate::failure::Failure;
use crate::owners::Owners;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Of an object of another namespace than the path's.
pub const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";
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
    parse_closely(content_type, body).map(|sent| sent.value)
}

/// A body, and in sentences which of its fields are there twice.
fn parse_closely(content_type: &str, body: &[u8]) -> Result<Sent, Failure> {
    if body.is_empty() {
        return Ok(Sent::default());
    }
    match &*media_type(content_type) {
        "" | "application/json" => from_json(body),
        PROTOBUF => Ok(Sent { value: from_protobuf(body)?, repeated: Vec::new() }),
        "application/yaml" => from_yaml(body),
        _ => Err(Failure::unsupported_media_type()),
    }
}

/// What was sent, and in sentences which of its fields are there twice.
#[derive(Debug, Default)]
pub struct Sent {
    /// Of fields that are there twice it has the last.
    pub value: Value,
    /// `duplicate field "spec.replicas"`.
    pub repeated: Vec<String>,
}

impl Sent {
    fn of(read: Read, sentence: impl Fn(&Repeated) -> String) -> Self {
        Self { repeated: read.repeated.iter().map(sentence).collect(), value: read.value }
    }

    /// What is twice in a patch is refused, told or ignored as the request wishes.
    pub fn patch(self, call: &Call) -> Result<Value, Failure> {
        match call.query.text("fieldValidation") {
            "Ignore" => {}
            "Strict" if !self.repeated.is_empty() => {
                let list = self.repeated.join(", ");
                return Err(Failure::bad_request(format!(
                    "error decoding patch: strict decoding error: {list}"
                )));
            }
            _ => call.warn(self.repeated),
        }
        Ok(self.value)
    }
}

/// The body as an object of the call's kind, for its namespace and name.
pub fn object(call: &Call) -> Result<Checked, Failure> {
    // Custom resources have no protobuf form, whatever their name.
    if call.kind.custom().is_some() && media_type(&call.content_type) == PROTOBUF {
        return Err(Failure::unsupported_media_type());
    }
    let Sent { value, repeated } = parse_closely(&call.content_type, &call.body)?;
    if value.is_null() {
        return Err(Failure::bad_request("the request has no body"));
    }
    if call.kind.custom().is_some() {
        says_its_kind(&call.kind, &value)?;
    }
    let mut checked = check_closely(call, value, repeated, |error| Failure::bad_request(error.message))?;
    fit_namespace(call, &mut checked.object)?;
    if call.path.name.is_some() {
        named_as(call, json::text(&checked.object, "/metadata/name"))?;
    }
    Ok(checked)
}

/// A custom resource has no type that would know what it is.
fn says_its_kind(kind: &KindInfo, value: &Value) -> Result<(), Failure> {
    let (api_version, kind_name) = (json::text(value, "/apiVersion"), json::text(value, "/kind"));
    if kind_name.is_empty() && value.is_object() {
        let wanted = kind.kind;
        return Err(Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {wanted}): Object 'Kind' is missing in '{value}'"
        )));
    }
    if api_version.is_empty() && value.is_object() {
        return Err(Failure::bad_request(other_version(api_version, &kind.api_version())));
    }
    if api_version == kind.api_version() && kind_name != kind.kind {
        let message = format!("Invalid value: {kind_name:?}: must be {}", kind.kind);
        let error = FieldError { field: "kind".to_owned(), reason: "FieldValueInvalid", message };
        let name = json::text(value, "/metadata/name");
        return Err(api::status::invalid_options(kind.group, kind_name, name, &[error]).into());
    }
    Ok(())
}

/// Reads a value through the call's kind; what is unknown is refused, told or ignored as the request wishes.
pub fn check(call: &Call, value: Value) -> Result<Checked, Failure> {
    check_or(call, value, |error| Failure::bad_request(error.message))
}

/// The same for those who say in their own way what does not fit the kind.
pub fn check_or(
    call: &Call,
    value: Value,
    refuse: impl Fn(SchemaError) -> Failure,
) -> Result<Checked, Failure> {
    check_closely(call, value, Vec::new(), refuse)
}

fn check_closely(
    call: &Call,
    mut value: Value,
    repeated: Vec<String>,
    refuse: impl Fn(SchemaError) -> Failure,
) -> Result<Checked, Failure> {
    let kind = &call.kind;
    fit_kind(kind, &mut value)?;
    let entries = value.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null());
    let owners = Owners::Sent(if entries { managed::detach(&mut value) } else { None });
    let title = format!("{} in version \"{}\" cannot be handled as a {}", kind.kind, kind.version, kind.kind);
    let decoded = kind.decode(value).map_err(&refuse)?;
    let unknown = decoded.unknown.iter().map(|path| format!("unknown field \"{path}\""));
    let told: Vec<String> = repeated.into_iter().chain(unknown).collect();
    match call.query.text("fieldValidation") {
        "Ignore" => {}
        "Strict" if !told.is_empty() => {
            let converting = format!("strict decoding error: {}", told.join(", "));
            return Err(refuse(SchemaError { message: format!("{title}: {converting}"), converting }));
        }
        _ => call.warn(told),
    }
    let mut object = decoded.object;
    call.warn(lifecycle::without_repeated_owners(&mut object));
    Ok(Checked { object, owners })
}

/// JSON; a failure that names the place.
pub fn from_json(bytes: &[u8]) -> Result<Sent, Failure> {
    let wrong = |error: serde_json::Error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    };
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let read = api::kinds::read(&mut document).map_err(wrong)?;
    document.end().map_err(wrong)?;
    Ok(Sent::of(read, |repeated| format!("duplicate field \"{}\"", repeated.path)))
}

/// YAML; also used for apply. Where there are more documents, the first one counts, as in Kubernetes.
pub fn from_yaml(bytes: &[u8]) -> Result<Sent, Failure> {
    let Some(document) = serde_yaml_ng::Deserializer::from_slice(bytes).next() else {
        return Ok(Sent::default());
    };
    let read = api::kinds::read(document)
        .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
    Ok(Sent::of(read, |repeated| format!("key \"{}\" already set in map", repeated.key)))
}

/// `application/json` of `application/json; charset=utf-8`.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn from_protobuf(bytes: &[u8]) -> Result<Value, Failure> {
    api::protobuf::decode(bytes)
        .map_err(|error| Failure::bad_request(format!("error decoding protobuf: {error}")))
}

fn other_version(found: &str, wanted: &str) -> String {
    format!("the API version in the data ({found}) does not match the expected API version ({wanted})")
}

/// An object may leave out its kind; if it names one, it must be the path's.
fn fit_kind(kind: &KindInfo, value: &mut Value) -> Result<(), Failure> {
    let (api_version, kind_name) = (json::text(value, "/apiVersion"), json::text(value, "/kind"));
    let expected = kind.api_version();
    if !api_version.is_empty() && api_version != expected {
        return Err(Failure::bad_request(other_version(api_version, &expected)));
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

/// What replaces an object says its name, which must be the path's.
pub fn named_as(call: &Call, found: &str) -> Result<(), Failure> {
    let wanted = call.name();
    match found {
        "" => Err(Failure::bad_request(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        ))),
        found if found != wanted => Err(Failure::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({wanted})"
        ))),
        _ => Ok(()),
    }
}

/// What is applied may leave out its name; if it has one, it must be the path's.
pub fn fit_name(call: &Call, object: &mut Value) -> Result<(), Failure> {
    let found = json::text(object, "/metadata/name");
    if !found.is_empty() {
        return named_as(call, found);
    }
    if let Some(metadata) = json::child(object, "metadata") {
        metadata.insert("name".into(), call.name().into());
    }
    Ok(())
}

/// An object may leave out its namespace; if it has one, it must be the path's.
pub fn fit_namespace(call: &Call, object: &mut Value) -> Result<(), Failure> {
    let Some(wanted) = &call.path.namespace else { return Ok(()) };
    let found = json::text(object, "/metadata/namespace");
    if !found.is_empty() && found != wanted {
        return Err(Failure::bad_request(OTHER_NAMESPACE));
    }
    if let Some(metadata) = json::child(object, "metadata") {
        metadata.insert("namespace".into(), wanted.as_str().into());
    }
    Ok(())
}
