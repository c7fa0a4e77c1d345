//! Decides which waiting writes go out next, and whether one by one or as one atomic batch.

use std::collections::{HashSet, VecDeque};

use api::ObjectKey;

use super::LARGEST_BATCH;
use super::unit::Unit;

/// A batch costs the server several times what one message costs: up to so many writes go out one by one.
const FEW: usize = 10;
/// While a batch is on its way, a second one is worth its cost from so many writes on.
const MANY: usize = 64;
/// At most about so many bytes go out together.
const LARGEST_BYTES: usize = 4 << 20;

/// Writes that wait, and the objects that are being written.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Unit>,
    /// Two writes of one object are never on their way at the same time.
    busy: HashSet<ObjectKey>,
    singles: usize,
    batches: usize,
}

/// What goes out together.
pub(super) enum Departure {
    /// One message by itself.
    Single(Unit),
    /// One atomic batch.
    Batch(Vec<Unit>),
}

impl Queue {
    /// A new write.
    pub(super) fn push(&mut self, unit: Unit) {
        self.waiting.push_back(unit);
    }

    /// A write that has to be tried again, before others.
    pub(super) fn push_again(&mut self, unit: Unit) {
        self.release(&unit);
        self.waiting.push_front(unit);
    }

    /// The unit's objects may be written again.
    pub(super) fn release(&mut self, unit: &Unit) {
        for key in unit.keys() {
            self.busy.remove(key);
        }
    }

    /// A single message or a batch has landed.
    pub(super) fn landed(&mut self, was_batch: bool) {
        match was_batch {
            true => self.batches = self.batches.saturating_sub(1),
            false => self.singles = self.singles.saturating_sub(1),
        }
    }

