//! Which ConfigMaps and Secrets a pod's spec refers to.

use std::collections::BTreeSet;

use api::views::{ConfigMap, Secret};
use api::{ObjectKey, Resource, ResourceId};
use bus::Stored;
use serde::Deserialize;

/// All of them, whether they exist or not.
pub fn config_refs(pod: &Stored) -> BTreeSet<ObjectKey> {
    // What was stored has been read through its type, so it is readable through a part of it.
    let spec = bus::decode::<Body>(pod.bytes()).unwrap_or_default().spec;
    let volumes = list(&spec.volumes).flat_map(|volume| {
        let projected = volume.projected.iter().flat_map(|projected| list(&projected.sources));
        let sources = projected.flat_map(|source| [config_map(&source.config_map), secret(&source.secret)]);
        sources.chain([config_map(&volume.config_map), secret(&volume.secret)])
    });
    let containers = [&spec.containers, &spec.init_containers, &spec.ephemeral_containers];
    let environments = containers.into_iter().flat_map(list).flat_map(|container| {
        let whole = list(&container.env_from)
            .flat_map(|from| [config_map(&from.config_map_ref), secret(&from.secret_ref)]);
        let values = list(&container.env).filter_map(|variable| variable.value_from.as_ref());
        whole.chain(
            values.flat_map(|value| [config_map(&value.config_map_key_ref), secret(&value.secret_key_ref)]),
        )
    });
    let pulls =
        list(&spec.image_pull_secrets).map(|pull| pull.name.as_deref().map(|name| (Secret::ID, name)));
    let all = volumes.chain(environments).chain(pulls).flatten();
    all.filter(|(_, name)| !name.is_empty())
        .map(|(resource, name)| ObjectKey::namespaced(resource, pod.key.namespace(), name))
        .collect()
}

type Ref<'a> = Option<(ResourceId, &'a str)>;

fn config_map(named: &Option<Named>) -> Ref<'_> {
    Some((ConfigMap::ID, named.as_ref()?.name.as_deref()?))
}

fn secret(named: &Option<Named>) -> Ref<'_> {
    Some((Secret::ID, named.as_ref()?.name.as_deref()?))
}

fn list<T>(items: &Option<Vec<T>>) -> impl Iterator<Item = &T> {
    items.iter().flatten()
}

/// The parts of a Pod that may refer. Read from its bytes: a tree of the whole object would cost ten times as much.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    volumes: Option<Vec<Volume>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    ephemeral_containers: Option<Vec<Container>>,
    image_pull_secrets: Option<Vec<Named>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    config_map: Option<Named>,
    secret: Option<Named>,
    projected: Option<Projected>,
}

#[derive(Deserialize)]
struct Projected {
    sources: Option<Vec<Source>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    config_map: Option<Named>,
    secret: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    env: Option<Vec<Variable>>,
    env_from: Option<Vec<From>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct From {
    config_map_ref: Option<Named>,
    secret_ref: Option<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    value_from: Option<ValueFrom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom {
    config_map_key_ref: Option<Named>,
    secret_key_ref: Option<Named>,
}

/// A reference: volumes call a Secret's name `secretName`.
#[derive(Deserialize)]
struct Named {
    #[serde(alias = "secretName")]
    name: Option<String>,
}
