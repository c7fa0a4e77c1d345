//! The Service actor: keeps EndpointSlices (and the legacy Endpoints) in step with the pods that a Service selects.

mod endpoints;
mod legacy;
mod slices;

use std::collections::BTreeMap;
use std::sync::Arc;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{EndpointSlice, Pod, Service, ServiceSpec};
use api::{Metadata, Object, ObjectKey, Resource, ResourceId, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};

use super::ownership::namespace_ends;

/// The collection of legacy Endpoints.
const ENDPOINTS: ResourceId = ResourceId::new("endpoints");

/// Keeps the endpoints of Services.
#[derive(Debug)]
pub struct ServiceActor;

impl ResourceActor for ServiceActor {
    type Kind = Service;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::Owned(EndpointSlice::ID),
            Wake::By { resource: Some(ENDPOINTS), keys: of_the_same_name },
            Wake::By { resource: Some(Pod::ID), keys: selecting },
        ]
    }

    fn decide(me: &Object<Service>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        if me.metadata.is_terminating() || namespace_ends(world, me.key.namespace()) {
            return Decision::nothing();
        }
        let mut commands = Vec::new();
        match has_endpoints(&me.spec) {
            true => {
                let pods = selected(me, world);
                let groups = endpoints::groups(me, &pods);
                commands.extend(slices::reconcile(me, groups, world));
                commands.extend(legacy::reconcile(me, &pods, world));
            }
            false => {
                commands.extend(slices::remove(me, world));
                commands.extend(legacy::remove(me, world));
            }
        }
        Decision { commands, ..Decision::nothing() }
    }
}

/// Whether the endpoints of a Service are the actor's business.
fn has_endpoints(spec: &ServiceSpec) -> bool {
    !spec.selector.is_empty() && spec.kind != "ExternalName"
}

/// Pods that a Service selects and that can be reached, ordered by name.
fn selected(me: &Object<Service>, world: &World<'_>) -> Vec<Arc<Object<Pod>>> {
    let reader: &Reader<'_> = world;
    let pods = reader.labelled(Pod::ID, me.key.namespace(), &me.spec.selector);
    pods.map(|stored| stored.object::<Pod>()).filter(|pod| is_reachable(pod)).collect()
}

fn selects(selector: &BTreeMap<Arc<str>, Arc<str>>, metadata: &Metadata) -> bool {
    selector.iter().all(|(key, value)| metadata.labels.get(key) == Some(value))
}

/// It has an address and has not ended.
fn is_reachable(pod: &Pod) -> bool {
    !pod.status.pod_ip.is_empty() && !pod.has_ended()
}

/// Endpoints carry the name of their Service.
fn of_the_same_name(change: &Change, _reader: &Reader<'_>) -> Vec<ObjectKey> {
    let key = &change.object.key;
    vec![ObjectKey::namespaced(Service::ID, key.namespace(), &key.name)]
}

/// Services that select the pod, or did before, if anything changed that an endpoint shows.
fn selecting(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let now = (change.kind == ChangeKind::Put).then_some(&change.object);
    let before = change.previous.as_ref().or((change.kind == ChangeKind::Deleted).then_some(&change.object));
    let (shown_before, shown_now) = (before.and_then(Shown::of), now.and_then(Shown::of));
    if shown_before == shown_now {
        return Vec::new();
    }
    let services = reader.list(Service::ID, Some(change.object.key.namespace()));
    let concerned = services.filter(|stored| {
        let service = stored.object::<Service>();
        has_endpoints(&service.spec)
            && [&shown_before, &shown_now]
                .into_iter()
                .flatten()
                .any(|shown| selects(&service.spec.selector, &shown.pod.metadata))
    });
    concerned.map(|stored| stored.key.clone()).collect()
}

/// A reachable pod, compared by what endpoints show of it.
struct Shown {
    pod: Arc<Object<Pod>>,
}

impl Shown {
    /// `None` if the pod cannot be reached.
    fn of(stored: &Arc<Stored>) -> Option<Self> {
        let pod = stored.object::<Pod>();
        is_reachable(&pod).then_some(Self { pod })
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (&self.pod, &other.pod);
        one.metadata.uid == other.metadata.uid
            && one.metadata.labels == other.metadata.labels
            && one.metadata.is_terminating() == other.metadata.is_terminating()
            && one.is_ready() == other.is_ready()
            && one.status.pod_ip == other.status.pod_ip
            && one.spec.node_name == other.spec.node_name
    }
}

#[cfg(test)]
mod tests;
