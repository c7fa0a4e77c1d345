//! Decodes just those parts of pods and nodes that are counted, borrowed from the bytes that came over the wire.

use serde::Deserialize;

/// A line of a watch.
#[derive(Debug)]
pub enum Event<'a> {
    /// The object is there, and is like this.
    Present(Seen<'a>),
    /// The object is gone.
    Gone(Seen<'a>),
    /// Nothing changed until this version.
    Bookmark(Seen<'a>),
    /// The server ends the watch: it cannot go on from the version that was asked for.
    Expired,
}

/// What is looked at of an object.
#[derive(Debug, Default, Deserialize)]
pub struct Seen<'a> {
    /// Its names and version.
    #[serde(borrow, default)]
    pub metadata: Meta<'a>,
    /// Where it is to run.
    #[serde(borrow, default)]
    pub spec: Spec<'a>,
    /// How it is.
    #[serde(borrow, default)]
    pub status: Status<'a>,
}

/// Of an object's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta<'a> {
    /// Its name; none on bookmarks.
    #[serde(default)]
    pub name: &'a str,
    /// Tells apart objects that had the same name one after the other.
    #[serde(default)]
    pub uid: &'a str,
    /// Its version.
    #[serde(default)]
    pub resource_version: &'a str,
    /// It is being deleted.
    #[serde(default)]
    pub deletion_timestamp: Option<&'a str>,
}

/// Of a pod's spec.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    /// The node that it is bound to.
    #[serde(default)]
    pub node_name: Option<&'a str>,
}

/// Of a status.
#[derive(Debug, Default, Deserialize)]
pub struct Status<'a> {
    /// All that is known.
    #[serde(borrow, default)]
    pub conditions: Vec<Condition<'a>>,
}

/// One thing that is known.
#[derive(Debug, Deserialize)]
pub struct Condition<'a> {
    /// `Ready`, `PodScheduled`, …
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<'a> {
    /// The version that the whole list is of, and where it goes on.
    #[serde(borrow, default)]
    pub metadata: PageMeta<'a>,
    /// The objects.
    #[serde(borrow, default)]
    pub items: Vec<Seen<'a>>,
}

/// Of a page's metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageMeta<'a> {
    /// The list's version.
    #[serde(default)]
    pub resource_version: &'a str,
    /// What to ask for the next page with; empty on the last one.
    #[serde(rename = "continue", default)]
    pub next: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: Seen<'a>,
}

impl<'a> Event<'a> {
    /// Reads a line. An error's object is a `Status`, whose own `status` is a word: whatever does not read as an object ends the watch.
    pub fn of(line: &'a [u8]) -> Self {
        match serde_json::from_slice::<Line<'a>>(line) {
            Ok(Line { kind: "ADDED" | "MODIFIED", object }) => Self::Present(object),
            Ok(Line { kind: "DELETED", object }) => Self::Gone(object),
            Ok(Line { kind: "BOOKMARK", object }) => Self::Bookmark(object),
            Ok(_) | Err(_) => Self::Expired,
        }
    }
}

impl Seen<'_> {
    /// Its condition `Ready` holds.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|known| known.kind == "Ready" && known.status == "True")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_without_copying() {
        let line = br#"{"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"7","labels":{"x":"y"}},
            "spec":{"nodeName":"n-1","containers":[{}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null}]}}}"#;
        let Event::Present(pod) = Event::of(line) else { panic!("not present") };
        assert_eq!((pod.metadata.name, pod.spec.node_name, pod.is_ready()), ("a", Some("n-1"), true));
        assert!(pod.metadata.deletion_timestamp.is_none());
    }

    #[test]
    fn an_error_ends_the_watch() {
        let line = br#"{"object":{"kind":"Status","status":"Failure","code":410,"reason":"Expired"},"type":"ERROR"}"#;
        assert!(matches!(Event::of(line), Event::Expired));
    }
}
