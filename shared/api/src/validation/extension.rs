//! Rules of CustomResourceDefinitions and of what they define.

use std::collections::BTreeSet;

use serde_json::Value;

use super::format::{dns_1035_label, dns_subdomain};
use super::{Errors, meta};
use crate::custom::JsonPath;
use crate::json::{entries, flag, items, text};
use crate::kinds::FieldError;
use crate::structural::Schema;

const APPROVAL: &str = "api-approved.kubernetes.io";

/// Checks a custom resource, as far as every object is alike.
pub fn custom_resource(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    errors.0
}

/// Checks the `labels` or `annotations` that a conversion webhook has changed.
pub fn converted_metadata(field: &str, texts: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    match field {
        "labels" => meta::labels(&mut errors, texts, "", "metadata.labels"),
        // Kubernetes' own path.
        _ => meta::annotations(&mut errors, texts, "", "metadata.annotation"),
    }
    errors.0
}

/// Checks a CustomResourceDefinition.
pub fn custom_resource_definition(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let (name, group, plural) =
        (text(object, "/metadata/name"), text(object, "/spec/group"), text(object, "/spec/names/plural"));
    if name != format!("{plural}.{group}") {
        errors.invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
    check_group(&mut errors, object, group);
    errors.one_of("spec.scope".into(), text(object, "/spec/scope"), &["Cluster", "Namespaced"], true);
    if flag(object, "/spec/preserveUnknownFields") {
        errors.invalid(
            "spec.preserveUnknownFields",
            true,
            "must be false in order to use defaults in the schema",
        );
    }
    names(&mut errors, object);
    versions(&mut errors, object);
    let strategy = text(object, "/spec/conversion/strategy");
    errors.one_of("spec.conversion.strategy".into(), strategy, &["None"], false);
    if let Some(old) = old {
        change(&mut errors, object, old);
    }
    errors.0
}

fn check_group(errors: &mut Errors, object: &Value, group: &str) {
    match group {
        "" => errors.required("spec.group", ""),
        group => errors.format("spec.group", group, dns_subdomain(group)),
    }
    if !group.is_empty() && !group.contains('.') {
        errors.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")));
    let approval = object.pointer("/metadata/annotations").and_then(|all| all.get(APPROVAL));
    if protected && approval.is_none() {
        let why = format!(
            "protected groups must have approval annotation \"{APPROVAL}\", see https://github.com/kubernetes/enhancements/pull/1111"
        );
        errors.required(format!("metadata.annotations[{APPROVAL}]"), &why);
    }
}

fn names(errors: &mut Errors, object: &Value) {
    let name = |key: &str| text(object, &format!("/spec/names/{key}"));
    for key in ["plural", "singular", "kind", "listKind"] {
        let field = format!("spec.names.{key}");
        let wrong = match (name(key), key) {
            ("", _) => {
                errors.required(field, "");
                continue;
            }
            (kind, "kind" | "listKind") => dns_1035_label(&kind.to_lowercase())
                .into_iter()
                .map(|why| format!("may have mixed case, but should otherwise match: {why}"))
                .collect(),
            (word, _) => dns_1035_label(word),
        };
        errors.format(&field, name(key), wrong);
    }
    for key in ["shortNames", "categories"] {
        for (index, word) in items(object, &format!("/spec/names/{key}")).iter().enumerate() {
            let word = word.as_str().unwrap_or_default();
            errors.format(&format!("spec.names.{key}[{index}]"), word, dns_1035_label(word));
        }
    }
    if !name("kind").is_empty() && name("kind") == name("listKind") {
        errors.invalid("spec.names.listKind", name("listKind"), "kind and listKind may not be the same");
    }
}

fn versions(errors: &mut Errors, object: &Value) {
    let versions = items(object, "/spec/versions");
    let mut seen = BTreeSet::new();
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        let name = text(version, "/name");
        errors.format(&format!("{path}.name"), name, dns_1035_label(name));
        if !seen.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        let schema_path = format!("{path}.schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            Some(schema) => {
                errors.0.extend(Schema::compile(schema, &schema_path).err().unwrap_or_default());
            }
            None => errors.required(schema_path, "schemas are required"),
        }
        columns(errors, version, &path);
        subresources(errors, version, &path);
        selectable(errors, version, &path);
    }
    if versions.iter().filter(|version| flag(version, "/storage")).count() != 1 {
        let names: Vec<&str> = seen.into_iter().collect();
        errors.invalid("spec.versions", names, "must have exactly one version marked as storage version");
    }
}

