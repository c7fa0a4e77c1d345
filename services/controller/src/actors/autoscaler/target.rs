//! The workload that an autoscaler scales, and its pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::json::{int, items, text};
use api::quantity::Quantity;
use api::selector::Selector;
use api::views::{HorizontalPodAutoscaler, Pod};
use api::{Object, ObjectKey, Resource, Revision};
use bus::Reader;
use serde_json::{Value, json};

/// A workload with replicas.
pub struct Target {
    /// Where it lives.
    pub key: ObjectKey,
    /// As it was seen.
    pub revision: Revision,
    /// How many pods it wants.
    pub replicas: i32,
    /// Its pods that have not ended and are not ending.
    pub pods: Vec<Arc<Object<Pod>>>,
    /// What each container of its template requests, by container and resource.
    requests: BTreeMap<(String, String), Quantity>,
}

impl Target {
    /// Finds the target, or says why there is none.
    pub fn of(me: &Object<HorizontalPodAutoscaler>, reader: &Reader<'_>) -> Result<Self, String> {
        let wanted = &me.spec.scale_target_ref;
        let missing =
            |why: &str| format!("the HPA controller was unable to get the target's current scale: {why}");
        let kind = api::by_gvk(&wanted.api_version, &wanted.kind).filter(|kind| kind.has_scale).ok_or_else(
            || {
                missing(&format!(
                    "no matches for kind \"{}\" in group \"{}\"",
                    wanted.kind,
                    wanted.api_version.split('/').next().unwrap_or_default()
                ))
            },
        )?;
        let key = ObjectKey::namespaced(kind.id, me.key.namespace(), &wanted.name);
        let stored =
            reader.get(&key).ok_or_else(|| missing(&format!("{} \"{}\" not found", kind.id, wanted.name)))?;
        let object = stored.value();
        let selector = selector(object.pointer("/spec/selector").unwrap_or(&Value::Null))
            .ok_or_else(|| missing("its selector cannot be read"))?;
        let pods = reader
            .list(Pod::ID, Some(me.key.namespace()))
            .filter(|pod| selector.matches(&pod.metadata.labels));
        let pods = pods
            .map(|pod| pod.object::<Pod>())
            .filter(|pod| !pod.has_ended() && !pod.metadata.is_terminating());
        Ok(Self {
            revision: stored.revision,
            replicas: int(&object, "/spec/replicas").and_then(|count| i32::try_from(count).ok()).unwrap_or(1),
            pods: pods.collect(),
            requests: requests(&object),
            key,
        })
    }

    /// What a pod requests of a resource, of one container or of all, in thousandths; else the container that says nothing about it.
    pub fn request(&self, resource: &str, container: Option<&str>) -> Result<i128, String> {
        let containers: BTreeSet<&str> = self.requests.keys().map(|(name, _)| name.as_str()).collect();
        let of_interest =
            containers.into_iter().filter(|name| container.is_none_or(|wanted| wanted == *name));
        of_interest
            .map(|name| {
                let stated = self.requests.get(&(name.to_owned(), resource.to_owned()));
                stated.map(|quantity| quantity.milli).ok_or_else(|| name.to_owned())
            })
            .sum()
    }
}

/// A label selector, or the plain map of a replication controller.
fn selector(selector: &Value) -> Option<Selector> {
    let plain = selector.as_object().is_some_and(|map| !map.is_empty() && map.values().all(Value::is_string));
    let wrapped = json!({"matchLabels": selector});
    Selector::from_label_selector(if plain { &wrapped } else { selector }).ok()
}

/// Every container has an entry for the empty resource, so that those without requests are known too.
fn requests(object: &Value) -> BTreeMap<(String, String), Quantity> {
    let mut requests = BTreeMap::new();
    for container in items(object, "/spec/template/spec/containers") {
        let name = text(container, "/name");
        requests.insert((name.to_owned(), String::new()), Quantity::default());
        for (resource, amount) in api::json::entries(container, "/resources/requests") {
            if let Some(amount) = amount.as_str().and_then(Quantity::parse) {
                requests.insert((name.to_owned(), resource.to_owned()), amount);
            }
        }
    }
    requests
}
