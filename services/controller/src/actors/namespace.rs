//! The Namespace actor: furnishes a new namespace, and empties one that is being deleted before it lets it go.

mod contents;
mod furniture;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{Namespace, NamespaceStatus};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, Reader};
use serde_json::json;

use self::contents::Contents;

/// While this is in `spec.finalizers`, the namespace's contents are not gone.
const FINALIZER: &str = "kubernetes";

/// Keeps Namespaces.
#[derive(Debug)]
pub struct NamespaceActor;

impl ResourceActor for NamespaceActor {
    type Kind = Namespace;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::By { resource: None, keys: emptied },
            Wake::By { resource: Some(furniture::SERVICE_ACCOUNTS), keys: furniture::missed },
            Wake::By { resource: Some(furniture::CONFIG_MAPS), keys: furniture::missed },
        ]
    }

    fn decide(me: &Object<Namespace>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        if !me.metadata.is_terminating() {
            // Conditions of one that stays are others' business.
            let status = NamespaceStatus { phase: "Active".into(), conditions: me.status.conditions.clone() };
            let commands = furniture::provide(me, world);
            return Decision { commands, status: (status != me.status).then_some(status), wake_after: None };
        }
        let contents = Contents::observe(&me.key.name, world);
        if contents.is_empty() {
            return Decision { commands: finish(me).into_iter().collect(), ..Decision::nothing() };
        }
        let refusal = world.refusal(&me.key);
        let conditions = contents.conditions(&me.status.conditions, refusal.as_ref(), now);
        let status = NamespaceStatus { phase: "Terminating".into(), conditions };
        Decision {
            commands: contents.deletions(refusal.is_some()),
            status: (status != me.status).then_some(status),
            wake_after: None,
        }
    }
}

/// Lets an emptied namespace go, unless finalizers of others still hold it.
fn finish(me: &Object<Namespace>) -> Option<Write> {
    let because = "everything in it is gone";
    let others: Vec<&String> = me.spec.finalizers.iter().filter(|name| *name != FINALIZER).collect();
    if me.metadata.finalizers.is_empty() && others.is_empty() {
        let (key, uid) = (me.key.clone(), me.metadata.uid.clone());
        return Some(Write::Finish { key, uid, because: because.into() });
    }
    (others.len() < me.spec.finalizers.len()).then(|| Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: json!({"spec": {"finalizers": others}}),
        subresource_status: false,
        because: because.into(),
        event: None,
    })
}

/// A namespace that is being deleted is woken by everything in it.
fn emptied(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let Some(namespace) = &change.object.key.namespace else { return Vec::new() };
    let key = ObjectKey::cluster(Namespace::ID, namespace);
    let is_terminating = reader.get(&key).is_some_and(|stored| stored.metadata.is_terminating());
    if is_terminating { vec![key] } else { Vec::new() }
}

#[cfg(test)]
mod tests;
