//! How a node stands with its keeper: heard and well, heard and unwell, left in order, or lost.

use std::time::Duration;

use actor::Presence;
use api::Timestamp;

/// A node of which nothing was heard for so long is lost.
pub const SILENCE: Duration = Duration::from_secs(2);
/// A node whose agent's connection closed is lost if it does not come back within this time.
pub const DISCONNECTED: Duration = Duration::from_secs(1);

/// How a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was heard yet by this keeper, which has not listened for long enough: nobody may conclude anything.
    Unheard,
    /// Heard lately, and its runtime answers.
    Well,
    /// Heard lately, and this is wrong with it.
    Unwell(String),
    /// Its agent stopped in order at this time.
    Left(Timestamp),
    /// Its agent fell silent; it counts as lost since this time.
    Lost(Timestamp),
}

impl Standing {
    /// Reads it from what was heard. With the time after which to look again, if only time will tell.
    pub fn of(presence: Option<&Presence>, now: Timestamp) -> (Self, Option<Duration>) {
        let Some(presence) = presence else { return (Self::Unheard, None) };
        if presence.leaving {
            return (Self::Left(presence.last_heard), None);
        }
        let patience = if presence.connection_lost { DISCONNECTED } else { SILENCE };
        let (silent, lost_at) = (now.since(presence.last_heard), presence.last_heard.plus(patience));
        if silent >= patience {
            return (Self::Lost(lost_at), None);
        }
        let look_again = Some(patience.saturating_sub(silent));
        match (&presence.unhealthy, presence.session) {
            (_, 0) => (Self::Unheard, look_again),
            (Some(wrong), _) => (Self::Unwell(wrong.clone()), None),
            (None, _) if presence.connection_lost => (Self::Well, look_again),
            // The mailroom watches over silence: an actor per node that wakes every two seconds would only find that all is well.
            (None, _) => (Self::Well, None),
        }
    }

    /// The agent cannot confirm that a pod has ended.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Left(_) | Self::Lost(_))
    }
}
