//! An object as the bucket has it: raw bytes, its metadata, and what has been decoded of it so far.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::journal::Cause;
use api::{Metadata, NodeName, Object, ObjectKey, Resource, ResourceId, Revision};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::warn;

use crate::codec;

/// The pods' collection: the one kind whose spec the view indexes.
pub(crate) const PODS: ResourceId = ResourceId::new("pods");

/// One object at one revision. Cheap to keep: everything but the metadata is decoded when first asked for.
pub struct Stored {
    /// Where it lives.
    pub key: ObjectKey,
    /// The write that made it what it is.
    pub revision: Revision,
    /// Its metadata.
    pub metadata: Arc<Metadata>,
    /// What led to that write.
    pub cause: Cause,
    /// The revision that created it: the same as `revision` for a new object; zero if the writer did not know.
    pub created: Revision,
    /// Set by the writer, so that it recognises its own work when an acknowledgement got lost.
    pub(crate) write_id: Option<Box<str>>,
    /// The node a pod is bound to.
    pub(crate) node: Option<NodeName>,
    bytes: Bytes,
    decoded: Mutex<Decoded>,
}

/// What has been decoded of an object; forgotten when it is history.
#[derive(Default)]
struct Decoded {
    /// The first type that asked; all callers of a process use one type per kind.
    typed: Option<Arc<dyn Any + Send + Sync>>,
    json: Option<Bytes>,
}

/// What accompanies an object's bytes in the bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Provenance {
    pub revision: Revision,
    pub created: Revision,
    pub cause: Cause,
    pub write_id: Option<Box<str>>,
}

impl Stored {
    /// Reads an object's metadata; the rest stays raw.
    pub(crate) fn new(key: ObjectKey, bytes: Bytes, provenance: Provenance) -> Self {
        let Provenance { revision, created, cause, write_id } = provenance;
        let head = Head::read(&key, &bytes);
        let mut metadata = head.metadata;
        crate::intern::metadata(&mut metadata, &key);
        Self {
            key,
            revision,
            metadata: Arc::new(metadata),
            cause,
            created,
            write_id,
            node: head.spec.node_name.map(crate::intern::node),
            bytes,
            decoded: Mutex::default(),
        }
    }

    /// Shares with the state before what has not changed. True if that is everything that indexes are made of.
    pub(crate) fn share_with(&mut self, previous: &Self) -> bool {
        self.key = previous.key.clone();
        if *self.metadata != *previous.metadata {
            return false;
        }
        self.metadata = Arc::clone(&previous.metadata);
        self.node == previous.node
    }

    /// The object as stored: named MessagePack without `resourceVersion`.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Read through its type, decoded once. A body that does not decode yields the default and one warning.
    pub fn object<K: Resource>(&self) -> Arc<Object<K>> {
        let typed = {
            let mut decoded = self.decoded();
            Arc::clone(decoded.typed.get_or_insert_with(|| self.decode_object::<K>()))
        };
        match typed.downcast::<Object<K>>() {
            Ok(object) => object,
            Err(_another_type_was_first) => self.decode_object::<K>(),
        }
    }

