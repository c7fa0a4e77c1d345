//! What a heartbeat changes about a node's presence.

use std::time::Duration;

use actor::Presence;
use api::Timestamp;
use api::messages::{Heartbeat, NODE_LEASE_MS};

use super::standing::SILENCE;

/// What a keeper makes of a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// From the agent that holds the lease.
    Known {
        /// How the node stands has changed.
        news: bool,
    },
    /// From an agent that must register (again). The epoch to answer with differs from its own.
    Stranger {
        /// What to answer.
        epoch: u64,
    },
}

/// A node as a keeper finds it that has just become responsible: it may have been heard until now, with a lease from its old keeper.
pub fn taken_over(epoch: u64, now: Timestamp) -> Presence {
    Presence { last_heard: now, epoch, lease_until: now.plus(lease()), ..Presence::default() }
}

/// A node whose agent has just registered.
pub fn registered(session: u64, epoch: u64, now: Timestamp) -> Presence {
    Presence { last_heard: now, session, epoch, lease_until: now.plus(lease()), ..Presence::default() }
}

/// Takes a heartbeat in. The lease grows only if the heartbeat is `answered`: otherwise its agent does not count on more.
pub fn hear(presence: &mut Presence, heartbeat: &Heartbeat, answered: bool, now: Timestamp) -> Heard {
    let other_session = presence.session != 0 && presence.session != heartbeat.session;
    if presence.epoch == 0 || presence.epoch != heartbeat.epoch || other_session {
        let epoch = if presence.epoch == heartbeat.epoch { 0 } else { presence.epoch };
        return Heard::Stranger { epoch };
    }
    let news = presence.session == 0
        || presence.connection_lost
        || presence.unhealthy != heartbeat.unhealthy
        || presence.leaving != heartbeat.leaving
        || now.since(presence.last_heard) >= SILENCE;
    presence.session = heartbeat.session;
    presence.last_heard = now;
    presence.unhealthy.clone_from(&heartbeat.unhealthy);
    presence.leaving = heartbeat.leaving;
    presence.connection_lost = false;
    if answered && !heartbeat.leaving {
        presence.lease_until = now.plus(lease());
    }
    Heard::Known { news }
}

const fn lease() -> Duration {
    Duration::from_millis(NODE_LEASE_MS)
}
