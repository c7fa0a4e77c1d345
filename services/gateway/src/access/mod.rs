//! Who may do what: Kubernetes' role-based access control, evaluated over the roles and bindings of the view.

pub mod escalation;
mod follow;
mod policy;
mod refusal;
pub mod roles;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use tokio::sync::watch;

pub use follow::follow;
pub use policy::{Policy, Verdict};
pub use wish::{ResourceWish, Wish};

use crate::auth::User;
use crate::failure::Failure;

/// How long a write of a role waits until it counts here.
const CATCH_UP: Duration = Duration::from_secs(5);

/// The cluster's policy as of now.
#[derive(Debug, Default)]
pub struct Access(watch::Sender<Arc<Policy>>);

impl Access {
    /// What holds now.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.borrow())
    }

    /// Lets those pass who may; all others are refused in Kubernetes' words.
    pub fn permit(&self, user: &User, wish: &Wish) -> Result<(), Failure> {
        match self.policy().decide(user, wish) {
            Verdict::Allowed { .. } => Ok(()),
            Verdict::Denied { because } => Err(refusal::of(user, wish, &because)),
        }
    }

    /// Whether the user may.
    pub fn allows(&self, user: &User, wish: &Wish) -> bool {
        matches!(self.policy().decide(user, wish), Verdict::Allowed { .. })
    }

    /// From now on this holds.
    fn replace(&self, policy: Policy) {
        self.0.send_replace(Arc::new(policy));
    }

    /// Waits until a change of a role or a binding counts.
    pub async fn caught_up(&self, revision: Revision) {
        let mut policies = self.0.subscribe();
        let waiting = policies.wait_for(|policy| policy.revision >= revision);
        // A policy that is late refuses what it will allow: better than no answer.
        let _ = tokio::time::timeout(CATCH_UP, waiting).await;
    }
}
