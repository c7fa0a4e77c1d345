//! Enters a client's write into the journal: the beginning of every causal chain.

use api::journal::JournalEntry;
use api::{ObjectKey, Uid, json};
use serde_json::Value;

use crate::call::Call;
use crate::context::Context;
use crate::events;

/// Says who asked for what. `verb` is `create`, `update`, `patch` or `delete`.
pub fn journal(context: &Context, call: &Call, key: &ObjectKey, object: &Value, verb: &'static str) {
    if key.resource == events::ID {
        // It is in the journal already.
        return;
    }
    context.journal.append(entry(call, key, object, verb, telemetry::clock::now().0));
}

fn entry(call: &Call, key: &ObjectKey, object: &Value, verb: &str, at_micros: i64) -> JournalEntry {
    let past = match verb {
        "create" => "created",
        "delete" => "deleted",
        "patch" => "patched",
        "bind" => "bound",
        "evict" => "evicted",
        "scale" => "scaled",
        _ => "updated",
    };
    JournalEntry {
        at_micros,
        component: "gateway".to_owned(),
        object: Some(key.clone()),
        uid: Uid::from(json::text(object, "/metadata/uid")),
        cause: call.cause,
        parent_span: 0,
        trigger: format!("{past} by {} ({})", call.user.name, call.manager()),
        because: format!("{} asked for it", call.user.name),
        commands: vec![format!("{verb} {key}")],
        targets: vec![key.clone()],
        outcome: "done".to_owned(),
        event: None,
        written: None,
    }
}