fn columns(errors: &mut Errors, version: &Value, path: &str) {
    for (index, column) in items(version, "/additionalPrinterColumns").iter().enumerate() {
        let path = format!("{path}.additionalPrinterColumns[{index}]");
        errors.needs(column, &path, "name");
        let kinds = ["boolean", "date", "integer", "number", "string"];
        errors.one_of(format!("{path}.type"), text(column, "/type"), &kinds, true);
        match text(column, "/jsonPath") {
            "" => errors.required(format!("{path}.jsonPath"), ""),
            written => {
                if let Err(error) = JsonPath::parse(written) {
                    errors.invalid(format!("{path}.jsonPath"), written, &error.to_string());
                }
            }
        }
    }
}

fn subresources(errors: &mut Errors, version: &Value, path: &str) {
    let Some(scale) = version.pointer("/subresources/scale") else { return };
    let wanted = [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", "", false),
    ];
    for (key, root, required) in wanted {
        let field = format!("{path}.subresources.scale.{key}");
        let written = text(scale, &format!("/{key}"));
        let plain = JsonPath::parse(written).ok().and_then(|path| path.fields().map(|fields| fields.len()));
        match written {
            "" if required => errors.required(field, ""),
            "" => {}
            written if plain.is_none() => errors.invalid(field, written, "should be a simple json path"),
            written if !written.starts_with(root) => {
                let detail = format!("should be a json path under {}", root.trim_end_matches('.'));
                errors.invalid(field, written, &detail);
            }
            written
                if key == "labelSelectorPath"
                    && ![".spec.", ".status."].iter().any(|root| written.starts_with(root)) =>
            {
                errors.invalid(field, written, "should be a json path under either .status or .spec");
            }
            _ => {}
        }
    }
}

fn selectable(errors: &mut Errors, version: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (index, field) in items(version, "/selectableFields").iter().enumerate() {
        let at = format!("{path}.selectableFields[{index}].jsonPath");
        let written = text(field, "/jsonPath");
        let schema = version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
        match JsonPath::parse(written).ok().as_ref().and_then(JsonPath::fields) {
            _ if written.is_empty() => errors.required(at, ""),
            None => errors.invalid(at, written, "is an invalid path: only simple paths are supported"),
            Some(fields) => match kind_at(schema, &fields) {
                Some("string" | "integer" | "boolean") if fields.first() == Some(&"metadata") => {
                    errors.invalid(at, written, "must not point to fields in metadata");
                }
                Some("string" | "integer" | "boolean") if seen.insert(written) => {}
                Some("string" | "integer" | "boolean") => errors.duplicate(at, written),
                Some(_) | None => {
                    let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
                    errors.invalid(at, written, why);
                }
            },
        }
    }
}

/// The type of a field of a schema.
fn kind_at<'s>(schema: &'s Value, fields: &[&str]) -> Option<&'s str> {
    let mut schema = schema;
    for field in fields {
        schema = entries(schema, "/properties").find(|(name, _)| name == field)?.1;
    }
    Some(text(schema, "/type"))
}

fn change(errors: &mut Errors, object: &Value, old: &Value) {
    let mut fixed = vec!["group", "scope", "names.plural"];
    let established =
        |condition: &Value| text(condition, "/type") == "Established" && text(condition, "/status") == "True";
    if items(old, "/status/conditions").iter().any(established) {
        fixed.push("names.kind");
    }
    for field in fixed {
        let pointer = format!("/spec/{}", field.replace('.', "/"));
        errors.immutable(&format!("spec.{field}"), object.pointer(&pointer), old.pointer(&pointer));
    }
    let versions = items(object, "/spec/versions");
    for (index, stored) in items(object, "/status/storedVersions").iter().enumerate() {
        let name = stored.as_str().unwrap_or_default();
        if !versions.iter().any(|version| text(version, "/name") == name) {
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a \
                 storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.invalid(format!("status.storedVersions[{index}]"), name, &why);
        }
    }
}
