//! Plans, as text: writes in, mutations out.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::laws::{Cluster, NOW, show};

fn check(cluster: &str, writes: impl Fn(&Reader<'_>, &[ObjectKey]) -> Vec<Write>, expect: Expect) {
    let cluster = Cluster::of(cluster);
    let reader = cluster.view.read();
    let writes = writes(&reader, &cluster.keys);
    let bases = Bases::collect(&reader, &writes, None);
    expect.assert_eq(&text(&plan(&writes, None, &bases, NOW, || Uid::from("fresh"))));
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for Planned { key, expect, change } in &plan.mutations {
        let (verb, value) = match change {
            ChangeTo::Put(value) => ("put", value),
            ChangeTo::Delete(value) => ("delete", value),
            ChangeTo::PutBytes(_) => ("bytes", &Value::Null),
        };
        writeln!(text, "{verb} {} {expect:?} {} {}", show(key), value["metadata"], value["spec"]).unwrap();
    }
    for verdict in &plan.verdicts {
        writeln!(text, "{verdict:?}").unwrap();
    }
    text
}

fn create(name: &str, owner: &str) -> Write {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "ownerReferences": [{ "uid": owner, "controller": true }] },
    });
    let key = ObjectKey::namespaced(ResourceId::new("configmaps"), "default", name);
    Write::Create { key, object, because: "it is missing".to_owned(), event: None }
}

fn patch(reader: &Reader<'_>, key: &ObjectKey, merge: Value) -> Write {
    let seen = reader.get(key).unwrap().revision;
    let because = "it differs".to_owned();
    Write::Patch { key: key.clone(), seen, merge, subresource_status: false, because, event: None }
}

fn delete(key: &ObjectKey, uid: &str) -> Write {
    Write::Delete {
        key: key.clone(),
        uid: Uid::from(uid),
        grace: None,
        propagation: Propagation::Background,
        because: "it is surplus".to_owned(),
        event: None,
    }
}

