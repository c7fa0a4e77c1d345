//! Packs endpoints into slices: an endpoint stays in its slice, and as few slices as possible are written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use actor::{Propagation, World, Write};
use api::views::{Endpoint, EndpointSlice, Service};
use api::{Object, ObjectKey, Resource};
use bus::Reader;
use serde_json::{Value, json};

use super::endpoints::Group;
use crate::actors::names::free_names;
use crate::actors::ownership::{controller_reference, references_json};

/// Kubernetes' default; the most that one slice holds.
const MOST: usize = 100;
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// A slice as it is, and the endpoints it shall have.
struct Planned {
    object: Arc<Object<EndpointSlice>>,
    endpoints: Vec<Endpoint>,
    changed: bool,
}

/// The writes that make the slices of a Service show these groups.
pub(super) fn reconcile(me: &Object<Service>, groups: Vec<Group>, world: &World<'_>) -> Vec<Write> {
    let mut existing = ours(me, world);
    let (mut writes, mut new) = (Vec::new(), Vec::new());
    for group in groups {
        let (own, others) = existing.into_iter().partition(|slice| fits(slice, &group));
        existing = others;
        let (slices, left) = pack(own, &group);
        // A Service without endpoints keeps one empty slice, so that its readers know that there are none.
        let empty_ones_kept = usize::from(group.endpoints.is_empty());
        let (empty, filled): (Vec<_>, Vec<_>) =
            slices.into_iter().partition(|slice| slice.endpoints.is_empty());
        let surplus = empty.iter().skip(empty_ones_kept);
        writes.extend(surplus.map(|slice| delete(&slice.object, "none of its endpoints is left")));
        let kept = empty.iter().take(empty_ones_kept).chain(&filled);
        writes.extend(kept.filter_map(|slice| update(me, slice, &group)));
        new.extend(left.chunks(MOST).map(|chunk| body(&group, chunk)));
        if empty.is_empty() && group.endpoints.is_empty() {
            new.push(body(&group, &[]));
        }
    }
    writes.extend(existing.iter().map(|slice| delete(slice, "no pod has its ports any more")));
    writes.extend(create(me, new, world));
    writes
}

/// A slice can show a group if address family and ports are the same; an empty group takes any of its family.
fn fits(slice: &Object<EndpointSlice>, group: &Group) -> bool {
    slice.address_type == group.address_type && (slice.ports == group.ports || group.endpoints.is_empty())
}

/// Deletes every slice that the actor has made for the Service.
pub(super) fn remove(me: &Object<Service>, world: &World<'_>) -> Vec<Write> {
    ours(me, world).iter().map(|slice| delete(slice, "the service selects no pods")).collect()
}

/// Slices that belong to the Service and are managed here; those made by hand are left alone.
fn ours(me: &Object<Service>, world: &World<'_>) -> Vec<Arc<Object<EndpointSlice>>> {
    let managed = world.controlled_by::<EndpointSlice>(&me.metadata.uid);
    let mut slices: Vec<_> = managed
        .filter(|slice| slice.metadata.labels.get(MANAGED_BY).is_some_and(|by| **by == *MANAGER))
        .filter(|slice| !slice.metadata.is_terminating())
        .collect();
    slices.sort_by(|one, other| one.key.cmp(&other.key));
    slices
}

/// Keeps what stays where it is, then fills: first slices that change anyway, then the fullest one that can take the rest.
/// Returns the endpoints that need new slices.
fn pack(slices: Vec<Arc<Object<EndpointSlice>>>, group: &Group) -> (Vec<Planned>, Vec<Endpoint>) {
    let mut wanted: BTreeMap<String, &Endpoint> =
        group.endpoints.iter().map(|endpoint| (identity(endpoint), endpoint)).collect();
    let mut planned: Vec<Planned> = slices.into_iter().map(|object| keep(object, &mut wanted)).collect();
    let order = group.endpoints.iter().filter(|endpoint| wanted.contains_key(&identity(endpoint)));
    let mut left: VecDeque<Endpoint> = order.cloned().collect();
    let mut changing: Vec<&mut Planned> = planned.iter_mut().filter(|slice| slice.changed).collect();
    changing.sort_by_key(|slice| std::cmp::Reverse(slice.endpoints.len()));
    changing.into_iter().for_each(|slice| fill(slice, &mut left));
    if !left.is_empty() {
        let room = |slice: &&mut Planned| slice.endpoints.len() + left.len() <= MOST;
        if let Some(fullest) = planned.iter_mut().filter(room).max_by_key(|slice| slice.endpoints.len()) {
            fill(fullest, &mut left);
        }
    }
    (planned, left.into())
}

