//! Field selectors: `status.phase=Running,spec.nodeName!=node-1`.

use serde_json::Value;

use super::SelectorError;
use crate::{KindInfo, Metadata};

/// Fields that every kind can be selected by.
const COMMON: [&str; 2] = ["metadata.name", "metadata.namespace"];

/// Fields that a kind can be selected by besides.
const BY_KIND: [(&str, &[&str]); 7] = [
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
    ),
    ("nodes", &["spec.unschedulable"]),
    ("namespaces", &["status.phase"]),
    ("secrets", &["type"]),
    ("jobs.batch", &["status.successful"]),
    ("services", &["spec.clusterIP", "spec.type"]),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
];

/// What the fields of events are called in `events.k8s.io`, and how they are stored.
const EVENT_FIELDS: [(&str, &str); 11] = [
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.uid", "involvedObject.uid"),
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("reportingController", "reportingComponent"),
    ("reason", "reason"),
    ("source", "source"),
    ("type", "type"),
];

/// A field selector: all terms must hold. The empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// Parses a query string for a kind, which decides on the fields that there are.
    pub fn parse(kind: &KindInfo, selector: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for text in split_terms(selector).iter().filter(|text| !text.is_empty()) {
            let wrong =
                || SelectorError(format!("invalid selector: '{selector}'; can't understand '{text}'"));
            escapes(text)?;
            let mut term = term(text).ok_or_else(wrong)?;
            term.field = stored_name(kind, &term.field)?.to_owned();
            terms.push(term);
        }
        Ok(Self { terms })
    }

    /// Selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that `field` must have, if the selector demands one: lets a list become a get.
    pub fn required(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// Whether it asks for nothing but `metadata`: then [`FieldSelector::matches_metadata`] says it all.
    pub fn is_metadata_only(&self) -> bool {
        self.terms.iter().all(|term| COMMON.contains(&term.field.as_str()))
    }

    /// Whether the terms about `metadata` hold; others are not looked at.
    pub fn matches_metadata(&self, metadata: &Metadata) -> bool {
        self.terms.iter().all(|term| match term.field.as_str() {
            "metadata.name" => (*metadata.name == *term.value) == term.equal,
            "metadata.namespace" => (*metadata.namespace == *term.value) == term.equal,
            _ => true,
        })
    }

    /// Whether an object satisfies it.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (read(object, &term.field) == term.value) == term.equal)
    }
}

/// The name of a field that the kind may be selected by, in the version that is stored.
fn stored_name<'a>(kind: &KindInfo, field: &'a str) -> Result<&'a str, SelectorError> {
    let unknown = || SelectorError(format!("field label not supported: {field}"));
    if let Some(custom) = kind.custom().filter(|_| field == "metadata.namespace" || !COMMON.contains(&field))
    {
        if field == "metadata.namespace" && kind.namespaced {
            return Ok(field);
        }
        let known = custom.selectable().iter().any(|selectable| selectable == field);
        return known.then_some(field).ok_or_else(unknown);
    }
    if COMMON.contains(&field) {
        return Ok(field);
    }
    if kind.group == "events.k8s.io" {
        let known = EVENT_FIELDS.iter().find(|(served, _)| *served == field);
        return known.map(|(_, stored)| *stored).ok_or_else(unknown);
    }
    match BY_KIND.iter().find(|(id, _)| *id == kind.id.as_str()) {
        Some((_, fields)) if fields.contains(&field) => Ok(field),
        Some(_) => Err(unknown()),
        None => Err(SelectorError(format!(
            "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ))),
    }
}

/// The field as text; what is absent is empty, or `false` where Kubernetes has a plain bool.
fn read(object: &Value, field: &str) -> String {
    let pointer = match field {
        "source" => "/source/component".to_owned(),
        "status.podIPs" => "/status/podIP".to_owned(),
        "status.successful" => "/status/succeeded".to_owned(),
        field => format!("/{}", field.replace('.', "/")),
    };
    match object.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) if matches!(field, "spec.unschedulable" | "spec.hostNetwork") => {
            "false".into()
        }
        None | Some(Value::Null) if field == "status.successful" => "0".into(),
        None | Some(Value::Null) if field == "source" => {
            object.get("reportingComponent").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Only backslashes, commas and equality signs are escaped.
fn escapes(text: &str) -> Result<(), SelectorError> {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            match letters.next() {
                Some('\\' | ',' | '=') => {}
                other => {
                    let sequence: String = ['\\'].into_iter().chain(other).collect();
                    return Err(SelectorError(format!(
                        "invalid field selector: invalid escape sequence: {sequence}"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Splits at commas that are not escaped.
fn split_terms(selector: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for c in selector.chars() {
        if c == ',' && !escaped {
            terms.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    terms
}

fn term(text: &str) -> Option<Term> {
    let at = text.find(['=', '!'])?;
    let (field, rest) = text.split_at_checked(at)?;
    let (equal, value) = match (rest.strip_prefix("!="), rest.strip_prefix("==")) {
        (Some(value), _) => (false, value),
        (_, Some(value)) => (true, value),
        _ => (true, rest.strip_prefix('=')?),
    };
    let value = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\");
    Some(Term { field: field.trim().to_owned(), equal, value })
}
