//! What a server's answer to a write means, and what a message that is read back says about a write.

use api::Revision;
use serde::Deserialize;

use super::unit::{Prepared, Unit};
use super::{Expect, WriteError};
use crate::view::ChangeKind;

const WRONG_LAST_SEQUENCE: u16 = 10_071;
const WRONG_LAST_SEQUENCE_CONSTANT: u16 = 10_164;
const MESSAGE_TOO_LARGE: u16 = 10_054;
const NO_RESOURCES: [u16; 4] = [10_023, 10_028, 10_047, 10_077];
const BATCH_BROKEN: [u16; 4] = [10_175, 10_176, 10_203, 10_210];

/// What became of one message or one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Durable; this is the sequence of the last message.
    Written(u64),
    /// Not applied: an expectation does not hold. The actual sequence of the first such subject, if the server says it.
    Conflict(Option<u64>),
    /// Not applied, for a reason that may pass.
    NotNow(String),
    /// Not applied: the parts of the batch did not arrive together.
    Broken(String),
    /// Whether it was applied is not known.
    Uncertain(String),
    /// Not applied, and trying again does not help.
    Refused(WriteError),
}

/// The server's acknowledgement.
#[derive(Debug, Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<AckError>,
}

#[derive(Debug, Deserialize)]
struct AckError {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u16,
    #[serde(default)]
    description: String,
}

impl Verdict {
    /// Reads an acknowledgement.
    pub(crate) fn read(answer: &[u8], size: usize) -> Self {
        let error = match serde_json::from_slice::<Ack>(answer) {
            Ok(Ack { seq, error: None }) if seq > 0 => return Self::Written(seq),
            Ok(Ack { error: Some(error), .. }) => error,
            Ok(Ack { error: None, .. }) => return Self::Uncertain("the acknowledgement is empty".to_owned()),
            Err(error) => return Self::Uncertain(format!("the acknowledgement is not readable: {error}")),
        };
        let AckError { code, err_code, description } = error;
        let full = ["maximum", "insufficient", "no space", "resource limits"];
        match err_code {
            WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_CONSTANT => {
                Self::Conflict(description.rsplit(' ').next().and_then(|last| last.parse().ok()))
            }
            MESSAGE_TOO_LARGE => {
                Self::Refused(WriteError::TooLarge { size, limit: crate::provision::LARGEST_OBJECT })
            }
            err_code
                if NO_RESOURCES.contains(&err_code) && full.iter().any(|it| description.contains(it)) =>
            {
                Self::Refused(WriteError::Full(description))
            }
            err_code if BATCH_BROKEN.contains(&err_code) || description.contains("too many inflight") => {
                Self::Broken(description)
            }
            _ if code >= 500 => Self::NotNow(description),
            _ => Self::Refused(WriteError::Unavailable(description)),
        }
    }
}

/// The last message of an object's subject, as read back from the stream's leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub sequence: u64,
    pub kind: ChangeKind,
    pub write_id: Option<Box<str>>,
}

/// What a conflict of one write turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// An earlier attempt of ours was applied.
    Ours(u64),
    /// The expectation holds, or will with this sequence: try again.
    Again(u64),
    /// Another write came first.
    Theirs(Option<Revision>),
    /// Another write came, and whether ours came before it cannot be told.
    Unclear,
}

/// Reads a conflict of `write`. `seen` is the sequence at which an earlier attempt was observed, if any.
pub(super) fn judge(
    write: &Prepared,
    uncertain: bool,
    last: Option<&Last>,
    seen: Option<Revision>,
) -> Finding {
    let sequence = last.map_or(0, |last| last.sequence);
    let current = last.filter(|last| last.kind == ChangeKind::Put).map(|last| Revision(last.sequence));
    if last.is_some_and(|last| last.write_id.as_deref() == Some(&*write.id)) {
        return Finding::Ours(sequence);
    }
    if let (true, Some(Revision(seen))) = (uncertain, seen) {
        return Finding::Ours(seen);
    }
    if sequence == write.expected {
        return match (write.expect, current) {
            (Expect::Absent, Some(_)) => Finding::Theirs(current),
            (Expect::Absent, None) | (Expect::At(_), _) => Finding::Again(sequence),
        };
    }
    match (write.expect, current) {
        (Expect::Absent, None) if sequence < write.expected || !uncertain => Finding::Again(sequence),
        _ if uncertain && sequence > write.expected => Finding::Unclear,
        (Expect::Absent, _) | (Expect::At(_), _) => Finding::Theirs(current),
    }
}

