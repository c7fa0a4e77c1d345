//! Amounts of resources that pods ask for and nodes have.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use serde::Serialize;

/// CPU in milli-cores, bytes of memory and disk, and whatever else nodes offer, in units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Milli-cores.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes of `ephemeral-storage`.
    pub disk: i64,
    /// Extended resources by name; few, so a sorted list.
    pub other: Vec<(String, i64)>,
}

/// A quantity of CPU in milli-cores.
pub fn milli(quantity: Quantity) -> i64 {
    i64::try_from(quantity.milli).unwrap_or(i64::MAX)
}

impl Amounts {
    /// Reads a node's `allocatable`. `pods` is not a resource here.
    pub fn read(quantities: &BTreeMap<String, Quantity>) -> Self {
        let mut amounts = Self::default();
        for (name, quantity) in quantities.iter().filter(|(name, _)| *name != "pods") {
            amounts.put(name, *quantity);
        }
        amounts
    }

    /// Sets one amount.
    pub fn put(&mut self, name: &str, quantity: Quantity) {
        match name {
            "cpu" => self.cpu = milli(quantity),
            "memory" => self.memory = quantity.ceil_units(),
            "ephemeral-storage" => self.disk = quantity.ceil_units(),
            other => *self.other_mut(other) = quantity.ceil_units(),
        }
    }

    /// An extended resource's amount, zero if it is not there.
    pub fn other(&self, name: &str) -> i64 {
        self.other.iter().find(|(known, _)| known == name).map_or(0, |(_, amount)| *amount)
    }

    /// Adds what `more` holds.
    pub fn add(&mut self, more: &Self) {
        self.combine(more, i64::saturating_add);
    }

    /// Takes away what `less` holds.
    pub fn subtract(&mut self, less: &Self) {
        self.combine(less, i64::saturating_sub);
    }

    /// Becomes at least `floor` in everything.
    pub fn raise_to(&mut self, floor: &Self) {
        self.combine(floor, i64::max);
    }

    fn combine(&mut self, with: &Self, operation: fn(i64, i64) -> i64) {
        self.cpu = operation(self.cpu, with.cpu);
        self.memory = operation(self.memory, with.memory);
        self.disk = operation(self.disk, with.disk);
        for (name, amount) in &with.other {
            let own = self.other_mut(name);
            *own = operation(*own, *amount);
        }
    }

    fn other_mut(&mut self, name: &str) -> &mut i64 {
        let at = match self.other.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                self.other.insert(at, (name.to_owned(), 0));
                at
            }
        };
        #[expect(clippy::indexing_slicing, reason = "`at` was found or inserted above")]
        &mut self.other[at].1
    }
}

/// `512Mi`, `1500m`: an amount of a resource as people write it.
pub fn written(resource: &str, amount: i64) -> String {
    let quantity = match resource {
        "cpu" => Quantity { milli: i128::from(amount) },
        _ => Quantity::units(amount),
    };
    quantity.to_string()
}
