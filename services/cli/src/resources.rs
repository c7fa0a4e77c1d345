//! Resolves what people type (`deploy/web`, `pods`, `svc`) and objects in files to API paths.

use std::sync::Arc;

use anyhow::{Result, bail};
use api::{KindInfo, Kinds};
use serde_json::Value;

use crate::client::Client;

/// A kind and perhaps a name: `deployment/web`, `pods`.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The kind.
    pub kind: &'a KindInfo,
    /// The object, if one is named.
    pub name: Option<&'a str>,
}

/// Finds a kind by plural, singular, short name or kind, with or without its group.
pub fn find_kind<'k>(kinds: &'k Kinds, word: &str) -> Result<&'k KindInfo> {
    match kinds.by_word(word) {
        Some(kind) => Ok(kind),
        None => {
            let known = kinds.iter().map(|kind| kind.id.plural()).collect::<Vec<_>>().join(", ");
            bail!("the server doesn't have a resource type \"{word}\"; it has: {known}")
        }
    }
}

/// The kinds that these words may mean: those that are built in, and the server's own where they do not suffice.
pub async fn kinds_for(client: &Client, words: &[String]) -> Result<Kinds> {
    match targets(api::kinds(), words) {
        Ok(_) => Ok(api::kinds().clone()),
        Err(_) => served(client).await,
    }
}

/// The built-in kinds and those of the server's CustomResourceDefinitions.
async fn served(client: &Client) -> Result<Kinds> {
    let definitions = client.get(&collection_path(find_kind(api::kinds(), "crds")?, None)).await?;
    let definitions = definitions.get("items").and_then(Value::as_array).into_iter().flatten();
    Ok(api::kinds().with(definitions.flat_map(api::custom::kinds_of)))
}

/// Reads `KIND NAME...`, `KIND/NAME...` or `KIND[,KIND...]`.
pub fn targets<'a>(kinds: &'a Kinds, words: &'a [String]) -> Result<Vec<Target<'a>>> {
    let Some((first, rest)) = words.split_first() else {
        bail!("name a resource, such as `pods` or `deployment/web`")
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| with_slash(kinds, word)).collect();
    }
    let found = first.split(',').map(|word| expand(kinds, word)).collect::<Result<Vec<_>>>()?;
    let found = found.into_iter().flatten();
    if rest.is_empty() {
        return Ok(found.map(|kind| Target { kind, name: None }).collect());
    }
    Ok(found.flat_map(|kind| rest.iter().map(move |name| Target { kind, name: Some(name) })).collect())
}

/// `all` stands for the kinds of that category.
fn expand<'k>(kinds: &'k Kinds, word: &str) -> Result<Vec<&'k KindInfo>> {
    let of_category = kinds.iter().filter(|kind| kind.is_stored() && kind.categories.contains(&word));
    let category: Vec<&KindInfo> = of_category.map(AsRef::as_ref).collect();
    if category.is_empty() { Ok(vec![find_kind(kinds, word)?]) } else { Ok(category) }
}

fn with_slash<'a>(kinds: &'a Kinds, word: &'a str) -> Result<Target<'a>> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() => {
            Ok(Target { kind: find_kind(kinds, kind)?, name: Some(name) })
        }
        _ => bail!("`{word}` is not of the form KIND/NAME"),
    }
}

/// The path of a collection: of one namespace, or of all with `None`.
pub fn collection_path(kind: &KindInfo, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let plural = kind.id.plural();
    match namespace {
        Some(namespace) if kind.namespaced => {
            format!("{root}/{}/namespaces/{namespace}/{plural}", kind.version)
        }
        _ => format!("{root}/{}/{plural}", kind.version),
    }
}

/// The path of one object.
pub fn object_path(kind: &KindInfo, namespace: &str, name: &str) -> String {
    format!("{}/{name}", collection_path(kind, Some(namespace)))
}

/// The kind of an object from a file, by its `apiVersion` and `kind`.
pub async fn kind_of(client: &Client, object: &Value) -> Result<Arc<KindInfo>> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if let Some(known) = api::kinds().by_gvk(api_version, kind) {
        return Ok(Arc::clone(known));
    }
    match served(client).await?.by_gvk(api_version, kind) {
        Some(known) => Ok(Arc::clone(known)),
        None => bail!("no matches for kind \"{kind}\" in version \"{api_version}\""),
    }
}

/// `deployment.apps/web`, as kubectl names objects.
pub fn display_name(kind: &KindInfo, name: &str) -> String {
    let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
    format!("{}{group}/{name}", kind.singular)
}

/// `metadata.name` of an object.
pub fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