fn fill(slice: &mut Planned, left: &mut VecDeque<Endpoint>) {
    while slice.endpoints.len() < MOST
        && let Some(endpoint) = left.pop_front()
    {
        slice.endpoints.push(endpoint);
        slice.changed = true;
    }
}

/// Takes the endpoints that stay in a slice out of the wanted ones.
fn keep(object: Arc<Object<EndpointSlice>>, wanted: &mut BTreeMap<String, &Endpoint>) -> Planned {
    let kept = object.endpoints.iter().filter_map(|endpoint| wanted.remove(&identity(endpoint)));
    let endpoints: Vec<Endpoint> = kept.take(MOST).cloned().collect();
    let changed = endpoints != object.endpoints;
    Planned { object, endpoints, changed }
}

/// The pod and its address.
fn identity(endpoint: &Endpoint) -> String {
    let uid = endpoint.target_ref.as_ref().map(|pod| pod.uid.as_ref()).unwrap_or_default();
    format!("{uid} {}", endpoint.addresses.first().map(String::as_str).unwrap_or_default())
}

fn update(me: &Object<Service>, slice: &Planned, group: &Group) -> Option<Write> {
    let labels = labels(me);
    let labels_differ = slice
        .object
        .metadata
        .labels
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect::<BTreeMap<_, _>>()
        != labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    if !slice.changed && !labels_differ && slice.object.ports == group.ports {
        return None;
    }
    let mut merge = json!({"endpoints": slice.endpoints, "ports": group.ports});
    if labels_differ && let Some(fields) = merge.as_object_mut() {
        fields.insert("metadata".into(), json!({"labels": replacement(&slice.object, &labels)}));
    }
    Some(Write::Patch {
        key: slice.object.key.clone(),
        seen: slice.object.revision,
        merge,
        subresource_status: false,
        because: format!("the service has {} endpoints in it", slice.endpoints.len()),
        event: None,
    })
}

/// A merge patch of the labels: what is new, and null for what goes.
fn replacement(slice: &Object<EndpointSlice>, labels: &BTreeMap<String, String>) -> Value {
    let gone = slice.metadata.labels.keys().filter(|key| !labels.contains_key(&***key));
    let gone = gone.map(|key| (key.to_string(), Value::Null));
    let kept = labels.iter().map(|(key, value)| (key.clone(), json!(value)));
    Value::Object(gone.chain(kept).collect())
}

/// The Service's own labels and those by which slices are found.
fn labels(me: &Object<Service>) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> =
        me.metadata.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    labels.remove(HEADLESS);
    if me.spec.cluster_ip == "None" {
        labels.insert(HEADLESS.into(), String::new());
    }
    labels.insert(SERVICE_NAME.into(), me.key.name.to_string());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    labels
}

fn body(group: &Group, endpoints: &[Endpoint]) -> Value {
    json!({"addressType": group.address_type, "endpoints": endpoints, "ports": group.ports})
}

fn create(me: &Object<Service>, bodies: Vec<Value>, world: &World<'_>) -> Vec<Write> {
    let reader: &Reader<'_> = world;
    let key = |name: &str| ObjectKey::namespaced(EndpointSlice::ID, me.key.namespace(), name);
    let base = format!("{}-", me.key.name);
    let names = free_names(&base, &me.metadata.uid, bodies.len(), |name| reader.get(&key(name)).is_some());
    let write = |(name, mut object): (String, Value)| {
        let owner = controller_reference("v1", "Service", &me.metadata);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".into(), json!("discovery.k8s.io/v1"));
            fields.insert("kind".into(), json!("EndpointSlice"));
            fields.insert(
                "metadata".into(),
                json!({
                    "name": name,
                    "generateName": base,
                    "namespace": me.key.namespace(),
                    "labels": labels(me),
                    "ownerReferences": references_json(&[owner]),
                }),
            );
        }
        Write::Create {
            key: key(&name),
            object,
            because: "its endpoints have no slice yet".into(),
            event: None,
        }
    };
    names.into_iter().zip(bodies).map(write).collect()
}

fn delete(slice: &Object<EndpointSlice>, because: &str) -> Write {
    Write::Delete {
        key: slice.key.clone(),
        uid: slice.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: because.into(),
        event: None,
    }
}
