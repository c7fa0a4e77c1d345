//! The legacy Endpoints object of a Service: one object with all its endpoints, for tools that do not read slices.

use std::collections::BTreeMap;
use std::sync::Arc;

use actor::{Propagation, World, Write};
use api::views::{EndpointPort, Pod, Service};
use api::{Object, ObjectKey};
use bus::Reader;
use serde_json::{Value, json};

use super::ENDPOINTS;
use super::endpoints::{hostname, ports, target_ref};
use crate::actors::ownership::{controller_reference, references_json};

/// The most addresses that an Endpoints object holds.
const MOST: usize = 1000;
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// The write that makes the Endpoints show these pods, if they do not yet.
pub(super) fn reconcile(me: &Object<Service>, pods: &[Arc<Object<Pod>>], world: &World<'_>) -> Option<Write> {
    let (subsets, truncated) = subsets(me, pods);
    let reader: &Reader<'_> = world;
    let Some(stored) = reader.get(&key(me)) else {
        return Some(Write::Create {
            key: key(me),
            object: object(me, &subsets, truncated),
            because: "the service has no endpoints object yet".into(),
            event: None,
        });
    };
    let value = stored.value();
    let has_mark = stored.metadata.annotations.contains_key(OVER_CAPACITY);
    let has_labels = |(key, text): (&String, &String)| {
        stored.metadata.labels.get(key.as_str()).is_some_and(|has| **has == **text)
    };
    let same = value.get("subsets").unwrap_or(&json!([])) == &subsets && has_mark == truncated;
    if same && labels(me).iter().all(has_labels) {
        return None;
    }
    let mark = if truncated { json!("truncated") } else { Value::Null };
    Some(Write::Patch {
        key: key(me),
        seen: stored.revision,
        merge: json!({
            "metadata": {"labels": labels(me), "annotations": {OVER_CAPACITY: mark}},
            "subsets": subsets,
        }),
        subresource_status: false,
        because: format!("the service selects {} pods", pods.len()),
        event: None,
    })
}

/// Deletes the Endpoints, if they are managed here.
pub(super) fn remove(me: &Object<Service>, world: &World<'_>) -> Option<Write> {
    let reader: &Reader<'_> = world;
    let stored = reader.get(&key(me)).filter(|stored| !stored.metadata.is_terminating())?;
    let is_ours = stored.metadata.labels.get(MANAGED_BY).is_some_and(|by| **by == *MANAGER);
    is_ours.then(|| Write::Delete {
        key: stored.key.clone(),
        uid: stored.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: "the service selects no pods".into(),
        event: None,
    })
}

fn key(me: &Object<Service>) -> ObjectKey {
    ObjectKey::namespaced(ENDPOINTS, me.key.namespace(), &me.key.name)
}

fn labels(me: &Object<Service>) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        me.metadata.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if me.spec.cluster_ip == "None" {
        labels.insert(HEADLESS.into(), String::new());
    }
    labels
}

fn object(me: &Object<Service>, subsets: &Value, truncated: bool) -> Value {
    let owner = controller_reference("v1", "Service", &me.metadata);
    let mut metadata = json!({
        "name": me.key.name,
        "namespace": me.key.namespace(),
        "labels": labels(me),
        "ownerReferences": references_json(&[owner]),
    });
    if truncated && let Some(fields) = metadata.as_object_mut() {
        fields.insert("annotations".into(), json!({OVER_CAPACITY: "truncated"}));
    }
    json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets})
}

/// Addresses that share their ports.
struct Subset {
    ports: Vec<EndpointPort>,
    ready: Vec<Value>,
    not_ready: Vec<Value>,
}

/// The pods by their ports, and whether some had to be left out. Terminating pods are none; ready ones go first.
fn subsets(me: &Object<Service>, pods: &[Arc<Object<Pod>>]) -> (Value, bool) {
    let publish_all = me.spec.publish_not_ready_addresses;
    let is_ready = |pod: &Object<Pod>| publish_all || pod.is_ready();
    let mut listed: Vec<_> =
        pods.iter().filter(|pod| publish_all || !pod.metadata.is_terminating()).collect();
    listed.sort_by_key(|pod| !is_ready(pod));
    let truncated = listed.len() > MOST;
    listed.truncate(MOST);
    let mut subsets: Vec<Subset> = Vec::new();
    for pod in listed {
        let ports = ports(me, pod);
        let index = subsets.iter().position(|subset| subset.ports == ports).unwrap_or(subsets.len());
        if index == subsets.len() {
            subsets.push(Subset { ports, ready: Vec::new(), not_ready: Vec::new() });
        }
        if let Some(subset) = subsets.get_mut(index) {
            let list = if is_ready(pod) { &mut subset.ready } else { &mut subset.not_ready };
            list.push(address(me, pod));
        }
    }
    (subsets.into_iter().map(Subset::json).collect(), truncated)
}

impl Subset {
    /// Empty lists are absent, as Kubernetes writes them.
    fn json(self) -> Value {
        let lists = [
            ("addresses", json!(self.ready)),
            ("notReadyAddresses", json!(self.not_ready)),
            ("ports", json!(self.ports)),
        ];
        let present =
            lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        Value::Object(present.map(|(name, list)| (name.to_owned(), list)).collect())
    }
}

fn address(me: &Object<Service>, pod: &Object<Pod>) -> Value {
    let mut address = json!({"ip": pod.status.pod_ip, "targetRef": target_ref(pod)});
    if let Some(fields) = address.as_object_mut() {
        if let Some(node) = &pod.spec.node_name {
            fields.insert("nodeName".into(), json!(node));
        }
        if let Some(hostname) = hostname(me, pod) {
            fields.insert("hostname".into(), json!(hostname));
        }
    }
    address
}
