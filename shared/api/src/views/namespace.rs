//! Namespaces, for their own actor.

use serde::{Deserialize, Serialize};

use super::{Condition, resource};

/// A namespace. `spec.finalizers` holds `kubernetes` until its contents are gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// Desired.
    pub spec: NamespaceSpec,
    /// Observed.
    pub status: NamespaceStatus,
}
resource!(Namespace, "namespaces", NamespaceStatus);

/// `spec` of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSpec {
    /// `kubernetes` until the namespace actor has emptied it.
    pub finalizers: Vec<String>,
}

/// `status` of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceStatus {
    /// `Active` or `Terminating`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// What is left while it terminates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
