//! Kinds: what the gateway and the tools know of each, one line per kind, and the catalogue of those that are served.

mod catalogue;
mod decode;
mod duplicates;
mod registry;

pub use catalogue::{Kinds, by_gvk, by_path, kind, kinds};
pub(crate) use decode::decode_metadata;
pub use decode::leave_out_of_template;
pub use duplicates::{Read, Repeated, read};

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::custom::{ConversionWebhook, CustomResource};
use crate::versions::Conversion;
use crate::{ResourceId, Timestamp};

/// Everything the gateway and the tools need to know of a kind. Adding a kind adds no gateway code.
#[derive(Clone, Debug)]
pub struct KindInfo {
    /// `deployments.apps`.
    pub id: ResourceId,
    /// `apps`; empty for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployment`.
    pub singular: &'static str,
    /// `deploy`.
    pub short_names: Cow<'static, [&'static str]>,
    /// `all`.
    pub categories: Cow<'static, [&'static str]>,
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Has `/status`.
    pub has_status: bool,
    /// Has `/scale`.
    pub has_scale: bool,
    /// Its objects count the changes of what is wanted in `metadata.generation`.
    pub has_generation: bool,
    /// The `apiVersion` that objects are stored in, and the way there; `None` if it is this one, or if a webhook knows the way.
    pub stored_as: Option<(&'static str, Conversion)>,
    /// What its objects must be like, and how they are shown: rules are about objects as they are stored.
    pub(crate) rules: Rules,
}

/// The rules of a kind that is known at compile time are functions; those of a custom one follow from its schema.
#[derive(Clone, Debug)]
pub(crate) enum Rules {
    BuiltIn(BuiltIn),
    Custom(Arc<CustomResource>),
}

/// A line of the registry: what the kind's defaults, its rules and its table are.
#[derive(Clone, Debug)]
pub(crate) struct BuiltIn {
    default: fn(&mut Value),
    validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

impl KindInfo {
    /// `apps/v1`; `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Reads an object of this kind through its type, into the version that is stored: unknown fields are reported, nulls and
    /// defaults normalised.
    pub fn decode(&self, object: Value) -> Result<Decoded, SchemaError> {
        let mut decoded = match &self.rules {
            Rules::BuiltIn(_) => decode::decode(&self.api_version(), self.kind, object),
            Rules::Custom(rules) => rules.decode(object),
        }?;
        if let Some((api_version, conversion)) = self.stored_as {
            (conversion.store)(&mut decoded.object);
            set_api_version(&mut decoded.object, api_version);
        }
        Ok(decoded)
    }

    /// An object as it is stored, in this version. One that a webhook converts has to be in this version already.
    pub fn shown(&self, mut object: Value) -> Value {
        if let (Rules::BuiltIn(_), Some((_, conversion))) = (&self.rules, self.stored_as) {
            (conversion.show)(&mut object);
            set_api_version(&mut object, &self.api_version());
        }
        if let Rules::Custom(rules) = &self.rules {
            rules.show(&mut object);
        }
        object
    }

    /// An object as it is stored, in the shape that its schema has now.
    pub fn up_to_date(&self, mut object: Value) -> Value {
        match &self.rules {
            Rules::BuiltIn(_) => decode::leave_out(&mut object),
            Rules::Custom(rules) => rules.bring_up_to_date(&mut object),
        }
        object
    }

    /// Objects are shown as they are stored.
    pub fn shows_as_stored(&self) -> bool {
        self.stored_as.is_none() && self.custom().is_none()
    }

    /// Who converts its objects between versions; `None`: pure functions do.
    pub fn webhook(&self) -> Option<&ConversionWebhook> {
        self.custom().and_then(CustomResource::webhook)
    }

    /// The `apiVersion` that its objects are stored in.
    pub fn stored_version(&self) -> Cow<'_, str> {
        match (self.custom(), self.stored_as) {
            (Some(custom), _) => Cow::Borrowed(custom.stored_version()),
            (None, Some((version, _))) => Cow::Borrowed(version),
            (None, None) => Cow::Owned(self.api_version()),
        }
    }

    /// Its objects are stored in this version.
    pub fn is_stored(&self) -> bool {
        self.stored_version() == self.api_version()
    }

    /// Fills in Kubernetes' defaults.
    pub fn default(&self, object: &mut Value) {
        match &self.rules {
            Rules::BuiltIn(rules) => (rules.default)(object),
            Rules::Custom(rules) => rules.default(object),
        }
    }

