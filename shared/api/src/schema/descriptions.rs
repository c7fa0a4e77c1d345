//! Reads `data/descriptions.txt`; its first lines explain the notation.

use std::collections::HashMap;

use super::Message;

pub(super) const TEXT: &str = include_str!("../../data/descriptions.txt");

/// What Kubernetes says about its messages. Read when it is needed and dropped afterwards: only documentation needs it.
#[derive(Debug, Default)]
pub struct Descriptions {
    messages: HashMap<&'static str, Description>,
    /// By group and version, and name: what each value means.
    enumerations: HashMap<(&'static str, &'static str), Vec<Possible>>,
}

/// What Kubernetes says about one message.
#[derive(Debug, Default)]
pub struct Description {
    /// About the message; a line break is written `\n`.
    text: &'static str,
    fields: HashMap<&'static str, FieldDescription>,
}

/// What Kubernetes says about one field.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldDescription {
    text: &'static str,
    /// It must be given.
    pub required: bool,
    /// The group and version, and the name, of the enumeration of what it may be.
    enumeration: Option<(&'static str, &'static str)>,
    /// What it has if it is not given, as JSON, where that is not the zero that Go writes.
    pub default: Option<&'static str>,
}

/// A value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possible {
    /// `IfNotPresent`.
    pub value: &'static str,
    /// What it means; may be empty.
    pub text: &'static str,
}

impl Descriptions {
    /// Reads all of them.
    pub fn read() -> Self {
        let mut found = Self::default();
        let mut current = "";
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let package = current.rsplit_once('.').map(|(package, _)| package).unwrap_or_default();
            if let Some((value, text)) = line.strip_prefix("  \"").and_then(|line| line.split_once('"')) {
                let of = (package, current.rsplit('.').next().unwrap_or_default());
                found.enumerations.entry(of).or_default().push(Possible { value, text: text.trim_start() });
                continue;
            }
            let (name, text) = line.trim_start().split_once(' ').unwrap_or((line.trim_start(), ""));
            if !line.starts_with(' ') {
                current = name;
                found.messages.insert(name, Description { text, fields: HashMap::new() });
            } else if let Some(message) = found.messages.get_mut(current) {
                let (name, field) = field(name, text, package);
                message.fields.insert(name, field);
            }
        }
        found
    }

    /// What is said about a message.
    pub fn of(&self, message: &Message) -> Option<&Description> {
        let package = message.name.rsplit_once('.').map(|(package, _)| package).unwrap_or_default();
        self.named(&format!("{package}.{}", message.go_name))
    }

    /// What is said about a message of this name: `core.v1.PodDNSConfig`.
    pub fn named(&self, name: &str) -> Option<&Description> {
        self.messages.get(name)
    }

    /// What a field, or each of its values, may be; empty if that is no enumeration.
    pub fn possible(&self, field: &FieldDescription) -> &[Possible] {
        field.enumeration.and_then(|name| self.enumerations.get(&name)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// `protocol!(Protocol)="TCP"`, with what is said about it.
fn field(name: &'static str, text: &'static str, package: &'static str) -> (&'static str, FieldDescription) {
    let (name, default) = match name.split_once('=') {
        Some((name, default)) => (name, Some(default)),
        None => (name, None),
    };
    let (name, enumeration) = match name.trim_end_matches(')').split_once('(') {
        Some((name, full)) => (name, Some(full.rsplit_once('.').unwrap_or((package, full)))),
        None => (name, None),
    };
    let bare = name.strip_suffix('!');
    (bare.unwrap_or(name), FieldDescription { text, required: bare.is_some(), enumeration, default })
}

impl Description {
    /// About the message.
    pub fn text(&self) -> String {
        self.text.replace("\\n", "\n")
    }

    /// About one of its fields.
    pub fn field(&self, json: &str) -> FieldDescription {
        self.fields.get(json).copied().unwrap_or_default()
    }
}

impl FieldDescription {
    /// About the field; empty if nothing is said.
    pub fn text(&self) -> String {
        self.text.replace("\\n", "\n")
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
        assert!(pod_spec.field("containers").text().starts_with("List of containers belonging to the pod."));
        assert!(pod_spec.field("containers").required);
        assert!(!pod_spec.field("volumes").required);
        assert_eq!(pod_spec.field("none").text(), "");
        assert!(descriptions.of(schema::message("core.v1.PodDnsConfig").unwrap()).is_some());
    }

    #[test]
    fn fields_have_their_possible_values_and_defaults() {
        let descriptions = Descriptions::read();
        let of = |message: &str, field: &str| {
            let field = descriptions.named(message).unwrap().field(field);
            let values: Vec<&str> = descriptions.possible(&field).iter().map(|one| one.value).collect();
            (values.join(","), field.default, field.required)
        };
        assert_eq!(of("core.v1.ServicePort", "protocol"), ("SCTP,TCP,UDP".into(), Some("\"TCP\""), false));
        assert_eq!(of("core.v1.PersistentVolumeSpec", "accessModes").0.split(',').count(), 4);
        let endpoint_port = of("discovery.v1.EndpointPort", "protocol");
        assert_eq!(endpoint_port, ("SCTP,TCP,UDP".into(), None, false));
        assert_eq!(of("batch.v1.PodFailurePolicyRule", "action").0, "Count,FailIndex,FailJob,Ignore");
        assert!(
            of("certificates.v1.CertificateSigningRequestSpec", "usages").0.contains("digital signature,")
        );
        for (message, described) in &descriptions.messages {
            for (name, field) in &described.fields {
                let known = field.enumeration.is_none() || !descriptions.possible(field).is_empty();
                assert!(known, "{message}.{name}");
            }
        }
    }
}
