//! Turns the writes of one turn into compare-and-set mutations. Pure: the same for the store and for the laws' simulated world.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use api::admission::Charge;
use api::lifecycle::{self, DeleteOptions, Deletion, Propagation};
use api::views::{Namespace, Pod};
use api::{KindInfo, ObjectKey, Resource, ResourceId, Revision, Timestamp, Uid, service_account};
use bus::{ChangeTo, Expect, Reader, Stored};
use serde_json::{Value, json};

use super::admission::{self, Admitted};
use crate::Write;

const SERVICE_ACCOUNTS: ResourceId = ResourceId::new("serviceaccounts");

/// The objects that writes build on, as one moment had them.
#[derive(Default)]
pub(crate) struct Bases {
    stored: HashMap<ObjectKey, Arc<Stored>>,
    /// New objects, completed as the cluster says, or why they are forbidden.
    admitted: Admitted,
    /// Objects that may not be created or deleted, because somebody who was asked does not admit it, and why.
    refused: HashMap<ObjectKey, String>,
}

/// A new status of the turn's own object.
pub(crate) struct StatusChange {
    pub(crate) key: ObjectKey,
    pub(crate) seen: Revision,
    pub(crate) status: Value,
}

/// What becomes of one write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It takes part in the mutation of its object.
    Written,
    /// Nothing is left to do.
    Done,
    /// The world was another than the decision believed.
    Stale,
    /// It can not be done, and this is why.
    Refused(String),
    /// Limits, quotas, webhooks or policies do not admit it.
    Forbidden(String),
}

/// One object's mutation.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) key: ObjectKey,
    pub(crate) expect: Expect,
    pub(crate) change: ChangeTo,
}

/// What to mutate, and what becomes of each write (in their order).
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) mutations: Vec<Planned>,
    /// Mutations that happen together with `charges` or not at all.
    pub(crate) charged: Vec<Planned>,
    /// Of the quotas that are charged.
    pub(crate) charges: Vec<Planned>,
    pub(crate) verdicts: Vec<Verdict>,
    /// The status is part of the mutations.
    pub(crate) writes_status: bool,
}

/// One object while the turn's writes to it are put together.
struct Draft {
    base: Option<Arc<Stored>>,
    /// As it shall be; the last state if it shall be gone.
    value: Option<Value>,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Untouched,
    Put,
    Gone,
}

impl Bases {
    /// Everything that `writes` and a status of `own` need to know.
    pub(crate) fn collect(reader: &Reader<'_>, writes: &[Write], own: Option<&Arc<Stored>>) -> Self {
        let namespaces = writes.iter().filter(|write| matches!(write, Write::Create { .. }));
        let namespaces = namespaces.filter_map(|write| namespace_of(write.key()));
        let accounts = writes.iter().filter_map(|write| match write {
            Write::Create { key, object, .. } => account_of(key, object),
            Write::Patch { .. } | Write::Delete { .. } | Write::Finish { .. } | Write::Tell { .. } => None,
        });
        let keys = writes.iter().map(|write| write.key().clone()).chain(namespaces).chain(accounts);
        let mut stored: HashMap<ObjectKey, Arc<Stored>> =
            keys.filter_map(|key| reader.get(&key).map(|stored| (key, Arc::clone(stored)))).collect();
        if let Some(own) = own {
            stored.insert(own.key.clone(), Arc::clone(own));
        }
        Self { stored, admitted: admission::of_new(reader, writes), refused: HashMap::new() }
    }

    /// The same with what somebody who was asked does not admit.
    pub(crate) fn refusing(self, refused: HashMap<ObjectKey, String>) -> Self {
        Self { refused, ..self }
    }

    /// What is known of a write: the object that it creates, or why it is forbidden.
    fn judged(&self, write: &Write) -> Option<Result<&Value, &String>> {
        let refused = || self.refused.get(write.key()).map(Err);
        match write {
            Write::Create { key, .. } => {
                refused().or_else(|| self.admitted.objects.get(key).map(Result::as_ref))
            }
            Write::Delete { .. } => refused(),
            Write::Patch { .. } | Write::Finish { .. } | Write::Tell { .. } => None,
        }
    }

    /// The object itself.
    pub(crate) fn of(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.stored.get(key)
    }

    /// The same objects and refusals in the world as it is now.
    pub(crate) fn renewed(self, reader: &Reader<'_>, writes: &[Write], own: Option<&ObjectKey>) -> Self {
        let own = own.and_then(|key| self.of(key));
        Self::collect(reader, writes, own).refusing(self.refused)
    }

    fn charges(&self) -> Vec<Planned> {
        let planned = |charge: &Charge| Planned {
            key: charge.key.clone(),
            expect: Expect::At(charge.seen),
            change: ChangeTo::Put(charge.quota.clone()),
        };
        self.admitted.charges.iter().map(planned).collect()
    }

    /// Namespaces whose quotas are charged.
    pub(crate) fn charged(&self) -> BTreeSet<ObjectKey> {
        let charges = self.admitted.charges.iter();
        charges.filter_map(|charge| namespace_of(&charge.key)).collect()
    }

