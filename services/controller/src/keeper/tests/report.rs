//! What a report changes.

use api::messages::PodReport;
use api::{NodeName, ObjectKey, Resource, Timestamp};
use bus::Stored;
use serde_json::{Value, json};

use super::super::report::{Verdict, judge};

fn pod(metadata: &Value, status: &Value) -> std::sync::Arc<Stored> {
    let mut all = json!({"name": "p", "namespace": "default", "uid": "u"});
    all.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    Stored::test(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": all, "spec": {"nodeName": "n1"}, "status": status}),
        5,
    )
}

fn report(status: &Value, gone: bool) -> PodReport {
    PodReport {
        key: ObjectKey::namespaced(api::views::Pod::ID, "default", "p"),
        uid: "u".into(),
        status: status.to_string(),
        gone,
        because: String::new(),
        events: Vec::new(),
    }
}

fn judged(pod: &Stored, node: &str, report: &PodReport) -> Verdict {
    judge(Some(pod), &NodeName::from(node), report, Timestamp(0))
}

#[test]
fn an_agent_speaks_only_for_pods_of_its_node() {
    let (pod, running) = (pod(&json!({}), &json!({})), report(&json!({"phase": "Running"}), false));
    assert_eq!(judged(&pod, "n2", &running), Verdict::Unknown);
    assert_eq!(judged(&pod, "n1", &PodReport { uid: "another".into(), ..running.clone() }), Verdict::Unknown);
    assert_eq!(judge(None, &"n1".into(), &running, Timestamp(0)), Verdict::Unknown);
    assert!(matches!(judged(&pod, "n1", &running), Verdict::Put(_)));
}

#[test]
fn conditions_of_others_stay() {
    let scheduled = json!({"type": "PodScheduled", "status": "True"});
    let pod = pod(
        &json!({}),
        &json!({"qosClass": "BestEffort", "conditions": [scheduled, {"type": "Ready", "status": "False"}]}),
    );
    let ready = json!({"type": "Ready", "status": "True", "lastProbeTime": null});
    let Verdict::Put(written) =
        judged(&pod, "n1", &report(&json!({"phase": "Running", "conditions": [ready]}), false))
    else {
        panic!("it is news")
    };
    assert_eq!(
        written["status"],
        json!({"phase": "Running", "qosClass": "BestEffort", "conditions": [scheduled, ready]})
    );
}

#[test]
fn what_is_known_is_not_written_again_and_an_ended_phase_is_final() {
    let status = json!({"phase": "Succeeded", "conditions": []});
    let pod = pod(&json!({}), &status);
    assert_eq!(judged(&pod, "n1", &report(&status, false)), Verdict::Nothing);
    assert_eq!(judged(&pod, "n1", &report(&json!({"phase": "Running"}), false)), Verdict::Nothing);
}

#[test]
fn a_deleted_pod_that_is_gone_is_removed_unless_finalizers_hold_it() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30});
    let gone = report(&json!({"phase": "Succeeded"}), true);
    assert!(matches!(judged(&pod(&deleted, &json!({})), "n1", &gone), Verdict::Remove(_)));
    let mut held = deleted;
    held["finalizers"] = json!(["example.com/wait"]);
    let Verdict::Put(marked) = judged(&pod(&held, &json!({})), "n1", &gone) else { panic!("it stays") };
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], json!(0));
    assert!(
        matches!(judged(&pod(&json!({}), &json!({})), "n1", &gone), Verdict::Put(_)),
        "nobody asked for deletion"
    );
}
