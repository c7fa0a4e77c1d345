//! Rules of one version of a definition. What all versions have alike Kubernetes looks at once, under `spec` itself: its older
//! form of definitions has it there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{same, schema_of, spelled};
use crate::custom::JsonPath;
use crate::json::{entries, flag, given, items, text};
use crate::structural::Schema;
use crate::validation::Errors;

/// More fields than these cannot be selected by.
const SELECTABLE: usize = 8;
/// What columns may show.
const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
/// How they may show it.
const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Why something is not selectable.
const UNSELECTABLE: &str = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
/// What may stand in the schema of a whole object beside what its status is like.
const AT_ROOT: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];

/// Parts of a version, by their pointers.
const PARTS: [&str; 4] = ["/schema", "/subresources", "/additionalPrinterColumns", "/selectableFields"];

/// Which parts all versions have alike.
pub(super) struct Alike {
    parts: Vec<&'static str>,
}

impl Alike {
    pub(super) fn of(versions: &[Value]) -> Self {
        let of = |version: &Value, part: &str| version.pointer(part).cloned().unwrap_or_default();
        let alike = |part: &&str| {
            versions.windows(2).all(|pair| match pair {
                [one, other] => same_but_for_emptiness(&of(one, part), &of(other, part)),
                _ => true,
            })
        };
        Self { parts: PARTS.into_iter().filter(alike).collect() }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }

    /// A version as Kubernetes prints it: what all have alike is not in it.
    pub(super) fn printed(&self, version: &Value) -> String {
        let own = |part: &str| match self.has(part) {
            true => Value::Null,
            false => version.pointer(part).cloned().unwrap_or_default(),
        };
        let [schema, subresources, columns, selectable] = PARTS.map(own);
        let printed = json!({
            "name": text(version, "/name"), "served": flag(version, "/served"), "storage": flag(version, "/storage"),
            "deprecated": flag(version, "/deprecated"), "deprecationWarning": version.get("deprecationWarning"),
            "schema": schema, "subresources": subresources, "additionalPrinterColumns": columns, "selectableFields": selectable,
        });
        spelled(
            &printed,
            &[
                "name",
                "served",
                "storage",
                "deprecated",
                "deprecationWarning",
                "schema",
                "subresources",
                "additionalPrinterColumns",
                "selectableFields",
            ],
        )
    }
}

/// An empty object is something else than none: `status: {}`.
fn same_but_for_emptiness(one: &Value, other: &Value) -> bool {
    one == other || !one.is_object() && !other.is_object() && same(one, other)
}

/// Whether a version has the subresource `status`.
pub(super) fn has_status(version: &Value) -> bool {
    given(version, "/subresources/status").is_some()
}

/// One version, or what all have alike.
pub(super) struct Version<'a> {
    /// One that has it.
    pub version: &'a Value,
    /// As it was before.
    pub old: Option<&'a Value>,
    /// Where it stands.
    pub path: &'a str,
    /// Its status is written apart.
    pub has_status: bool,
}

