//! `odeon delete`: asks for deletion and, unless told otherwise, waits until the objects are gone.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::apply::read_manifests;
use super::{Scope, encode};
use crate::client::{Client, is_not_found};
use crate::resources::{collection_path, display_name, kind_of, kinds_for, name_of, object_path, targets};

/// How often a pending deletion is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Delete objects
#[derive(clap::Args, Clone, Debug)]
pub struct Delete {
    /// `pod web-1`, `deployment/web`
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    /// Objects of these files
    #[arg(short, long)]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    scope: Scope,
    /// Objects whose labels match
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// Seconds that pods may take to end [default: their own]
    #[arg(long)]
    grace_period: Option<i64>,
    /// background, foreground or orphan
    #[arg(long, default_value = "background")]
    cascade: String,
    /// Objects that are not there are no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until they are gone
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    wait: bool,
}

/// Runs `odeon delete`.
pub async fn delete(client: &Client, options: &Delete) -> Result<()> {
    let chosen = choose(client, options).await?;
    if chosen.is_empty() {
        println!("No resources found");
    }
    let body = json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "gracePeriodSeconds": options.grace_period,
        "propagationPolicy": propagation(&options.cascade)?,
    });
    let mut pending = Vec::new();
    for (path, shown) in chosen {
        match client.delete(&path, &body).await {
            Ok(_) => {
                println!("{shown} deleted");
                pending.push(path);
            }
            Err(error) if options.ignore_not_found && is_not_found(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if options.wait {
        for path in pending {
            gone(client, &path).await?;
        }
    }
    Ok(())
}

/// The paths to delete, with the names to print.
async fn choose(client: &Client, options: &Delete) -> Result<Vec<(String, String)>> {
    let namespace = options.scope.namespace(client);
    let mut chosen = Vec::new();
    for file in &options.filename {
        for object in read_manifests(file)? {
            let kind = kind_of(client, &object).await?;
            let namespace =
                object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(namespace);
            chosen.push((
                object_path(&kind, namespace, name_of(&object)),
                display_name(&kind, name_of(&object)),
            ));
        }
    }
    if options.resources.is_empty() {
        if options.filename.is_empty() {
            bail!("say what to delete: `odeon delete pod NAME` or `odeon delete -f FILE`");
        }
        return Ok(chosen);
    }
    let kinds = kinds_for(client, &options.resources).await?;
    for target in targets(&kinds, &options.resources)? {
        match target.name {
            Some(name) => {
                chosen.push((object_path(target.kind, namespace, name), display_name(target.kind, name)))
            }
            None if options.all || options.selector.is_some() => {
                let selector =
                    options.selector.as_deref().map(|text| format!("?labelSelector={}", encode(text)));
                let path = collection_path(target.kind, Some(namespace));
                let list = client.get(&format!("{path}{}", selector.unwrap_or_default())).await?;
                let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                chosen.extend(items.iter().map(|item| {
                    (
                        object_path(target.kind, namespace, name_of(item)),
                        display_name(target.kind, name_of(item)),
                    )
                }));
            }
            None => bail!("name the objects, or say --all or --selector"),
        }
    }
    Ok(chosen)
}

fn propagation(cascade: &str) -> Result<&'static str> {
    match cascade {
        "background" => Ok("Background"),
        "foreground" => Ok("Foreground"),
        "orphan" => Ok("Orphan"),
        other => bail!("--cascade is background, foreground or orphan, not `{other}`"),
    }
}

async fn gone(client: &Client, path: &str) -> Result<()> {
    loop {
        match client.get(path).await {
            Ok(_) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) if is_not_found(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
