//! Names of children, computed from what is observed: deciding twice asks for the same child twice.

use std::collections::HashSet;

use api::Uid;
use serde_json::Value;

/// Kubernetes' alphabet of generated names: no vowels, nothing that looks like something else.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Longest base of a generated name, so that the whole fits a label's 63 characters.
const LONGEST_BASE: usize = 58;

/// The first `count` names `<base><suffix of (uid, ordinal)>` that nothing has yet.
pub(super) fn free_names(base: &str, uid: &Uid, count: usize, taken: impl Fn(&str) -> bool) -> Vec<String> {
    let base: String = base.chars().take(LONGEST_BASE).collect();
    let mut names = Vec::with_capacity(count);
    let mut given = HashSet::new();
    let mut ordinals = 0_u64..;
    while names.len() < count
        && let Some(ordinal) = ordinals.next()
    {
        let name = format!("{base}{}", suffix(uid, ordinal));
        if !taken(&name) && given.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

/// Five characters for the child of this ordinal.
fn suffix(uid: &Uid, ordinal: u64) -> String {
    let mut hash = ordinal.to_le_bytes().iter().fold(fnv64(uid.as_str().as_bytes()), |hash, byte| mix64(hash, *byte));
    // FNV's last bytes touch the low bits only; fold the high ones in before the remainder is taken.
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 32;
    let mut text = String::with_capacity(5);
    for _ in 0..5 {
        text.push(letter(hash));
        hash /= ALPHABET.len() as u64;
    }
    text
}

fn letter(number: u64) -> char {
    let index = usize::try_from(number % ALPHABET.len() as u64).unwrap_or_default();
    ALPHABET.get(index).copied().map_or('b', char::from)
}

fn fnv64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix64(hash, *byte))
}

fn mix64(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// The `pod-template-hash` of a template: FNV-1a of its canonical text and of the number of collisions so far, in the
/// alphabet of generated names.
pub(super) fn template_hash(template: &Value, collisions: i32) -> String {
    let mut hash = 0x811c_9dc5_u32;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    canonical(template, &mut feed);
    if collisions > 0 {
        feed(&collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| letter(u64::from(digit))).collect()
}

/// Feeds a value's text with sorted keys and without nulls: the order in which a client sent the fields is no difference.
fn canonical(value: &Value, feed: &mut impl FnMut(&[u8])) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(key, _)| *key);
            feed(b"{");
            for (key, value) in fields {
                feed(key.as_bytes());
                feed(b":");
                canonical(value, feed);
                feed(b",");
            }
            feed(b"}");
        }
        Value::Array(items) => {
            feed(b"[");
            for item in items {
                canonical(item, feed);
                feed(b",");
            }
            feed(b"]");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => feed(value.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_a_function_of_what_is_taken() {
        let uid = Uid::from("4d0cbb8a");
        let names = free_names("web-", &uid, 3, |_| false);
        assert_eq!(names, free_names("web-", &uid, 3, |_| false));
        let after_the_first = free_names("web-", &uid, 2, |name| name == names[0]);
        assert_eq!(after_the_first, names[1..]);
    }

    #[test]
    fn many_names_differ() {
        let names = free_names("web-", &Uid::from("a"), 20_000, |_| false);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 20_000);
        assert!(names.iter().all(|name| name.len() == 9));
    }

    #[test]
    fn long_bases_leave_room_for_the_suffix() {
        let names = free_names(&"x".repeat(70), &Uid::from("a"), 1, |_| false);
        assert_eq!(names[0].len(), 63);
    }

    #[test]
    fn the_hash_ignores_order_and_nulls_but_not_values() {
        let hash = template_hash(&json!({"a": 1, "b": [true]}), 0);
        assert_eq!(hash, template_hash(&json!({"b": [true], "a": 1, "c": null}), 0));
        assert_ne!(hash, template_hash(&json!({"a": 1, "b": [false]}), 0));
        assert_ne!(hash, template_hash(&json!({"a": 1, "b": [true]}), 1));
    }
}
