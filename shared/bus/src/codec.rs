//! Turns values into named MessagePack and back, and stored objects into JSON without a tree in between.

use std::cell::RefCell;
use std::fmt;

use api::Revision;
use rmp_serde::{Deserializer, Serializer};
use serde::Serialize;
use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, Visitor};
use serde::ser::{self, SerializeMap};
use serde_transcode::Transcoder;

/// A value that does not fit the wire, or bytes that are not what was expected.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value cannot be written as MessagePack.
    #[error("failed to encode a message")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The bytes are not the MessagePack of the expected type.
    #[error("failed to decode a message")]
    Decode(#[source] rmp_serde::decode::Error),
    /// The stored object cannot be written as JSON.
    #[error("failed to write an object as JSON")]
    Json(#[source] serde_json::Error),
}

/// Encodes as named MessagePack. Addresses and times are text, as in JSON.
pub fn encode<T: Serialize + ?Sized>(message: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    message.serialize(&mut serializer).map_err(CodecError::Encode)?;
    Ok(bytes)
}

/// Decodes what `encode` wrote. Unknown fields are ignored.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = Deserializer::from_read_ref(bytes).with_human_readable();
    T::deserialize(&mut deserializer).map_err(CodecError::Decode)
}

/// Writes a stored object as JSON text and adds `metadata.resourceVersion`, in one pass.
pub(crate) fn to_json(bytes: &[u8], revision: Revision) -> Result<Vec<u8>, CodecError> {
    let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 4 + 64);
    let mut deserializer = Deserializer::from_read_ref(bytes).with_human_readable();
    let object = Level::new(&mut deserializer, Depth::Object(revision));
    let mut serializer = serde_json::Serializer::new(&mut text);
    object.serialize(&mut serializer).map_err(CodecError::Json)?;
    Ok(text)
}

/// Which map of the object is being written.
#[derive(Clone, Copy)]
enum Depth {
    /// The object itself: its `metadata` gets the revision.
    Object(Revision),
    /// Its `metadata`: ends with the revision.
    Metadata(Revision),
}

/// One map on its way from MessagePack to JSON. Serialises once.
struct Level<D> {
    deserializer: RefCell<Option<D>>,
    depth: Depth,
}

impl<D> Level<D> {
    fn new(deserializer: D, depth: Depth) -> Self {
        Self { deserializer: RefCell::new(Some(deserializer)), depth }
    }
}

impl<'de, D: de::Deserializer<'de>> Serialize for Level<D> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let deserializer = self.deserializer.borrow_mut().take();
        let deserializer = deserializer.ok_or_else(|| ser::Error::custom("an object is written once"))?;
        deserializer
            .deserialize_map(LevelVisitor { serializer, depth: self.depth })
            .map_err(ser::Error::custom)
    }
}

struct LevelVisitor<S> {
    serializer: S,
    depth: Depth,
}

impl<'de, S: serde::Serializer> Visitor<'de> for LevelVisitor<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S::Ok, A::Error> {
        let mut out = self.serializer.serialize_map(None).map_err(de::Error::custom)?;
        while let Some(key) = map.next_key::<String>()? {
            match (self.depth, key.as_str()) {
                (Depth::Metadata(_), "resourceVersion") => {
                    map.next_value::<de::IgnoredAny>()?;
                }
                (Depth::Object(revision), "metadata") => {
                    map.next_value_seed(Entry { out: &mut out, key: &key, metadata: Some(revision) })?;
                }
                (Depth::Object(_) | Depth::Metadata(_), _) => {
                    map.next_value_seed(Entry { out: &mut out, key: &key, metadata: None })?;
                }
            }
        }
        if let Depth::Metadata(revision) = self.depth {
            out.serialize_entry("resourceVersion", &revision.to_string()).map_err(de::Error::custom)?;
        }
        out.end().map_err(de::Error::custom)
    }
}

/// One entry of a map, written as it is read.
struct Entry<'a, M> {
    out: &'a mut M,
    key: &'a str,
    metadata: Option<Revision>,
}

impl<'de, M: SerializeMap> DeserializeSeed<'de> for Entry<'_, M> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.metadata {
            Some(revision) => {
                self.out.serialize_entry(self.key, &Level::new(deserializer, Depth::Metadata(revision)))
            }
            None => self.out.serialize_entry(self.key, &Transcoder::new(deserializer)),
        }
        .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use api::journal::{Cause, JournalEntry};
    use api::{ObjectKey, ResourceId};
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let entry = JournalEntry {
            object: Some(ObjectKey::namespaced(ResourceId::new("pods"), "default", "web-1")),
            cause: Cause { trace_id: u128::MAX - 5, span_id: u64::MAX },
            commands: vec!["create pods/default/web-1".to_owned()],
            ..JournalEntry::default()
        };
        assert_eq!(decode::<JournalEntry>(&encode(&entry).unwrap()).unwrap(), entry);
        let ip: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(decode::<String>(&encode(&ip).unwrap()).unwrap(), "10.1.2.3");
    }

    #[test]
    fn json_carries_the_revision_and_nothing_else_changes() {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "a", "labels": { "metadata": "x" }, "deep": { "metadata": { "y": null } } },
            "spec": { "n": 1.5, "i": -3, "big": u64::MAX, "list": [1, "two", null, true, {}], "metadata": {} },
        });
        let text = to_json(&encode(&object).unwrap(), Revision(42)).unwrap();
        let mut expected = object;
        expected["metadata"]["resourceVersion"] = json!("42");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), expected);
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(to_json(&[0xc1, 0, 0], Revision(1)).is_err());
        assert!(decode::<JournalEntry>(b"\x81").is_err());
    }
}