impl Version<'_> {
    /// Checks what is the version's own.
    pub fn check(&self, errors: &mut Errors, alike: &Alike) {
        self.deprecation(errors);
        if !alike.has("/schema") {
            self.schema(errors, &format!("{}.schema", self.path));
        }
        if !alike.has("/subresources") {
            self.subresources(errors);
        }
        if !alike.has("/additionalPrinterColumns") {
            self.columns(errors);
        }
        if !alike.has("/selectableFields") {
            self.selectable(errors, alike);
        }
    }

    /// Checks what is not.
    pub fn what_all_have(&self, errors: &mut Errors, alike: &Alike) {
        if alike.has("/schema") {
            self.schema(errors, &format!("{}.validation", self.path));
        }
        if alike.has("/subresources") {
            self.subresources(errors);
        }
        if alike.has("/additionalPrinterColumns") {
            self.columns(errors);
        }
        if alike.has("/selectableFields") && !items(self.version, "/selectableFields").is_empty() {
            match alike.has("/schema") {
                true => self.selectable(errors, alike),
                false => errors.invalid(
                    format!("{}.selectableFields", self.path),
                    "",
                    "may only be set when validations.schema is included",
                ),
            }
        }
    }

    fn deprecation(&self, errors: &mut Errors) {
        let Some(warning) = self.version.get("deprecationWarning").and_then(Value::as_str) else { return };
        let path = format!("{}.deprecationWarning", self.path);
        let mut wrong = |why: &str| errors.invalid(path.clone(), warning, why);
        if !flag(self.version, "/deprecated") {
            return wrong("can only be set for deprecated versions");
        }
        if warning.len() > 256 {
            wrong("must be <= 256 characters long");
        }
        if warning.is_empty() {
            wrong("must not be an empty string");
        }
        let unprintable = |c: char| c.is_control() || c.is_whitespace() && c != ' ';
        if let Some((index, _)) = warning.char_indices().find(|(_, c)| unprintable(*c)) {
            wrong(&format!(
                "must only contain printable UTF-8 characters; non-printable character found at index {index}"
            ));
        }
    }

    fn schema(&self, errors: &mut Errors, path: &str) {
        let Some(schema) = schema_of(self.version) else { return };
        if self.is_as_it_was(schema) {
            return;
        }
        let path = format!("{path}.openAPIV3Schema");
        let fields = entries(schema, "").filter(|(_, value)| !same(value, &Value::Null));
        for (key, value) in fields.filter(|_| self.has_status) {
            if key == "type" && value != "object" {
                let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
                errors.invalid(format!("{path}.type"), value.clone(), why);
                break;
            }
            if !AT_ROOT.iter().any(|(allowed, _)| *allowed == key) {
                let names: Vec<&str> = AT_ROOT.iter().map(|(_, name)| *name).collect();
                let why = format!(
                    "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                    names.join(" ")
                );
                errors.invalid(path.clone(), schema.clone(), &why);
                break;
            }
        }
        if flag(schema, "/nullable") {
            errors.forbidden(format!("{path}.nullable"), "nullable cannot be true at the root");
        }
        errors.0.extend(Schema::compile(schema, &path).err().unwrap_or_default());
    }

    /// What was accepted before a rule is no obstacle to changes of something else.
    fn is_as_it_was(&self, schema: &Value) -> bool {
        self.old.is_some_and(|old| schema_of(old) == Some(schema) && (!self.has_status || has_status(old)))
    }

    fn subresources(&self, errors: &mut Errors) {
        let Some(scale) = given(self.version, "/subresources/scale") else { return };
        for (key, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
            let field = format!("{}.subresources.scale.{key}", self.path);
            match text(scale, &format!("/{key}")) {
                "" => errors.required(field, ""),
                written if simple_path(errors, &field, written) && !written.starts_with(root) => {
                    let why = format!("should be a json path under {}", root.trim_end_matches('.'));
                    errors.invalid(field, written, &why);
                }
                _ => {}
            }
        }
        let field = format!("{}.subresources.scale.labelSelectorPath", self.path);
        let written = text(scale, "/labelSelectorPath");
        let is_below = [".spec.", ".status."].iter().any(|root| written.starts_with(root));
        if !written.is_empty() && simple_path(errors, &field, written) && !is_below {
            errors.invalid(field, written, "should be a json path under either .spec or .status");
        }
    }

    fn columns(&self, errors: &mut Errors) {
        for (index, column) in items(self.version, "/additionalPrinterColumns").iter().enumerate() {
            let path = format!("{}.additionalPrinterColumns[{index}]", self.path);
            errors.needs(column, &path, "name");
            // In the order in which Kubernetes sorts them.
            match text(column, "/type") {
                "" => errors.required(format!("{path}.type"), &format!("must be one of {}", TYPES.join(","))),
                kind if !TYPES.contains(&kind) => {
                    let why = format!("must be one of {}", TYPES.join(","));
                    errors.invalid(format!("{path}.type"), kind, &why);
                }
                _ => {}
            }
            let format = text(column, "/format");
            if !format.is_empty() && !FORMATS.contains(&format) {
                let why = format!("must be one of {}", FORMATS.join(","));
                errors.invalid(format!("{path}.format"), format, &why);
            }
            match text(column, "/jsonPath") {
                "" => errors.required(format!("{path}.JSONPath"), ""),
                written => drop(simple_path(errors, &format!("{path}.JSONPath"), written)),
            }
        }
    }

    fn selectable(&self, errors: &mut Errors, alike: &Alike) {
        let fields = items(self.version, "/selectableFields");
        let path = format!("{}.selectableFields", self.path);
        let at_version = self.path != "spec";
        let schema = schema_of(self.version).filter(|_| !(at_version && alike.has("/schema")));
        let Some(schema) = schema else {
            if !fields.is_empty() {
                let why = "may only be set when `version.schema.openAPIV3Schema` is not included";
                errors.invalid(path, "", why);
            }
            return;
        };
        let mut seen = BTreeSet::new();
        for (index, field) in fields.iter().enumerate() {
            let at = format!("{path}[{index}].jsonPath");
            let written = text(field, "/jsonPath");
            if written.is_empty() {
                errors.required(at, "");
                continue;
            }
            let kind = match kind_at(schema, written) {
                Ok(kind) => kind,
                Err(why) => {
                    errors.invalid(at, written, &format!("is an invalid path: {why}"));
                    continue;
                }
            };
            if written == ".metadata" || written.starts_with(".metadata.") {
                errors.invalid(at.clone(), written, "must not point to fields in metadata");
            }
            if !["string", "boolean", "integer"].contains(&kind) {
                errors.invalid(at.clone(), written, UNSELECTABLE);
            }
            if !seen.insert(written) {
                errors.duplicate(at, written);
            }
        }
        let old = self.old.map(|old| items(old, "/selectableFields")).unwrap_or_default();
        if seen.len() > SELECTABLE && !(old.len() > SELECTABLE && old == fields) {
            errors.too_many(path, seen.len(), SELECTABLE);
        }
    }
}

/// Kubernetes looks no further than at the first dot; what cannot be followed shows nothing.
fn simple_path(errors: &mut Errors, path: &str, written: &str) -> bool {
    let is_simple = written.starts_with('.');
    if !is_simple {
        errors.invalid(path, written, "must be a simple json path starting with .");
    }
    is_simple
}

/// The type of the field that a path leads to.
fn kind_at<'s>(schema: &'s Value, written: &str) -> Result<&'s str, &'static str> {
    if written.contains('[') {
        return Err("array notation is not allowed");
    }
    let fields = JsonPath::parse(written).ok();
    let fields = fields.as_ref().and_then(JsonPath::fields).ok_or("does not refer to a valid field")?;
    let mut schema = schema;
    for field in fields {
        let named = entries(schema, "/properties").find(|(name, _)| *name == field).map(|(_, schema)| schema);
        schema = match (schema.get("properties"), schema.get("additionalProperties")) {
            (None, Some(additional)) if additional.is_object() => additional,
            _ => named.ok_or("does not refer to a valid field")?,
        };
    }
    Ok(text(schema, "/type"))
}
