//! Server-side apply: who owns which field, what an apply changes, and with whom it conflicts (Kubernetes' structured merge).
//!
//! Three entry points, all pure: [`created`] and [`updated`] record who wrote what, [`apply`] merges what a manager wants into
//! what is stored. All of them are about objects of any [`TypeRef`]. An object without `metadata.managedFields` is owned by
//! nobody: it stays so through updates, and its first apply records what was there under `before-first-apply`.

mod atomics;
mod compare;
mod conflict;
mod extract;
mod last_applied;
mod managers;
mod merge;
mod misfits;
mod prune;
mod set;
mod types;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

pub use atomics::atomics;
pub use compare::Comparison;
pub use conflict::Conflicts;
pub use extract::ExtractError;
pub use last_applied::LAST_APPLIED;
pub use managers::{EntryError, Manager, Managers, Operation, Owned};
pub use misfits::misfits;
pub use set::{FieldSet, FieldsError};
pub use types::{Form, ItemError, TypeRef};

use crate::Timestamp;
use crate::json::child;

const FIELD: &str = "managedFields";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Fields that nobody owns: the server's own, and those that identify the object.
static UNTRACKED: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of_fields(&[
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ])
});

/// Who writes, in which version, through which subresource, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `kubectl-edit`.
    pub manager: &'a str,
    /// `apps/v1`.
    pub api_version: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// The time of its entry.
    pub now: Timestamp,
    /// Fields have other names in other versions: who owns them there is found by [`settle_elsewhere`].
    pub names_differ: bool,
}

impl Writer<'_> {
    fn id(&self, operation: Operation) -> Manager {
        self.id_as(self.manager, operation)
    }

    fn id_as(&self, name: &str, operation: Operation) -> Manager {
        let version = if operation == Operation::Apply { "" } else { self.api_version };
        Manager {
            name: name.into(),
            operation,
            version: version.into(),
            subresource: self.subresource.into(),
        }
    }

    /// The version whose managers a write concerns at once; `None`: all of them.
    fn concerned(&self) -> Option<&str> {
        self.names_differ.then_some(self.api_version)
    }

    fn owns(&self, fields: FieldSet) -> Owned {
        Owned { api_version: self.api_version.into(), time: Some(self.now), fields }
    }
}

