//! Text tables for the brain: a pod and what happens to it in, what is done about it out.

mod stories;
mod story;
mod troubles;

use expect_test::Expect;

/// Plays a story and compares what was done with what is expected.
fn check(text: &str, expect: Expect) {
    let mut story = story::Story::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        story.play(line);
    }
    expect.assert_eq(&story.told);
}
