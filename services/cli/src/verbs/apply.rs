//! `odeon apply -f`: creates objects, or merges what changed since the last apply into them.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Scope;
use crate::client::{Client, is_not_found, parse_manifests};
use crate::resources::{collection_path, display_name, kind_of, name_of, object_path};

/// Where kubectl and we remember what was applied last, so that removed fields are removed.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Create objects from files or bring them up to date
#[derive(clap::Args, Clone, Debug)]
pub struct Apply {
    /// A file of YAML or JSON, a directory of them, or `-` for standard input
    #[arg(short, long, required = true)]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    scope: Scope,
}

/// Runs `odeon apply`.
pub async fn apply(client: &Client, options: &Apply) -> Result<()> {
    for file in &options.filename {
        for object in read_manifests(file)? {
            apply_one(client, object, options.scope.namespace(client)).await?;
        }
    }
    Ok(())
}

/// Reads the objects of a file, a directory or standard input (`-`).
pub fn read_manifests(file: &std::path::Path) -> Result<Vec<Value>> {
    let shown = file.display().to_string();
    if shown == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return parse_manifests(&text, "standard input");
    }
    if !file.is_dir() {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        return parse_manifests(&text, &shown);
    }
    let entries = std::fs::read_dir(file).with_context(|| format!("cannot read {shown}"))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
    });
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        objects.extend(read_manifests(&file)?);
    }
    Ok(objects)
}

async fn apply_one(client: &Client, mut object: Value, default_namespace: &str) -> Result<()> {
    let kind = &*kind_of(client, &object).await?;
    let namespace =
        object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(default_namespace).to_owned();
    let name = name_of(&object).to_owned();
    let shown = display_name(kind, &name);
    let original = serde_json::to_string(&object)?;
    annotate(&mut object, &original);
    let path = object_path(kind, &namespace, &name);
    let query = "fieldManager=odeon-apply&fieldValidation=Strict";
    let live = match client.get(&path).await {
        Ok(live) => live,
        Err(error) if is_not_found(&error) => {
            client.create(&format!("{}?{query}", collection_path(kind, Some(&namespace))), &object).await?;
            println!("{shown} created");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let last =
        live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED)?.as_str());
    let last: Value = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
    let patch = three_way(&last, &object, &live);
    if is_only_annotation(&patch) {
        println!("{shown} unchanged");
        return Ok(());
    }
    client.merge(&format!("{path}?{query}"), &patch).await?;
    println!("{shown} configured");
    Ok(())
}

fn annotate(object: &mut Value, original: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(LAST_APPLIED.to_owned(), json!(format!("{original}\n")));
    }
}

/// The JSON merge patch that sets what `wanted` says and removes what only `last` said.
fn three_way(last: &Value, wanted: &Value, live: &Value) -> Value {
    let (Some(last), Some(wanted), Some(live)) = (as_map(last), as_map(wanted), as_map(live)) else {
        return wanted.clone();
    };
    let mut patch = Map::new();
    for key in last.keys().filter(|key| !wanted.contains_key(*key) && live.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in wanted {
        match live.get(key) {
            Some(current) if value.is_object() && current.is_object() => {
                let inner = three_way(last.get(key).unwrap_or(&Value::Null), value, current);
                if inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                    patch.insert(key.clone(), inner);
                }
            }
            Some(current) if covers(value, current) => {}
            _ => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// Nothing was applied before, or it was no object: nothing is to be removed.
fn as_map(value: &Value) -> Option<&Map<String, Value>> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    if value.is_null() { Some(&EMPTY) } else { value.as_object() }
}

/// Whether the live value already says all that is wanted: defaults that the server added do not count as changes.
fn covers(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| covers(value, live)))
        }
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| covers(wanted, live))
        }
        _ => wanted == live,
    }
}

/// Whether nothing but the note of what was applied would change.
fn is_only_annotation(patch: &Value) -> bool {
    let Some(fields) = patch.as_object() else { return false };
    fields.keys().all(|key| key == "metadata")
        && patch.get("metadata").and_then(Value::as_object).is_none_or(|metadata| {
            metadata.keys().all(|key| key == "annotations")
                && metadata
                    .get("annotations")
                    .and_then(Value::as_object)
                    .is_none_or(|annotations| annotations.keys().all(|key| key == LAST_APPLIED))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_was_applied_and_is_not_wanted_any_more_is_removed() {
        let last = json!({"spec": {"replicas": 3, "paused": true}});
        let wanted = json!({"spec": {"replicas": 4}});
        let live = json!({"spec": {"replicas": 3, "paused": true, "strategy": {"type": "Recreate"}}});
        assert_eq!(three_way(&last, &wanted, &live), json!({"spec": {"replicas": 4, "paused": null}}));
    }

    #[test]
    fn defaults_of_the_server_are_no_changes() {
        let wanted = json!({"spec": {"containers": [{"name": "c", "image": "a"}]}});
        let live =
            json!({"spec": {"containers": [{"name": "c", "image": "a", "imagePullPolicy": "Always"}]}});
        assert_eq!(three_way(&json!({}), &wanted, &live), json!({}));
    }

    #[test]
    fn a_changed_list_is_replaced_whole() {
        let wanted = json!({"spec": {"containers": [{"name": "c", "image": "b"}]}});
        let live = json!({"spec": {"containers": [{"name": "c", "image": "a", "tty": false}]}});
        assert_eq!(three_way(&json!({}), &wanted, &live), wanted);
    }
}
