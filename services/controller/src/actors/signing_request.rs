//! The CertificateSigningRequest actor: clears requests away that nobody needs any more.

use std::time::Duration;

use actor::{Decision, Propagation, ResourceActor, Wake, World, Write};
use api::views::{CertificateSigningRequest, Condition};
use api::{Object, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);
/// Requests that were decided are kept for so long, as in Kubernetes.
const DECIDED: Duration = HOUR;
/// Requests that wait for a decision, or for a signer that is not there, are kept for so long.
const WAITING: Duration = Duration::from_secs(24 * 3600);

/// Clears requests for certificates away.
#[derive(Debug)]
pub struct SigningRequestActor;

impl ResourceActor for SigningRequestActor {
    type Kind = CertificateSigningRequest;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        Vec::new()
    }

    fn decide(me: &Object<CertificateSigningRequest>, _world: &World<'_>, now: Timestamp) -> Decision<Self> {
        if me.metadata.is_terminating() {
            return Decision::nothing();
        }
        let (since, life, because) = fate(me);
        let ends = since.plus(life);
        if ends > now {
            return Decision { wake_after: Some(ends.since(now)), ..Decision::nothing() };
        }
        let delete = Write::Delete {
            key: me.key.clone(),
            uid: me.metadata.uid.clone(),
            grace: None,
            propagation: Propagation::Background,
            because: because.to_owned(),
            event: None,
        };
        Decision { commands: vec![delete], ..Decision::nothing() }
    }
}

/// Since when and for how long a request is kept, and why not longer.
fn fate(me: &Object<CertificateSigningRequest>) -> (Timestamp, Duration, &'static str) {
    let decided = |kind: &str| me.status.conditions.iter().find(|condition| condition.kind == kind);
    let at = |condition: &Condition| condition.last_update_time.or(condition.last_transition_time);
    let created = me.metadata.creation_timestamp;
    let issued = !me.status.certificate.is_empty();
    let since = |condition: &Condition| at(condition).unwrap_or(created);
    match (decided("Denied"), decided("Failed"), decided("Approved")) {
        (Some(denied), _, _) => (since(denied), DECIDED, "it was denied an hour ago"),
        (None, Some(failed), _) => (since(failed), DECIDED, "it failed an hour ago"),
        (None, None, Some(approved)) if issued => (since(approved), DECIDED, "it was issued an hour ago"),
        (None, None, Some(_)) => (created, WAITING, "nobody has signed it for a day"),
        (None, None, None) => (created, WAITING, "nobody has decided about it for a day"),
    }
}

#[cfg(test)]
mod tests;
