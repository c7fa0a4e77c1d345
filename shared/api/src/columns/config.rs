//! Configuration and small kinds as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, ago, name, named, shown, wide};
use crate::Timestamp;
use crate::json::{entries, int, items, text};
use crate::kinds::Column;

/// Columns of namespaces.
pub const NAMESPACE: &[Column] = &[NAME, shown("Status", "string", "Active or Terminating."), AGE];
/// Columns of config maps.
pub const CONFIG_MAP: &[Column] = &[NAME, shown("Data", "string", "How many keys it has."), AGE];
/// Columns of secrets.
pub const SECRET: &[Column] = &[
    NAME,
    shown("Type", "string", "What it promises to hold."),
    shown("Data", "string", "How many keys it has."),
    AGE,
];
/// Columns of service accounts.
pub const SERVICE_ACCOUNT: &[Column] = &[NAME, shown("Secrets", "string", "How many secrets it names."), AGE];
/// Columns of leases.
pub const LEASE: &[Column] = &[NAME, shown("Holder", "string", "Who holds it."), AGE];
/// Columns of events.
pub const EVENT: &[Column] = &[
    shown("Last Seen", "string", "How long ago it happened last."),
    shown("Type", "string", "Normal or Warning."),
    shown("Reason", "string", "What happened, in one word."),
    shown("Object", "string", "What it happened to."),
    wide("Subobject", "string", "The part that it happened to."),
    wide("Source", "string", "Who says so."),
    shown("Message", "string", "What happened, in a sentence."),
    wide("First Seen", "string", "How long ago it happened first."),
    wide("Count", "string", "How often it happened."),
    named(1, "The event's own name."),
];

/// Cells of a namespace.
pub fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(object, "/status/phase")), age(object, now)]
}

/// Cells of a config map.
pub fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    let keys = entries(object, "/data").count() + entries(object, "/binaryData").count();
    vec![name(object), json!(keys), age(object, now)]
}

/// Cells of a secret.
pub fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        json!(text(object, "/type")),
        json!(entries(object, "/data").count()),
        age(object, now),
    ]
}

/// Cells of a service account.
pub fn service_account(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(items(object, "/secrets").len()), age(object, now)]
}

/// Cells of a lease.
pub fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(object, "/spec/holderIdentity")), age(object, now)]
}

/// Cells of an event.
pub fn event(event: &Value, now: Timestamp) -> Vec<Value> {
    let first_of = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|pointer| text(event, pointer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_owned()
    };
    let count = int(event, "/series/count").or_else(|| int(event, "/count")).unwrap_or(1);
    let first = ago(&first_of(&["/firstTimestamp", "/eventTime"]), now);
    let last =
        ago(&first_of(&["/series/lastObservedTime", "/lastTimestamp", "/firstTimestamp", "/eventTime"]), now);
    let host = text(event, "/source/host");
    let component = first_of(&["/source/component", "/reportingComponent"]);
    let source = if host.is_empty() { component } else { format!("{component}, {host}") };
    let kind = text(event, "/involvedObject/kind").to_lowercase();
    let object = match text(event, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        json!(last),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(object),
        json!(text(event, "/involvedObject/fieldPath")),
        json!(source),
        json!(text(event, "/message").trim()),
        json!(first),
        json!(count),
        name(event),
    ]
}
