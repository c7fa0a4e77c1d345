//! Shows objects as tables (`kubectl get`) or by their metadata only.

use std::sync::Arc;

use api::{KindInfo, Timestamp};
use bus::Stored;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::negotiate::Form;
use crate::path::Query;

/// How the objects of one answer are shown.
#[derive(Clone)]
pub struct Shape {
    /// Their kind.
    pub kind: Arc<KindInfo>,
    /// The form.
    pub form: Form,
    /// What a table's rows carry beside their cells.
    include: Include,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Shape {
    /// Reads `includeObject`.
    pub fn of(kind: &Arc<KindInfo>, form: Form, query: &Query) -> Result<Self, Failure> {
        let include = match query.text("includeObject") {
            "" | "Metadata" => Include::Metadata,
            "None" => Include::Nothing,
            "Object" => Include::Object,
            other => {
                return Err(Failure::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', \
                     'None', or empty"
                )));
            }
        };
        Ok(Self { kind: Arc::clone(kind), form, include })
    }

    /// One object as an answer of its own, or as the object of a watch event.
    pub fn one(&self, object: &Stored, now: Timestamp) -> Bytes {
        match self.form {
            Form::Whole if self.as_stored() => object.json(),
            Form::Whole | Form::Table | Form::Metadata => {
                Bytes::from(self.value(&object.value(), now).to_string())
            }
        }
    }

    /// One object that is not stored (a dry run's, a bookmark's).
    pub fn value(&self, object: &Value, now: Timestamp) -> Value {
        match self.form {
            Form::Whole => self.kind.shown(object.clone()),
            Form::Metadata => partial(object),
            Form::Table => {
                let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
                json!({
                    "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
                    "columnDefinitions": self.columns(), "rows": [self.row(object, now)],
                })
            }
        }
    }

    /// One element of a list: an object, its metadata, or a row.
    pub fn item(&self, object: &Stored, now: Timestamp) -> Bytes {
        match self.form {
            Form::Whole if self.as_stored() => object.json(),
            Form::Whole => Bytes::from(self.kind.shown(object.value()).to_string()),
            Form::Metadata => Bytes::from(partial(&object.value()).to_string()),
            Form::Table => Bytes::from(self.row(&object.value(), now).to_string()),
        }
    }

    /// What stands before the elements of a list, ending with `[`; a list ends with `]}`.
    pub fn list_head(&self, metadata: &Map<String, Value>) -> String {
        let mut metadata = metadata.clone();
        if self.form == Form::Whole && self.kind.custom().is_some() {
            // Kubernetes writes it of kinds without a type of its own even when there is no more.
            metadata.entry("continue").or_insert_with(|| json!(""));
        }
        let metadata = Value::Object(metadata);
        match self.form {
            Form::Whole => format!(
                r#"{{"kind":"{}","apiVersion":"{}","metadata":{metadata},"items":["#,
                self.kind.list_kind(),
                self.kind.api_version()
            ),
            Form::Metadata => format!(
                r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"items":["#
            ),
            Form::Table => format!(
                r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":{},"rows":["#,
                self.columns()
            ),
        }
    }

    /// Objects are shown in the version that they are stored in.
    fn as_stored(&self) -> bool {
        self.kind.shows_as_stored()
    }

    fn columns(&self) -> Value {
        let column = |column: &api::kinds::Column| {
            json!({
                "name": column.name, "type": column.kind, "format": column.format,
                "description": column.description, "priority": column.priority,
            })
        };
        self.kind.columns().iter().map(column).collect()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Value {
        let cells = self.kind.cells(object, now);
        match self.include {
            Include::Nothing => json!({"cells": cells, "object": null}),
            Include::Metadata => json!({"cells": cells, "object": partial(object)}),
            Include::Object => json!({"cells": cells, "object": self.kind.shown(object.clone())}),
        }
    }
}

/// Its metadata alone.
pub fn partial(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}
