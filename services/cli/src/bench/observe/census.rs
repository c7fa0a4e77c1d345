//! Counts pods or nodes from their events, and remembers how the counts went.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::event::Seen;

/// How many there are, at one moment of the cluster's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that are not being deleted.
    pub existing: u32,
    /// Of these, those that have a node.
    pub bound: u32,
    /// Of these, those that are Ready.
    pub ready: u32,
    /// Of the Ready ones, those that are not on a node that is to be lost.
    pub elsewhere: u32,
    /// Of the Ready ones, those that were made since the extremes were forgotten.
    pub fresh: u32,
    /// Those that are being deleted and are still there.
    pub ending: u32,
    /// The fewest that were Ready at any moment since the extremes were forgotten.
    pub fewest_ready: u32,
    /// The most that existed at any moment since then.
    pub most_existing: u32,
}

/// Every object that there is, as far as it is counted.
pub struct Roll {
    /// What the nodes that are to be lost are called: their names begin like this.
    lost_prefix: Option<String>,
    objects: HashMap<u64, Entry, BuildHasherDefault<Identity>>,
    census: Census,
    /// From being seen first to being Ready first, in seconds.
    until_ready: Vec<f32>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// When it was seen first, in seconds of the watcher's clock.
    seen_at: f32,
    bound: bool,
    ready: bool,
    elsewhere: bool,
    /// It was made since the extremes were forgotten.
    fresh: bool,
    ending: bool,
    /// Its way to Ready has been recorded.
    recorded: bool,
}

impl Roll {
    /// Nobody is there.
    pub fn new(lost_prefix: Option<String>) -> Self {
        Self { lost_prefix, objects: HashMap::default(), census: Census::default(), until_ready: Vec::new() }
    }

    /// The counts.
    pub fn census(&self) -> Census {
        self.census
    }

    /// How long each object took from being seen first to being Ready, in seconds.
    pub fn until_ready(&self) -> &[f32] {
        &self.until_ready
    }

    /// Forgets how many there were at fewest and at most, how long things took, and who is new.
    pub fn forget(&mut self) {
        for entry in self.objects.values_mut() {
            (entry.fresh, entry.recorded) = (false, true);
        }
        self.census.fresh = 0;
        self.census.fewest_ready = self.census.ready;
        self.census.most_existing = self.census.existing;
        self.until_ready.clear();
    }

    /// Forgets everybody: a list follows.
    pub fn clear(&mut self) {
        self.objects.clear();
        self.census = Census {
            fewest_ready: self.census.fewest_ready,
            most_existing: self.census.most_existing,
            ..Census::default()
        };
    }

    /// It is there, and like this. While a whole list is taken in, no moment of it counts as one of the cluster's.
    pub fn present(&mut self, object: &Seen<'_>, now: f32, listing: bool) {
        let key = key_of(object);
        let before = self.objects.get(&key).copied();
        let ready = object.is_ready();
        let ending = object.metadata.deletion_timestamp.is_some();
        let lost = match (&self.lost_prefix, object.spec.node_name) {
            (Some(prefix), Some(node)) => node.starts_with(prefix.as_str()),
            (Some(_) | None, _) => false,
        };
        let mut after = Entry {
            seen_at: before.map_or(now, |entry| entry.seen_at),
            bound: object.spec.node_name.is_some(),
            ready,
            elsewhere: ready && !lost,
            fresh: before.map_or(!listing, |entry| entry.fresh),
            ending,
            recorded: before.map_or(listing, |entry| entry.recorded),
        };
        if ready && !after.recorded {
            after.recorded = true;
            self.until_ready.push(now - after.seen_at);
        }
        self.objects.insert(key, after);
        self.replace(before, Some(after), listing);
    }

    /// It is gone.
    pub fn gone(&mut self, object: &Seen<'_>) {
        let before = self.objects.remove(&key_of(object));
        self.replace(before, None, false);
    }

