//! What agents ask gateways for: the tokens that pods mount.

use serde::{Deserialize, Serialize};

use crate::{ObjectKey, Revision, Uid};

/// Performer → any gateway, request/reply on `odeon.node.<node>.token`: a token for a pod that the node runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenRequest {
    /// Where the pod's object lives.
    pub pod: ObjectKey,
    /// Which pod it is.
    pub uid: Uid,
    /// The revision at which the agent knows it to be its own.
    pub seen: Revision,
    /// Whom the token is for; empty: the cluster's own API.
    pub audience: String,
    /// How long it shall last.
    pub seconds: i64,
}

/// The reply to a `TokenRequest`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The token.
    pub token: String,
    /// When it ends, in seconds since the epoch.
    pub expires: i64,
    /// Why there is none, if there is none.
    pub refused: Option<String>,
}
