//! Newtypes for everything that could be confused: resource ids, object keys, uids, node names, revisions.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// A resource's name in the bucket: `pods`, `deployments.apps`. Interned, so it is `Copy` and cheap to compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(&'static str);

/// Names that were not known at compile time (custom resources) live here for the life of the process.
static INTERNED: LazyLock<RwLock<HashSet<&'static str>>> = LazyLock::new(RwLock::default);

impl ResourceId {
    /// Wraps a name that is known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Interns a name met at run time.
    pub fn intern(name: &str) -> Self {
        Self(intern(name))
    }

    /// `pods`, `deployments.apps`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// `deployments` of `deployments.apps`.
    pub fn plural(self) -> &'static str {
        self.0.split_once('.').map_or(self.0, |(plural, _)| plural)
    }

    /// `apps` of `deployments.apps`; empty for the core group.
    pub fn group(self) -> &'static str {
        self.0.split_once('.').map_or("", |(_, group)| group)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::intern(&name))
    }
}

/// A name of a resource, a group, a kind, as one that is known at compile time. The set of such names is small and only grows
/// with custom resources.
pub(crate) fn intern(name: &str) -> &'static str {
    if let Some(known) = INTERNED.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return known;
    }
    let mut interned = INTERNED.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = interned.get(name) {
        return known;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    interned.insert(leaked);
    leaked
}

/// Where an object lives: its resource, its namespace (`None` for cluster-scoped kinds) and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Which collection.
    pub resource: ResourceId,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
    /// The object's own name; may contain dots.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A namespaced object.
    pub fn namespaced(resource: ResourceId, namespace: &str, name: &str) -> Self {
        Self { resource, namespace: Some(namespace.into()), name: name.into() }
    }

    /// A cluster-scoped object.
    pub fn cluster(resource: ResourceId, name: &str) -> Self {
        Self { resource, namespace: None, name: name.into() }
    }

    /// The namespace, or `""`.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The key in the bucket: `<plural>[.<group>].<namespace or _>.<name>`. The resource's dots become `/`
    /// so that the key has exactly three leading tokens: `deployments/apps.default.web`.
    pub fn bucket_key(&self) -> String {
        let resource = self.resource.as_str().replace('.', "/");
        format!("{resource}.{}.{}", self.namespace.as_deref().unwrap_or("_"), self.name)
    }

    /// Reads a bucket key back. `None` if it is not one of ours.
    pub fn parse_bucket_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(3, '.');
        let (resource, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let resource = match resource.contains('/') {
            true => ResourceId::intern(&resource.replace('/', ".")),
            false => ResourceId::intern(resource),
        };
        let namespace = (namespace != "_").then(|| namespace.into());
        Some(Self { resource, namespace, name: name.into() })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.resource, self.name),
            None => write!(f, "{}/{}", self.resource, self.name),
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! string_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

string_newtype! {
    /// An object's identity over time: a new object of the same name has another uid.
    Uid
}
string_newtype! {
    /// A node's name, which is also a NATS subject token: validation keeps dots out by replacing them on the wire.
    NodeName
}

/// The stream sequence of the last write of an object: Kubernetes' `resourceVersion`. Totally ordered across kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}
