//! A pod as the checks see it, and how they name what they find.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::{items, text};

/// A pod, or a template of pods.
pub(super) struct Pod<'a>(pub &'a Value);

impl<'a> Pod<'a> {
    /// Containers of all kinds.
    pub fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let pod = self.0;
        ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"]
            .into_iter()
            .flat_map(|list| items(pod, list))
    }

    /// The names of containers of which something is true.
    pub fn which(&self, is_bad: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| is_bad(container)).map(|one| text(one, "/name")).collect()
    }

    /// The values that containers have of something, each once.
    pub fn values(&self, of: impl Fn(&'a Value) -> Vec<String>) -> BTreeSet<String> {
        self.containers().flat_map(of).collect()
    }
}

/// `container "a"`, `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", names.len()), quoted(names))
}

/// Who sets something that may not be: the pod, containers, or both; `None` if nobody does.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    match (pod, names.is_empty()) {
        (false, true) => None,
        (true, true) => Some("pod".to_owned()),
        (false, false) => Some(containers(names)),
        (true, false) => Some(format!("pod and {}", containers(names))),
    }
}

/// `"a", "b"`.
pub(super) fn quoted(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted = names.into_iter().map(|name| format!("\"{}\"", name.as_ref()));
    quoted.collect::<Vec<_>>().join(", ")
}

/// A word, with an `s` unless it is one.
pub(super) fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// `uses` of one, `use` of many.
pub(super) fn uses(count: usize) -> &'static str {
    if count == 1 { "uses" } else { "use" }
}
