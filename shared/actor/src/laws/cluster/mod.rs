//! A tiny language for clusters: one object per line, so that a test's world can be read at a glance.
//!
//! ```text
//! deployment web replicas=3 image=a
//! replicaset web-abc owner=deployment/web replicas=2
//! pod web-1 owner=replicaset/web-abc running ready node=n1 label tier=front
//! pod other/db-0 failed age=10m
//! node n1 ready cpu=2 memory=4Gi label zone=a taint k=v:NoSchedule
//! service web selector app=web port=80
//! namespace x terminating
//! configmap c data.key=value
//! presence n1 heard=5s lost
//! ```
//!
//! A line is a kind (singular, plural or short), a name (`namespace/name`, or a name in `default`) and words. Words of every kind:
//! `owner=kind/name`, `label k=v`, `annotation k=v`, `finalizer f`, `terminating[=30s]`, `age=10m`, `generation=2`, `uid=u`, any
//! `path.to.field=value` (JSON values; numbers index arrays) and `{…}`, a JSON merge patch up to the closing brace. Words of one
//! kind are in [`words`]. Uids are `kind-name`; the time is [`NOW`]; objects are an hour old. A child without labels has its owner's.
//! Blank lines and `# comments` are skipped; `>` before a kind marks the object that decides.

mod kinds;
mod syntax;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::{NodeName, ObjectKey, ResourceId, Timestamp};
use bus::{ChangeKind, Stored, View};
use serde_json::{Value, json};

pub use kinds::{Kind, kind_of_resource, kind_of_word};
use syntax::{Word, duration, split_words};

use crate::{Facts, Presence};

/// The time of every cluster text: 2026-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000_000);
/// How old objects are unless they say.
const AGE: Duration = Duration::from_secs(3600);

/// A cluster read from text.
pub struct Cluster {
    /// Its objects as a view, at revisions 1, 2, 3, … in the order of lines.
    pub view: Arc<View>,
    /// From `presence` lines.
    pub facts: Arc<Facts>,
    /// The keys of its objects in the order of lines.
    pub keys: Vec<ObjectKey>,
    /// The object that `>` marks.
    pub marked: Option<ObjectKey>,
}

/// One object while its line is read.
pub(crate) struct Draft {
    pub(crate) kind: &'static Kind,
    pub(crate) key: ObjectKey,
    pub(crate) object: Value,
    /// The owner's object, if it was a line before.
    pub(crate) owner: Option<Value>,
    has_labels: bool,
}

/// What is wrong with a cluster text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{line}`: {message}")]
pub struct SyntaxError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub message: String,
}

impl Cluster {
    /// Reads a cluster; panics with the line that is wrong, because it is a test's mistake.
    #[expect(clippy::panic, reason = "a malformed text is a mistake in a test")]
    pub fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads a cluster.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut cluster = Self { view: View::offline(), facts: Facts::new(), keys: Vec::new(), marked: None };
        let mut known: HashMap<ObjectKey, Value> = HashMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong = |message: String| SyntaxError { line: line.to_owned(), message };
            let (marked, rest) = match line.strip_prefix('>') {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            let words = split_words(rest).map_err(wrong)?;
            if let [Word { key: first, .. }, node, words @ ..] = words.as_slice()
                && first == "presence"
            {
                let presence = presence(words).map_err(wrong)?;
                cluster.facts.set_presence(NodeName::from(node.key.as_str()), presence);
                continue;
            }
            let (key, object) = object(&words, &known).map_err(wrong)?;
            known.insert(key.clone(), object.clone());
            cluster.add(key.clone(), object);
            if marked {
                cluster.marked = Some(key);
            }
        }
        Ok(cluster)
    }

    /// The key of the first object of a resource, or the marked one.
    pub fn first(&self, resource: ResourceId) -> Option<ObjectKey> {
        let marked = self.marked.iter().filter(|key| key.resource == resource);
        marked.chain(self.keys.iter().filter(|key| key.resource == resource)).next().cloned()
    }

    fn add(&mut self, key: ObjectKey, object: Value) {
        let revision = u64::try_from(self.keys.len()).unwrap_or_default() + 1;
        self.view.apply(ChangeKind::Put, Stored::test_at(key.clone(), object, revision));
        self.keys.push(key);
    }
}

impl Draft {
    /// Sets the field at a dotted path; numbers index (and extend) arrays.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Value>) {
        *syntax::slot(&mut self.object, path) = value.into();
    }

    pub(crate) fn get(&self, pointer: &str) -> Option<&Value> {
        self.object.pointer(pointer)
    }

    /// Adds to the array at a dotted path.
    pub(crate) fn push(&mut self, path: &str, value: Value) {
        let slot = syntax::slot(&mut self.object, path);
        match slot.as_array_mut() {
            Some(array) => array.push(value),
            None => *slot = json!([value]),
        }
    }

    /// Merges over what is there (RFC 7396).
    pub(crate) fn merge(&mut self, patch: &Value) {
        json_patch::merge(&mut self.object, patch);
    }
}

