//! A waiting line that is fair between users: who runs now, who waits, who is sent away. Bookkeeping only, without time or IO.

use std::collections::{BTreeMap, VecDeque};

/// How much runs and waits at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many run.
    pub seats: usize,
    /// How many more the system's own traffic may have running.
    pub reserved: usize,
    /// How many wait.
    pub waiting: usize,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow<'a> {
    /// The cluster's masters and its nodes: always first.
    System,
    /// Everyone else, each of whom gets the same share.
    User(&'a str),
}

/// What becomes of a request that arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It runs.
    Runs,
    /// It waits until `leave` hands its ticket out.
    Waits,
    /// It is sent away.
    Refused,
}

/// The line; `T` is a waiting request's ticket. Dropping a ticket sends its request away.
#[derive(Debug)]
pub struct Line<T> {
    limits: Limits,
    running: usize,
    waiting: usize,
    system: VecDeque<T>,
    users: BTreeMap<String, VecDeque<T>>,
    /// Users with waiting requests, in the order of their turns.
    turns: VecDeque<String>,
}

impl<T> Line<T> {
    /// An empty line.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            running: 0,
            waiting: 0,
            system: VecDeque::new(),
            users: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// A request arrives. `ticket` is made only if it has to wait.
    pub fn arrive(&mut self, flow: Flow<'_>, ticket: impl FnOnce() -> T) -> Arrival {
        let seats = match flow {
            Flow::System => self.limits.seats + self.limits.reserved,
            Flow::User(_) => self.limits.seats,
        };
        if self.running < seats {
            self.running += 1;
            return Arrival::Runs;
        }
        if self.waiting >= self.limits.waiting && !self.make_room(flow) {
            return Arrival::Refused;
        }
        self.waiting += 1;
        match flow {
            Flow::System => self.system.push_back(ticket()),
            Flow::User(name) => {
                if !self.users.contains_key(name) {
                    self.turns.push_back(name.to_owned());
                }
                self.users.entry(name.to_owned()).or_default().push_back(ticket());
            }
        }
        Arrival::Waits
    }

    /// A request has ended: its seat goes to the next one that `accept`s it (those that waited too long do not).
    pub fn leave(&mut self, mut accept: impl FnMut(T) -> bool) {
        self.running = self.running.saturating_sub(1);
        while self.running < self.limits.seats {
            let Some(next) = self.next() else { return };
            self.running += usize::from(accept(next));
        }
    }

    fn next(&mut self) -> Option<T> {
        let next = self.system.pop_front().or_else(|| self.next_of_users())?;
        self.waiting -= 1;
        Some(next)
    }

    /// One request of the user whose turn it is; then it is another user's turn.
    fn next_of_users(&mut self) -> Option<T> {
        let name = self.turns.pop_front()?;
        let queue = self.users.get_mut(&name)?;
        let next = queue.pop_front();
        match queue.is_empty() {
            true => drop(self.users.remove(&name)),
            false => self.turns.push_back(name),
        }
        next
    }

