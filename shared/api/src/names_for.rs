//! Names that controllers give to what they make: functions of what is observed, in Kubernetes' safe alphabet.

use serde_json::Value;

use crate::Uid;

/// No vowels and no digits that look like letters: no accidental words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const POD_SUFFIX_LENGTH: usize = 5;

/// The hash that names a revision of a pod template (`pod-template-hash`). `collision_count` moves on to another one.
/// Labels with that key do not count, so a template taken from a replica set hashes as its origin.
pub fn template_hash(template: &Value, collision_count: i64) -> String {
    let mut hash = Fnv::default();
    hash.value(template);
    if collision_count != 0 {
        hash.bytes(&collision_count.to_le_bytes());
    }
    let folded = hash.0 ^ hash.0 >> 32;
    let decimal = (folded & u64::from(u32::MAX)).to_string();
    decimal
        .bytes()
        .filter_map(|digit| ALPHABET.get(usize::from(digit) % ALPHABET.len()))
        .map(|c| char::from(*c))
        .collect()
}

/// The five characters that end the name of an owner's `ordinal`-th child.
pub fn child_suffix(owner: &Uid, ordinal: u64) -> String {
    let mut hash = Fnv::default();
    hash.bytes(owner.as_str().as_bytes());
    hash.bytes(&ordinal.to_le_bytes());
    suffix_from(hash.mixed())
}

/// Five characters drawn from a number: for `generateName`, with a random one.
pub fn suffix_from(mut number: u64) -> String {
    let mut suffix = String::with_capacity(POD_SUFFIX_LENGTH);
    for _ in 0..POD_SUFFIX_LENGTH {
        let letter = usize::try_from(number % 27).unwrap_or_default();
        number /= 27;
        suffix.extend(ALPHABET.get(letter).map(|c| char::from(*c)));
    }
    suffix
}

/// FNV-1a, 64 bits: stable over versions and platforms, as names must be.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Keys are visited in order and absent equals null, so equal templates hash equally however they were written.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
                entries.sort_by_key(|(key, _)| *key);
                self.bytes(b"{");
                for (key, value) in entries {
                    if key == "pod-template-hash" {
                        continue;
                    }
                    self.bytes(key.as_bytes());
                    self.bytes(b":");
                    self.value(value);
                }
                self.bytes(b"}");
            }
            Value::Array(values) => {
                self.bytes(b"[");
                for value in values {
                    self.value(value);
                    self.bytes(b",");
                }
                self.bytes(b"]");
            }
            scalar => self.bytes(scalar.to_string().as_bytes()),
        }
    }

    /// Spreads the last bytes' influence over all bits.
    fn mixed(&self) -> u64 {
        let mut x = self.0;
        x = (x ^ x >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        x = (x ^ x >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        x ^ x >> 33
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn templates_hash_by_content() {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}});
        let labelled = json!({"spec": {"containers": [{"image": "x", "name": "a"}]}, "metadata": {"creationTimestamp": null, "labels": {"pod-template-hash": "5", "app": "web"}}});
        let other = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "y"}]}});
        assert_eq!(template_hash(&template, 0), template_hash(&labelled, 0));
        assert_ne!(template_hash(&template, 0), template_hash(&other, 0));
        assert_ne!(template_hash(&template, 0), template_hash(&template, 1));
    }

    #[test]
    fn children_have_distinct_stable_names() {
        let owner = Uid::from("2c9f5c1e-0f0e-4a35-8f0f-6f6b7c0a9b11");
        let names: HashSet<String> = (0..1000).map(|ordinal| child_suffix(&owner, ordinal)).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 5 && name.bytes().all(|c| ALPHABET.contains(&c))));
        assert_eq!(child_suffix(&owner, 7), child_suffix(&owner, 7));
    }
}
