//! Names as parts of NATS subjects, and subjects as classes for metrics.

use std::fmt::Write as _;

use api::ObjectKey;

/// What the bucket's subjects begin with.
pub(crate) const STATE_PREFIX: &str = "$KV.odeon.";

/// A name as one token of a subject: whatever would end or widen the token becomes `_`.
pub fn token(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let safe = |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>'));
    name.chars().map(|c| if safe(c) { c } else { '_' }).collect()
}

/// The subject on which an object lives. Reversible: see `object_key`.
pub(crate) fn state_subject(key: &ObjectKey) -> String {
    let plain = key.bucket_key();
    let mut subject = String::with_capacity(STATE_PREFIX.len() + plain.len());
    subject.push_str(STATE_PREFIX);
    let mut chars = plain.chars().peekable();
    let mut after_dot = true;
    while let Some(c) = chars.next() {
        let lonely_dot = c == '.' && (after_dot || chars.peek().is_none());
        let unsafe_char = c.is_whitespace() || c.is_control() || matches!(c, '*' | '>' | '%');
        match lonely_dot || unsafe_char {
            true => escape(c, &mut subject),
            false => subject.push(c),
        }
        after_dot = c == '.' && !lonely_dot;
    }
    subject
}

/// The object that lives on a subject of the bucket; `None` if the subject is not one of ours.
pub(crate) fn object_key(subject: &str) -> Option<ObjectKey> {
    let escaped = subject.strip_prefix(STATE_PREFIX)?;
    match escaped.contains('%') {
        true => ObjectKey::parse_bucket_key(&unescape(escaped)?),
        false => ObjectKey::parse_bucket_key(escaped),
    }
}

/// The subject of a mark that tells how old the stream's revisions are.
pub(crate) fn tick_subject(slot: i64) -> String {
    format!("{STATE_PREFIX}_tick._.{slot}")
}

/// The subject is a mark's.
pub(crate) fn is_tick(subject: &str) -> bool {
    subject.strip_prefix(STATE_PREFIX).is_some_and(|key| key.starts_with("_tick."))
}

/// The class of a subject, for metrics: few and fixed.
pub(crate) fn class(subject: &str) -> &'static str {
    let mut tokens = subject.split('.');
    match (tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
        (Some("$KV"), ..) => "state",
        (Some(inbox), ..) if inbox.starts_with("_INBOX") => "reply",
        (Some("odeon"), Some("journal"), ..) => "journal",
        (Some("odeon"), Some("proxy"), ..) => "proxy",
        (Some("odeon"), Some("actor"), ..) => "actor",
        (Some("odeon"), Some("gateway"), ..) => "gateway",
        (Some("odeon"), Some("node"), _, Some(verb)) => match verb {
            "heartbeat" | "register" => "heartbeat",
            "assign" => "assign",
            "report" => "report",
            "logs" | "exec" | "attach" | "portforward" => "stream",
            _ => "node",
        },
        _ => "other",
    }
}

fn escape(c: char, out: &mut String) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        let _ = write!(out, "%{byte:02X}");
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(high * 16 + low);
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use api::ResourceId;
    use expect_test::expect;

    use super::*;

    #[test]
    fn keys_become_subjects_and_come_back() {
        let names = [
            "web",
            "web.v1",
            "system:controller:x",
            "a b",
            "*",
            ">",
            "50%",
            "a..b",
            ".a",
            "a.",
            "...",
            "ü\u{a0}",
        ];
        let mut text = String::new();
        for name in names {
            let key = ObjectKey::cluster(ResourceId::new("clusterroles.rbac.authorization.k8s.io"), name);
            let subject = state_subject(&key);
            assert_eq!(object_key(&subject), Some(key));
            let short = subject.rsplit_once("._.").map_or(subject.as_str(), |(_, name)| name).to_owned();
            text.push_str(&format!("{name} -> {short}\n"));
        }
        expect![[r#"
            web -> web
            web.v1 -> web.v1
            system:controller:x -> system:controller:x
            a b -> a%20b
            * -> %2A
            > -> %3E
            50% -> 50%25
            a..b -> a.%2Eb
            .a -> %2Ea
            a. -> a%2E
            ... -> %2E.%2E
            ü  -> ü%C2%A0
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn tokens_stay_one_token() {
        assert_eq!(token("node-1.example.com"), "node-1_example_com");
        assert_eq!(token("a b*>"), "a_b__");
        assert_eq!(token(""), "_");
    }

    #[test]
    fn subjects_have_classes() {
        let subjects = [
            "$KV.odeon.pods.a.b",
            "odeon.node.n.heartbeat",
            "odeon.node.n.exec.1",
            "odeon.proxy.table",
            "_INBOX_agent.x",
        ];
        assert_eq!(subjects.map(class), ["state", "heartbeat", "stream", "proxy", "reply"]);
    }
}
