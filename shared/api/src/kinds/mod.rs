//! The registry of kinds: one line per kind.

mod decode;
mod duplicates;
mod registry;

pub use duplicates::duplicate_fields;

use serde_json::Value;

use crate::{ResourceId, Timestamp};

/// Everything the gateway and the tools need to know of a kind. Adding a kind adds no gateway code.
#[derive(Debug)]
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
    pub short_names: &'static [&'static str],
    /// `all`.
    pub categories: &'static [&'static str],
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Has `/status`.
    pub has_status: bool,
    /// Has `/scale`.
    pub has_scale: bool,
    /// Reads an object of this kind through its type: unknown fields are reported, nulls and defaults normalised.
    pub decode: fn(Value) -> Result<Decoded, SchemaError>,
    /// Fills in Kubernetes' defaults.
    pub default: fn(&mut Value),
    /// Checks a new object, or a change of `old`; empty when it is valid.
    pub validate: fn(&Value, Option<&Value>) -> Vec<FieldError>,
    /// `kubectl get`'s columns.
    pub columns: &'static [Column],
    /// The cells of one object, in the order of `columns`.
    pub cells: fn(&Value, Timestamp) -> Vec<Value>,
}

impl KindInfo {
    /// `apps/v1`; `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The shape of its objects, for `strategic::apply` and the like.
    pub fn message(&self) -> Option<&'static crate::schema::Message> {
        crate::schema::root(&self.api_version(), self.kind)
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

/// A column of `kubectl get`.
#[derive(Debug)]
pub struct Column {
    /// `Name`.
    pub name: &'static str,
    /// `string`, `integer`, `date`.
    pub kind: &'static str,
    /// `name` or empty.
    pub format: &'static str,
    /// 0 always, 1 with `-o wide`.
    pub priority: i32,
    /// For people.
    pub description: &'static str,
}

/// Every kind that this version of Odeon knows.
pub fn kinds() -> &'static [KindInfo] {
    registry::KINDS
}

/// The kind of a resource: `pods`, `deployments.apps`.
pub fn kind(id: ResourceId) -> Option<&'static KindInfo> {
    kinds().iter().find(|kind| kind.id == id)
}

/// The kind of an object: `apps/v1`, `Deployment`.
pub fn by_gvk(api_version: &str, kind: &str) -> Option<&'static KindInfo> {
    kinds().iter().find(|known| known.kind == kind && known.api_version() == api_version)
}

/// The kind behind a path: `apps`, `v1`, `deployments`.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
    kinds()
        .iter()
        .find(|known| known.group == group && known.version == version && known.id.plural() == plural)
}

#[cfg(test)]
mod tests;