/// What an apply cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that it wants to change.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// What is wanted cannot be merged.
    #[error("{0}")]
    Unmergeable(#[from] ExtractError),
    /// The stored entries cannot be read.
    #[error("failed to decode managed fields: {0}")]
    Entries(#[from] EntryError),
}

/// What is stored, with what is applied laid over it; nobody comes to own anything.
pub fn overlay(kind: TypeRef<'_>, stored: &Value, applied: &Value) -> Value {
    merge::merge(kind, stored, applied)
}

/// Takes `metadata.managedFields` out of an object.
pub fn detach(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove(FIELD)
}

/// Puts entries into an object; without any, it has none.
pub fn attach(object: &mut Value, entries: Option<Value>) {
    let entries = entries.filter(|entries| entries.as_array().is_some_and(|entries| !entries.is_empty()));
    let (Some(metadata), Some(entries)) = (child(object, "metadata"), entries) else { return };
    metadata.insert(FIELD.into(), entries);
}

/// Records who creates an object. `sent` is what the client put into `managedFields`.
pub fn created(
    object: &mut Value,
    sent: Option<&Value>,
    kind: TypeRef<'_>,
    unowned: &[&str],
    writer: Writer<'_>,
) {
    let mut managers = sent.and_then(|sent| Managers::from_value(sent).ok()).unwrap_or_default();
    let written = new_fields(kind, object, unowned);
    // All of it is new, and its creator's.
    managers.take(&written, None);
    record(&mut managers, writer, &written);
    attach(object, Some(managers.to_value()));
}

/// Records who changes an object that is stored as `old`. `sent` is what the client put into `managedFields`: an empty list makes
/// the object nobody's again. Neither `new` nor what `sent` says is trusted to make sense.
pub fn updated(new: &mut Value, old: &Value, sent: Option<&Value>, kind: TypeRef<'_>, writer: Writer<'_>) {
    detach(new);
    let stored = old.get("metadata").and_then(|metadata| metadata.get(FIELD));
    // A subresource does not own the list.
    let sent = sent.filter(|sent| writer.subresource.is_empty() && Some(*sent) != stored);
    let entries = match sent {
        Some(sent) if is_reset(sent) => return,
        Some(sent) => Managers::from_value(sent).ok().filter(|managers| !managers.0.is_empty()),
        None => None,
    };
    if entries.is_none() && stored.is_none() {
        return;
    }
    let comparison = compare::compare(kind, old, new).without(&UNTRACKED);
    if comparison.is_same() {
        return attach(new, entries.map_or_else(|| stored.cloned(), |managers| Some(managers.to_value())));
    }
    let stored = || stored.and_then(|stored| Managers::from_value(stored).ok());
    let mut managers = entries.or_else(stored).unwrap_or_default();
    if managers.0.is_empty() {
        return;
    }
    let written = comparison.written();
    managers.take(&written.clone().union(&comparison.removed), writer.concerned());
    record(&mut managers, writer, &written);
    managers.cap();
    attach(new, Some(managers.to_value()));
}

/// Merges what a manager wants into what is stored, or makes a new object of it (`live` is then `None`). What it applied before
/// and leaves out now goes, unless others own it. Returns the object with its new owners.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    kind: TypeRef<'_>,
    unowned: &[&str],
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    let Some(live) = live else {
        let mut managers = Managers::default();
        let fields = extract::applied(kind, config)?.difference(&UNTRACKED);
        managers.0.insert(writer.id(Operation::Apply), writer.owns(fields));
        managers.0.retain(|_, owned| !owned.fields.is_empty());
        let mut object = config.clone();
        attach(&mut object, Some(managers.to_value()));
        return Ok(object);
    };
    let mut bare = live.clone();
    let mut managers =
        detach(&mut bare).map_or_else(|| Ok(Managers::default()), |all| Managers::from_value(&all))?;
    if managers.0.is_empty() {
        let before = writer.id_as(BEFORE_FIRST_APPLY, Operation::Update);
        managers.0.insert(before, writer.owns(new_fields(kind, &bare, unowned)));
        managers.0.retain(|_, owned| !owned.fields.is_empty());
    }
    let apply = Apply { kind, live: &bare, config, writer };
    let (mut object, managers) = apply.run(managers, force)?;
    attach(&mut object, Some(managers.to_value()));
    Ok(object)
}

/// A change as it looks in another version than the one that is written.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere<'a> {
    /// `stable.example.com/v1`.
    pub api_version: &'a str,
    /// The type of its objects.
    pub kind: TypeRef<'a>,
    /// The object before, in this version.
    pub old: &'a Value,
    /// The object after, in this version.
    pub new: &'a Value,
}

/// Versions other than `api_version` that fields are owned in.
pub fn other_versions(object: &Value, api_version: &str) -> BTreeSet<String> {
    entries_of(object.pointer("/metadata/managedFields"))
        .iter()
        .map(|entry| crate::json::text(entry, "/apiVersion").to_owned())
        .filter(|version| version != api_version)
        .collect()
}

/// Nobody owns anything in a version that there is no more: nobody knows what its fields are called now (as structured merge does
/// where `IsMissingVersionError`).
pub fn forget_version(object: &mut Value, api_version: &str) {
    let Some(mut entries) = detach(object) else { return };
    if let Some(entries) = entries.as_array_mut() {
        entries.retain(|entry| crate::json::text(entry, "/apiVersion") != api_version);
    }
    attach(object, Some(entries));
}