    /// The whole object, `metadata.resourceVersion` included.
    pub fn value(&self) -> Value {
        let mut value: Value = codec::decode(&self.bytes).unwrap_or_default();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::String(self.revision.to_string()));
        }
        value
    }

    /// The version that it was written in: `apps/v1`.
    pub fn api_version(&self) -> String {
        codec::decode(&self.bytes).map(|Version { api_version }| api_version).unwrap_or_default()
    }

    /// The same state of the object, written in another way: in another version of its kind.
    pub fn rewritten(&self, value: Value) -> Arc<Self> {
        let bytes = Bytes::from(encode_object(value).unwrap_or_default());
        let (revision, created) = (self.revision, self.created);
        let provenance = Provenance { revision, created, cause: self.cause, write_id: None };
        Arc::new(Self::new(self.key.clone(), bytes, provenance))
    }

    /// The same as JSON text, encoded once.
    pub fn json(&self) -> Bytes {
        let encode = || match codec::to_json(&self.bytes, self.revision) {
            Ok(text) => Bytes::from(text),
            Err(error) => {
                warn!(key = %self.key, %error, "a stored object is not readable");
                Bytes::from_static(b"null")
            }
        };
        self.decoded().json.get_or_insert_with(encode).clone()
    }

    /// Gives the memory of what was decoded back: this state is history, and seldom asked for.
    pub(crate) fn forget_decoded(&self) {
        *self.decoded() = Decoded::default();
    }

    fn decoded(&self) -> MutexGuard<'_, Decoded> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For tests: an object at a revision. Its key follows from `apiVersion`, `kind` and metadata.
    pub fn test(value: Value, revision: u64) -> Arc<Self> {
        Self::test_at(key_of(&value), value, revision)
    }

    /// For tests: as `test`, with a key of one's own choice.
    pub fn test_at(key: ObjectKey, value: Value, revision: u64) -> Arc<Self> {
        let bytes = Bytes::from(encode_object(value).unwrap_or_default());
        let revision = Revision(revision);
        Arc::new(Self::new(key, bytes, Provenance { revision, created: revision, ..Provenance::default() }))
    }

    /// About how much memory it takes.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + 512
    }

    /// The same state as the outcome of a later deletion.
    pub(crate) fn at(&self, revision: Revision) -> Self {
        let provenance = Provenance { revision, created: self.created, cause: self.cause, write_id: None };
        Self::new(self.key.clone(), self.bytes.clone(), provenance)
    }

    fn decode_object<K: Resource>(&self) -> Arc<Object<K>> {
        let body = decode_leniently::<K>(&self.bytes).unwrap_or_else(|error| {
            warn!(key = %self.key, revision = %self.revision, %error, "an object's body is not readable, using defaults");
            K::default()
        });
        let (key, metadata) = (self.key.clone(), Arc::clone(&self.metadata));
        Arc::new(Object { key, revision: self.revision, metadata, body })
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

/// Encodes an object for the bucket: without `resourceVersion`, which is the write's own sequence.
pub(crate) fn encode_object(mut value: Value) -> Result<Vec<u8>, codec::CodecError> {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    codec::encode(&value)
}

/// What the view reads of every object.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    metadata: Metadata,
    spec: HeadSpec,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HeadSpec {
    node_name: Option<NodeName>,
}

/// What an object says of its version.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Version {
    api_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetadataOnly {
    metadata: Metadata,
}

impl Head {
    fn read(key: &ObjectKey, bytes: &[u8]) -> Self {
        let head = match key.resource == PODS {
            true => decode_leniently::<Self>(bytes),
            false => decode_leniently::<MetadataOnly>(bytes)
                .map(|MetadataOnly { metadata }| Self { metadata, spec: HeadSpec::default() }),
        };
        head.unwrap_or_else(|error| {
            warn!(%key, %error, "an object's metadata is not readable");
            Self::default()
        })
    }
}

/// Decodes; where a `null` stands in the way, it counts as absent.
fn decode_leniently<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LenientError> {
    if let Ok(body) = codec::decode(bytes) {
        return Ok(body);
    }
    let mut value: Value = codec::decode(bytes).map_err(LenientError::Codec)?;
    remove_nulls(&mut value);
    serde_json::from_value(value).map_err(LenientError::Shape)
}

#[derive(Debug, thiserror::Error)]
enum LenientError {
    #[error("{0}")]
    Codec(codec::CodecError),
    #[error("{0}")]
    Shape(serde_json::Error),
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where an object lives, by the registry of kinds; an unknown kind's collection is its lower-case plural.
fn key_of(value: &Value) -> ObjectKey {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let known = api::kinds().iter().find(|info| info.kind == kind && info.group == group);
    let resource = known.map_or_else(|| guess(group, kind), |info| info.id);
    match text("/metadata/namespace") {
        "" => ObjectKey::cluster(resource, text("/metadata/name")),
        namespace => ObjectKey::namespaced(resource, namespace, text("/metadata/name")),
    }
}

fn guess(group: &str, kind: &str) -> ResourceId {
    let singular = kind.to_lowercase();
    let plural = match (singular.strip_suffix('y'), singular.ends_with('s')) {
        (Some(stem), _) => format!("{stem}ies"),
        (None, true) if singular == "endpoints" => singular,
        (None, true) => format!("{singular}es"),
        (None, false) => format!("{singular}s"),
    };
    match group {
        "" => ResourceId::intern(&plural),
        group => ResourceId::intern(&format!("{plural}.{group}")),
    }
}
