//! Sets of completion indexes, as `status.completedIndexes` writes them: `0-2,5`.

use std::collections::BTreeSet;
use std::fmt;

use api::Object;
use api::views::Pod;

/// On pods of indexed jobs, as annotation and label: which index a pod works on.
pub(super) const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Indexes of an indexed job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(pub BTreeSet<u32>);

impl Indexes {
    /// Reads what was written; indexes from `end` on are left out.
    pub fn parse(text: &str, end: u32) -> Self {
        let range = |part: &str| -> Option<std::ops::Range<u32>> {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..last.parse::<u32>().ok()?.saturating_add(1).min(end))
        };
        Self(text.split(',').filter_map(range).flatten().collect())
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

/// The index that a pod works on.
pub(super) fn index_of(pod: &Object<Pod>) -> Option<u32> {
    pod.metadata.annotations.get(COMPLETION_INDEX)?.parse().ok()
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
}
