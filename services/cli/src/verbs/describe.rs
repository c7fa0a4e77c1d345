//! `odeon describe`: one object in full, its events, and why it is as it is.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::table::{TableStyle, align, rows};
use super::{Scope, encode};
use crate::client::Client;
use crate::resources::{Target, collection_path, find_kind, kinds_for, object_path, targets};

/// Show one object in full, with its events
#[derive(clap::Args, Clone, Debug)]
pub struct Describe {
    /// `pod/web-1`, `node n1`
    #[arg(required = true, value_name = "RESOURCE")]
    resource: Vec<String>,
    #[command(flatten)]
    scope: Scope,
}

/// Runs `odeon describe`.
pub async fn describe(client: &Client, options: &Describe) -> Result<()> {
    let kinds = kinds_for(client, &options.resource).await?;
    for target in targets(&kinds, &options.resource)? {
        let name = target.name.context("name the object, such as pod/web-1")?;
        let namespace = options.scope.namespace(client);
        let object = client.get(&object_path(target.kind, namespace, name)).await?;
        print!("{}", summary(&object)?);
        println!("Events:");
        let events = events(client, namespace, target, name).await?;
        match events.as_str() {
            "" => println!("  <none>"),
            table => table.lines().for_each(|line| println!("  {line}")),
        }
    }
    Ok(())
}

/// Metadata in short, the conditions as a table, and the rest as YAML.
fn summary(object: &Value) -> Result<String> {
    let empty = Map::new();
    let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut text = String::new();
    for (label, field) in [
        ("Name", "name"),
        ("Namespace", "namespace"),
        ("Created", "creationTimestamp"),
        ("UID", "uid"),
        ("Deleted", "deletionTimestamp"),
    ] {
        if let Some(value) = metadata.get(field).and_then(Value::as_str) {
            text.push_str(&format!("{:12}{value}\n", format!("{label}:")));
        }
    }
    for (label, field) in [("Labels", "labels"), ("Annotations", "annotations")] {
        let Some(pairs) = metadata.get(field).and_then(Value::as_object) else { continue };
        for (index, (key, value)) in
            pairs.iter().filter(|(key, _)| !key.starts_with("kubectl.kubernetes.io/last")).enumerate()
        {
            let heading = if index == 0 { format!("{label}:") } else { String::new() };
            text.push_str(&format!("{heading:12}{key}={}\n", value.as_str().unwrap_or_default()));
        }
    }
    if let Some(conditions) =
        object.pointer("/status/conditions").and_then(Value::as_array).filter(|all| !all.is_empty())
    {
        text.push_str("Conditions:\n");
        let mut table = vec![["TYPE", "STATUS", "REASON", "MESSAGE"].map(str::to_owned).to_vec()];
        table.extend(conditions.iter().map(|condition| {
            ["type", "status", "reason", "message"]
                .map(|field| condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned())
                .to_vec()
        }));
        align(&table).lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    let mut rest = object.as_object().cloned().unwrap_or_default();
    ["apiVersion", "kind", "metadata"].iter().for_each(|field| drop(rest.remove(*field)));
    if let Some(status) = rest.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
    }
    if !rest.is_empty() {
        text.push_str(&serde_yaml_ng::to_string(&rest).context("cannot print the object")?);
    }
    Ok(text)
}

async fn events(client: &Client, namespace: &str, target: Target<'_>, name: &str) -> Result<String> {
    let namespace = target.kind.namespaced.then_some(namespace);
    let fields = format!("involvedObject.kind={},involvedObject.name={name}", target.kind.kind);
    let path = collection_path(find_kind(api::kinds(), "events")?, namespace);
    let table = client.get_table(&format!("{path}?fieldSelector={}", encode(&fields))).await?;
    let rows = rows(&table, TableStyle::default());
    Ok(if rows.len() > 1 { align(&rows) } else { String::new() })
}
