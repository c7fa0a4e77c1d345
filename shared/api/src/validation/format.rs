//! Formats of names, labels and keys. Each check returns Kubernetes' sentences for what is wrong; empty when it is right.

/// A check of a text: Kubernetes' sentences for what is wrong.
pub(super) type Format = fn(&str) -> Vec<String>;

const BYTES: &str = "bytes";
const CHARACTERS: &str = "characters";
const NAME_CHARACTERS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// A DNS-1123 label: containers, volumes, namespaces.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 63, CHARACTERS);
    if !is_label(text) && is_subdomain(text) {
        wrong.push("must not contain dots".into());
    } else if !is_label(text) {
        wrong.push(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
             and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    wrong
}

/// A DNS-1123 subdomain: most objects' names.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 253, CHARACTERS);
    if !is_subdomain(text) {
        wrong.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    wrong
}

/// As [`dns_subdomain`], whose labels may begin with or contain underscores: what resolvers search.
pub(super) fn dns_search(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 253, CHARACTERS);
    let label = |label: &str| is_label(&label.strip_prefix('_').unwrap_or(label).replace('_', "-"));
    if !text.split('.').all(label) {
        wrong.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and \
             must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    wrong
}

/// A name of a domain that has a parent; a dot at its end is fine.
pub(super) fn full_domain(text: &str) -> Vec<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let wrong = dns_subdomain(text);
    let labels = || text.split('.').map(dns_label).find(|wrong| !wrong.is_empty());
    match wrong.as_slice() {
        [] if !text.contains('.') => {
            vec!["should be a domain with at least two segments separated by dots".into()]
        }
        [] => labels().map(|wrong| vec![wrong.join(",")]).unwrap_or_default(),
        wrong => vec![wrong.join(",")],
    }
}

/// A part of a path: roles and their bindings, whose names may have colons and capitals.
pub(super) fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        text => ['/', '%']
            .into_iter()
            .filter(|character| text.contains(*character))
            .map(|character| format!("may not contain '{character}'"))
            .collect(),
    }
}

/// A DNS-1123 subdomain whose first label is `*`: hosts of ingresses.
pub(super) fn wildcard_subdomain(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 253, CHARACTERS);
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        wrong.push(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist \
             of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. \
             '*.example.com', regex used for validation is \
             '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    wrong
}

/// A DNS-1035 label: services.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 63, CHARACTERS);
    if !is_label(text) || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        wrong.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    wrong
}

/// A label's key: `app`, `example.com/app`.
pub fn qualified_name(text: &str) -> Vec<String> {
    let example = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let mut wrong = Vec::new();
    let name = match text.split_once('/') {
        Some((_, name)) if name.contains('/') => {
            wrong.push(format!(
                "a qualified name {NAME_CHARACTERS} {example} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return wrong;
        }
        Some(("", name)) => {
            wrong.push("prefix part must be non-empty".into());
            name
        }
        Some((prefix, name)) => {
            wrong.extend(dns_subdomain(prefix).into_iter().map(|why| format!("prefix part {why}")));
            name
        }
        None => text,
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".into());
    } else {
        wrong.extend(longer_than(name, 63, BYTES).into_iter().map(|why| format!("name part {why}")));
    }
    if !is_name(name) {
        wrong.push(format!("name part {NAME_CHARACTERS} {example}"));
    }
    wrong
}

/// A label's value.
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 63, BYTES);
    if !text.is_empty() && !is_name(text) {
        wrong.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
             for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .into(),
        );
    }
    wrong
}

/// The name of a port (IANA service name).
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 15, CHARACTERS);
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.chars().all(allowed) {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.contains(|c: char| c.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".into());
    }
    wrong
}

/// A port's number.
pub(super) fn port_number(number: i64) -> Vec<String> {
    match (1..=65_535).contains(&number) {
        true => Vec::new(),
        false => vec!["must be between 1 and 65535, inclusive".into()],
    }
}

/// The name of an environment variable.
pub(super) fn env_name(text: &str) -> Vec<String> {
    match text.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
        true => Vec::new(),
        false => vec![
            "a valid environment variable name must consist only of printable ASCII characters other than '='".into(),
        ],
    }
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut wrong = longer_than(text, 253, CHARACTERS);
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        wrong.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
             'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .into(),
        );
    }
    match text {
        "." | ".." => wrong.push(format!("must not be '{text}'")),
        text if text.starts_with("..") => wrong.push("must not start with '..'".into()),
        _ => {}
    }
    wrong
}

/// The name of a header of HTTP.
pub(super) fn header_name(text: &str) -> Vec<String> {
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        true => Vec::new(),
        false => vec![
            "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for \
             validation is '[-A-Za-z0-9]+')"
                .into(),
        ],
    }
}

/// The name of a kernel parameter.
pub(super) fn sysctl_name(text: &str) -> Vec<String> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let segment = |segment: &str| {
        segment.starts_with(alphanumeric)
            && segment.ends_with(alphanumeric)
            && segment.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_'))
    };
    match text.len() <= 253 && text.split(['.', '/']).all(segment) {
        true => Vec::new(),
        false => vec![
            "must have at most 253 characters and match regex \
             ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
                .into(),
        ],
    }
}

/// Kubernetes counts the same and calls it by one of two names.
fn longer_than(text: &str, most: usize, of_what: &str) -> Vec<String> {
    match text.len() > most {
        true => vec![format!("must be no more than {most} {of_what}")],
        false => Vec::new(),
    }
}

fn is_label(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_name(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_' | '.'))
}
