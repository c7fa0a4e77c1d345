//! What each figure is to reach, where the size of a run makes it comparable.

use serde::Serialize;

/// A bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// It must not be more.
    AtMost(f64),
    /// It must not be less.
    AtLeast(f64),
}

impl Target {
    /// Whether a value reaches it.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// `≤ 1.70` or `≥ 1000`.
    pub fn sign_and_bound(self) -> (char, f64) {
        match self {
            Self::AtMost(bound) => ('≤', bound),
            Self::AtLeast(bound) => ('≥', bound),
        }
    }
}

/// Runs smaller than this say nothing about rates and costs.
const SMALLEST: u32 = 1000;

/// From here on what counts is that the pace is sustained.
const LARGE: u32 = 10_000;

/// Pods Ready per second.
pub fn pods_per_second(pods: u32) -> Option<Target> {
    match pods {
        0..SMALLEST => None,
        SMALLEST..LARGE => Some(Target::AtLeast(1000.0)),
        LARGE.. => Some(Target::AtLeast(500.0)),
    }
}

/// CPU of the control plane per pod, in milliseconds.
pub fn cpu_per_pod(pods: u32) -> Option<Target> {
    (pods >= SMALLEST).then_some(Target::AtMost(1.7))
}

/// Memory of the control plane, in MiB.
pub fn memory(pods: u32) -> Option<Target> {
    match pods {
        0 => Some(Target::AtMost(64.0)),
        1..=3000 => Some(Target::AtMost(150.0)),
        3001.. => None,
    }
}

/// Memory of everything, the hollow nodes included, in MiB.
pub fn memory_in_all(pods: u32) -> Option<Target> {
    (LARGE..=150_000).contains(&pods).then_some(Target::AtMost(8192.0))
}

/// A rolling update's length, in milliseconds.
pub fn roll(pods: u32) -> Option<Target> {
    (pods == 1000).then_some(Target::AtMost(2000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_from_its_own_side() {
        assert!(Target::AtMost(2.0).is_met(2.0) && !Target::AtMost(2.0).is_met(2.1));
        assert!(Target::AtLeast(2.0).is_met(2.0) && !Target::AtLeast(2.0).is_met(1.9));
    }

    #[test]
    fn small_runs_have_no_targets_for_rates() {
        assert_eq!(pods_per_second(20), None);
        assert_eq!(pods_per_second(150_000), Some(Target::AtLeast(500.0)));
        assert_eq!((memory(150_000), memory_in_all(150_000)), (None, Some(Target::AtMost(8192.0))));
    }
}
