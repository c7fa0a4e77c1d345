//! The CustomResourceDefinition actor: grants names, and empties a definition that is being deleted before it lets it go.

use actor::{Decision, Propagation, ResourceActor, Wake, World, Write};
use api::custom::{self, APPROVAL, Approval, CLEANUP, DEFINITIONS};
use api::views::{Condition, CustomResourceDefinition, CustomResourceDefinitionStatus};
use api::{Object, ObjectKey, Resource, ResourceId, Timestamp};
use bus::{Change, ChangeKind, Reader};
use serde_json::json;

use super::condition;

/// The condition that tells of the approval by Kubernetes' community.
const CONFORMANT: &str = "KubernetesAPIApprovalPolicyConformant";

/// Keeps CustomResourceDefinitions.
#[derive(Debug)]
pub struct CustomResourceDefinitionActor;

type Me = Object<CustomResourceDefinition>;

impl ResourceActor for CustomResourceDefinitionActor {
    type Kind = CustomResourceDefinition;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::By { resource: None, keys: emptied },
            Wake::By { resource: Some(DEFINITIONS), keys: rivals },
        ]
    }

    fn decide(me: &Me, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let (commands, status) = match me.metadata.is_terminating() {
            true => (clean_up(me, world), terminating(me, world, now)),
            false => (Vec::new(), established(me, world, now)),
        };
        Decision { commands, status: (status != me.status).then_some(status), wake_after: None }
    }
}

fn established(me: &Me, world: &World<'_>, now: Timestamp) -> CustomResourceDefinitionStatus {
    let reader: &Reader<'_> = world;
    let others: Vec<_> = reader
        .list(DEFINITIONS, None)
        .filter(|other| other.key != me.key)
        .map(|other| other.object::<CustomResourceDefinition>())
        .filter(|other| other.spec.group == me.spec.group)
        .collect();
    let granted = others.iter().map(|other| &other.status.accepted_names);
    let sooner = others.iter().filter(|other| goes_first(other, me)).map(|other| &other.spec.names);
    let acceptance = custom::accept(&me.spec.names, &me.status.accepted_names, granted.chain(sooner));
    let mut status =
        CustomResourceDefinitionStatus { accepted_names: acceptance.accepted, ..me.status.clone() };
    let was_established =
        condition(&status.conditions, "Established").is_some_and(|known| known.status == "True");
    let names = match &acceptance.conflict {
        None => ("True", "NoConflicts", "no conflicts found"),
        Some((reason, message)) => ("False", *reason, message.as_str()),
    };
    let has_bundle = custom::is_bundle(&me.spec.conversion.webhook.client_config.ca_bundle);
    let established = match (was_established, acceptance.conflict.is_none(), has_bundle) {
        (true, _, _) | (false, true, true) => {
            ("True", "InitialNamesAccepted", "the initial names have been accepted")
        }
        (false, true, false) => ("False", "InvalidCABundle", "The conversion webhook CABundle is invalid"),
        (false, false, _) => ("False", "NotAccepted", "not all names are accepted"),
    };
    set(&mut status.conditions, "NamesAccepted", names, now);
    set(&mut status.conditions, "Established", established, now);
    if custom::is_protected(&me.spec.group) {
        let annotation = me.metadata.annotations.get(APPROVAL).map(|words| &**words).unwrap_or_default();
        let approval = Approval::of(annotation);
        let (conforms, reason) = approval.condition();
        let words = approval.words(annotation);
        set(&mut status.conditions, CONFORMANT, (conforms, reason, &words), now);
    }
    status
}

/// Of two new definitions the older one has the choice, so that both do not choose the same at the same moment.
fn goes_first(other: &Me, me: &Me) -> bool {
    let age = |it: &Me| (it.metadata.creation_timestamp, it.key.clone());
    other.status.conditions.is_empty() && age(other) < age(me)
}

fn terminating(me: &Me, world: &World<'_>, now: Timestamp) -> CustomResourceDefinitionStatus {
    let reader: &Reader<'_> = world;
    let mut status = me.status.clone();
    let is_empty = reader.list(ResourceId::intern(&me.key.name), None).next().is_none();
    let was_established =
        condition(&status.conditions, "Established").is_some_and(|known| known.status == "True");
    let stated = match (is_empty, was_established) {
        (false, _) => ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"),
        (true, true) => ("False", "InstanceDeletionCompleted", "removed all instances"),
        (true, false) => ("False", "NeverEstablished", "resource was never established"),
    };
    set(&mut status.conditions, "Terminating", stated, now);
    status
}

fn set(
    conditions: &mut Vec<Condition>,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
    now: Timestamp,
) {
    let before = condition(conditions, kind).filter(|before| before.status == status);
    let stated = Condition {
        kind: kind.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: before.and_then(|before| before.last_transition_time).or(Some(now)),
        ..Condition::default()
    };
    match conditions.iter_mut().find(|known| known.kind == kind) {
        Some(known) => *known = stated,
        None => conditions.push(stated),
    }
}

/// Deletes every object of the kind; when none is left, the definition may go.
fn clean_up(me: &Me, world: &World<'_>) -> Vec<Write> {
    if !me.metadata.finalizers.iter().any(|finalizer| **finalizer == *CLEANUP) {
        return Vec::new();
    }
    let reader: &Reader<'_> = world;
    let objects: Vec<_> = reader.list(ResourceId::intern(&me.key.name), None).collect();
    if objects.is_empty() {
        let kept: Vec<_> =
            me.metadata.finalizers.iter().filter(|finalizer| ***finalizer != *CLEANUP).collect();
        return vec![Write::Patch {
            key: me.key.clone(),
            seen: me.revision,
            merge: json!({"metadata": {"finalizers": kept}}),
            subresource_status: false,
            because: "all objects of its kind are gone".into(),
            event: None,
        }];
    }
    let alive = objects.into_iter().filter(|object| !object.metadata.is_terminating());
    let delete = alive.map(|object| Write::Delete {
        key: object.key.clone(),
        uid: object.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: "the definition of its kind is being deleted".into(),
        event: None,
    });
    delete.collect()
}

/// A definition that is being deleted is woken when an object of its kind is gone.
fn emptied(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let resource = change.key().resource;
    if change.kind != ChangeKind::Deleted || api::kind(resource).is_some() {
        return Vec::new();
    }
    let key = ObjectKey::cluster(DEFINITIONS, resource.as_str());
    let is_terminating = reader.get(&key).is_some_and(|stored| stored.metadata.is_terminating());
    if is_terminating { vec![key] } else { Vec::new() }
}

/// A definition that changes or goes may leave names to others of its group.
fn rivals(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let group = |name: &str| name.split_once('.').map(|(_, group)| group.to_owned());
    let own = group(&change.key().name);
    reader
        .list(CustomResourceDefinition::ID, None)
        .filter(|other| other.key != *change.key() && group(&other.key.name) == own)
        .map(|other| other.key.clone())
        .collect()
}

#[cfg(test)]
mod tests;
