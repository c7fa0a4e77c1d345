//! What goes wrong with a request: a Kubernetes `Status`, and what the client may do about it.

use api::KindInfo;
use api::kinds::FieldError;
use api::lifecycle::Refusal;
use api::selector::SelectorError;
use api::status::{self, Status};
use bus::{Stored, WriteError};
use serde_json::{Map, Value, json};

/// Formats of objects that requests may have.
const BODIES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// The answer to a request that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What is wrong.
    pub status: Box<Status>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
    /// How a list may go on after it expired.
    pub continue_token: Option<String>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status: Box::new(status), retry_after: None, continue_token: None }
    }
}

impl From<SelectorError> for Failure {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl Failure {
    /// A failure without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status { code, reason, message: message.into(), details: Map::new() }.into()
    }

    /// Nothing is there, not even a kind whose object could be missed.
    pub fn is_no_path(&self) -> bool {
        self.status.code == 404 && self.status.message == status::no_such_resource().message
    }

    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.status.code
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        status::bad_request(message).into()
    }

    /// There is nothing at this path.
    pub fn no_such_path() -> Self {
        status::no_such_resource().into()
    }

    /// The path does not have this verb.
    pub fn method_not_allowed() -> Self {
        status::method_not_allowed().into()
    }

    /// None of the formats that the client accepts can be served.
    pub fn not_acceptable() -> Self {
        status::not_acceptable(&BODIES).into()
    }

    /// The body's format is not known.
    pub fn unsupported_media_type() -> Self {
        status::unsupported_media_type(&BODIES).into()
    }

    /// Who asks is not known.
    pub fn unauthorized() -> Self {
        status::unauthorized().into()
    }

    /// No object of this name.
    pub fn not_found(kind: &KindInfo, name: &str) -> Self {
        status::not_found(kind.id, name).into()
    }

    /// An object of this name exists.
    pub fn already_exists(kind: &KindInfo, name: &str) -> Self {
        status::already_exists(kind.id, name).into()
    }

    /// An object of this name exists; it may be about to go.
    pub fn is_there(kind: &KindInfo, name: &str, there: &Stored) -> Self {
        let mut failure = Self::already_exists(kind, name);
        if there.value().pointer("/metadata/deletionTimestamp").is_some() {
            failure.status.message.insert_str(0, "object is being deleted: ");
        }
        failure
    }

    /// The object is not what the client thinks it is.
    pub fn conflict(kind: &KindInfo, name: &str, why: &str) -> Self {
        status::conflict_because(kind.id, name, why).into()
    }

    /// The object has changed since the client read it.
    pub fn modified(kind: &KindInfo, name: &str) -> Self {
        status::conflict(kind.id, name).into()
    }

    /// The object is not the one, or not as, whoever deletes it demands.
    pub fn not_as_demanded(kind: &KindInfo, name: &str, refusal: &Refusal) -> Self {
        let why = match refusal {
            Refusal::Uid { wanted, found } => format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
            ),
            Refusal::ResourceVersion { wanted, found } => format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({found}). The object might have been modified"
            ),
        };
        let mut failure = Self::conflict(kind, name, &why);
        // Kubernetes names the kind here rather than the resource.
        let full = if kind.group.is_empty() {
            kind.kind.to_owned()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        failure.status.message = format!("Operation cannot be fulfilled on {full} \"{name}\": {why}");
        failure.status.details.insert("kind".into(), kind.kind.into());
        failure
    }

    /// An object of this kind is not replaced without saying which version of it.
    pub fn without_version(kind: &KindInfo, name: &str) -> Self {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let error =
            FieldError { field: "metadata.resourceVersion".to_owned(), reason: "FieldValueInvalid", message };
        status::invalid_options(kind.group, kind.id.plural(), name, &[error]).into()
    }

    /// A rule of the cluster forbids it.
    pub fn forbidden(kind: &KindInfo, name: &str, why: &str) -> Self {
        status::forbidden(kind.id, name, why).into()
    }

    /// Fields violate rules.
    pub fn invalid(kind: &KindInfo, name: &str, errors: &[FieldError]) -> Self {
        status::invalid(kind, name, errors).into()
    }

    /// The version from which a watch or a list shall go on is too long ago.
    pub fn expired(message: impl Into<String>) -> Self {
        status::expired(message).into()
    }

    /// Something behind the gateway does not answer; `what` says what.
    pub fn unavailable(what: impl Into<String>) -> Self {
        Self::from(status::unavailable(what)).again_in(1)
    }

    /// Something behind the gateway did not answer in time.
    pub fn timeout(what: impl Into<String>) -> Self {
        Self::from(status::timeout(what)).again_in(1)
    }

    /// Too many requests at once.
    pub fn too_many_requests() -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        Self::from(status::too_many_requests(message, 1)).again_in(1)
    }

    /// The store did not take a write.
    pub fn write(kind: &KindInfo, name: &str, error: &WriteError) -> Self {
        match error {
            WriteError::Conflict { .. } => Self::modified(kind, name),
            WriteError::TooLarge { .. } => status::too_large(error.to_string()).into(),
            WriteError::Full(..) => Self::new(507, "InsufficientStorage", error.to_string()),
            WriteError::Unavailable(..) => Self::unavailable(error.to_string()),
            WriteError::Unknown(..) => Self::timeout(error.to_string()),
        }
    }

    /// The `Status` object.
    pub fn to_value(&self) -> Value {
        let mut value = self.status.to_value();
        if let (Some(token), Some(fields)) = (&self.continue_token, value.as_object_mut()) {
            fields.insert("metadata".into(), json!({"continue": token}));
        }
        value
    }

    fn again_in(mut self, seconds: u32) -> Self {
        self.status.details.insert("retryAfterSeconds".into(), seconds.into());
        self.retry_after = Some(seconds);
        self
    }
}