    /// Sends the latest request of whoever has most away, if the newcomer would still have less.
    fn make_room(&mut self, newcomer: Flow<'_>) -> bool {
        let least = match newcomer {
            Flow::System => 1,
            Flow::User(name) => self.users.get(name).map_or(0, VecDeque::len) + 2,
        };
        let Some((name, queue)) = self.users.iter_mut().max_by_key(|(_, queue)| queue.len()) else {
            return false;
        };
        if queue.len() < least {
            return false;
        }
        queue.pop_back();
        self.waiting -= 1;
        if queue.is_empty() {
            let name = name.clone();
            self.users.remove(&name);
            self.turns.retain(|turn| *turn != name);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    /// A ticket that tells when it is dropped without having been accepted.
    struct Ticket(String, Rc<RefCell<String>>);

    impl Drop for Ticket {
        fn drop(&mut self) {
            if !self.0.is_empty() {
                *self.1.borrow_mut() += &format!("  {} is sent away\n", self.0);
            }
        }
    }

    /// Words are arrivals by user (`system` is the system), `-` is a departure, `!x` makes the request `x` give up.
    fn check(limits: [usize; 3], story: &str, expected: Expect) {
        let [seats, reserved, waiting] = limits;
        let mut line = Line::new(Limits { seats, reserved, waiting });
        let log = Rc::new(RefCell::new(String::new()));
        let mut gone: Vec<String> = Vec::new();
        for (number, word) in story.split_whitespace().enumerate() {
            if let Some(name) = word.strip_prefix('!') {
                gone.push(name.to_owned());
                continue;
            }
            if word == "-" {
                line.leave(|mut ticket: Ticket| {
                    let name = std::mem::take(&mut ticket.0);
                    let runs = !gone.contains(&name);
                    *log.borrow_mut() += &format!("- {name}{}\n", if runs { " runs" } else { " has gone" });
                    runs
                });
                continue;
            }
            let name = format!("{word}{number}");
            let flow = if word == "system" { Flow::System } else { Flow::User(word) };
            let arrival = line.arrive(flow, || Ticket(name.clone(), Rc::clone(&log)));
            *log.borrow_mut() += &format!("{name}: {arrival:?}\n");
        }
        expected.assert_eq(&log.borrow());
    }

    #[test]
    fn the_system_is_first_and_users_take_turns() {
        check(
            [1, 1, 9],
            "a a a b system system system - - - - - -",
            expect![[r#"
            a0: Runs
            a1: Waits
            a2: Waits
            b3: Waits
            system4: Runs
            system5: Waits
            system6: Waits
            - system5 runs
            - system6 runs
            - a1 runs
            - b3 runs
            - a2 runs
        "#]],
        );
    }

    #[test]
    fn who_has_most_in_a_full_line_gives_way() {
        check(
            [1, 0, 3],
            "a a a a a b c d system - - -",
            expect![[r#"
            a0: Runs
            a1: Waits
            a2: Waits
            a3: Waits
            a4: Refused
              a3 is sent away
            b5: Waits
              a2 is sent away
            c6: Waits
            d7: Refused
              c6 is sent away
            system8: Waits
            - system8 runs
            - a1 runs
            - b5 runs
        "#]],
        );
    }

    #[test]
    fn who_gave_up_is_passed_over() {
        check(
            [1, 0, 3],
            "a a b !a1 - -",
            expect![[r#"
            a0: Runs
            a1: Waits
            b2: Waits
            - a1 has gone
            - b2 runs
        "#]],
        );
    }

    proptest! {
        #[test]
        fn seats_are_never_lost_nor_given_twice(steps in proptest::collection::vec(0_u8..6, 0..200), seats in 1_usize..4, waiting in 0_usize..6) {
            let mut line: Line<usize> = Line::new(Limits { seats, reserved: 1, waiting });
            let mut running = 0_usize;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    0 if running > 0 => {
                        running -= 1;
                        line.leave(|ticket| {
                            let accepts = ticket % 3 != 0;
                            running += usize::from(accepts);
                            accepts
                        });
                    }
                    1 => running += usize::from(line.arrive(Flow::System, || number) == Arrival::Runs),
                    step => {
                        let name = ["a", "b", "c"][usize::from(step) % 3];
                        running += usize::from(line.arrive(Flow::User(name), || number) == Arrival::Runs);
                    }
                }
                prop_assert_eq!(line.running, running);
                prop_assert!(running <= seats + 1 && line.waiting <= waiting);
                let queued = line.system.len() + line.users.values().map(VecDeque::len).sum::<usize>();
                prop_assert_eq!(line.waiting, queued);
                prop_assert_eq!(line.turns.len(), line.users.len());
                prop_assert!(line.waiting == 0 || running >= seats);
            }
        }
    }
}
