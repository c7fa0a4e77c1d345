//! Events of `events.k8s.io/v1` are those of `v1` under other names.

use serde_json::Value;

use super::{Conversion, rename};

/// `events.k8s.io/v1`, stored as `v1`.
pub const EVENT: Conversion = Conversion { store, show };

/// What `events.k8s.io/v1` calls the fields of `v1`.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn store(event: &mut Value) {
    rename(event, NAMES.into_iter());
}

fn show(event: &mut Value) {
    rename(event, NAMES.into_iter().map(|(served, stored)| (stored, served)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn the_same_event_in_two_shapes() {
        let kind = crate::by_gvk("events.k8s.io/v1", "Event").unwrap();
        let sent = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "regarding": {"kind": "Pod"}, "note": "n",
            "reportingController": "c", "eventTime": "2026-01-01T00:00:00.000000Z", "reason": "r", "type": "Normal",
        });
        let stored = kind.decode(sent.clone()).unwrap().object;
        assert_eq!(stored["apiVersion"], "v1");
        assert_eq!(stored["involvedObject"]["kind"], "Pod");
        assert_eq!(stored["reportingComponent"], "c");
        assert_eq!(kind.shown(stored), sent);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(fields in proptest::collection::vec((0_usize..7, ".{0,5}"), 0..7)) {
            let served: Map<String, Value> =
                fields.into_iter().map(|(at, text)| (NAMES[at].0.to_owned(), json!(text))).collect();
            let served = Value::Object(served);
            let mut there_and_back = served.clone();
            store(&mut there_and_back);
            show(&mut there_and_back);
            prop_assert_eq!(there_and_back, served);
        }
    }
}
