//! The route table that this proxy serves: a prefix of what the controllers published, never a mixture.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Revision;
use api::messages::{RouteTable, ServiceRoutes};

/// Every Service at one revision. Cheap to clone for small changes: Services are shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The view's revision that this table shows; 0 before the first.
    pub revision: Revision,
    /// By `namespace/name`.
    pub services: BTreeMap<String, Arc<ServiceRoutes>>,
}

/// What a message means for the table it meets.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The table is this one already.
    Same,
    /// The table to serve from now on.
    Next(Table),
    /// Something was missed: ask for a snapshot.
    Gap,
    /// The message is older than the table: its sender lags behind, or the cluster's history began anew.
    Stale,
}

impl Table {
    /// Looks a Service up.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Arc<ServiceRoutes>> {
        self.services.get(&format!("{namespace}/{name}"))
    }

    /// Whether any Service lives there, which is all that DNS knows about namespaces.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        let prefix = format!("{namespace}/");
        self.services.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(&prefix))
    }

    /// What `message` makes of this table. `trust_older`: an older table has been offered for so long
    /// that it is the truth.
    pub fn offer(&self, message: RouteTable, trust_older: bool) -> Verdict {
        match message {
            RouteTable::Full { revision, .. } if revision < self.revision && !trust_older => Verdict::Stale,
            RouteTable::Full { revision, services } => self.replaced(revision, services),
            RouteTable::Delta { revision, .. } if revision < self.revision => match trust_older {
                true => Verdict::Gap,
                false => Verdict::Stale,
            },
            RouteTable::Delta { revision, .. } if revision == self.revision => Verdict::Same,
            RouteTable::Delta { previous, .. } if previous != self.revision => Verdict::Gap,
            RouteTable::Delta { revision, upserts, removed, .. } => {
                let mut next = Self { revision, services: self.services.clone() };
                removed.iter().for_each(|key| drop(next.services.remove(key)));
                upserts.into_iter().for_each(|routes| next.put(routes));
                Verdict::Next(next)
            }
        }
    }

    /// A new table that shares with this one whatever did not change.
    fn replaced(&self, revision: Revision, services: Vec<ServiceRoutes>) -> Verdict {
        let mut next = Self { revision, services: BTreeMap::new() };
        for routes in services {
            let key = key(&routes);
            let shared = self.services.get(&key).filter(|known| ***known == routes).cloned();
            next.services.insert(key, shared.unwrap_or_else(|| Arc::new(routes)));
        }
        match next == *self {
            true => Verdict::Same,
            false => Verdict::Next(next),
        }
    }

    fn put(&mut self, routes: ServiceRoutes) {
        self.services.insert(key(&routes), Arc::new(routes));
    }
}

fn key(routes: &ServiceRoutes) -> String {
    format!("{}/{}", routes.namespace, routes.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceRoutes {
        ServiceRoutes { namespace: "default".into(), name: name.into(), ..ServiceRoutes::default() }
    }

    fn delta(previous: u64, revision: u64, upserts: &[&str], removed: &[&str]) -> RouteTable {
        RouteTable::Delta {
            previous: Revision(previous),
            revision: Revision(revision),
            upserts: upserts.iter().map(|name| service(name)).collect(),
            removed: removed.iter().map(|name| format!("default/{name}")).collect(),
        }
    }

    fn full(revision: u64, names: &[&str]) -> RouteTable {
        RouteTable::Full {
            revision: Revision(revision),
            services: names.iter().map(|name| service(name)).collect(),
        }
    }

    fn after(messages: Vec<RouteTable>) -> Table {
        messages.into_iter().fold(Table::default(), |table, message| match table.offer(message, false) {
            Verdict::Next(next) => next,
            other => panic!("{other:?}"),
        })
    }

    fn names(table: &Table) -> Vec<&str> {
        table.services.values().map(|routes| routes.name.as_str()).collect()
    }

    #[test]
    fn deltas_build_on_each_other() {
        let table = after(vec![full(5, &["web", "db"]), delta(5, 7, &["cache"], &["db"])]);
        assert_eq!((names(&table), table.revision), (vec!["cache", "web"], Revision(7)));
        assert_eq!(table.offer(delta(7, 7, &[], &[]), false), Verdict::Same);
    }

    #[test]
    fn a_missed_delta_is_a_gap() {
        let table = after(vec![full(5, &["web"])]);
        assert_eq!(table.offer(delta(6, 8, &[], &[]), false), Verdict::Gap);
        assert_eq!(table.offer(delta(8, 8, &[], &[]), false), Verdict::Gap, "a beat shows a gap too");
        assert_eq!(Table::default().offer(delta(6, 8, &[], &[]), false), Verdict::Gap);
    }

    #[test]
    fn older_tables_are_refused_until_they_are_the_truth() {
        let table = after(vec![full(5, &["web"])]);
        assert_eq!(table.offer(full(3, &[]), false), Verdict::Stale);
        assert_eq!(table.offer(delta(3, 4, &[], &[]), false), Verdict::Stale);
        assert_eq!(table.offer(delta(3, 4, &[], &[]), true), Verdict::Gap);
        assert!(matches!(table.offer(full(3, &[]), true), Verdict::Next(next) if next.services.is_empty()));
    }

    #[test]
    fn what_did_not_change_is_shared() {
        let table = after(vec![full(5, &["web"])]);
        let Verdict::Next(next) = table.offer(full(6, &["web", "db"]), false) else { panic!() };
        let both = (table.service("default", "web").unwrap(), next.service("default", "web").unwrap());
        assert!(Arc::ptr_eq(both.0, both.1));
        assert!(next.has_namespace("default") && !next.has_namespace("def"));
    }
}