/// One line's object.
fn object(words: &[Word], known: &HashMap<ObjectKey, Value>) -> Result<(ObjectKey, Value), String> {
    let [kind, name, words @ ..] = words else { return Err("a line is a kind, a name and words".to_owned()) };
    let kind = kind_of_word(&kind.key).ok_or_else(|| format!("`{}` is not a kind", kind.key))?;
    let key = kind.key(&name.key);
    let metadata = json!({
        "name": &*key.name,
        "uid": kind.uid(&key),
        "generation": 1,
        "creationTimestamp": ago(AGE),
    });
    let mut object = json!({ "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata });
    if let Some(namespace) = &key.namespace {
        *syntax::slot(&mut object, "metadata.namespace") = json!(&**namespace);
    }
    let mut draft = Draft { kind, key, object, owner: None, has_labels: false };
    // The owner comes first: defaults depend on it.
    for word in words.iter().filter(|word| word.key == "owner") {
        own(&mut draft, word.text()?, known)?;
    }
    words::defaults(&mut draft);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut argument =
            || rest.next().map(Word::whole).ok_or_else(|| format!("`{}` needs a word behind it", word.key));
        if !general(&mut draft, word, &mut argument)? && !words::of_kind(&mut draft, word, &mut argument)? {
            return Err(format!("`{}` is not a word of a {}", word.whole(), kind.singular));
        }
    }
    inherit_labels(&mut draft);
    Ok((draft.key, draft.object))
}

/// Words of every kind. False if it is not one.
fn general(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    match (word.key.as_str(), &word.value) {
        ("owner", Some(_)) => {}
        ("label", None) => {
            if !draft.has_labels {
                draft.set("metadata.labels", json!({}));
            }
            draft.has_labels = true;
            for (key, value) in syntax::pairs(&argument()?)? {
                if let Some(labels) = syntax::slot(&mut draft.object, "metadata.labels").as_object_mut() {
                    labels.insert(key, json!(value));
                }
            }
        }
        ("annotation", None) => {
            for (key, value) in syntax::pairs(&argument()?)? {
                let annotations = syntax::slot(&mut draft.object, "metadata.annotations");
                json_patch::merge(annotations, &json!({ key: value }));
            }
        }
        ("finalizer", None) => {
            let finalizer = argument()?;
            draft.push("metadata.finalizers", json!(finalizer));
        }
        ("terminating", grace) => words::terminating(draft, grace.as_deref())?,
        ("age", Some(age)) => draft.set("metadata.creationTimestamp", ago(duration(age)?)),
        ("generation", Some(_)) => draft.set("metadata.generation", word.json()),
        ("uid", Some(uid)) => draft.set("metadata.uid", uid.as_str()),
        (patch, None) if patch.starts_with('{') => {
            let patch = serde_json::from_str(patch).map_err(|error| error.to_string())?;
            draft.merge(&patch);
        }
        (path, Some(_)) if path.contains('.') => draft.set(path, word.json()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn own(draft: &mut Draft, owner: &str, known: &HashMap<ObjectKey, Value>) -> Result<(), String> {
    let (kind, name) = owner.split_once('/').ok_or("an owner is `kind/name`")?;
    let kind = kind_of_word(kind).ok_or_else(|| format!("`{kind}` is not a kind"))?;
    let mut key = kind.key(name);
    if kind.namespaced {
        key.namespace = draft.key.namespace.clone();
    }
    let uid = known.get(&key).and_then(|owner| owner.pointer("/metadata/uid").cloned());
    draft.push(
        "metadata.ownerReferences",
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": &*key.name,
            "uid": uid.unwrap_or_else(|| json!(kind.uid(&key))),
            "controller": true,
            "blockOwnerDeletion": true,
        }),
    );
    draft.owner = known.get(&key).cloned();
    Ok(())
}

/// A child that says nothing about labels has those of its owner's template.
fn inherit_labels(draft: &mut Draft) {
    let template =
        draft.owner.as_ref().and_then(|owner| owner.pointer("/spec/template/metadata/labels")).cloned();
    if let Some(labels) = template.filter(|_| !draft.has_labels && draft.get("/metadata/labels").is_none()) {
        draft.set("metadata.labels", labels);
    }
}

fn presence(words: &[Word]) -> Result<Presence, String> {
    let lease = Duration::from_millis(api::messages::NODE_LEASE_MS);
    let mut presence = Presence {
        last_heard: NOW,
        session: 1,
        epoch: 1,
        lease_until: NOW.plus(lease),
        ..Presence::default()
    };
    for word in words {
        match word.key.as_str() {
            "heard" => {
                presence.last_heard = ago_time(duration(word.text()?)?);
                presence.lease_until = presence.last_heard.plus(lease);
            }
            "lease" => presence.lease_until = NOW.plus(duration(word.text()?)?),
            "session" => presence.session = word.json().as_u64().unwrap_or_default(),
            "epoch" => presence.epoch = word.json().as_u64().unwrap_or_default(),
            "unhealthy" => presence.unhealthy = Some(word.text()?.to_owned()),
            "leaving" => presence.leaving = true,
            "lost" => presence.connection_lost = true,
            other => return Err(format!("`{other}` is not a word of a presence")),
        }
    }
    Ok(presence)
}

pub(crate) fn ago(duration: Duration) -> Value {
    json!(ago_time(duration))
}

fn ago_time(duration: Duration) -> Timestamp {
    Timestamp(NOW.0 - i64::try_from(duration.as_micros()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
