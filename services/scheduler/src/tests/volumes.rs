//! Pods with claims: what they wait for, and where their volumes send them.

use expect_test::expect;

use super::cluster::{apply, brain, check, shown};

#[test]
fn pods_wait_for_their_claims() {
    check(
        "node n1\npod web claim=data",
        &expect![[r#"
            web waits: 0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
    check(
        "node n1\nclaim data\npod web claim=data",
        &expect![[r#"
            web waits: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
    check(
        "node n1\nclass fast\nclaim data class=fast\npod web claim=data",
        &expect![[r#"
            web waits: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
    check(
        "node n1\nclaim data volume=gone\npod web claim=data",
        &expect![[r#"
            web waits: 0/1 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "gone". preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
}

#[test]
fn pods_go_where_their_volumes_are() {
    check(
        "node n1\nnode n2\nvolume v on=n2 claim=data\nclaim data volume=v\npod web claim=data",
        &expect![[r#"
            web -> n2
        "#]],
    );
    check(
        "node n1\nvolume v on=n2 claim=data\nclaim data volume=v\npod web claim=data",
        &expect![[r#"
            web waits: 0/1 nodes are available: 1 node(s) had volume node affinity conflict. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
}

#[test]
fn the_first_pod_chooses_for_its_claim() {
    check(
        "node n1\nclass local waits\nclaim data class=local\npod web claim=data",
        &expect![[r#"
        web waits for data on n1
    "#]],
    );
    check(
        "node n1\nnode n2\nclass local waits\nclaim data class=local selected=n2\npod web claim=data",
        &expect![[r#"
            web waits for data on n2
        "#]],
    );
    let manual =
        "class manual waits by=kubernetes.io/no-provisioner\nclaim data class=manual\npod web claim=data";
    check(
        &format!("node n1\n{manual}"),
        &expect![[r#"
            web waits: 0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
        "#]],
    );
    check(
        &format!("node n1\nnode n2\nvolume v on=n2 class=manual\n{manual}"),
        &expect![[r#"
        web waits for data on n2
    "#]],
    );
}

#[test]
fn a_pod_is_bound_when_its_claims_are() {
    let mut brain = brain("node n1\nclass local waits\nclaim data class=local\npod web claim=data");
    assert_eq!(shown(&brain.decide(10), false), "web waits for data on n1\n");
    apply(&mut brain, "claim data class=local selected=n1", 10);
    assert_eq!(shown(&brain.decide(10), false), "");
    apply(&mut brain, "volume v on=n1 claim=data", 11);
    apply(&mut brain, "claim data class=local selected=n1 volume=v", 12);
    assert_eq!(shown(&brain.decide(10), false), "web -> n1\n");
}

#[test]
fn a_choice_that_is_taken_back_is_made_again() {
    let mut brain = brain("node n1\nclass local waits\nclaim data class=local\npod web claim=data");
    assert_eq!(shown(&brain.decide(10), false), "web waits for data on n1\n");
    apply(&mut brain, "claim data class=local selected=n1", 10);
    apply(&mut brain, "claim data class=local", 11);
    assert_eq!(shown(&brain.decide(10), false), "web waits for data on n1\n");
}

#[test]
fn only_one_pod_uses_a_claim_for_one_pod() {
    check(
        "node n1
         volume v mode=ReadWriteOncePod claim=data
         claim data volume=v mode=ReadWriteOncePod
         pod first claim=data on=n1
         pod second claim=data",
        &expect![[r#"
            second waits: 0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
        "#]],
    );
}
