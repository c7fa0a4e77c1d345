//! Rules of volumes whose files are written for a pod: of keys, of what is known about the pod, and several of them in one.

use std::collections::HashSet;

use serde_json::Value;

use super::{mode, own_relative};
use crate::json::{given, int, items, text};
use crate::validation::certificates::signer_name;
use crate::validation::environment::{field_selector, resource_selector};
use crate::validation::errors::spelled;
use crate::validation::format::dns_subdomain;
use crate::validation::{Errors, meta};

/// What volumes may tell of a pod, in Kubernetes' order.
const FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Seconds that a token lives at least, and at most.
const TOKEN_SECONDS: (i64, i64) = (600, 1 << 32);

/// A ConfigMap or a Secret, whose name is under `name`, and the keys of it that become files.
pub(super) fn keys_of(errors: &mut Errors, source: &Value, path: &str, name: &str) {
    errors.needs(source, path, name);
    mode(errors, source, path, "defaultMode");
    for (index, item) in items(source, "/items").iter().enumerate() {
        key(errors, item, &format!("{path}.items[{index}]"));
    }
}

fn key(errors: &mut Errors, item: &Value, path: &str) {
    errors.needs(item, path, "key");
    errors.needs(item, path, "path");
    own_relative(errors, &format!("{path}.path"), text(item, "/path"));
    mode(errors, item, path, "mode");
}

/// What is known about the pod. Kubernetes does not say which of the files is wrong.
pub(super) fn downward(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, source, path, "defaultMode");
    items(source, "/items").iter().for_each(|item| file(errors, item, path));
}

fn file(errors: &mut Errors, item: &Value, path: &str) {
    errors.needs(item, path, "path");
    own_relative(errors, &format!("{path}.path"), text(item, "/path"));
    match (given(item, "/fieldRef"), given(item, "/resourceFieldRef")) {
        (Some(field), resource) => {
            field_selector(errors, field, &format!("{path}.fieldRef"), &FIELDS);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", detail);
            }
        }
        (None, Some(resource)) => {
            resource_selector(errors, resource, &format!("{path}.resourceFieldRef"), true);
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(errors, item, path, "mode");
}

/// Several sources in one volume, whose files must not be the same.
pub(super) fn projected(errors: &mut Errors, source: &Value, path: &str) {
    mode(errors, source, path, "defaultMode");
    let mut taken = HashSet::new();
    for (index, projection) in items(source, "/sources").iter().enumerate() {
        let own = format!("{path}.sources[{index}]");
        let mut kinds = 0;
        for kind in ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"] {
            let Some(projection) = projection.get(kind).filter(|projection| !projection.is_null()) else {
                continue;
            };
            kinds += 1;
            let own = format!("{own}.{kind}");
            match kind {
                "serviceAccountToken" => token(errors, projection, path, &own),
                "clusterTrustBundle" => {
                    trust_bundle(errors, projection, &own);
                    let file = text(projection, "/path");
                    take(errors, &mut taken, path, file, file);
                }
                kind => listed(errors, projection, kind, (path, &own), &mut taken),
            }
        }
        if kinds > 1 {
            errors.forbidden(own, "may not specify more than 1 volume type per source");
        }
    }
}

fn listed<'a>(
    errors: &mut Errors,
    projection: &'a Value,
    kind: &str,
    (path, own): (&str, &str),
    taken: &mut HashSet<&'a str>,
) {
    let downward = kind == "downwardAPI";
    if !downward {
        errors.needs(projection, own, "name");
    }
    for (index, item) in items(projection, "/items").iter().enumerate() {
        match downward {
            true => file(errors, item, own),
            false => key(errors, item, &format!("{own}.items[{index}]")),
        }
        let file = text(item, "/path");
        if !file.is_empty() {
            take(errors, taken, path, file, if downward { file } else { text(projection, "/name") });
        }
    }
}

fn take<'a>(errors: &mut Errors, taken: &mut HashSet<&'a str>, path: &str, file: &'a str, shown: &str) {
    if !taken.insert(file) {
        errors.invalid(path, shown, "conflicting duplicate paths");
    }
}

fn token(errors: &mut Errors, projection: &Value, path: &str, own: &str) {
    let seconds = int(projection, "/expirationSeconds").unwrap_or(0);
    let own = format!("{own}.expirationSeconds");
    if seconds < TOKEN_SECONDS.0 {
        errors.invalid(own.as_str(), seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > TOKEN_SECONDS.1 {
        errors.invalid(own, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    // Kubernetes names the volume's path, not the source's.
    match text(projection, "/path") {
        "" => errors.required(format!("{path}.path"), ""),
        place => own_relative(errors, &format!("{path}.path"), place),
    }
}

fn trust_bundle(errors: &mut Errors, projection: &Value, path: &str) {
    let (name, signer) = (given(projection, "/name"), given(projection, "/signerName"));
    match (name.and_then(Value::as_str), signer.and_then(Value::as_str)) {
        (Some(_), Some(_)) => {
            let shown = spelled(projection, &["name", "signerName", "labelSelector", "optional", "path"]);
            errors.invalid_as(path, &shown, "only one of name and signerName may be used");
        }
        (Some(name), None) => {
            if name.is_empty() {
                errors.required(format!("{path}.name"), "must be a valid object name");
            }
            for violation in dns_subdomain(name.rsplit(':').next().unwrap_or(name)) {
                let detail = format!("not a valid clustertrustbundlename: {violation}");
                errors.invalid(format!("{path}.name"), name, &detail);
            }
            if let Some(selector) = given(projection, "/labelSelector") {
                let detail = "labelSelector must be unset if name is specified";
                errors.invalid(format!("{path}.labelSelector"), selector.clone(), detail);
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                errors.required(format!("{path}.signerName"), "must be a valid signer name");
            }
            signer_name(errors, &format!("{path}.signerName"), signer);
            if let Some(selector) = given(projection, "/labelSelector") {
                meta::selector(errors, selector, &format!("{path}.labelSelector"));
            }
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    errors.needs(projection, path, "path");
    own_relative(errors, &format!("{path}.path"), text(projection, "/path"));
}
