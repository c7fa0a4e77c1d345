//! CustomResourceDefinitions, for their own actor.

use serde::{Deserialize, Serialize};

use super::{Condition, resource};
use crate::custom::Names;

/// A definition of a kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomResourceDefinition {
    /// Desired.
    pub spec: CustomResourceDefinitionSpec,
    /// Observed.
    pub status: CustomResourceDefinitionStatus,
}
resource!(
    CustomResourceDefinition,
    "customresourcedefinitions.apiextensions.k8s.io",
    CustomResourceDefinitionStatus
);

/// `spec` of a definition, as far as its actor reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomResourceDefinitionSpec {
    /// `example.com`.
    pub group: String,
    /// The names that it asks for.
    pub names: Names,
    /// How its objects are converted.
    pub conversion: DefinitionConversion,
}

/// `spec.conversion` of a definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefinitionConversion {
    /// Of the strategy `Webhook`.
    pub webhook: DefinitionWebhook,
}

/// `spec.conversion.webhook` of a definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DefinitionWebhook {
    /// Where it is.
    pub client_config: DefinitionClient,
}

/// `spec.conversion.webhook.clientConfig` of a definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DefinitionClient {
    /// Who vouches for the webhook, in PEM and base64.
    pub ca_bundle: String,
}

/// `status` of a definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomResourceDefinitionStatus {
    /// `NamesAccepted`, `Established`, `KubernetesAPIApprovalPolicyConformant`, `Terminating`.
    pub conditions: Vec<Condition>,
    /// The names that it has.
    pub accepted_names: Names,
    /// Every version that objects may be stored in.
    pub stored_versions: Vec<String>,
}
