//! Requests for certificates, for the actor that clears them away.

use serde::{Deserialize, Serialize};

use super::{Condition, resource};

/// A request for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateSigningRequest {
    /// Observed.
    pub status: CertificateSigningRequestStatus,
}
resource!(
    CertificateSigningRequest,
    "certificatesigningrequests.certificates.k8s.io",
    CertificateSigningRequestStatus
);

/// What became of a request for a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CertificateSigningRequestStatus {
    /// `Approved`, `Denied`, `Failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The certificate, PEM in Base64; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub certificate: String,
}
