//! The kinds that are served at one moment.

use std::sync::{Arc, LazyLock};

use super::{KindInfo, registry};
use crate::ResourceId;

static BUILT_IN: LazyLock<Kinds> =
    LazyLock::new(|| Kinds { list: registry::KINDS.iter().cloned().map(Arc::new).collect() });

/// The kinds that this version of Odeon knows, and maybe those that CustomResourceDefinitions add to them.
#[derive(Clone, Debug)]
pub struct Kinds {
    list: Vec<Arc<KindInfo>>,
}

/// Every kind that this version of Odeon knows.
pub fn kinds() -> &'static Kinds {
    &BUILT_IN
}

/// The known kind of a resource, in the version that is stored: `pods`, `deployments.apps`.
pub fn kind(id: ResourceId) -> Option<&'static KindInfo> {
    kinds().of(id).map(Arc::as_ref)
}

/// The known kind of an object: `apps/v1`, `Deployment`.
pub fn by_gvk(api_version: &str, kind: &str) -> Option<&'static KindInfo> {
    kinds().by_gvk(api_version, kind).map(Arc::as_ref)
}

/// The known kind behind a path: `apps`, `v1`, `deployments`.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
    kinds().by_path(group, version, plural).map(Arc::as_ref)
}

impl Kinds {
    /// These kinds and more; what is here already is not replaced.
    pub fn with(&self, more: impl IntoIterator<Item = Arc<KindInfo>>) -> Self {
        let mut all = self.clone();
        for kind in more {
            if all.by_path(kind.group, kind.version, kind.id.plural()).is_none() {
                all.list.push(kind);
            }
        }
        all
    }

    /// All of them, in the order of the registry.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<KindInfo>> + Clone {
        self.list.iter()
    }

    /// The kind of a resource: `pods`, `deployments.apps`.
    pub fn of(&self, id: ResourceId) -> Option<&Arc<KindInfo>> {
        self.iter().find(|kind| kind.id == id)
    }

    /// The kind of an object: `apps/v1`, `Deployment`.
    pub fn by_gvk(&self, api_version: &str, kind: &str) -> Option<&Arc<KindInfo>> {
        self.iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// The kind behind a path: `apps`, `v1`, `deployments`.
    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<KindInfo>> {
        self.iter()
            .find(|known| known.group == group && known.version == version && known.id.plural() == plural)
    }

    /// The kind that a word means: `deployments.apps`, `deployments`, `deployment`, `Deployment`, `deploy`.
    pub fn by_word(&self, word: &str) -> Option<&Arc<KindInfo>> {
        let lower = word.to_lowercase();
        self.iter().find(|kind| {
            kind.id.as_str() == lower
                || kind.id.plural() == lower
                || kind.singular == lower
                || kind.kind.to_lowercase() == lower
                || kind.short_names.contains(&lower.as_str())
        })
    }
}
