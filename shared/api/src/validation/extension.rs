//! Rules of CustomResourceDefinitions and of what they define, in the order of Kubernetes' `validation.go` of apiextensions.

mod conversion;
mod names;
mod resource;
mod version;

pub use self::resource::{converted_metadata, custom_resource, embedded_resource, scale_of_custom_resource};

use std::collections::BTreeSet;

use serde_json::Value;

use self::version::{Alike, Version};
use super::errors::{same, spelled};
use super::format::{dns_1035_label, dns_subdomain};
use super::{Errors, meta};
use crate::custom::{APPROVAL, Approval, is_protected};
use crate::json::{flag, items, text};
use crate::kinds::FieldError;

/// Checks a CustomResourceDefinition.
pub fn custom_resource_definition(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let (name, group, plural) =
        (text(object, "/metadata/name"), text(object, "/spec/group"), text(object, "/spec/names/plural"));
    if old.is_none() && name != format!("{plural}.{group}") {
        errors.invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
    spec(&mut errors, object, old);
    names::check(&mut errors, object.pointer("/status/acceptedNames"), "status.acceptedNames");
    stored_versions(&mut errors, object);
    approval(&mut errors, object, old);
    if flag(object, "/spec/preserveUnknownFields")
        && !old.is_some_and(|old| flag(old, "/spec/preserveUnknownFields"))
    {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid("spec.preserveUnknownFields", true, why);
    }
    errors.0
}

/// Checks a written status of a CustomResourceDefinition.
pub fn custom_resource_definition_status(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, Some(old));
    names::check(&mut errors, object.pointer("/status/acceptedNames"), "status.acceptedNames");
    errors.0
}

fn spec(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    let is_established = old.is_some_and(crate::custom::is_established);
    match text(object, "/spec/group") {
        "" => errors.required("spec.group", ""),
        group => match dns_subdomain(group).join(",") {
            wrong if !wrong.is_empty() => errors.invalid("spec.group", group, &wrong),
            _ if !group.contains('.') => {
                errors.invalid("spec.group", group, "should be a domain with at least one dot");
            }
            _ => {}
        },
    }
    errors.one_of("spec.scope".into(), text(object, "/spec/scope"), &["Cluster", "Namespaced"], true);
    let versions = items(object, "/spec/versions");
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| schema_of(version).is_none()) {
        errors.required(format!("spec.versions[{index}].schema.openAPIV3Schema"), "");
    }
    let alike = Alike::of(versions);
    let preserves = flag(object, "/spec/preserveUnknownFields");
    if preserves && versions.iter().filter_map(schema_of).any(has_defaults) {
        let why = "must be false in order to use defaults in the schema";
        errors.invalid("spec.preserveUnknownFields", true, why);
    }
    self::versions(errors, versions, old, &alike);
    for key in ["plural", "singular", "kind", "listKind"] {
        if text(object, &format!("/spec/names/{key}")).is_empty() {
            errors.required(format!("spec.names.{key}"), "");
        }
    }
    names::check(errors, object.pointer("/spec/names"), "spec.names");
    if let Some(first) = versions.first() {
        let has_status = versions.iter().any(version::has_status);
        let old = old.and_then(|old| items(old, "/spec/versions").first());
        Version { version: first, old, path: "spec", has_status }.what_all_have(errors, &alike);
    }
    let strategy = text(object, "/spec/conversion/strategy");
    if strategy != "None" && preserves {
        let why = "must be None if spec.preserveUnknownFields is true";
        errors.invalid("spec.conversion.strategy", strategy, why);
    }
    conversion::check(errors, object, old, is_established);
    if let Some(old) = old {
        let established = if is_established { &["scope", "names.kind"][..] } else { &[] };
        for field in established.iter().chain(&["group", "names.plural"]) {
            let pointer = format!("/spec/{}", field.replace('.', "/"));
            errors.immutable(&format!("spec.{field}"), object.pointer(&pointer), old.pointer(&pointer));
        }
    }
}

/// Checks each version, and all of them together.
fn versions(errors: &mut Errors, versions: &[Value], old: Option<&Value>, alike: &Alike) {
    let mut seen = BTreeSet::new();
    let mut are_unique = true;
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let name = text(version, "/name");
        are_unique &= seen.insert(name);
        version_name(errors, &format!("{path}.name"), name);
        let before = old.map(|old| items(old, "/spec/versions")).unwrap_or_default();
        let old = before.iter().find(|before| text(before, "/name") == name);
        let has_status = version::has_status(version);
        Version { version, old, path: &path, has_status }.check(errors, alike);
    }
    let printed = || {
        let printed: Vec<String> = versions.iter().map(|version| alike.printed(version)).collect();
        format!("[{}]", printed.join(","))
    };
    if !are_unique {
        errors.invalid_as("spec.versions", &printed(), "must contain unique version names");
    }
    if versions.iter().filter(|version| flag(version, "/storage")).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.invalid_as("spec.versions", &printed(), why);
    }
    // Kubernetes' older form of definitions names the first version once more.
    if let Some(first) = versions.first() {
        version_name(errors, "spec.version", text(first, "/name"));
    }
}

fn version_name(errors: &mut Errors, path: &str, name: &str) {
    let wrong = dns_1035_label(name).join(",");
    if !wrong.is_empty() {
        errors.invalid(path, name, &wrong);
    }
}

fn schema_of(version: &Value) -> Option<&Value> {
    version.pointer("/schema/openAPIV3Schema").filter(|schema| !schema.is_null())
}

/// Whether a schema has a default anywhere. An example or an enumeration may look like one.
fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            key == "default" || !matches!(key.as_str(), "example" | "enum") && has_defaults(value)
        }),
        Value::Array(schemas) => schemas.iter().any(has_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn stored_versions(errors: &mut Errors, object: &Value) {
    const PATH: &str = "status.storedVersions";
    let stored = items(object, "/status/storedVersions");
    if stored.is_empty() {
        let found = object.pointer("/status/storedVersions").cloned().unwrap_or_default();
        return errors.invalid(PATH, found, "must have at least one stored version");
    }
    let versions = items(object, "/spec/versions");
    for version in versions.iter().filter(|version| flag(version, "/storage")) {
        let name = text(version, "/name");
        if !stored.iter().any(|stored| stored == name) {
            errors.invalid(PATH, stored.to_vec(), &format!("must have the storage version {name}"));
        }
    }
    for (index, name) in stored.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_str()?))) {
        if !versions.iter().any(|version| text(version, "/name") == name) {
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a \
                 storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.invalid(format!("{PATH}[{index}]"), name, &why);
        }
    }
}

/// Groups of Kubernetes' community are for what it has approved.
fn approval(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    if !is_protected(text(object, "/spec/group")) {
        return;
    }
    let annotation = |object: &Value| {
        let annotations = object.pointer("/metadata/annotations");
        annotations.and_then(|all| all.get(APPROVAL)?.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let written = annotation(object);
    let state = Approval::of(&written);
    if old.is_some_and(|old| Approval::of(&annotation(old)) == state) {
        return;
    }
    let path = format!("metadata.annotations[{APPROVAL}]");
    let words = state.words(&written);
    match state {
        Approval::Approved | Approval::Bypassed => {}
        Approval::Missing => errors.required(path, &words),
        Approval::Invalid => errors.invalid(path, written, &words),
    }
}
