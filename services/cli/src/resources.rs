//! Resolves what people type (`deploy/web`, `pods`, `svc`) and objects in files to API paths.

use anyhow::{Result, bail};
use api::KindInfo;
use serde_json::Value;

/// A kind and perhaps a name: `deployment/web`, `pods`.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The kind.
    pub kind: &'static KindInfo,
    /// The object, if one is named.
    pub name: Option<&'a str>,
}

/// Finds a kind by plural, singular, short name or kind, with or without its group.
pub fn find_kind(word: &str) -> Result<&'static KindInfo> {
    match api::kinds().by_word(word) {
        Some(kind) => Ok(kind),
        None => bail!("the server doesn't have a resource type \"{word}\"; it has: {}", known_kinds()),
    }
}

fn known_kinds() -> String {
    api::kinds().iter().map(|kind| kind.id.plural()).collect::<Vec<_>>().join(", ")
}

/// Reads `KIND NAME...`, `KIND/NAME...` or `KIND[,KIND...]`.
pub fn targets(words: &[String]) -> Result<Vec<Target<'_>>> {
    let Some((first, rest)) = words.split_first() else {
        bail!("name a resource, such as `pods` or `deployment/web`")
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| with_slash(word)).collect();
    }
    let kinds = first.split(',').flat_map(expand).map(find_kind).collect::<Result<Vec<_>>>()?;
    if rest.is_empty() {
        return Ok(kinds.into_iter().map(|kind| Target { kind, name: None }).collect());
    }
    Ok(kinds
        .iter()
        .flat_map(|&kind| rest.iter().map(move |name| Target { kind, name: Some(name) }))
        .collect())
}

/// `all` stands for the kinds of that category.
fn expand(word: &str) -> Vec<&str> {
    let category: Vec<&str> = api::kinds()
        .iter()
        .filter(|kind| kind.stored_as.is_none() && kind.categories.contains(&word))
        .map(|kind| kind.id.plural())
        .collect();
    if category.is_empty() { vec![word] } else { category }
}

fn with_slash(word: &str) -> Result<Target<'_>> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() => Ok(Target { kind: find_kind(kind)?, name: Some(name) }),
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
pub fn kind_of(object: &Value) -> Result<&'static KindInfo> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    match api::by_gvk(api_version, kind) {
        Some(info) => Ok(info),
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
