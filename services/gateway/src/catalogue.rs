//! The kinds that are served now: those of this program, and those of the CustomResourceDefinitions that the view shows.

use std::sync::{Arc, Mutex, PoisonError};

use api::custom::{self, DEFINITIONS};
use api::{KindInfo, Kinds};
use bus::{Stored, View};

/// Always as new as the view: whoever has seen that a definition is established finds its kinds here.
pub struct Catalogue {
    view: Arc<View>,
    known: Mutex<Known>,
}

/// The kinds of the definitions as they were when they were last looked at.
struct Known {
    definitions: Vec<Definition>,
    kinds: Arc<Kinds>,
}

#[derive(Clone)]
struct Definition {
    stored: Arc<Stored>,
    kinds: Vec<Arc<KindInfo>>,
}

impl Catalogue {
    /// The catalogue of a view.
    pub fn of(view: Arc<View>) -> Self {
        let known = Known { definitions: Vec::new(), kinds: Arc::new(api::kinds().clone()) };
        Self { view, known: Mutex::new(known) }
    }

    /// Everything that is served.
    pub fn kinds(&self) -> Arc<Kinds> {
        let definitions: Vec<Arc<Stored>> = self.view.read().list(DEFINITIONS, None).cloned().collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.definitions.iter().map(|definition| &definition.stored);
        let unchanged = before.len() == definitions.len()
            && before.zip(&definitions).all(|(before, now)| Arc::ptr_eq(before, now));
        if !unchanged {
            *known = known.with(definitions);
        }
        Arc::clone(&known.kinds)
    }

    /// The kind behind a path: `apps`, `v1`, `deployments`.
    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<Arc<KindInfo>> {
        // Most requests are about kinds that are always there.
        api::kinds()
            .by_path(group, version, plural)
            .cloned()
            .or_else(|| self.kinds().by_path(group, version, plural).cloned())
    }

    /// Whether a kind is served still, by the definition that it came of.
    pub fn serves(&self, kind: &KindInfo) -> bool {
        let Some(now) = self.by_path(kind.group, kind.version, kind.id.plural()) else { return false };
        match (kind.custom(), now.custom()) {
            (Some(before), Some(now)) => before.is_same_as(now),
            (before, now) => before.is_none() && now.is_none(),
        }
    }
}

impl Known {
    /// Compiles what is new.
    fn with(&self, definitions: Vec<Arc<Stored>>) -> Self {
        let compile = |stored: Arc<Stored>| {
            let same = self.definitions.iter().find(|known| Arc::ptr_eq(&known.stored, &stored));
            same.cloned().unwrap_or_else(|| Definition { kinds: custom::kinds_of(&stored.value()), stored })
        };
        let definitions: Vec<Definition> = definitions.into_iter().map(compile).collect();
        let kinds = definitions.iter().flat_map(|definition| &definition.kinds).cloned();
        Self { kinds: Arc::new(api::kinds().with(kinds)), definitions }
    }
}
