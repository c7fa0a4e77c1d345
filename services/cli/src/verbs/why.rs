//! `odeon why`: the chain of decisions behind an object, from the user's request on.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Scope, encode};
use crate::client::Client;
use crate::resources::targets;

/// Show the chain of decisions behind an object
#[derive(clap::Args, Clone, Debug)]
pub struct Why {
    /// `pod/web-1`, `deployment web`
    #[arg(required = true, value_name = "RESOURCE")]
    resource: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Print the chain as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `odeon why`.
pub async fn why(client: &Client, options: &Why) -> Result<()> {
    for target in targets(&options.resource)? {
        let name = target.name.context("name the object, such as pod/web-1")?;
        let namespace = if target.kind.namespaced { options.scope.namespace(client) } else { "" };
        let path = format!("/odeon/v1/why?resource={}&namespace={namespace}&name={}", target.kind.id, encode(name));
        let answer = client.get(&path).await?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            print!("{}", render(&answer));
        }
    }
    Ok(())
}

/// The lines that the gateway composed.
fn render(answer: &Value) -> String {
    let lines = answer.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect()
}
