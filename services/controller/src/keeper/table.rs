//! The route table: every Service's routes, each with the revision at which they last changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::messages::{RouteTable, ServiceRoutes};
use api::views::{EndpointSlice, Service};
use api::{Object, ObjectKey, Resource, Revision};
use bus::{Change, Reader};

use super::drain::SERVICE_NAME;
use super::routes::routes;

/// Removed Services that are remembered, so that a table can lead on from another controller's last one.
const REMEMBERED: usize = 10_000;

/// Everything that proxies serve.
#[derive(Debug, Default)]
pub struct Table {
    revision: Revision,
    /// What was removed before is not remembered.
    since_when: Revision,
    services: BTreeMap<ObjectKey, (ServiceRoutes, Revision)>,
    removed: BTreeMap<Revision, Vec<String>>,
}

impl Table {
    /// The table of one moment.
    pub fn of(reader: &Reader<'_>) -> Self {
        let revision = reader.revision();
        let mut table = Self { revision, since_when: revision, ..Self::default() };
        let mut slices: BTreeMap<ObjectKey, Vec<Arc<Object<EndpointSlice>>>> = BTreeMap::new();
        for stored in reader.list(EndpointSlice::ID, None) {
            if let Some(service) = service_of(&stored.key, &stored.metadata.labels) {
                slices.entry(service).or_default().push(stored.object());
            }
        }
        for stored in reader.list(Service::ID, None) {
            let own = slices.remove(&stored.key).unwrap_or_default();
            let newest =
                own.iter().map(|slice| slice.revision).max().unwrap_or_default().max(stored.revision);
            table.services.insert(stored.key.clone(), (routes(&stored.object(), &own), newest));
        }
        table
    }

    /// Takes changes in. `reader` shows the moment after them, or later. True if any concerns a Service.
    pub fn apply(&mut self, changes: &[Arc<Change>], reader: &Reader<'_>) -> bool {
        let mut touched: BTreeSet<ObjectKey> = BTreeSet::new();
        for change in changes {
            touched.extend(touched_by(change));
            self.revision = self.revision.max(change.revision());
        }
        let concerns_us = !touched.is_empty();
        for key in touched {
            // What is read may be newer than the changes: the reader's moment is the safe answer to "since when".
            self.refresh(key, reader.revision(), reader);
        }
        concerns_us
    }

    /// A delta can lead here from any table since this revision.
    pub fn since_when(&self) -> Revision {
        self.since_when
    }

    /// Every change up to here is in the table.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// All of it.
    pub fn full(&self) -> RouteTable {
        RouteTable::Full {
            revision: self.revision,
            services: self.services.values().map(|(routes, _)| routes.clone()).collect(),
        }
    }

    /// What leads from the table at `previous` to this one.
    pub fn since(&self, previous: Revision) -> RouteTable {
        let changed = self.services.values().filter(|(_, revision)| *revision > previous);
        let after = (std::ops::Bound::Excluded(previous), std::ops::Bound::Unbounded);
        let removed: BTreeSet<&String> = self.removed.range(after).flat_map(|(_, names)| names).collect();
        let lives = |name: &str| self.services.keys().any(|key| name_of(key) == name);
        RouteTable::Delta {
            previous,
            revision: self.revision.max(previous),
            upserts: changed.map(|(routes, _)| routes.clone()).collect(),
            removed: removed.into_iter().filter(|name| !lives(name)).cloned().collect(),
        }
    }

    fn refresh(&mut self, key: ObjectKey, revision: Revision, reader: &Reader<'_>) {
        let Some(stored) = reader.get(&key) else {
            if self.services.remove(&key).is_some() {
                self.removed.entry(revision).or_default().push(name_of(&key));
                while self.removed.len() > REMEMBERED {
                    if let Some((forgotten, _)) = self.removed.pop_first() {
                        self.since_when = self.since_when.max(forgotten);
                    }
                }
            }
            return;
        };
        let own: Vec<Arc<Object<EndpointSlice>>> = reader
            .list(EndpointSlice::ID, Some(key.namespace()))
            .filter(|slice| slice.metadata.labels.get(SERVICE_NAME).is_some_and(|name| **name == *key.name))
            .map(|slice| slice.object())
            .collect();
        let fresh = routes(&stored.object(), &own);
        match self.services.get_mut(&key) {
            Some((known, _)) if *known == fresh => {}
            Some(entry) => *entry = (fresh, revision),
            None => {
                self.services.insert(key, (fresh, revision));
            }
        }
    }
}

fn name_of(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace(), key.name)
}

/// The Services whose routes a change may concern.
fn touched_by(change: &Change) -> Vec<ObjectKey> {
    match change.key().resource {
        Service::ID => vec![change.key().clone()],
        EndpointSlice::ID => {
            let states = [Some(&change.object), change.previous.as_ref()];
            states
                .into_iter()
                .flatten()
                .filter_map(|stored| service_of(&stored.key, &stored.metadata.labels))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn service_of(slice: &ObjectKey, labels: &BTreeMap<Arc<str>, Arc<str>>) -> Option<ObjectKey> {
    let name = labels.get(SERVICE_NAME)?;
    Some(ObjectKey::namespaced(Service::ID, slice.namespace(), name))
}
