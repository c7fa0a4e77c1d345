//! Charges quotas for what clients write, in the same atomic batch: no two writers use the same rest, and what fails costs nothing.

use api::admission::{Charge, Ledger, QUOTAS, is_counted};
use api::views::Namespace;
use api::{ObjectKey, Resource, Revision, json};
use bus::{ChangeTo, Expect, WriteError};
use serde_json::Value;

use crate::allocate::Reservation;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::write;

/// How often a write is tried again when others, in other processes, charge the same quota.
const ATTEMPTS: usize = 100;

/// An object that is ready to be written.
pub struct Ready<'a> {
    /// Which one.
    pub key: &'a ObjectKey,
    /// What must hold.
    pub expect: Expect,
    /// As it will be.
    pub object: &'a Value,
    /// The same as it is stored, which may be in another version.
    pub stored: Value,
    /// As it is.
    pub old: Option<&'a Value>,
    /// What is reserved for it.
    pub reservations: Vec<Reservation>,
}

/// Whether quotas have enough left, for a request that stores nothing.
pub fn check(context: &Context, call: &Call, object: &Value, old: Option<&Value>) -> Result<(), Failure> {
    charges(context, call, object, old).map(drop)
}

/// Writes an object, and charges what it uses to the quotas of its namespace; a failure if they have too little left. Requests of
/// one process take turns. Without quotas it is just a write.
pub async fn commit(
    context: &Context,
    call: &Call,
    ready: Ready<'_>,
) -> Result<Result<Revision, WriteError>, Failure> {
    let Ready { key, expect, object, stored, old, reservations } = ready;
    if charges(context, call, object, old)?.is_empty() {
        return Ok(write::commit(context, call, key, expect, ChangeTo::Put(stored), reservations).await);
    }
    let _turn = context.store.turn(&ObjectKey::cluster(Namespace::ID, key.namespace())).await;
    let mut outcome = Err(WriteError::Conflict { current: None });
    for _ in 0..ATTEMPTS {
        let charges = charges(context, call, object, old)?.into_iter().map(Reservation::of);
        let together = reservations.iter().cloned().chain(charges).collect();
        let change = ChangeTo::Put(stored.clone());
        outcome = write::commit(context, call, key, expect, change, together).await;
        match &outcome {
            Ok(revision) => {
                // Whose turn is next shall see it.
                context.caught_up(*revision).await?;
                break;
            }
            Err(WriteError::Conflict { current }) => {
                write::catch_up_after_conflict(context, *current).await;
                // Otherwise it was the quota that others have written.
                if !reservations.is_empty() || !is_as_expected(context, key, expect) {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    Ok(outcome)
}

fn charges(
    context: &Context,
    call: &Call,
    object: &Value,
    old: Option<&Value>,
) -> Result<Vec<Charge>, Failure> {
    let subresource = call.path.subresource.as_deref().unwrap_or_default();
    let namespace = json::text(object, "/metadata/namespace");
    let reader = context.view.read();
    if !is_counted(call.kind.id, subresource, old.is_some())
        || namespace.is_empty()
        || reader.list(QUOTAS, Some(namespace)).next().is_none()
    {
        return Ok(Vec::new());
    }
    let mut ledger = Ledger::new(&reader);
    ledger
        .charge(call.kind.id, object, old)
        .map_err(|why| Failure::forbidden(&call.kind, json::text(object, "/metadata/name"), &why))?;
    Ok(ledger.charged())
}

fn is_as_expected(context: &Context, key: &ObjectKey, expect: Expect) -> bool {
    match (context.view.get(key), expect) {
        (None, Expect::Absent) => true,
        (Some(stored), Expect::At(revision)) => stored.revision == revision,
        (None, Expect::At(_)) | (Some(_), Expect::Absent) => false,
    }
}