#[test]
fn creating_stamps_once_and_is_done_if_ours() {
    check(
        "configmap mine owner=deployment/web
         configmap theirs owner=deployment/other",
        |_, _| {
            vec![
                create("new", "deployment-web"),
                create("mine", "deployment-web"),
                create("theirs", "deployment-web"),
            ]
        },
        expect![[r#"
            put configmap new Absent {"creationTimestamp":"2026-01-01T00:00:00Z","name":"new","namespace":"default","ownerReferences":[{"controller":true,"uid":"deployment-web"}],"uid":"fresh"} null
            Written
            Done
            Refused("configmaps/default/theirs exists and is not ours")
        "#]],
    );
}

#[test]
fn nothing_is_created_in_a_namespace_that_ends() {
    check(
        "namespace default terminating",
        |_, _| vec![create("new", "deployment-web")],
        expect![[r#"
            Refused("the namespace is terminating")
        "#]],
    );
}

#[test]
fn patches_of_one_object_are_one_mutation() {
    check(
        "replicaset web replicas=1",
        |reader, keys| {
            vec![
                patch(
                    reader,
                    &keys[0],
                    json!({ "spec": { "replicas": 2, "template": null, "selector": null } }),
                ),
                patch(
                    reader,
                    &keys[0],
                    json!({ "metadata": { "annotations": { "a": "b" } }, "status": { "replicas": 9 } }),
                ),
            ]
        },
        expect![[r#"
            put replicaset web At(r1) {"annotations":{"a":"b"},"creationTimestamp":"2025-12-31T23:00:00Z","generation":2,"name":"web","namespace":"default","uid":"replicaset-web"} {"replicas":2}
            Written
            Written
        "#]],
    );
}

#[test]
fn a_patch_of_another_revision_is_stale_and_one_without_effect_is_done() {
    check(
        "replicaset web replicas=1",
        |reader, keys| {
            let mut stale = patch(reader, &keys[0], json!({ "spec": { "replicas": 2 } }));
            if let Write::Patch { seen, .. } = &mut stale {
                *seen = Revision(77);
            }
            vec![stale, patch(reader, &keys[0], json!({ "spec": { "replicas": 1 } }))]
        },
        expect![[r#"
            Stale
            Done
        "#]],
    );
}

#[test]
fn deleting_follows_the_rules_of_a_life() {
    check(
        "pod unbound
         pod bound running node=n1
         pod other running
         pod held finalizer x",
        |_, keys| {
            vec![
                delete(&keys[0], "pod-unbound"),
                delete(&keys[1], "pod-bound"),
                delete(&keys[2], "another uid"),
                delete(&keys[3], "pod-held"),
            ]
        },
        expect![[r#"
            delete pod unbound At(r1) {"creationTimestamp":"2025-12-31T23:00:00Z","deletionGracePeriodSeconds":0,"deletionTimestamp":"2026-01-01T00:00:00Z","generation":2,"name":"unbound","namespace":"default","uid":"pod-unbound"} {"containers":[{"image":"image","name":"app"}],"restartPolicy":"Always"}
            put pod bound At(r2) {"creationTimestamp":"2025-12-31T23:00:00Z","deletionGracePeriodSeconds":30,"deletionTimestamp":"2026-01-01T00:00:30Z","generation":2,"name":"bound","namespace":"default","uid":"pod-bound"} {"containers":[{"image":"image","name":"app"}],"nodeName":"n1","restartPolicy":"Always"}
            put pod held At(r4) {"creationTimestamp":"2025-12-31T23:00:00Z","deletionGracePeriodSeconds":0,"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x"],"generation":2,"name":"held","namespace":"default","uid":"pod-held"} {"containers":[{"image":"image","name":"app"}],"restartPolicy":"Always"}
            Written
            Written
            Done
            Written
        "#]],
    );
}

#[test]
fn the_last_finalizer_ends_a_deletion_and_finish_ends_any() {
    check(
        "configmap held terminating finalizer x
         pod ending running node=n1 terminating finalizer y",
        |reader, keys| {
            vec![
                patch(reader, &keys[0], json!({ "metadata": { "finalizers": null } })),
                Write::Finish {
                    key: keys[1].clone(),
                    uid: Uid::from("pod-ending"),
                    because: "it is gone".to_owned(),
                },
            ]
        },
        expect![[r#"
            delete configmap held At(r1) {"creationTimestamp":"2025-12-31T23:00:00Z","deletionGracePeriodSeconds":0,"deletionTimestamp":"2026-01-01T00:00:00Z","generation":1,"name":"held","namespace":"default","uid":"configmap-held"} null
            delete pod ending At(r2) {"creationTimestamp":"2025-12-31T23:00:00Z","deletionGracePeriodSeconds":30,"deletionTimestamp":"2026-01-01T00:00:30Z","generation":1,"name":"ending","namespace":"default","uid":"pod-ending"} {"containers":[{"image":"image","name":"app"}],"nodeName":"n1","restartPolicy":"Always"}
            Written
            Written
        "#]],
    );
}

#[test]
fn a_status_goes_with_the_patch_of_the_same_object() {
    let cluster = Cluster::of("replicaset web replicas=1");
    let reader = cluster.view.read();
    let key = &cluster.keys[0];
    let writes = [patch(&reader, key, json!({ "spec": { "replicas": 2 } }))];
    let status = StatusChange { key: key.clone(), seen: Revision(1), status: json!({ "replicas": 1 }) };
    let bases = Bases::collect(&reader, &writes, reader.get(key));
    let plan = plan(&writes, Some(status), &bases, NOW, || Uid::from("fresh"));
    assert!(plan.writes_status);
    let [Planned { change: ChangeTo::Put(value), .. }] = plan.mutations.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!((&value["spec"]["replicas"], &value["status"]["replicas"]), (&json!(2), &json!(1)));
}

#[test]
fn what_is_not_admitted_is_not_written() {
    let cluster = Cluster::of("pod old running");
    let reader = cluster.view.read();
    let writes = [create("new", "deployment-web"), delete(&cluster.keys[0], "pod-old")];
    let refused = writes.iter().map(|write| (write.key().clone(), format!("not {}", write.verb()))).collect();
    let bases = Bases::collect(&reader, &writes, None).refusing(refused);
    expect![[r#"
        Forbidden("not create")
        Forbidden("not delete")
    "#]]
    .assert_eq(&text(&plan(&writes, None, &bases, NOW, || Uid::from("fresh"))));
}

#[test]
fn what_was_admitted_keeps_its_uid() {
    let cluster = Cluster::of("pod old running");
    let reader = cluster.view.read();
    let mut write = create("new", "deployment-web");
    if let Write::Create { object, .. } = &mut write {
        object["metadata"]["uid"] = json!("known");
    }
    let bases = Bases::collect(&reader, std::slice::from_ref(&write), None);
    let plan = text(&plan(&[write], None, &bases, NOW, || Uid::from("fresh")));
    assert!(plan.contains("\"uid\":\"known\""), "{plan}");
}
