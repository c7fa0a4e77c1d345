//! Webhook conversion: what the webhook of a definition is asked, and how its answer is checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::Uid;
use crate::hooks::Client;
use crate::json::{go_type, int, items, text};
use crate::validation;

/// Reviews that can be written, and read.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

/// How objects of a definition get from one version into another: its webhook knows (Kubernetes' `webhookConverter`).
#[derive(Clone, Debug)]
pub struct ConversionWebhook {
    /// Where it is.
    pub client: Client,
    /// Grows with every change of the definition: what was converted before is not what would be converted now.
    pub generation: i64,
    /// The version of reviews that it likes best of those that there are; empty if it knows none of them.
    review: &'static str,
}

impl ConversionWebhook {
    /// The webhook of a definition whose strategy it is.
    pub fn of(definition: &Value) -> Option<Self> {
        let conversion = definition.pointer("/spec/conversion")?;
        if text(conversion, "/strategy") != "Webhook" {
            return None;
        }
        let known = |version: &Value| REVIEWS.into_iter().find(|known| version.as_str() == Some(known));
        let review = items(conversion, "/webhook/conversionReviewVersions").iter().find_map(known);
        Some(Self {
            client: Client::of(conversion.pointer("/webhook/clientConfig").unwrap_or(&Value::Null)),
            generation: int(definition, "/metadata/generation").unwrap_or_default(),
            review: review.unwrap_or_default(),
        })
    }

    /// The `ConversionReview` that asks for objects in a version (`stable.example.com/v1`).
    ///
    /// # Errors
    /// The webhook reads no review that can be written.
    pub fn request(&self, objects: &[Value], desired: &str, uid: &Uid) -> Result<Value, String> {
        if self.review.is_empty() {
            return Err("no supported conversion review versions".to_owned());
        }
        Ok(json!({
            "kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{}", self.review),
            "request": {"uid": uid, "desiredAPIVersion": desired, "objects": objects},
        }))
    }

    /// The objects that a webhook has made of `objects`, in their order. `listed`: they are elements of a list.
    ///
    /// # Errors
    /// It could not convert them, or has answered nonsense.
    pub fn converted(
        &self,
        body: &[u8],
        objects: &[Value],
        desired: &str,
        uid: &Uid,
        listed: bool,
    ) -> Result<Vec<Value>, String> {
        let whose = objects.first().map(kind_of).unwrap_or_default();
        let answered = self.answer(body, uid).map_err(|why| failed(&whose, &why))?;
        if answered.len() != objects.len() {
            let (found, expected) = (answered.len(), objects.len());
            return Err(format!(
                "conversion webhook for {whose} returned {found} objects, expected {expected}"
            ));
        }
        let checked = answered.into_iter().zip(objects).enumerate().map(|(index, (converted, original))| {
            settled(converted, original, desired).map_err(|(wrong, why)| {
                let place = words(wrong, listed.then_some(index));
                format!("conversion webhook for {whose} returned {place}: {why}")
            })
        });
        checked.collect()
    }

    fn answer(&self, body: &[u8], uid: &Uid) -> Result<Vec<Value>, String> {
        let review: Value = serde_json::from_slice(body)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        // Those who speak v1beta1 may answer to whatever they like, as in Kubernetes.
        let strict = self.review == "v1";
        if strict
            && (text(&review, "/apiVersion"), text(&review, "/kind"))
                != ("apiextensions.k8s.io/v1", "ConversionReview")
        {
            let found = kind_of(&review);
            return Err(format!(
                "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {found}"
            ));
        }
        let response = review.get("response").filter(|response| !response.is_null());
        let response = response.ok_or_else(|| "no response provided".to_owned())?;
        let found = text(response, "/uid");
        if strict && found != uid.as_str() {
            return Err(format!("expected response.uid={:?}, got {found:?}", uid.as_str()));
        }
        match (text(response, "/result/status"), text(response, "/result/message")) {
            ("Success", _) => Ok(items(response, "/convertedObjects").to_vec()),
            (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
            (_, message) => Err(message.to_owned()),
        }
    }
}

