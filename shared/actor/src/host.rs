//! Runs resource actors over the bucket's view.

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use bus::{Bus, View};

use crate::{AnyActor, Facts, Partitions, ResourceActor, TurnError, Write};

/// Runs resource actors over the bucket's view.
pub struct Host;

/// A host that is not started yet.
pub struct HostBuilder {
    partitions: Arc<Partitions>,
}

/// A running host.
pub struct HostHandle {
    partitions: Arc<Partitions>,
}

impl Host {
    /// A host that acts as `identity` for the keys that `partitions` owns.
    pub fn builder(
        _bus: &Bus,
        _view: &Arc<View>,
        _identity: &str,
        _facts: Arc<Facts>,
        partitions: Arc<Partitions>,
    ) -> HostBuilder {
        HostBuilder { partitions }
    }
}

impl HostBuilder {
    /// Adds a kind.
    pub fn serve<A: ResourceActor<Command = Write>>(self) -> Self {
        self
    }

    /// Adds an actor over many kinds.
    pub fn serve_any<A: AnyActor>(self) -> Self {
        self
    }

    /// Starts.
    pub async fn start(self) -> Result<HostHandle, TurnError> {
        Ok(HostHandle { partitions: self.partitions })
    }
}

impl HostHandle {
    /// Wakes the actors of an object, if this process owns it (a fact about it has changed).
    pub fn wake(&self, _key: ObjectKey, _reason: &'static str) {}

    /// The keys that this process acts for.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// Lets running turns end and stops.
    pub async fn stop(self, _patience: Duration) {}
}
