//! What to do about a turn that failed: the only place of the workspace that decides about retries and how long they wait.

use std::error::Error;
use std::time::Duration;

use bus::WriteError;

/// The first wait of an exponential back-off.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait: a bus that comes back must find us within the failover that we promise.
const LONGEST: Duration = Duration::from_secs(5);
/// Turns that may be repeated at once in a row before they wait as well.
const AT_ONCE: u32 = 5;

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The world was another than observed: decide again at once.
    ObserveAgain,
    /// Something is unavailable: try again later, later each time.
    BackOff,
    /// Nobody knows what was done: forget what is remembered, read the store, and go on from there.
    RestartFromStore,
}

/// A turn failed, and this is what helps.
#[derive(Debug, thiserror::Error)]
#[error("{operation}")]
pub struct TurnError {
    /// What was tried, in words, with its subject.
    pub operation: String,
    /// What helps.
    pub remedy: Remedy,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl TurnError {
    /// A failure without an underlying error.
    pub fn new(remedy: Remedy, operation: impl Into<String>) -> Self {
        Self { operation: operation.into(), remedy, source: None }
    }

    /// A failure because of another.
    pub fn because(
        remedy: Remedy,
        operation: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { operation: operation.into(), remedy, source: Some(source.into()) }
    }
}

/// What helps after a failed write.
pub(crate) fn remedy_of_write(error: &WriteError) -> Remedy {
    match error {
        WriteError::Conflict { .. } => Remedy::ObserveAgain,
        WriteError::Unknown(..) => Remedy::RestartFromStore,
        WriteError::TooLarge { .. } | WriteError::Full(..) | WriteError::Unavailable(..) => Remedy::BackOff,
    }
}

/// How long to wait before turn number `failures + 1`; `chance` in 0..1 spreads those that failed together.
pub(crate) fn wait(remedy: Remedy, failures: u32, chance: f64) -> Duration {
    let doubled = |times: u32| {
        let nominal = FIRST.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(LONGEST);
        nominal.mul_f64(0.5 + chance / 2.0)
    };
    match remedy {
        Remedy::ObserveAgain if failures <= AT_ONCE => Duration::ZERO,
        Remedy::ObserveAgain => doubled(failures.saturating_sub(AT_ONCE)),
        Remedy::BackOff | Remedy::RestartFromStore => doubled(failures.saturating_sub(1).min(16)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_repeated_at_once_but_not_for_ever() {
        assert_eq!(wait(Remedy::ObserveAgain, 1, 0.5), Duration::ZERO);
        assert_eq!(wait(Remedy::ObserveAgain, 5, 0.5), Duration::ZERO);
        assert!(wait(Remedy::ObserveAgain, 6, 0.0) > Duration::ZERO);
    }

    #[test]
    fn back_off_doubles_to_a_limit() {
        let waits: Vec<u128> =
            (1..=9).map(|failures| wait(Remedy::BackOff, failures, 1.0).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(wait(Remedy::BackOff, u32::MAX, 1.0), LONGEST);
        assert_eq!(wait(Remedy::ObserveAgain, u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn chance_spreads_over_half_of_the_wait() {
        assert_eq!(wait(Remedy::BackOff, 3, 0.0), Duration::from_millis(100));
        assert_eq!(wait(Remedy::BackOff, 3, 1.0), Duration::from_millis(200));
    }
}
