//! Sets of completion indexes, as `status.completedIndexes` writes them: `0-2,5`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// Indexes of an indexed job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes(pub BTreeSet<u32>);

impl Indexes {
    /// Reads what was written; indexes from `end` on are left out.
    pub fn parse(text: &str, end: u32) -> Self {
        Self(ranges(text, end).flatten().collect())
    }

    /// How many of the indexes that a text lists are among these, and how many it lists, below `end`.
    pub fn count_of(&self, text: &str, end: u32) -> (usize, usize) {
        let counts = ranges(text, end).map(|range| (self.0.range(range.clone()).count(), range.len()));
        counts.fold((0, 0), |(have, of), (found, listed)| (have + found, of + listed))
    }
}

/// The ranges that a text lists, as far as they can be read. Nothing is expanded: a range may be as long as numbers go.
fn ranges(text: &str, end: u32) -> impl Iterator<Item = Range<u32>> {
    let range = move |part: &str| -> Option<Range<u32>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first = first.parse().ok()?;
        Some(first..last.parse::<u32>().ok()?.saturating_add(1).min(end).max(first))
    };
    text.split(',').filter_map(range)
}

/// How many indexes a person's text lists: ascending, below `end`.
///
/// # Errors
///
/// What is wrong with it, in Kubernetes' words.
pub fn check(text: &str, end: i32) -> Result<i64, String> {
    let (mut last, mut total) = (None, 0);
    for part in text.split(',') {
        let (first, until) = interval(part, end)?;
        if let Some(previous) = last.filter(|previous| *previous >= first) {
            return Err(format!("non-increasing order, previous: {previous}, current: {first}"));
        }
        total += i64::from(until) - i64::from(first) + 1;
        last = Some(until);
    }
    Ok(total)
}

/// The first and the last index of `3` or `3-5`.
fn interval(part: &str, end: i32) -> Result<(i32, i32), String> {
    let index = |text: &str| match text.parse::<i32>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
        Ok(index) if index >= end => Err(format!("too large index: {text:?}")),
        Ok(index) => Ok(index),
    };
    match part.split('-').collect::<Vec<_>>()[..] {
        [only] => index(only).map(|index| (index, index)),
        [first, last] => match (index(first)?, index(last)?) {
            (first, last) if first >= last => {
                Err(format!("non-increasing order, previous: {first}, current: {last}"))
            }
            both => Ok(both),
        },
        _ => Err(format!(
            "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for index in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*index) => *last = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        for (place, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_read_as_they_are_written() {
        for text in ["", "0", "0,1", "0-2,5", "1,3-7,9,10"] {
            assert_eq!(Indexes::parse(text, 100).to_string(), text);
        }
        assert_eq!(Indexes::parse("0-4000000000,x,-", 3).to_string(), "0-2");
    }

    #[test]
    fn a_long_range_is_counted_without_being_written_out() {
        let have = Indexes::parse("0-2,7", 100);
        assert_eq!(have.count_of("1-2000000000", u32::MAX), (3, 2_000_000_000));
        assert_eq!(have.count_of("5-3,2-9,x", 8), (2, 6));
    }

    #[test]
    fn people_are_told_what_is_wrong() {
        let told = |text: &str| check(text, 5).map_or_else(|error| error, |count| count.to_string());
        expect_test::expect![[r#"
            4
            cannot convert string to integer for index: ""
            cannot convert string to integer for index: "a"
            too large index: "5"
            non-increasing order, previous: 3, current: 3
            non-increasing order, previous: 2, current: 2
            the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'
        "#]]
        .assert_eq(&["0-2,4", "", "a", "5", "3-3", "0-2,2", "1-2-3"].map(|text| told(text) + "\n").concat());
    }
}
