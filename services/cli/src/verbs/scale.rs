//! `odeon scale`: sets the number of replicas through the scale subresource.

use anyhow::{Result, bail};
use serde_json::json;

use super::Scope;
use crate::client::Client;
use crate::resources::{display_name, kinds_for, object_path, targets};

/// Set the number of replicas
#[derive(clap::Args, Clone, Debug)]
pub struct Scale {
    /// `deployment/web`
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
    /// How many
    #[arg(long)]
    replicas: u32,
    #[command(flatten)]
    scope: Scope,
}

/// Runs `odeon scale`.
pub async fn scale(client: &Client, options: &Scale) -> Result<()> {
    let kinds = kinds_for(client, &options.resources).await?;
    for target in targets(&kinds, &options.resources)? {
        let Some(name) = target.name else { bail!("name what to scale, such as deployment/web") };
        if !target.kind.has_scale {
            bail!("{} cannot be scaled", target.kind.id.plural());
        }
        let path = format!("{}/scale", object_path(target.kind, options.scope.namespace(client), name));
        client.merge(&path, &json!({"spec": {"replicas": options.replicas}})).await?;
        println!("{} scaled", display_name(target.kind, name));
    }
    Ok(())
}
