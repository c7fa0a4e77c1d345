//! Which writes are asked about, as text, and what becomes of the answers.

use std::fmt::Write as _;

use api::Uid;
use bus::View;
use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::write::Propagation;

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": name, "labels": {"kubernetes.io/metadata.name": name}}})
}

/// A configuration of one webhook about pods and Jobs of the namespace `asked`.
fn webhook(kind: &str, operations: &[&str], seconds: u64) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": kind.to_lowercase(), "uid": kind},
        "webhooks": [{
            "name": "a.b.c", "timeoutSeconds": seconds, "clientConfig": {"url": "https://x/"},
            "rules": [{"operations": operations, "apiGroups": ["", "batch"], "apiVersions": ["v1"], "resources": ["pods", "jobs"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "asked"}},
        }],
    })
}

fn policy() -> Value {
    let rules = json!({"resourceRules": [{"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["*"]}]});
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p", "uid": "p"},
        "spec": {"matchConstraints": rules, "validations": [{"expression": "true"}]}})
}

fn binding() -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b", "uid": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny"]}})
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "uid": name}, "spec": {"containers": []}})
}

fn create(resource: &'static str, namespace: &str, name: &str) -> Write {
    let key = ObjectKey::namespaced(ResourceId::new(resource), namespace, name);
    let object = json!({"metadata": {"name": name, "namespace": namespace}});
    Write::Create { key, object, because: String::new(), event: None }
}

fn delete(namespace: &str, name: &str, uid: &str) -> Write {
    Write::Delete {
        key: ObjectKey::namespaced(ResourceId::new("pods"), namespace, name),
        uid: Uid::from(uid),
        grace: None,
        propagation: Propagation::Background,
        because: String::new(),
        event: None,
    }
}

fn check(configured: Vec<Value>, expect: Expect) {
    let ending = {
        let mut ending = pod("asked", "ending");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        ending
    };
    let there = [namespace("asked"), namespace("free"), pod("asked", "old"), ending];
    let view = View::of(there.into_iter().chain(configured));
    let writes = [
        create("pods", "asked", "new"),
        create("pods", "asked", "old"),
        create("pods", "free", "new"),
        create("jobs.batch", "asked", "new"),
        create("replicasets.apps", "free", "new"),
        delete("asked", "old", "old"),
        delete("asked", "old", "another"),
        delete("asked", "ending", "ending"),
    ];
    let mut text = String::new();
    for question in Watch::default().questions(&view.read(), "replicasets.apps", &writes) {
        let Question { place, patience, asked } = question;
        let verb = writes[place].verb();
        writeln!(text, "{verb} {} as {} within {patience:?}", asked.key, asked.account).unwrap();
    }
    expect.assert_eq(&text);
}

#[test]
fn nobody_is_asked_where_nothing_is_configured() {
    check(Vec::new(), expect![""]);
    check(vec![policy()], expect![""]);
}

#[test]
fn those_who_wish_are_asked_about_what_is_new_or_goes() {
    check(
        vec![webhook("MutatingWebhookConfiguration", &["CREATE"], 3)],
        expect![[r#"
        create pods/asked/new as replicaset-controller within 8s
        create jobs.batch/asked/new as replicaset-controller within 8s
    "#]],
    );
    check(
        vec![
            webhook("MutatingWebhookConfiguration", &["CREATE"], 3),
            webhook("ValidatingWebhookConfiguration", &["*"], 7),
        ],
        expect![[r#"
            create pods/asked/new as replicaset-controller within 15s
            create jobs.batch/asked/new as replicaset-controller within 15s
            delete pods/asked/old as replicaset-controller within 12s
        "#]],
    );
    check(
        vec![policy(), binding()],
        expect![[r#"
        create replicasets.apps/free/new as replicaset-controller within 5s
    "#]],
    );
}

/// A definition of crontabs that are served in two versions.
fn crontabs() -> Value {
    let version = |name: &str, storage: bool| {
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({"name": name, "served": true, "storage": storage, "schema": schema})
    };
    let names =
        json!({"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList"});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.example.com", "uid": "crd"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version("v2", false), version("v1", true)]},
        "status": {"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]},
    })
}

#[test]
fn custom_objects_are_asked_about_in_every_version_that_is_served() {
    let about = |version: &str| {
        let rule = json!([{"operations": ["DELETE"], "apiGroups": ["example.com"], "apiVersions": [version], "resources": ["crontabs"]}]);
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "v", "uid": "v"},
            "webhooks": [{"name": "a.b.c", "timeoutSeconds": 3, "clientConfig": {"url": "https://x/"}, "rules": rule}]})
    };
    let key = ObjectKey::namespaced(ResourceId::intern("crontabs.example.com"), "asked", "c");
    let object = json!({"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": "c", "namespace": "asked", "uid": "c"}});
    let questions = |configured: Vec<Value>| {
        let view = View::of(configured);
        let at = view.revision().0 + 1;
        view.apply(bus::ChangeKind::Put, Stored::test_at(key.clone(), object.clone(), at));
        let write = Write::Delete {
            key: key.clone(),
            uid: Uid::from("c"),
            grace: None,
            propagation: Propagation::Background,
            because: String::new(),
            event: None,
        };
        Watch::default().questions(&view.read(), "collector", &[write]).len()
    };
    assert_eq!(questions(vec![crontabs(), about("v1")]), 1);
    assert_eq!(questions(vec![crontabs(), about("v2")]), 1);
    assert_eq!(questions(vec![crontabs(), about("v3")]), 0);
    assert_eq!(questions(vec![about("v1")]), 0, "nobody serves them");
}

#[test]
fn a_changed_configuration_counts_at_once() {
    let view = View::of([namespace("asked"), webhook("ValidatingWebhookConfiguration", &["UPDATE"], 7)]);
    let (watch, writes) = (Watch::default(), [create("pods", "asked", "new")]);
    assert_eq!(watch.questions(&view.read(), "jobs.batch", &writes).len(), 0);
    let view = View::of([namespace("asked"), webhook("ValidatingWebhookConfiguration", &["CREATE"], 7)]);
    assert_eq!(watch.questions(&view.read(), "jobs.batch", &writes).len(), 1);
}

#[test]
fn what_is_admitted_replaces_what_was_wanted() {
    let names = ["a", "b", "c", "d"];
    let key = |name: &str| ObjectKey::namespaced(ResourceId::new("pods"), "asked", name);
    let mut answers = Answers::default();
    let admitted = AdmissionAnswer { object: Some(pod("asked", "a")), refused: None };
    answers.note(0, key("a"), Ok(admitted));
    answers.note(1, key("b"), Ok(AdmissionAnswer { object: None, refused: Some("no".to_owned()) }));
    let nobody = RequestError::NoResponders { subject: SUBJECT.to_owned() };
    answers.note(2, key("c"), Err(nobody));
    answers.left = vec![3];
    let writes = answers.apply(names.iter().map(|name| create("pods", "asked", name)).collect());
    let mut text = String::new();
    for write in &writes {
        let Write::Create { key, object, .. } = write else { continue };
        writeln!(text, "{} {object} {:?}", key.name, answers.refused.get(key)).unwrap();
    }
    expect![[r#"
        a {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"asked","uid":"a"},"spec":{"containers":[]}} None
        b {"metadata":{"name":"b","namespace":"asked"}} Some("no")
        c {"metadata":{"name":"c","namespace":"asked"}} Some("failed to ask for admission: nobody answers on `odeon.gateway.admit`")
    "#]].assert_eq(&text);
}
