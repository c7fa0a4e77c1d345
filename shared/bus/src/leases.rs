//! Leases.
use std::time::Duration;

use crate::BusError;

/// Who may do what only one may do.
#[derive(Clone)]
pub struct Leases {
    pub(crate) bus: crate::Bus,
}

/// A lease that this process holds.
pub struct Lease {
    /// Fencing number: grows with every change of holder.
    pub epoch: u64,
}

/// A lease as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lease's name.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Its fencing number.
    pub epoch: u64,
}

impl Leases {
    /// Takes the lease if it is free, ended, or one's own; `None` if someone else holds it.
    pub async fn try_acquire(&self, _name: &str, _holder: &str, _ttl: Duration) -> Result<Option<Lease>, BusError> {
        Err(BusError::Skeleton)
    }
    /// All leases that are held.
    pub async fn holders(&self) -> Result<Vec<Holder>, BusError> {
        Err(BusError::Skeleton)
    }
}

impl Lease {
    /// Extends it; false if it is lost.
    pub async fn renew(&mut self) -> bool {
        false
    }
    /// Gives it back.
    pub async fn release(self) {}
}