    fn is_terminating(&self, namespace: Option<ObjectKey>) -> bool {
        namespace
            .and_then(|key| self.stored.get(&key))
            .is_some_and(|namespace| namespace.metadata.is_terminating())
    }
}

/// Plans the writes and the status of one turn. `fresh` draws the uids of new objects.
pub(crate) fn plan(
    writes: &[Write],
    status: Option<StatusChange>,
    bases: &Bases,
    now: Timestamp,
    mut fresh: impl FnMut() -> Uid,
) -> Plan {
    let mut drafts: Vec<(ObjectKey, Draft)> = Vec::new();
    let mut verdicts = Vec::with_capacity(writes.len());
    let mut index: HashMap<ObjectKey, usize> = HashMap::new();
    let draft_of =
        |key: &ObjectKey, drafts: &mut Vec<(ObjectKey, Draft)>, index: &mut HashMap<ObjectKey, usize>| {
            *index.entry(key.clone()).or_insert_with(|| {
                drafts.push((key.clone(), Draft::of(bases.stored.get(key).cloned())));
                drafts.len() - 1
            })
        };
    for write in writes {
        let place = draft_of(write.key(), &mut drafts, &mut index);
        let Some((_, draft)) = drafts.get_mut(place) else { continue };
        let terminating =
            matches!(write, Write::Create { .. }) && bases.is_terminating(namespace_of(write.key()));
        let judged = bases.judged(write);
        verdicts.push(match (terminating, write, judged) {
            (true, ..) => Verdict::Refused("the namespace is terminating".to_owned()),
            (_, write, _) if bases.admitted.postponed.contains(write.key()) => Verdict::Stale,
            (_, _, Some(Err(why))) => Verdict::Forbidden(why.clone()),
            (_, Write::Create { key, .. }, Some(Ok(object))) => {
                draft.create(key, object, bases, (now, fresh()))
            }
            (..) => draft.fold(write, bases, now, &mut fresh),
        });
    }
    let mut writes_status = false;
    if let Some(change) = status {
        let place = draft_of(&change.key, &mut drafts, &mut index);
        if let Some((_, draft)) = drafts.get_mut(place) {
            writes_status = draft.set_status(change.seen, change.status);
        }
    }
    let planned = drafts.into_iter().filter_map(|(key, draft)| draft.finish(key));
    let (charged, mutations): (Vec<_>, Vec<_>) =
        planned.partition(|planned: &Planned| bases.admitted.counted.contains(&planned.key));
    let charges = if charged.is_empty() { Vec::new() } else { bases.charges() };
    Plan { mutations, charged, charges, verdicts, writes_status }
}

