//! Admission that users configure, in step with the view: which policies and webhooks there are, and asking them.

mod asking;
mod calls;
mod changing;
mod index;
mod mutating;
mod policies;
mod validating;

use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use api::hooks;
use bus::{Change, View};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use asking::Step;
pub use mutating::mutate;
pub use validating::{connect, validate};

use self::index::Index;
use crate::context::Context;

/// How long a write of a policy or a webhook waits until it counts here.
const CATCH_UP: Duration = Duration::from_secs(5);

/// The policies and webhooks as of now.
#[derive(Default)]
pub struct Hooks(watch::Sender<Arc<Index>>);

impl Hooks {
    /// Reads everything from the view, for whoever asks before it is followed.
    pub fn load(&self, view: &View) {
        self.0.send_replace(Arc::new(Index::of(view)));
    }

    /// What holds now.
    fn index(&self) -> Arc<Index> {
        Arc::clone(&self.0.borrow())
    }

    /// Whether there is anybody who wants to be asked about anything.
    pub fn asks_anybody(&self) -> bool {
        !self.0.borrow().is_empty()
    }

    /// Waits until a change of a policy or a webhook counts.
    pub async fn caught_up(&self, revision: Revision) {
        let mut changes = self.0.subscribe();
        let waiting = changes.wait_for(|index| index.revision >= revision);
        // Late is better than no answer.
        let _ = tokio::time::timeout(CATCH_UP, waiting).await;
    }
}

/// Follows the view until `shutdown`.
pub async fn follow(context: Arc<Context>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let index = Index::of(&context.view);
        let revision = index.revision;
        context.hooks.0.send_replace(Arc::new(index));
        let Ok(mut changes) = context.view.changes(revision) else { continue };
        loop {
            match shutdown.run_until_cancelled(changes.next_batch()).await {
                None => return,
                // Too much happened at once: read everything again.
                Some(Err(_expired)) => break,
                Some(Ok(batch)) => {
                    let matters = |change: &&Arc<Change>| hooks::configures(change.key().resource);
                    let Some(last) = batch.iter().rfind(matters) else { continue };
                    let index = Index { revision: last.revision(), ..Index::of(&context.view) };
                    context.hooks.0.send_replace(Arc::new(index));
                }
            }
        }
    }
}
