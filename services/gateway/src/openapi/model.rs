//! What the documents are about: resources with their groups and versions, their subresources and what can be done with them.

use std::sync::Arc;

use api::{KindInfo, Kinds};

use crate::unstored::{self, By};
use crate::{discovery, subresources};

/// A group (empty for the core one) and a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupVersion {
    /// `apps`; empty for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
}

impl GroupVersion {
    /// `api/v1`, `apis/apps/v1`.
    pub fn path(self) -> String {
        match self.group {
            "" => format!("api/{}", self.version),
            group => format!("apis/{group}/{}", self.version),
        }
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Where its document of this hash is.
    pub fn document_url(self, hash: &str) -> String {
        format!("/openapi/v3/{}?hash={hash}", self.path())
    }
}

/// A kind of a group and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Its group and version.
    pub version: GroupVersion,
    /// `Deployment`.
    pub name: &'static str,
    /// It is defined by a CustomResourceDefinition.
    pub custom: bool,
}

/// A resource, as the documents show it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The group and version of its path.
    pub version: GroupVersion,
    /// `deployments`.
    pub plural: &'static str,
    /// `scale`; empty for the resource itself.
    pub subresource: &'static str,
    /// Its path has a namespace.
    pub namespaced: bool,
    /// The kind of its bodies.
    pub kind: Kind,
    /// `get`, `list`, …
    pub verbs: Vec<&'static str>,
    /// The kind, if it is a custom one.
    pub custom: Option<Arc<KindInfo>>,
}

/// Every resource, its subresources behind it.
pub fn resources(kinds: &Kinds) -> Vec<Resource> {
    let stored = kinds.iter().flat_map(|info| {
        let version = GroupVersion { group: info.group, version: info.version };
        let main = Resource {
            version,
            plural: info.id.plural(),
            subresource: "",
            namespaced: info.namespaced,
            kind: Kind { version, name: info.kind, custom: info.custom().is_some() },
            verbs: discovery::verbs(info),
            custom: info.custom().map(|_| Arc::clone(info)),
        };
        let below = subresources::of_kind(info).into_iter().map({
            let main = main.clone();
            move |sub| Resource {
                subresource: sub.name,
                kind: Kind {
                    version: GroupVersion { group: sub.group, version: sub.version },
                    name: sub.kind,
                    custom: main.kind.custom && sub.kind == main.kind.name,
                },
                verbs: sub.verbs.to_vec(),
                ..main.clone()
            }
        });
        std::iter::once(main).chain(below).collect::<Vec<_>>()
    });
    let reviews = unstored::all().filter(|one| one.by == By::Review).map(|review| {
        let version = GroupVersion { group: review.group, version: review.version };
        Resource {
            version,
            plural: review.plural,
            subresource: "",
            namespaced: review.namespaced,
            kind: Kind { version, name: review.kind, custom: false },
            verbs: vec!["create"],
            custom: None,
        }
    });
    stored.chain(reviews).collect()
}

/// Every group and version.
pub fn group_versions(kinds: &Kinds) -> Vec<GroupVersion> {
    let mut versions: Vec<GroupVersion> = resources(kinds).iter().map(|resource| resource.version).collect();
    versions.sort();
    versions.dedup();
    versions
}
