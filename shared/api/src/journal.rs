//! The journal: one entry per decision, with its cause, so that `odeon why` can walk from a pod to a request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ObjectKey, Uid};

/// The causal position of a message or a write: W3C Trace Context (`traceparent`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Shared by everything that one request led to.
    pub trace_id: u128,
    /// The turn or request that made the write.
    pub span_id: u64,
}

impl Cause {
    /// `00-<trace>-<span>-01`.
    pub fn to_traceparent(self) -> String {
        format!("00-{:032x}-{:016x}-01", self.trace_id, self.span_id)
    }

    /// Reads a `traceparent` header; `None` unless it is version 00 and well formed.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        if version != "00" || trace.len() != 32 || span.len() != 16 {
            return None;
        }
        Some(Self {
            trace_id: u128::from_str_radix(trace, 16).ok()?,
            span_id: u64::from_str_radix(span, 16).ok()?,
        })
    }
}

/// One decision: who decided, about what, woken by what, what for, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Microseconds since the Unix epoch.
    pub at_micros: i64,
    /// The process and its part: `gateway`, `scheduler`, `controller-a`, `agent/node-1`.
    pub component: String,
    /// The object that this entry is about; also its subject.
    pub object: Option<ObjectKey>,
    /// Its uid, empty if it had none yet.
    pub uid: Uid,
    /// This decision's own position.
    pub cause: Cause,
    /// The span that led to it, zero for a user's request.
    pub parent_span: u64,
    /// What woke the actor, or what the user asked for: `created by admin`, `pod web-1 changed`.
    pub trigger: String,
    /// Why it decided so, in words.
    pub because: String,
    /// What it did: `create pods/default/web-1`, `bind to node-2`.
    pub commands: Vec<String>,
    /// Objects that the commands write to.
    pub targets: Vec<ObjectKey>,
    /// `done`, or the error.
    pub outcome: String,
    /// Set where Kubernetes would write an `Event`.
    pub event: Option<EventView>,
    /// Set where a client wrote or deleted one: it is `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenEvent>,
}

/// What a client made of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WrittenEvent {
    /// It is this object now.
    Put(Value),
    /// It is gone.
    Deleted,
}

/// The part of a journal entry that `kubectl get events` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// `Normal` or `Warning`.
    pub severity: String,
    /// CamelCase: `SuccessfulCreate`, `FailedScheduling`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The object that the event regards; the entry's own object if `None`.
    pub regarding: Option<ObjectKey>,
}
