//! ConfigMaps and Secrets: decisions read their metadata only; agents read the whole object.

use serde::{Deserialize, Serialize};

use super::resource;

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// Nothing: ConfigMaps have no status.
    #[serde(skip)]
    pub status: (),
}
resource!(ConfigMap, "configmaps", ());

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Nothing: Secrets have no status.
    #[serde(skip)]
    pub status: (),
}
resource!(Secret, "secrets", ());
