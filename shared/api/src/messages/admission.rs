//! What controllers ask gateways before they write.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ObjectKey, Revision, Uid};

/// Controller → any gateway, request/reply on `odeon.gateway.admit`: may this be written? What users configure, webhooks and policies,
/// is asked as it is about what clients write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmissionQuestion {
    /// Where the object shall live, or lives.
    pub key: ObjectKey,
    /// The service account, of `kube-system`, as which it is written.
    pub account: String,
    /// The new object; `None`: the one that is there shall be deleted.
    pub object: Option<Value>,
    /// Which one shall be deleted.
    pub uid: Option<Uid>,
    /// What the controller has seen of the cluster.
    pub seen: Revision,
    /// The newest of what configures admission that it has seen.
    pub configured: Revision,
}

/// The reply to an `AdmissionQuestion`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AdmissionAnswer {
    /// The new object, as it was admitted.
    pub object: Option<Value>,
    /// Why it is not admitted, if it is not.
    pub refused: Option<String>,
}