impl Draft {
    fn of(base: Option<Arc<Stored>>) -> Self {
        let value = base.as_ref().map(|base| {
            let mut value = base.value();
            if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("resourceVersion");
            }
            value
        });
        Self { base, value, fate: Fate::Untouched }
    }

    fn fold(
        &mut self,
        write: &Write,
        bases: &Bases,
        now: Timestamp,
        fresh: &mut impl FnMut() -> Uid,
    ) -> Verdict {
        match write {
            Write::Create { key, object, .. } => self.create(key, object, bases, (now, fresh())),
            Write::Patch { key, seen, merge, subresource_status, .. } => {
                self.patch(key, *seen, merge, *subresource_status)
            }
            Write::Delete { key, uid, grace, propagation, .. } => {
                self.delete(key, uid, *grace, *propagation, now)
            }
            Write::Finish { uid, .. } => self.finish_deletion(uid, now),
            // Hands say it; nothing is written.
            Write::Tell { .. } => Verdict::Done,
        }
    }

    fn create(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        bases: &Bases,
        (now, uid): (Timestamp, Uid),
    ) -> Verdict {
        if let Some(existing) = self.value.as_ref().filter(|_| self.fate != Fate::Gone) {
            return match controller_of(existing) == controller_of(object) {
                true => Verdict::Done,
                false => Verdict::Refused(format!("{key} exists and is not ours")),
            };
        }
        if self.base.is_some() {
            // Removed by this very turn: the new one is a matter of the next.
            return Verdict::Stale;
        }
        let mut object = object.clone();
        // What was admitted has its uid: names of volumes may follow from it.
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).map_or(uid, Uid::from);
        let kind = kind_of(key.resource);
        if let Some(known) = api::kind(key.resource) {
            known.default(&mut object);
        }
        if let Some(account) = account_of(key, &object) {
            let account = bases.stored.get(&account).map(|stored| stored.value());
            service_account::mount_token(&mut object, account.as_ref(), &uid);
        }
        if let Some(kind) = kind {
            lifecycle::prepare_create(&mut object, kind, "", &uid, now);
        }
        (self.value, self.fate) = (Some(object), Fate::Put);
        Verdict::Written
    }

    fn patch(&mut self, key: &ObjectKey, seen: Revision, merge: &Value, status_too: bool) -> Verdict {
        let (Some(base), Some(value)) = (&self.base, &self.value) else { return Verdict::Stale };
        if base.revision != seen || self.fate == Fate::Gone {
            return Verdict::Stale;
        }
        let mut patched = value.clone();
        json_patch::merge(&mut patched, merge);
        let wanted_status = patched.get("status").cloned();
        let Some(kind) = kind_of(key.resource) else {
            return Verdict::Refused(format!("{} is not a known kind", key.resource));
        };
        // As a user's update of the status subresource: it leaves the generation alone.
        let prepared = match status_too && merge.get("spec").is_none() {
            true => lifecycle::prepare_status_update(&mut patched, value, kind),
            false => lifecycle::prepare_update(&mut patched, value, kind),
        };
        if let Err(refusal) = prepared {
            return Verdict::Refused(refusal.to_string());
        }
        if let Some(object) = patched.as_object_mut() {
            let status = if status_too { wanted_status } else { value.get("status").cloned() };
            match status {
                Some(status) => object.insert("status".to_owned(), status),
                None => object.remove("status"),
            };
        }
        if patched == *value {
            return Verdict::Done;
        }
        self.fate = match lifecycle::after_finalizers_removed(&patched, kind) {
            true => Fate::Gone,
            false => Fate::Put,
        };
        self.value = Some(patched);
        Verdict::Written
    }

    fn delete(
        &mut self,
        key: &ObjectKey,
        uid: &Uid,
        grace: Option<i64>,
        propagation: Propagation,
        now: Timestamp,
    ) -> Verdict {
        let Some(value) = self.same(uid) else { return Verdict::Done };
        let Some(kind) = kind_of(key.resource) else {
            return Verdict::Refused(format!("{} is not a known kind", key.resource));
        };
        let options = DeleteOptions { grace, propagation: Some(propagation), ..DeleteOptions::default() };
        match lifecycle::request_deletion(value, kind, &options, now) {
            Ok(Deletion::Already) => Verdict::Done,
            Ok(Deletion::Mark(marked)) => {
                (self.value, self.fate) = (Some(marked), Fate::Put);
                Verdict::Written
            }
            Ok(Deletion::Remove(last)) => {
                (self.value, self.fate) = (Some(last), Fate::Gone);
                Verdict::Written
            }
            Err(refusal) => Verdict::Refused(refusal.to_string()),
        }
    }

    fn finish_deletion(&mut self, uid: &Uid, now: Timestamp) -> Verdict {
        let Some(value) = self.same(uid) else { return Verdict::Done };
        let mut last = value.clone();
        if let Some(metadata) = last.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("finalizers");
            metadata.entry("deletionTimestamp").or_insert_with(|| json!(now));
            metadata.entry("deletionGracePeriodSeconds").or_insert_with(|| json!(0));
        }
        (self.value, self.fate) = (Some(last), Fate::Gone);
        Verdict::Written
    }

    /// True if the status is going to be written.
    fn set_status(&mut self, seen: Revision, status: Value) -> bool {
        let current = self.base.as_ref().is_some_and(|base| base.revision == seen);
        let Some(object) = self.value.as_mut().and_then(Value::as_object_mut) else { return false };
        if !current || self.fate == Fate::Gone || object.get("status") == Some(&status) {
            return false;
        }
        object.insert("status".to_owned(), status);
        self.fate = Fate::Put;
        true
    }

    /// The object, if it is (still) the one of this uid.
    fn same(&self, uid: &Uid) -> Option<&Value> {
        let same =
            |value: &&Value| value.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid.as_str());
        self.value.as_ref().filter(|_| self.fate != Fate::Gone).filter(same)
    }

    fn finish(self, key: ObjectKey) -> Option<Planned> {
        let expect = self.base.map_or(Expect::Absent, |base| Expect::At(base.revision));
        let change = match (self.fate, self.value) {
            (Fate::Put, Some(value)) => ChangeTo::Put(value),
            (Fate::Gone, Some(value)) => ChangeTo::Delete(value),
            (Fate::Untouched, _) | (Fate::Put | Fate::Gone, None) => return None,
        };
        Some(Planned { key, expect, change })
    }
}

/// What the rules of a life need to know of a kind. Kinds that are not in the registry live by the plainest rules.
fn kind_of(resource: ResourceId) -> Option<&'static KindInfo> {
    api::kind(resource).or_else(|| api::kind(ResourceId::new("configmaps")))
}

fn namespace_of(key: &ObjectKey) -> Option<ObjectKey> {
    key.namespace.as_deref().map(|namespace| ObjectKey::cluster(Namespace::ID, namespace))
}

/// The service account that a pod runs as.
fn account_of(key: &ObjectKey, object: &Value) -> Option<ObjectKey> {
    let name =
        object.pointer("/spec/serviceAccountName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.unwrap_or(service_account::DEFAULT);
    (key.resource == Pod::ID).then(|| ObjectKey::namespaced(SERVICE_ACCOUNTS, key.namespace(), name))
}

fn controller_of(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let is_controller = |owner: &&Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    owners.iter().find(is_controller)?.get("uid")?.as_str()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
