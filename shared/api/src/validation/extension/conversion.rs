//! Rules of `spec.conversion`. Its paths are those of Kubernetes' older form of definitions, as Kubernetes tells them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::custom::is_bundle;
use crate::json::{given, items, text};
use crate::validation::Errors;
use crate::validation::client_config;
use crate::validation::format::dns_1035_label;

const PATH: &str = "spec.conversion";
/// Reviews that can be written.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

/// Checks how objects of a definition are converted. What was wrong with it before may stay so.
pub(super) fn check(errors: &mut Errors, object: &Value, old: Option<&Value>, is_established: bool) {
    let Some(conversion) = object.pointer("/spec/conversion") else { return };
    let strategy = text(conversion, "/strategy");
    errors.one_of(format!("{PATH}.strategy"), strategy, &["None", "Webhook"], true);
    let (client_path, versions_path) =
        (format!("{PATH}.webhookClientConfig"), format!("{PATH}.conversionReviewVersions"));
    let client = given(conversion, "/webhook/clientConfig");
    let versions = items(conversion, "/webhook/conversionReviewVersions");
    if strategy != "Webhook" {
        const WHY: &str = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.forbidden(client_path, WHY);
        }
        if !versions.is_empty() {
            errors.forbidden(versions_path, WHY);
        }
        return;
    }
    let before = old.and_then(|old| old.pointer("/spec/conversion/webhook"));
    match client {
        None => errors.required(client_path, "required when strategy is set to Webhook"),
        Some(client) => {
            client_config::check(errors, client, &client_path);
            let known = before.map_or("", |before| text(before, "/clientConfig/caBundle"));
            let written = text(client, "/caBundle");
            if is_established && is_bundle(known) && !is_bundle(written) {
                let why = "unable to load root certificates: unable to parse bytes as PEM block";
                errors.invalid(format!("{client_path}.caBundle"), written, why);
            }
        }
    }
    let known = before.map(|before| items(before, "/conversionReviewVersions")).unwrap_or_default();
    let must_be_known = known.is_empty() || known.iter().any(is_review);
    review_versions(errors, versions, must_be_known, &versions_path);
}

fn is_review(version: &Value) -> bool {
    version.as_str().is_some_and(|version| REVIEWS.contains(&version))
}

fn review_versions(errors: &mut Errors, versions: &[Value], must_be_known: bool, path: &str) {
    if versions.is_empty() {
        return errors.required(path, "");
    }
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().filter_map(Value::as_str).enumerate() {
        let path = format!("{path}[{index}]");
        match seen.insert(version) {
            true => errors.format(&path, version, dns_1035_label(version)),
            false => errors.invalid(path, version, "duplicate version"),
        }
    }
    if must_be_known && !versions.iter().any(is_review) {
        errors.invalid(path, versions.to_vec(), "must include at least one of v1, v1beta1");
    }
}
