//! Reads `data/descriptions.txt`; its first lines explain the notation.

use std::collections::HashMap;

use super::Message;

pub(super) const TEXT: &str = include_str!("../../data/descriptions.txt");

/// What Kubernetes says about its messages. Read when it is needed and dropped afterwards: only documentation needs it.
#[derive(Debug)]
pub struct Descriptions(HashMap<&'static str, Description>);

/// What Kubernetes says about one message.
#[derive(Debug, Default)]
pub struct Description {
    /// About the message; a line break is written `\n`.
    text: &'static str,
    fields: HashMap<&'static str, (&'static str, bool)>,
}

impl Descriptions {
    /// Reads all of them.
    pub fn read() -> Self {
        let mut found: HashMap<&str, Description> = HashMap::new();
        let mut current = "";
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let (name, text) = line.trim_start().split_once(' ').unwrap_or((line.trim_start(), ""));
            if !line.starts_with(' ') {
                current = name;
                found.insert(name, Description { text, fields: HashMap::new() });
                continue;
            }
            if let Some(message) = found.get_mut(current) {
                let bare = name.strip_suffix('!');
                message.fields.insert(bare.unwrap_or(name), (text, bare.is_some()));
            }
        }
        Self(found)
    }

    /// What is said about a message.
    pub fn of(&self, message: &Message) -> Option<&Description> {
        let package = message.name.rsplit_once('.').map(|(package, _)| package).unwrap_or_default();
        self.named(&format!("{package}.{}", message.go_name))
    }

    /// What is said about a message of this name: `core.v1.PodDNSConfig`.
    pub fn named(&self, name: &str) -> Option<&Description> {
        self.0.get(name)
    }
}

impl Description {
    /// About the message.
    pub fn text(&self) -> String {
        self.text.replace("\\n", "\n")
    }

    /// About one of its fields; empty if nothing is said.
    pub fn field(&self, json: &str) -> String {
        self.fields.get(json).map(|(text, _)| text.replace("\\n", "\n")).unwrap_or_default()
    }

    /// A field that must be given.
    pub fn requires(&self, json: &str) -> bool {
        self.fields.get(json).is_some_and(|(_, required)| *required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn fields_have_their_words() {
        let descriptions = Descriptions::read();
        let pod_spec = descriptions.of(schema::message("core.v1.PodSpec").unwrap()).unwrap();
        assert_eq!(pod_spec.text(), "PodSpec is a description of a pod.");
        assert!(pod_spec.field("containers").starts_with("List of containers belonging to the pod."));
        assert!(pod_spec.requires("containers"));
        assert!(!pod_spec.requires("volumes"));
        assert_eq!(pod_spec.field("none"), "");
        assert!(descriptions.of(schema::message("core.v1.PodDnsConfig").unwrap()).is_some());
    }
}
