//! The ResourceQuota actor: counts what is used of what is limited.

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::admission;
use api::views::{ResourceQuota, ResourceQuotaStatus};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader};

/// Counts for quotas.
#[derive(Debug)]
pub struct ResourceQuotaActor;

impl ResourceActor for ResourceQuotaActor {
    type Kind = ResourceQuota;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: None, keys: counting }]
    }

    fn decide(me: &Object<ResourceQuota>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        let Some(stored) = world.stored(&me.key).filter(|_| !me.metadata.is_terminating()) else {
            return Decision::nothing();
        };
        let totals = admission::totals(&stored.value(), me.key.namespace(), world.reader());
        let used = totals.into_iter().map(|(name, amount)| {
            let text = admission::format_amount(&name, amount);
            (name, text)
        });
        let status = ResourceQuotaStatus { hard: me.spec.hard.clone(), used: used.collect() };
        Decision { commands: Vec::new(), status: (status != me.status).then_some(status), wake_after: None }
    }
}

/// The quotas of the namespace in which something is used now that was not before, or the other way round.
fn counting(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let key = change.key();
    let mut quotas = reader.list(ResourceQuota::ID, key.namespace.as_deref()).peekable();
    if key.namespace.is_none() || quotas.peek().is_none() {
        return Vec::new();
    }
    let usage = |object: &bus::Stored| admission::usage(key.resource, &object.value());
    let before = change.previous.as_ref().map(|previous| usage(previous));
    let now = (change.kind == ChangeKind::Put).then(|| usage(&change.object));
    match before == now {
        true => Vec::new(),
        false => quotas.map(|quota| quota.key.clone()).collect(),
    }
}

#[cfg(test)]
mod tests;