impl Unit {
    /// The revisions of a unit whose last message has this sequence.
    pub(super) fn revisions(&self, last: u64) -> Vec<Revision> {
        let count = u64::try_from(self.writes.len()).unwrap_or_default();
        (1..=count).map(|n| Revision((last + n).saturating_sub(count))).collect()
    }
}

#[cfg(test)]
mod tests {
    use api::{ObjectKey, ResourceId};
    use expect_test::expect;

    use super::super::{ChangeTo, Mutation};
    use super::*;

    #[test]
    fn answers_are_understood() {
        let answers = [
            r#"{"stream":"KV_odeon","seq":7}"#,
            r#"{"stream":"KV_odeon","seq":9,"batch":"x","count":3}"#,
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"KV_odeon","seq":0}"#,
            r#"{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}"#,
            r#"{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}"#,
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#,
            r#"{"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"}}"#,
            r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}"#,
            r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#,
            "+OK",
        ];
        let told: String = answers.map(|it| format!("{:?}\n", Verdict::read(it.as_bytes(), 5))).concat();
        expect![[r#"
            Written(7)
            Written(9)
            Conflict(Some(3))
            Conflict(None)
            NotNow("JetStream system temporarily unavailable")
            Refused(Full("maximum bytes exceeded"))
            Broken("atomic publish batch is incomplete")
            Refused(TooLarge { size: 5, limit: 1572864 })
            Refused(Unavailable("expected stream does not match"))
            Uncertain("the acknowledgement is not readable: expected value at line 1 column 1")
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn conflicts_are_judged_by_what_is_read_back() {
        let write = |expect, expected| {
            let key = ObjectKey::cluster(ResourceId::new("nodes"), "n");
            let change = ChangeTo::PutBytes(bytes::Bytes::new());
            let mutation = Mutation { key, expect, change, cause: Default::default() };
            let mut write = Prepared::new(mutation, "mine".into()).unwrap();
            write.expected = expected;
            write
        };
        let last = |sequence, kind, id: &str| Some(Last { sequence, kind, write_id: Some(id.into()) });
        let (put, deleted) = (ChangeKind::Put, ChangeKind::Deleted);
        let (absent, at_5) = (Expect::Absent, Expect::At(Revision(5)));
        let mut told = String::new();
        for (about, expect, expected, last, seen) in [
            ("taken", absent, 0, last(8, put, "other"), None),
            ("a marker in its place", absent, 0, last(8, deleted, "other"), None),
            ("a newer marker", absent, 6, last(8, deleted, "other"), None),
            ("the marker has expired", absent, 6, None, None),
            ("created by an earlier attempt", absent, 0, last(8, put, "mine"), None),
            ("changed", at_5, 5, last(8, put, "other"), None),
            ("deleted", at_5, 5, last(8, deleted, "other"), None),
            ("gone", at_5, 5, None, None),
            ("unchanged", at_5, 5, last(5, put, "other"), None),
            ("changed by an earlier attempt", at_5, 5, last(8, put, "mine"), None),
            ("seen at 7, changed again", at_5, 5, last(8, put, "other"), Some(Revision(7))),
        ] {
            let judged = [false, true]
                .map(|uncertain| judge(&write(expect, expected), uncertain, last.as_ref(), seen));
            told.push_str(&format!(
                "{about}: {:?}; after a lost acknowledgement: {:?}\n",
                judged[0], judged[1]
            ));
        }
        expect![[r#"
            taken: Theirs(Some(r8)); after a lost acknowledgement: Unclear
            a marker in its place: Again(8); after a lost acknowledgement: Unclear
            a newer marker: Again(8); after a lost acknowledgement: Unclear
            the marker has expired: Again(0); after a lost acknowledgement: Again(0)
            created by an earlier attempt: Ours(8); after a lost acknowledgement: Ours(8)
            changed: Theirs(Some(r8)); after a lost acknowledgement: Unclear
            deleted: Theirs(None); after a lost acknowledgement: Unclear
            gone: Theirs(None); after a lost acknowledgement: Theirs(None)
            unchanged: Again(5); after a lost acknowledgement: Again(5)
            changed by an earlier attempt: Ours(8); after a lost acknowledgement: Ours(8)
            seen at 7, changed again: Theirs(Some(r8)); after a lost acknowledgement: Ours(7)
        "#]]
        .assert_eq(&told);
    }
}
