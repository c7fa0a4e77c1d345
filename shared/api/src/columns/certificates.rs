//! Requests for certificates, as `kubectl get` shows them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AGE, NAME, age, human_duration, name, or, shown};
use crate::Timestamp;
use crate::json::{int, items, text};
use crate::kinds::Column;

/// Columns of requests for certificates.
pub const SIGNING_REQUEST: &[Column] = &[
    NAME,
    AGE,
    shown("SignerName", "string", "Who shall sign."),
    shown("Requestor", "string", "Who asks."),
    shown("RequestedDuration", "string", "How long the certificate shall last."),
    shown("Condition", "string", "What was decided, and whether it was issued."),
];

/// Cells of a request for a certificate.
pub fn signing_request(request: &Value, now: Timestamp) -> Vec<Value> {
    let duration = int(request, "/spec/expirationSeconds").and_then(|seconds| u64::try_from(seconds).ok());
    let duration = duration.map(|seconds| human_duration(Duration::from_secs(seconds))).unwrap_or_default();
    vec![
        name(request),
        age(request, now),
        json!(or("<none>", text(request, "/spec/signerName"))),
        json!(text(request, "/spec/username")),
        json!(or("<none>", &duration)),
        json!(condition(request)),
    ]
}

fn condition(request: &Value) -> String {
    let conditions = items(request, "/status/conditions");
    let is = |kind: &str| conditions.iter().any(|condition| text(condition, "/type") == kind);
    let decided = match () {
        () if is("Denied") => "Denied",
        () if is("Approved") => "Approved",
        () => "Pending",
    };
    let failed = if is("Failed") { ",Failed" } else { "" };
    let issued = if text(request, "/status/certificate").is_empty() { "" } else { ",Issued" };
    format!("{decided}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown() {
        let request = json!({
            "metadata": {"name": "jane"},
            "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "username": "admin", "expirationSeconds": 3600},
            "status": {"conditions": [{"type": "Approved"}], "certificate": "LS0t"},
        });
        let cells = signing_request(&request, Timestamp(0));
        assert_eq!(
            json!(cells),
            json!([
                "jane",
                "<unknown>",
                "kubernetes.io/kube-apiserver-client",
                "admin",
                "60m",
                "Approved,Issued"
            ])
        );
        assert_eq!(condition(&json!({})), "Pending");
        assert_eq!(condition(&json!({"status": {"conditions": [{"type": "Denied"}]}})), "Denied");
    }
}