    /// Waiting units of which `give_up` says so.
    pub(super) fn take_if(&mut self, give_up: impl Fn(&Unit) -> bool) -> Vec<Unit> {
        let (gone, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(give_up);
        self.waiting = waiting;
        Vec::from_iter::<VecDeque<Unit>>(gone)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What can go out now.
    pub(super) fn depart(&mut self) -> Vec<Departure> {
        let is_worth_it = match self.batches {
            0 => true,
            1 => self.waiting.len() >= MANY || self.waiting.front().is_some_and(|unit| unit.alone),
            _ => false,
        };
        if !is_worth_it {
            return Vec::new();
        }
        let (picked, waiting) = self.pick();
        self.waiting = waiting;
        if picked.is_empty() {
            return Vec::new();
        }
        let mutations: usize = picked.iter().map(|unit| unit.writes.len()).sum();
        let all_single = picked.iter().all(|unit| unit.writes.len() == 1);
        if picked.first().is_some_and(|unit| unit.alone) || (all_single && self.may_go_singly(mutations)) {
            return picked.into_iter().map(|unit| self.send_off(unit)).collect();
        }
        let may_batch = match self.batches {
            0 => self.singles == 0 || mutations > FEW,
            _ => mutations >= MANY,
        };
        if !may_batch {
            for unit in picked.into_iter().rev() {
                self.waiting.push_front(unit);
            }
            return Vec::new();
        }
        self.batches += 1;
        picked.iter().for_each(|unit| self.busy.extend(unit.keys().cloned()));
        vec![Departure::Batch(picked)]
    }

    fn may_go_singly(&self, mutations: usize) -> bool {
        self.batches == 0 && self.singles + mutations <= FEW
    }

    fn send_off(&mut self, unit: Unit) -> Departure {
        self.busy.extend(unit.keys().cloned());
        match unit.writes.len() {
            1 => {
                self.singles += 1;
                Departure::Single(unit)
            }
            _ => {
                self.batches += 1;
                Departure::Batch(vec![unit])
            }
        }
    }

    /// The writes that fit into one departure, and the rest. A write never overtakes an earlier one of the same object; what is
    /// to go alone goes with others that are to go alone.
    fn pick(&mut self) -> (Vec<Unit>, VecDeque<Unit>) {
        let (mut picked, mut rest) = (Vec::new(), VecDeque::new());
        let mut blocked: HashSet<ObjectKey> = HashSet::new();
        let (mut mutations, mut bytes) = (0, 0);
        let alone = self.waiting.front().is_some_and(|unit| unit.alone);
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        for unit in waiting.by_ref() {
            let fits = mutations + unit.writes.len() <= LARGEST_BATCH
                && (picked.is_empty() || bytes + unit.size() <= LARGEST_BYTES);
            let free = unit.keys().all(|key| !self.busy.contains(key) && !blocked.contains(key));
            blocked.extend(unit.keys().cloned());
            match fits && free && unit.alone == alone {
                true => {
                    mutations += unit.writes.len();
                    bytes += unit.size();
                    picked.push(unit);
                }
                false => rest.push_back(unit),
            }
            if mutations >= LARGEST_BATCH || bytes >= LARGEST_BYTES {
                break;
            }
        }
        rest.extend(waiting);
        (picked, rest)
    }
}

#[cfg(test)]
mod tests {
    use api::ResourceId;
    use expect_test::{Expect, expect};
    use tokio::sync::oneshot;

    use super::super::unit::Prepared;
    use super::super::{ChangeTo, Expect as Expected, Mutation};
    use super::*;

    fn unit(keys: &[&str]) -> Unit {
        let write = |name: &&str| {
            let key = ObjectKey::namespaced(ResourceId::new("pods"), "a", name);
            let change = ChangeTo::PutBytes(bytes::Bytes::from_static(b"x"));
            let mutation = Mutation { key, expect: Expected::Absent, change, cause: Default::default() };
            Prepared::new(mutation, "id".into()).unwrap()
        };
        Unit::new(keys.iter().map(write).collect(), oneshot::channel().0)
    }

    fn names(unit: &Unit) -> String {
        unit.keys().map(|key| key.name.to_string()).collect::<Vec<_>>().join("+")
    }

    /// One line per step: `ask a b+c` (units), `land single|batch a` (their objects are free again); departures are printed.
    fn check(script: &str, expect: Expect) {
        let (mut queue, mut told) = (Queue::default(), String::new());
        for line in script.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            match words.next().unwrap() {
                "ask" => words.for_each(|it| queue.push(unit(&it.split('+').collect::<Vec<_>>()))),
                "many" => (0..words.next().unwrap().parse().unwrap())
                    .for_each(|n: u32| queue.push(unit(&[&format!("m{n}")]))),
                "alone" => {
                    let mut unit = unit(&[words.next().unwrap()]);
                    unit.alone = true;
                    queue.push_again(unit);
                }
                "land" => {
                    queue.landed(words.next() == Some("batch"));
                    words.for_each(|it| queue.release(&unit(&it.split('+').collect::<Vec<_>>())));
                }
                _ => panic!("{line}"),
            }
            told.push_str(&format!("{line}:"));
            for departure in queue.depart() {
                match departure {
                    Departure::Single(unit) => told.push_str(&format!(" {}", names(&unit))),
                    Departure::Batch(units) if units.len() > 9 => {
                        told.push_str(&format!(" [{} units]", units.len()))
                    }
                    Departure::Batch(units) => {
                        told.push_str(&format!(
                            " [{}]",
                            units.iter().map(names).collect::<Vec<_>>().join(" ")
                        ));
                    }
                }
            }
            told.push('\n');
        }
        expect.assert_eq(&told);
    }

    #[test]
    fn few_writes_go_singly_and_many_together() {
        check(
            "ask a
             ask b c
             ask d e f g
             land single a
             land single b
             land single c
             ask h i j k l m n o p q r s
             ask t
             land batch h",
            expect![[r#"
                ask a: a
                ask b c: b c
                ask d e f g: d e f g
                land single a:
                land single b:
                land single c:
                ask h i j k l m n o p q r s: [12 units]
                ask t:
                land batch h: t
            "#]],
        );
    }

    #[test]
    fn a_second_batch_has_to_be_worth_it() {
        check(
            "many 100
             ask x y
             many 300
             ask z",
            expect![[r#"
                many 100: [100 units]
                ask x y:
                many 300: [202 units]
                ask z:
            "#]],
        );
    }

    #[test]
    fn writes_of_one_object_wait_for_each_other() {
        check(
            "ask a a b
             ask a
             land single a
             land single a",
            expect![[r#"
                ask a a b: a b
                ask a:
                land single a: a
                land single a: a
            "#]],
        );
    }

    #[test]
    fn atomic_writes_are_batches() {
        check(
            "ask a+b
             ask b+c d
             land batch a+b
             land batch b+c d",
            expect![[r#"
                ask a+b: [a+b]
                ask b+c d:
                land batch a+b: [b+c d]
                land batch b+c d:
            "#]],
        );
    }

    #[test]
    fn what_is_to_go_alone_does() {
        check(
            "many 20
             ask c
             alone b",
            expect![[r#"
                many 20: [20 units]
                ask c:
                alone b: b
            "#]],
        );
    }
}
