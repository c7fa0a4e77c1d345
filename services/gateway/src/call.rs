//! One request about objects, read: which kind, whose, in which form, with which body.

use std::sync::{Arc, Mutex, PoisonError};

use api::journal::Cause;
use api::{KindInfo, ObjectKey};
use bytes::Bytes;

use crate::auth::User;
use crate::failure::Failure;
use crate::negotiate::{self, Form};
use crate::path::{ObjectPath, Query};
use crate::upgrade::Upgrade;

/// The longest name of a field manager.
pub const MANAGER_BYTES: usize = 128;

/// A request about objects.
pub struct Call {
    /// The kind that the path names.
    pub kind: Arc<KindInfo>,
    /// The path.
    pub path: ObjectPath,
    /// The query.
    pub query: Query,
    /// The `Accept` header.
    pub accept: String,
    /// The `Content-Type` header.
    pub content_type: String,
    /// The client's name for itself: `kubectl/v1.36.0 …`.
    pub agent: String,
    /// Who asks.
    pub user: User,
    /// The start of the causal chain.
    pub cause: Cause,
    /// The body; empty for reads.
    pub body: Bytes,
    /// The request wants to leave HTTP.
    pub upgrade: Option<Upgrade>,
    /// What the client is told beside the answer.
    pub warnings: Warnings,
}

/// `Warning` headers that gather on the way.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// What has gathered, each once.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Call {
    /// The form in which the answer shows objects.
    pub fn form(&self) -> Result<Form, Failure> {
        negotiate::form(&self.accept)
    }

    /// The key of an object of this call's kind and namespace.
    pub fn key(&self, name: &str) -> ObjectKey {
        match &self.path.namespace {
            Some(namespace) => ObjectKey::namespaced(self.kind.id, namespace, name),
            None => ObjectKey::cluster(self.kind.id, name),
        }
    }

    /// Tells the client something beside the answer.
    pub fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        let mut known = self.warnings.0.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if !known.contains(&warning) {
                known.push(warning);
            }
        }
    }

    /// The name that the path gives.
    pub fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    /// Who writes, for the journal and as the fields' owner: the field manager, else the first word of the client's own name.
    pub fn manager(&self) -> &str {
        match self.query.text("fieldManager") {
            "" => prefix_of_agent(&self.agent),
            manager => manager,
        }
    }
}

/// `kubectl` of `kubectl/v1.36.0 (linux/amd64)`, as far as it can be printed and is not too long for a manager.
fn prefix_of_agent(agent: &str) -> &str {
    let name = agent.split('/').next().unwrap_or_default();
    let fits = |(at, letter): &(usize, char)| !letter.is_control() && at + letter.len_utf8() <= MANAGER_BYTES;
    let printable = name.char_indices().find(|letter| !fits(letter)).map_or(name.len(), |(at, _)| at);
    match name.get(..printable) {
        None | Some("") => "unknown",
        Some(name) => name,
    }
}
