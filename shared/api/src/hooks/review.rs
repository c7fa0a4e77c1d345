//! `AdmissionReview`: what a webhook is asked, and what it answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Attributes;
use crate::Uid;
use crate::json::{flag, int, items, text};
use crate::kinds::KindInfo;
use crate::status::Status;

/// What a webhook says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// It has nothing against it.
    pub allowed: bool,
    /// The `Status` that says why not.
    pub result: Value,
    /// What the client is told.
    pub warnings: Vec<String>,
    /// A JSON patch of the object.
    pub patch: Option<Vec<u8>>,
}

/// The request that a webhook is asked about, in the version that it sees.
pub fn request(attributes: &Attributes<'_>, kind: &KindInfo, uid: &Uid) -> Value {
    let mut request = attributes.request(kind);
    if let Some(fields) = request.as_object_mut() {
        // Go leaves out what is empty.
        fields.retain(|_, value| value.as_str() != Some(""));
        fields.insert("uid".into(), json!(uid));
        fields.insert("object".into(), attributes.shown(attributes.object, kind));
        fields.insert("oldObject".into(), attributes.shown(attributes.old, kind));
    }
    request
}

/// The body that a webhook is sent.
pub fn review(version: &str, request: &Value) -> Value {
    json!({"kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{version}"), "request": request})
}

impl Answer {
    /// Reads what a webhook has answered about the request of this uid; else says what is wrong with it.
    pub fn read(body: &[u8], version: &str, uid: &Uid, mutating: bool) -> Result<Self, String> {
        let review: Value = serde_json::from_slice(body).map_err(|error| {
            format!("failed to call webhook: couldn't get version/kind; json parse error: {error}")
        })?;
        let invalid = |why: String| format!("received invalid webhook response: {why}");
        let api_version = format!("admission.k8s.io/{version}");
        let (found, kind) = (text(&review, "/apiVersion"), text(&review, "/kind"));
        if found != api_version || kind != "AdmissionReview" {
            let wanted = format!("{api_version}, Kind=AdmissionReview");
            return Err(invalid(format!("expected webhook response of {wanted}, got {found}, Kind={kind}")));
        }
        let response = review.get("response").filter(|response| !response.is_null());
        let response = response
            .ok_or_else(|| "received invalid webhook response: webhook response was absent".to_owned())?;
        if version == "v1" && text(response, "/uid") != uid.as_str() {
            let found = text(response, "/uid");
            return Err(invalid(format!("expected response.uid={:?}, got {found:?}", uid.as_str())));
        }
        let patch = text(response, "/patch");
        let patch_type = text(response, "/patchType");
        match (mutating, patch.is_empty(), patch_type) {
            (true, true, "") | (false, true, _) => {}
            (true, false, "JSONPatch") => {}
            (true, false, "") if version != "v1" => {}
            (true, true, _) => return Err(invalid("webhook response.patchType without a patch".to_owned())),
            (true, false, other) => {
                return Err(invalid(format!(
                    "invalid response.patchType, expected \"JSONPatch\", got {other:?}"
                )));
            }
            (false, false, _) => {
                return Err(invalid(
                    "webhook response must not have a patch: it is no mutating one".to_owned(),
                ));
            }
        }
        let decoded = (!patch.is_empty()).then(|| STANDARD.decode(patch)).transpose();
        Ok(Self {
            allowed: flag(response, "/allowed"),
            result: response.get("status").or(response.get("result")).cloned().unwrap_or_default(),
            warnings: items(response, "/warnings")
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            patch: decoded.map_err(|error| invalid(format!("response.patch: {error}")))?,
        })
    }
}

/// What the client is told when a webhook of this name has something against it.
pub fn refusal(webhook: &str, result: &Value) -> Status {
    let mut message = format!("admission webhook {webhook:?} denied the request");
    match (text(result, "/message"), text(result, "/reason")) {
        ("", "") => message.push_str(" without explanation"),
        ("", reason) => message = format!("{message}: {reason}"),
        (words, _) => message = format!("{message}: {words}"),
    }
    let code = int(result, "/code").and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400);
    let reason = crate::names::intern(text(result, "/reason"));
    let details = result.get("details").and_then(Value::as_object).cloned().unwrap_or_default();
    Status { code: code.unwrap_or(400), reason, message, details }
}