/// Takes what a write has changed from those who own it in another version.
///
/// # Errors
/// `applies` (without force), and somebody owns it: the conflicts.
pub fn settle_elsewhere(
    object: &mut Value,
    change: Elsewhere<'_>,
    writer: Writer<'_>,
    applies: bool,
) -> Result<(), Conflicts> {
    let version = Some(change.api_version);
    let Some(mut managers) = detach(object).and_then(|entries| Managers::from_value(&entries).ok()) else {
        return Ok(());
    };
    let comparison = compare::compare(change.kind, change.old, change.new).without(&UNTRACKED);
    let written = comparison.written();
    if applies {
        let conflicts = Conflicts::among(&managers, &writer.id(Operation::Apply), &written, version);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
    }
    managers.take(&written.union(&comparison.removed), version);
    attach(object, Some(managers.to_value()));
    Ok(())
}

/// The entries are the same but for their times.
pub fn same_but_for_times(left: Option<&Value>, right: Option<&Value>) -> bool {
    let same = |(left, right): (&Value, &Value)| match (left.as_object(), right.as_object()) {
        (Some(left), Some(right)) => timeless(left).eq(timeless(right)),
        _ => left == right,
    };
    let (left, right) = (entries_of(left), entries_of(right));
    left.len() == right.len() && left.iter().zip(right).all(same)
}

fn entries_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn timeless(entry: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    entry.iter().filter(|(name, _)| *name != "time")
}

/// An apply to an object that exists.
struct Apply<'a> {
    kind: TypeRef<'a>,
    /// Without its entries.
    live: &'a Value,
    config: &'a Value,
    writer: Writer<'a>,
}

impl Apply<'_> {
    fn run(&self, managers: Managers, force: bool) -> Result<(Value, Managers), ApplyError> {
        let from_kubectl = self.writer.manager == last_applied::KUBECTL;
        let applied = match self.merge(managers.clone(), force) {
            Err(ApplyError::Conflicts(conflicts)) if from_kubectl => {
                let allowed = last_applied::still_as_applied(self.kind, self.live);
                let conflicts = conflicts.without(&allowed);
                match conflicts.is_empty() {
                    true => self.merge(managers, true),
                    false => Err(ApplyError::Conflicts(conflicts)),
                }
            }
            other => other,
        };
        let (mut object, managers) = applied?;
        if from_kubectl {
            last_applied::keep_in_step(&mut object, self.config);
        }
        Ok((object, managers))
    }

    fn merge(&self, mut managers: Managers, force: bool) -> Result<(Value, Managers), ApplyError> {
        let id = self.writer.id(Operation::Apply);
        let fields = extract::applied(self.kind, self.config)?;
        let before = managers.0.remove(&id);
        let merged = merge::merge(self.kind, self.live, self.config);
        let last = before.as_ref().map(|owned| owned.fields.clone()).unwrap_or_default();
        let owned = managers.all().union(&fields);
        let object = prune::prune(self.kind, merged, &last, &owned);
        let comparison = compare::compare(self.kind, self.live, &object);
        let written = comparison.written();
        let conflicts = Conflicts::among(&managers, &id, &written, self.writer.concerned());
        if !force && !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
        managers.take(&written.union(&comparison.removed), self.writer.concerned());
        // Who applies what is there already leaves no time, as in Kubernetes.
        let time = match comparison.is_same() {
            true => before.and_then(|owned| owned.time),
            false => Some(self.writer.now),
        };
        let fields = fields.difference(&UNTRACKED);
        if !fields.is_empty() {
            managers.0.insert(id, Owned { time, ..self.writer.owns(fields) });
        }
        Ok((object, managers))
    }
}

fn record(managers: &mut Managers, writer: Writer<'_>, written: &FieldSet) {
    let id = writer.id(Operation::Update);
    if written.is_empty() {
        return;
    }
    let before = managers.0.remove(&id).map(|owned| owned.fields).unwrap_or_default();
    managers.0.insert(id, writer.owns(before.union(written)));
}

/// Everything in an object that Go would not have written anyway.
fn new_fields(kind: TypeRef<'_>, object: &Value, unowned: &[&str]) -> FieldSet {
    let fields = compare::compare(kind, &kind.zero(), object).without(&UNTRACKED);
    let mut written = fields.written();
    for field in unowned {
        written.remove(&set::field_step(field));
    }
    written
}

/// `[]` and `[{}]`.
fn is_reset(sent: &Value) -> bool {
    match sent.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(Map::is_empty),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
