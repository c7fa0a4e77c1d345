//! One body per parser that reads what strangers send: `fuzz/` drives them with libFuzzer, the tests below with proptest.

use api::conversation::Listener;
use api::messages::ExecRequest;
use api::selector::{FieldSelector, Selector};
use serde_json::Value;

use crate::path::Query;
use crate::spdy::Frame;
use crate::subresources::exec::streams::{PROTOCOLS, Streams};
use crate::subresources::portforward::pairs::Pairs;
use crate::tokens::Claims;
use crate::{body, negotiate, overload, path, spdy};

/// A parser that must neither panic nor hang, whatever it is given.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("paths", paths),
    ("queries", queries),
    ("selectors", selectors),
    ("bodies", bodies),
    ("patches", patches),
    ("protobuf", protobuf),
    ("tokens", tokens),
    ("spdy_frames", spdy_frames),
    ("conversation_frames", conversation_frames),
    ("quantities", quantities),
    ("times", times),
    ("accept", accept),
];

/// Runs the target of a name; an unknown name does nothing.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) {
        target(bytes);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn paths(bytes: &[u8]) {
    let _ = path::parse(&text(bytes));
}

fn queries(bytes: &[u8]) {
    let query = Query::parse(&text(bytes));
    let _ = (query.dry_run(), query.flag("watch"), query.number::<u64>("limit"), overload::limit_of(&query));
}

fn selectors(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(selector) = Selector::parse(&text) {
        selector.matches_map(None);
    }
    for kind in api::kinds().iter() {
        if let Ok(selector) = FieldSelector::parse(kind, &text) {
            selector.matches(&Value::Null);
        }
    }
}

/// Bodies of every media type, through every kind.
fn bodies(bytes: &[u8]) {
    for media_type in ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"] {
        let Ok(value) = body::parse(media_type, bytes) else { continue };
        for kind in api::kinds().iter() {
            if let Ok(mut decoded) = kind.decode(value.clone()) {
                kind.default(&mut decoded.object);
                kind.validate(&decoded.object, None);
            }
        }
    }
}

/// The first half is the object, the second the patch.
fn patches(bytes: &[u8]) {
    let (object, patch) = bytes.split_at(bytes.len() / 2);
    let (Ok(object), Ok(patch)) =
        (serde_json::from_slice::<Value>(object), serde_json::from_slice::<Value>(patch))
    else {
        return;
    };
    api::merge_patch::apply(&mut object.clone(), &patch);
    let _ = api::strategic::apply(&mut object.clone(), &patch, api::schema::root("v1", "Pod"));
    if let Ok(patch) = serde_json::from_value::<json_patch::Patch>(patch) {
        let _ = json_patch::patch(&mut object.clone(), &patch);
    }
}

fn protobuf(bytes: &[u8]) {
    if let Ok(object) = api::protobuf::decode(bytes) {
        let _ = api::protobuf::encode(&object);
    }
}

fn tokens(bytes: &[u8]) {
    let _ = Claims::read(bytes);
}

/// Frames, to those who take streams for conversations and for forwarded ports.
fn spdy_frames(bytes: &[u8]) {
    let [best, ..] = PROTOCOLS;
    let all = ExecRequest { stdin: true, stdout: true, tty: true, ..ExecRequest::default() };
    let (mut streams, mut pairs) = (Streams::wanted(&all, best), Pairs::default());
    let mut reader = spdy::Reader::new();
    for piece in bytes.chunks(7) {
        reader.push(piece);
        while let Ok(Some(frame)) = reader.next_frame() {
            match frame {
                Frame::Open { stream, headers, .. } => {
                    streams.open(stream, &headers);
                    pairs.open(stream, &headers);
                }
                Frame::Data { stream, bytes, end } => {
                    streams.read(stream, bytes, end);
                }
                Frame::Reset { stream, .. } => pairs.forget(stream),
                Frame::Reply { .. } | Frame::Ping(_) | Frame::GoAway => {}
            }
        }
    }
}

fn conversation_frames(bytes: &[u8]) {
    let mut ear = Listener::default();
    for piece in bytes.chunks(7) {
        ear.hear(piece);
        while let Ok(Some(_said)) = ear.next_frame() {}
    }
}

fn quantities(bytes: &[u8]) {
    let text = text(bytes);
    let _ = (api::quantity::Quantity::parse(&text), api::quantity::canonical(&text));
}

fn times(bytes: &[u8]) {
    let _ = api::Timestamp::parse(&text(bytes));
}

fn accept(bytes: &[u8]) {
    let _ = negotiate::form(&text(bytes));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words that parsers know, so that chance gets somewhere.
    const WORDS: [&str; 28] = [
        "/api/v1/",
        "namespaces/",
        "pods",
        "%2F",
        "%",
        "watch=1&",
        "dryRun=All",
        "in (a,b)",
        "!a,",
        "a==b",
        "metadata.name=",
        "{",
        "}",
        "[",
        "]",
        "\"spec\":",
        "\"containers\":",
        "\"$patch\":\"delete\"",
        "{\"op\":\"add\",\"path\":\"/a\"}",
        "apiVersion: v1\n",
        "kind: Pod\n",
        "k8s\0",
        "1Ki",
        "1e9",
        "2026-01-01T00:00:00Z",
        "eyJhbGciOiJFUzI1NiJ9.",
        "application/json;q=0.5,",
        "\u{80}\u{3}\0\u{1}",
    ];

    fn input() -> impl Strategy<Value = Vec<u8>> {
        let word = proptest::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec());
        let piece = prop_oneof![word, proptest::collection::vec(any::<u8>(), 0..12)];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_parser_panics(bytes in input()) {
            TARGETS.iter().for_each(|(_, target)| target(&bytes));
        }
    }

    #[test]
    fn every_target_has_a_fuzzer() {
        let manifest = include_str!("../../../fuzz/Cargo.toml");
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            run(name, b"{}");
        }
        run("nothing", b"");
    }
}