    fn replace(&mut self, before: Option<Entry>, after: Option<Entry>, listing: bool) {
        let census = &mut self.census;
        if let Some(entry) = before {
            census.add(entry, -1);
        }
        if let Some(entry) = after {
            census.add(entry, 1);
        }
        if !listing {
            census.fewest_ready = census.fewest_ready.min(census.ready);
            census.most_existing = census.most_existing.max(census.existing);
        }
    }
}

impl Census {
    fn add(&mut self, entry: Entry, by: i32) {
        let mut count = |field: fn(&mut Self) -> &mut u32, counts: bool| {
            let field = field(self);
            *field = field.saturating_add_signed(if counts { by } else { 0 });
        };
        count(|census| &mut census.ending, entry.ending);
        count(|census| &mut census.existing, !entry.ending);
        count(|census| &mut census.bound, entry.bound && !entry.ending);
        count(|census| &mut census.ready, entry.ready && !entry.ending);
        count(|census| &mut census.elsewhere, entry.elsewhere && !entry.ending);
        count(|census| &mut census.fresh, entry.fresh && entry.ready && !entry.ending);
    }

    /// Everybody, also those who are being deleted.
    pub fn all(&self) -> u32 {
        self.existing + self.ending
    }

    /// So many exist, all are Ready, and nobody else is left.
    pub fn is_complete(&self, wanted: u32) -> bool {
        [self.existing, self.ready, self.ending] == [wanted, wanted, 0]
    }
}

/// A name and a uid in eight bytes: among 150,000 objects two are alike once in two thousand million runs.
fn key_of(object: &Seen<'_>) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((object.metadata.name, object.metadata.uid))
}

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl std::hash::Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Condition, Meta, Spec, Status};
    use super::*;

    fn pod<'a>(name: &'a str, node: Option<&'a str>, ready: bool, ending: bool) -> Seen<'a> {
        let status = if ready { "True" } else { "False" };
        Seen {
            metadata: Meta { name, deletion_timestamp: ending.then_some("now"), ..Meta::default() },
            spec: Spec { node_name: node },
            status: Status { conditions: vec![Condition { kind: "Ready", status }] },
        }
    }

    #[test]
    fn pods_are_counted_by_how_far_they_are() {
        let mut roll = Roll::new(Some("lost".to_owned()));
        roll.present(&pod("a", None, false, false), 1.0, false);
        roll.present(&pod("b", None, false, false), 1.0, false);
        roll.present(&pod("a", Some("n-0"), false, false), 1.5, false);
        roll.present(&pod("a", Some("n-0"), true, false), 2.0, false);
        roll.present(&pod("b", Some("lost-0"), true, false), 4.0, false);
        let census = roll.census();
        assert_eq!((census.existing, census.bound, census.ready, census.elsewhere), (2, 2, 2, 1));
        assert_eq!(roll.until_ready(), [1.0, 3.0]);
        assert!(census.is_complete(2));
        roll.forget();
        roll.present(&pod("a", Some("n-0"), true, true), 5.0, false);
        roll.gone(&pod("a", None, true, true));
        roll.present(&pod("c", None, false, false), 5.0, false);
        let census = roll.census();
        roll.present(&pod("c", None, true, false), 6.0, false);
        assert_eq!((census.existing, census.ready, census.ending), (2, 1, 0));
        assert_eq!((roll.census().ready, roll.census().fresh), (2, 1));
        assert_eq!((census.fewest_ready, census.most_existing), (1, 2));
    }

    #[test]
    fn a_list_is_one_moment() {
        let mut roll = Roll::new(None);
        roll.present(&pod("a", None, true, false), 1.0, false);
        roll.forget();
        roll.clear();
        roll.present(&pod("a", None, true, false), 2.0, true);
        assert_eq!((roll.census().fewest_ready, roll.census().ready), (1, 1));
    }
}
