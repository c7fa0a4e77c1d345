//! Who owns which fields: `metadata.managedFields`, read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::FieldSet;
use crate::Timestamp;
use crate::json::text;

/// More managers than these that update are merged, the oldest first.
const MOST_UPDATERS: usize = 10;
/// The manager that updates are merged under.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own fields. Ordered as entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It says what it wants, and leaves out what it does not care for.
    Apply,
    /// It changed them.
    Update,
}

/// Tells managers apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// `kubectl`.
    pub name: String,
    /// How it owns.
    pub operation: Operation,
    /// The version in which it updates; empty for one that applies, which is the same in every version.
    pub version: String,
    /// Through which subresource; empty for the object itself.
    pub subresource: String,
}

/// What a manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The version that the fields' names belong to.
    pub api_version: String,
    /// When it last changed anything.
    pub time: Option<Timestamp>,
    /// The fields.
    pub fields: FieldSet,
}

/// Every manager of an object and what it owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers(pub BTreeMap<Manager, Owned>);

/// Entries that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EntryError(String);

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

impl Owned {
    /// Whether the fields have the names of a version; `None`: of any.
    pub(super) fn is_of(&self, version: Option<&str>) -> bool {
        version.is_none_or(|version| self.api_version == version)
    }
}

impl Managers {
    /// Reads `metadata.managedFields`.
    pub fn from_value(entries: &Value) -> Result<Self, EntryError> {
        let Value::Array(entries) = entries else { return Ok(Self::default()) };
        entries
            .iter()
            .enumerate()
            .map(|(index, entry)| decode(index, entry))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// As `metadata.managedFields`, in Kubernetes' order.
    pub fn to_value(&self) -> Value {
        let seconds = |owned: &Owned| owned.time.map_or(0, |time| time.0.div_euclid(1_000_000));
        let mut entries: Vec<(&Manager, &Owned)> = self.0.iter().collect();
        entries.sort_by_key(|(manager, owned)| {
            (manager.operation, seconds(owned), &manager.name, &owned.api_version, &manager.subresource)
        });
        entries.into_iter().map(|(manager, owned)| encode(manager, owned)).collect()
    }

    /// Takes fields away from every manager, or from those of one version.
    pub fn take(&mut self, fields: &FieldSet, version: Option<&str>) {
        if fields.is_empty() {
            return;
        }
        for owned in self.0.values_mut().filter(|owned| owned.is_of(version)) {
            owned.fields = std::mem::take(&mut owned.fields).difference(fields);
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }

    /// What anyone owns.
    pub fn all(&self) -> FieldSet {
        self.0.values().fold(FieldSet::default(), |all, owned| all.union(&owned.fields))
    }

    /// Merges the oldest managers that update, so that an object that many write does not grow without end.
    pub fn cap(&mut self) {
        let mut updaters: Vec<(i64, Manager)> = self
            .0
            .iter()
            .filter(|(manager, _)| manager.operation == Operation::Update)
            .map(|(manager, owned)| {
                (owned.time.map_or(0, |time| time.0.div_euclid(1_000_000)), manager.clone())
            })
            .collect();
        updaters.sort();
        let mut left = updaters.len();
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for (_, manager) in updaters {
            if left <= MOST_UPDATERS {
                return;
            }
            let version = manager.version.clone();
            let Some(first) = first_of_version.get(&version) else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager {
                name: ANCIENT.into(),
                operation: Operation::Update,
                version,
                subresource: String::new(),
            };
            let older = self.0.remove(&bucket).or_else(|| self.0.remove(first));
            if let Some(mut owned) = self.0.remove(&manager) {
                owned.fields = owned.fields.union(&older.map(|older| older.fields).unwrap_or_default());
                self.0.insert(bucket, owned);
                left -= 1;
            }
        }
    }
}

fn decode(index: usize, entry: &Value) -> Result<(Manager, Owned), EntryError> {
    let operation = match text(entry, "/operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(EntryError("operation must be `Apply` or `Update`".into())),
    };
    let api_version = text(entry, "/apiVersion");
    if api_version.is_empty() {
        return Err(EntryError("apiVersion must not be empty".into()));
    }
    match text(entry, "/fieldsType") {
        "FieldsV1" => {}
        "" => return Err(EntryError(format!("missing fieldsType in managed fields entry {index}"))),
        other => {
            return Err(EntryError(format!("invalid fieldsType {other:?} in managed fields entry {index}")));
        }
    }
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::default(),
        Some(fields) => FieldSet::from_value(fields)
            .map_err(|error| EntryError(format!("error decoding set from {fields}: {error}")))?,
    };
    let manager = Manager {
        name: text(entry, "/manager").into(),
        operation,
        version: if operation == Operation::Apply { String::new() } else { api_version.into() },
        subresource: text(entry, "/subresource").into(),
    };
    Ok((
        manager,
        Owned { api_version: api_version.into(), time: Timestamp::parse(text(entry, "/time")), fields },
    ))
}

fn encode(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    entry.insert("apiVersion".into(), owned.api_version.as_str().into());
    entry.insert("fieldsType".into(), "FieldsV1".into());
    entry.insert("fieldsV1".into(), owned.fields.to_value());
    let names = [
        ("manager", &*manager.name),
        ("operation", manager.operation.name()),
        ("subresource", &manager.subresource),
    ];
    entry.extend(
        names.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.into(), text.into())),
    );
    entry.extend(owned.time.map(|time| ("time".into(), time.to_seconds_text().into())));
    Value::Object(entry)
}
