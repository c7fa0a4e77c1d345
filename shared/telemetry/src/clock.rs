//! The one place that reads the wall clock and draws identities; everything else receives them as arguments.

use api::journal::Cause;
use api::{Timestamp, Uid};

/// The wall clock's time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// A new object's identity.
#[expect(clippy::disallowed_methods, reason = "this is the one place that draws uids")]
pub fn fresh_uid() -> Uid {
    let mut text = uuid::Uuid::encode_buffer();
    let uid: &str = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
    Uid::from(uid)
}

/// The start of a causal chain: a request from outside, or a process's own initiative.
pub fn fresh_cause() -> Cause {
    Cause { trace_id: non_zero(rand::random::<u128>()), span_id: fresh_span() }
}

/// The next link of a causal chain. A default (unknown) cause starts a new chain.
pub fn child_of(cause: Cause) -> Cause {
    match cause.trace_id {
        0 => fresh_cause(),
        trace_id => Cause { trace_id, span_id: fresh_span() },
    }
}

/// W3C Trace Context forbids ids of zero.
fn non_zero(drawn: u128) -> u128 {
    drawn.max(1)
}

fn fresh_span() -> u64 {
    rand::random::<u64>().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stays_in_its_trace() {
        let request = fresh_cause();
        let write = child_of(request);
        assert_eq!(request.trace_id, write.trace_id);
        assert_ne!(request.span_id, write.span_id);
    }

    #[test]
    fn a_child_of_nothing_starts_a_trace() {
        assert_ne!(child_of(Cause::default()).trace_id, 0);
    }

    #[test]
    fn uids_differ() {
        assert_ne!(fresh_uid(), fresh_uid());
        assert_eq!(fresh_uid().as_str().len(), 36);
    }
}
