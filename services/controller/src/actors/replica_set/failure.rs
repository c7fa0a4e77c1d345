//! The condition of a ReplicaSet whose pods are not admitted.

use actor::{Refusal, Write};
use api::Timestamp;
use api::views::Condition;

use crate::actors::{REPLICA_FAILURE, condition};

/// Kubernetes' rule: the first refusal is told until everything that is wanted is done. What a process that has just begun does
/// not remember stays as long as something is wanted still.
pub(super) fn note(
    conditions: &mut Vec<Condition>,
    commands: &[Write],
    refusal: Option<Refusal>,
    now: Timestamp,
) {
    let tries = commands.iter().any(|write| matches!(write, Write::Create { .. } | Write::Delete { .. }));
    match (tries, condition(conditions, REPLICA_FAILURE), refusal) {
        (false, ..) => conditions.retain(|condition| condition.kind != REPLICA_FAILURE),
        (true, Some(_), _) | (true, None, None) => {}
        (true, None, Some(Refusal { reason, message })) => conditions.push(Condition {
            kind: REPLICA_FAILURE.into(),
            status: "True".into(),
            reason: reason.into(),
            message,
            last_transition_time: Some(now),
            ..Condition::default()
        }),
    }
}