    /// Checks a new object, or a change of `old`; empty when it is valid.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        match &self.rules {
            Rules::BuiltIn(rules) => (rules.validate)(object, old),
            Rules::Custom(rules) => rules.validate(object, old),
        }
    }

    /// Checks a change of the status of `old`.
    pub fn validate_status(&self, object: &Value, old: &Value) -> Vec<FieldError> {
        match &self.rules {
            Rules::BuiltIn(_) => crate::validation::status(self.id, object, old),
            Rules::Custom(rules) => rules.validate(object, Some(old)),
        }
    }

    /// Whoever replaces one of its objects has to say which version of it: Kubernetes writes the others over whatever is there.
    pub fn asks_for_version(&self) -> bool {
        const GROUPS: [&str; 4] =
            ["admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "policy"];
        let kind =
            matches!(self.kind, "Lease" | "RuntimeClass" | "VolumeAttachment" | "CSIDriver" | "CSINode");
        self.custom().is_some() || GROUPS.contains(&self.group) || kind
    }

    /// `kubectl get`'s columns.
    pub fn columns(&self) -> &[Column] {
        match &self.rules {
            Rules::BuiltIn(rules) => rules.columns,
            Rules::Custom(rules) => rules.columns(),
        }
    }

    /// The cells of one object, in the order of `columns`.
    pub fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        match &self.rules {
            Rules::BuiltIn(rules) => (rules.cells)(object, now),
            Rules::Custom(rules) => rules.cells(object, now),
        }
    }

    /// The shape of its objects, for `strategic::apply` and the like.
    pub fn message(&self) -> Option<&'static crate::schema::Message> {
        match &self.rules {
            Rules::BuiltIn(_) => crate::schema::root(&self.api_version(), self.kind),
            Rules::Custom(_) => None,
        }
    }

    /// The rules of a kind that a CustomResourceDefinition adds.
    pub fn custom(&self) -> Option<&CustomResource> {
        match &self.rules {
            Rules::BuiltIn(_) => None,
            Rules::Custom(rules) => Some(rules),
        }
    }

    /// `DeploymentList`.
    pub fn list_kind(&self) -> String {
        self.custom().map_or_else(|| format!("{}List", self.kind), |custom| custom.list_kind().to_owned())
    }

    /// Where its objects have what `/scale` shows.
    pub fn scale(&self) -> ScalePaths {
        self.custom().and_then(CustomResource::scale).cloned().unwrap_or(ScalePaths::USUAL)
    }
}

pub(crate) fn set_api_version(object: &mut Value, api_version: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".into(), api_version.into());
    }
}

/// An object read through its type.
#[derive(Debug)]
pub struct Decoded {
    /// The object with only the fields that the type knows.
    pub object: Value,
    /// Paths of fields that the type does not know: `spec.replcas`.
    pub unknown: Vec<String>,
}

/// A field has the wrong type.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// What is wrong, with the field's path.
    pub message: String,
    /// What Kubernetes says of it when it converts an object instead of reading it, as after a strategic merge patch.
    pub converting: String,
}

impl SchemaError {
    /// What is wrong, without whose version cannot be handled.
    pub fn reading(&self) -> &str {
        let rest =
            self.message.split_once(" cannot be handled as a ").and_then(|(_, rest)| rest.split_once(": "));
        rest.map_or(&self.message, |(_, why)| why)
    }
}

/// One violated rule (Kubernetes' `field.Error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `spec.template.spec.containers[0].image`.
    pub field: String,
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueForbidden`, `FieldValueDuplicate`, `FieldValueNotSupported`.
    pub reason: &'static str,
    /// `Required value`, `Invalid value: "x": must be …`.
    pub message: String,
}

/// Where an object has what `/scale` shows, as JSON pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// How many replicas are wanted.
    pub replicas: Cow<'static, str>,
    /// How many there are.
    pub current: Cow<'static, str>,
    /// What they are selected by: a selector, or its text. May be empty.
    pub selector: Cow<'static, str>,
}

impl ScalePaths {
    const USUAL: Self = Self {
        replicas: Cow::Borrowed("/spec/replicas"),
        current: Cow::Borrowed("/status/replicas"),
        selector: Cow::Borrowed("/spec/selector"),
    };
}

/// A column of `kubectl get`.
#[derive(Clone, Debug)]
pub struct Column {
    /// `Name`.
    pub name: Cow<'static, str>,
    /// `string`, `integer`, `date`.
    pub kind: Cow<'static, str>,
    /// `name` or empty.
    pub format: Cow<'static, str>,
    /// 0 always, 1 with `-o wide`.
    pub priority: i32,
    /// For people.
    pub description: Cow<'static, str>,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod workload_tests;