/// What a client is told when objects of this kind could not be converted.
pub fn failed(whose: &str, why: &str) -> String {
    format!("conversion webhook for {whose} failed: {why}")
}

/// The words for a call that did not come about.
pub fn unanswered(objects: &[Value], why: &str) -> String {
    failed(&objects.first().map(kind_of).unwrap_or_default(), why)
}

/// Whether a `caBundle` (in base64) is one: certificates in PEM, or nothing.
pub fn is_bundle(written: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(written) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().is_empty()
        || text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")
}

/// An object that is to be converted, as complaints name it: `stable.example.com/v1, Kind=CronTab`.
fn kind_of(object: &Value) -> String {
    format!("{}, Kind={}", text(object, "/apiVersion"), text(object, "/kind"))
}

/// What is wrong with an answered object.
#[derive(Clone, Copy)]
enum Wrong {
    Type,
    Identity,
    Metadata,
}

/// Kubernetes' words for it; an element of a list has a place.
fn words(wrong: Wrong, index: Option<usize>) -> String {
    match (wrong, index) {
        (Wrong::Metadata, Some(index)) => format!("invalid metadata in object at index {index}"),
        (Wrong::Type | Wrong::Identity, Some(index)) => format!("invalid converted object at index {index}"),
        (Wrong::Type, None) => "invalid object at index 0".to_owned(),
        (Wrong::Identity, None) => "invalid object".to_owned(),
        (Wrong::Metadata, None) => "invalid metadata".to_owned(),
    }
}

/// An answered object is of the wanted version and the same kind, and is the same object; only its labels and annotations may
/// differ, the rest of its metadata is what it was.
fn settled(mut converted: Value, original: &Value, desired: &str) -> Result<Value, (Wrong, String)> {
    let found = text(&converted, "/apiVersion");
    if found != desired {
        return Err((Wrong::Type, format!("invalid groupVersion (expected {desired}, received {found})")));
    }
    let (expected, found) = (text(original, "/kind"), text(&converted, "/kind"));
    if expected != found {
        return Err((Wrong::Type, format!("invalid kind (expected {expected}, received {found})")));
    }
    for (field, word) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let pointer = format!("/metadata/{field}");
        let (expected, found) = (text(original, &pointer), text(&converted, &pointer));
        if expected != found {
            return Err((Wrong::Identity, format!("must have the same {word}: {expected} != {found}")));
        }
    }
    let metadata = metadata(&converted, original).map_err(|why| (Wrong::Metadata, why))?;
    if let Some(fields) = converted.as_object_mut() {
        fields.insert("metadata".into(), metadata.into());
    }
    Ok(converted)
}

/// The metadata of the original with the answered labels and annotations.
fn metadata(converted: &Value, original: &Value) -> Result<Map<String, Value>, String> {
    let answered = converted.get("metadata").ok_or("missing metadata in converted object")?;
    let answered = answered
        .as_object()
        .ok_or_else(|| format!("invalid metadata of type {} in converted object", go_type(answered)))?;
    let mut metadata = original.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        let Some(texts) = answered.get(field).filter(|texts| !texts.is_null()) else {
            metadata.remove(field);
            continue;
        };
        let entries = texts.as_object().ok_or_else(|| {
            format!("invalid metadata.{field} of type {} in converted object", go_type(texts))
        })?;
        if let Some((key, value)) = entries.iter().find(|(_, value)| !value.is_string()) {
            let found = go_type(value);
            return Err(format!(
                "metadata.{field}[{key}] must be a string, but is {found} in converted object"
            ));
        }
        if metadata.get(field) != Some(texts) {
            let errors = validation::converted_metadata(field, texts);
            if !errors.is_empty() {
                return Err(crate::status::summary(&errors));
            }
        }
        metadata.insert(field.to_owned(), texts.clone());
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests;
