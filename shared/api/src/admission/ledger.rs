//! Charges quotas for objects, one after the other: what is told of a quota's use is written together with what uses it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::quota::{self, Amounts};
use super::{CLAIMS, Cluster, PODS, QUOTAS};
use crate::json::{child, entries, text};
use crate::quantity::Quantity;
use crate::{ObjectKey, ResourceId, Revision};

/// The quotas of namespaces, as they will be when everything that was charged is written.
///
/// Whoever writes an object writes the quotas that `charged` returns in the same atomic batch, each at the revision that it was read
/// with. So no two writers use the same rest, and a write that fails has charged nothing. What `status.used` says is never less than
/// what is used; if it says that there is too little left, the objects themselves are counted, for some may be gone.
pub struct Ledger<'a, C> {
    cluster: &'a C,
    accounts: BTreeMap<String, Vec<Account>>,
}

/// A quota that has to be written together with what it was charged for.
#[derive(Clone, Debug, PartialEq)]
pub struct Charge {
    /// Which quota.
    pub key: ObjectKey,
    /// As it was when it was charged.
    pub seen: Revision,
    /// With what will be used.
    pub quota: Value,
}

/// One quota.
struct Account {
    quota: Value,
    hard: Amounts,
    /// What was used before, and whether that was counted rather than read.
    used: Amounts,
    counted: bool,
    /// What was charged since.
    charged: Amounts,
}

/// Whether a write is counted: creations are, and of updates those that can change what is used, as in Kubernetes.
pub fn is_counted(resource: ResourceId, subresource: &str, is_update: bool) -> bool {
    match (is_update, subresource) {
        (false, "") => true,
        (true, "resize") => resource == PODS,
        (true, "") => resource == CLAIMS || resource.as_str() == "services",
        _ => false,
    }
}

impl<'a, C: Cluster> Ledger<'a, C> {
    /// Nothing is charged yet.
    pub fn new(cluster: &'a C) -> Self {
        Self { cluster, accounts: BTreeMap::new() }
    }

    /// Charges every quota that an object concerns for what it uses (more than `old`, which it replaces), or none. Whether any was
    /// charged; the error says which has too little left.
    pub fn charge(
        &mut self,
        resource: ResourceId,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<bool, String> {
        let namespace = text(object, "/metadata/namespace");
        if namespace.is_empty() {
            return Ok(false);
        }
        let cluster = self.cluster;
        let accounts = self.accounts.entry(namespace.to_owned()).or_insert_with(|| {
            let quotas = cluster.objects(QUOTAS, Some(namespace));
            quotas.iter().map(|quota| Account::of(quota.clone(), namespace, cluster)).collect()
        });
        if accounts.is_empty() {
            return Ok(false);
        }
        let usage = quota::usage(resource, object);
        let mut wanted = Vec::with_capacity(accounts.len());
        for account in accounts.iter_mut() {
            let more = account.wanted(resource, object, old, &usage)?;
            account.make_room(&more, namespace, cluster)?;
            wanted.push(more);
        }
        let mut any = false;
        for (account, more) in accounts.iter_mut().zip(wanted) {
            any |= !more.is_empty();
            for (name, amount) in more {
                account.charged.entry(name).or_default().milli += amount.milli;
            }
        }
        Ok(any)
    }

    /// The quotas that were charged, with what will be used.
    pub fn charged(self) -> Vec<Charge> {
        let accounts = self.accounts.into_values().flatten();
        accounts.filter(|account| !account.charged.is_empty()).map(Account::told).collect()
    }
}

impl Account {
    fn of<C: Cluster>(quota: Value, namespace: &str, cluster: &C) -> Self {
        let hard = amounts(&quota, "/spec/hard");
        let used = amounts(&quota, "/status/used");
        let is_told = quota.pointer("/status/hard") == quota.pointer("/spec/hard")
            && hard.keys().all(|limited| used.contains_key(limited));
        let mut account = Self { quota, hard, used, counted: false, charged: Amounts::new() };
        if !is_told {
            account.count(namespace, cluster);
        }
        account
    }

    /// Counts what the objects of the namespace use.
    fn count<C: Cluster>(&mut self, namespace: &str, cluster: &C) {
        (self.used, self.counted) = (quota::totals(&self.quota, namespace, cluster), true);
    }

    /// What an object uses more than before, of what this quota limits.
    fn wanted(
        &self,
        resource: ResourceId,
        object: &Value,
        old: Option<&Value>,
        usage: &Amounts,
    ) -> Result<Amounts, String> {
        if !quota::concerns(&self.quota, resource, object) {
            return Ok(Amounts::new());
        }
        let unsaid = quota::unsaid(object, resource, &self.hard);
        if !unsaid.is_empty() {
            return Err(format!("failed quota: {}: must specify {unsaid}", self.name()));
        }
        let old = old.filter(|old| quota::concerns(&self.quota, resource, old));
        let before = old.map(|old| quota::usage(resource, old)).unwrap_or_default();
        let more = usage.iter().filter(|(name, _)| self.hard.contains_key(*name)).map(|(name, amount)| {
            let more = amount.milli - before.get(name).copied().unwrap_or_default().milli;
            (name.clone(), Quantity { milli: more })
        });
        Ok(more.filter(|(_, amount)| amount.milli > 0).collect())
    }

    /// Sees that so much more is left.
    fn make_room<C: Cluster>(&mut self, more: &Amounts, namespace: &str, cluster: &C) -> Result<(), String> {
        if !self.counted && quota::exceeds(self.name(), &self.hard, more, &self.total()).is_err() {
            self.count(namespace, cluster);
        }
        quota::exceeds(self.name(), &self.hard, more, &self.total())
    }

    /// What is used, with what was charged.
    fn total(&self) -> Amounts {
        let sum = |(name, amount): (&String, &Quantity)| {
            let charged = self.charged.get(name).copied().unwrap_or_default();
            (name.clone(), Quantity { milli: amount.milli + charged.milli })
        };
        self.used.iter().map(sum).collect()
    }

    fn name(&self) -> &str {
        text(&self.quota, "/metadata/name")
    }

    /// The quota, to be written.
    fn told(mut self) -> Charge {
        let used: BTreeMap<String, String> = self
            .total()
            .into_iter()
            .filter(|(name, _)| self.hard.contains_key(name))
            .map(|(name, amount)| {
                let text = quota::format_amount(&name, amount);
                (name, text)
            })
            .collect();
        let hard = self.quota.pointer("/spec/hard").cloned();
        if let Some(status) = child(&mut self.quota, "status") {
            status.extend(hard.map(|hard| ("hard".to_owned(), hard)));
            status.insert("used".to_owned(), json!(used));
        }
        let namespace = text(&self.quota, "/metadata/namespace");
        Charge {
            key: ObjectKey::namespaced(QUOTAS, namespace, self.name()),
            seen: Revision(text(&self.quota, "/metadata/resourceVersion").parse().unwrap_or_default()),
            quota: self.quota,
        }
    }
}

fn amounts(quota: &Value, list: &str) -> Amounts {
    entries(quota, list)
        .filter_map(|(name, amount)| Some((name.to_owned(), Quantity::parse(amount.as_str()?)?)))
        .collect()
}
