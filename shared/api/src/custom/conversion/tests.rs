//! Reviews and answers of conversion webhooks, as text.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::ConversionWebhook;
use crate::Uid;

fn webhook(versions: &[&str]) -> ConversionWebhook {
    ConversionWebhook::of(&json!({
        "metadata": {"generation": 2},
        "spec": {"conversion": {"strategy": "Webhook", "webhook": {
            "conversionReviewVersions": versions, "clientConfig": {"url": "https://example.com/convert"}}}},
    }))
    .unwrap()
}

fn original(name: &str) -> Value {
    json!({
        "apiVersion": "stable.example.com/v1", "kind": "CronTab",
        "metadata": {
            "name": name, "namespace": "default", "uid": name, "generation": 1,
            "labels": {"kept": "yes", "lost": "yes"}, "annotations": {"lost": "yes"}},
        "spec": {"host": "a", "port": "1"},
    })
}

fn converted(name: &str) -> Value {
    json!({
        "apiVersion": "stable.example.com/v2", "kind": "CronTab",
        "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 7, "labels": {"kept": "yes", "new": "1"}},
        "spec": {"hostPort": "a:1"},
    })
}

fn answer(objects: &[Value]) -> Value {
    json!({
        "kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1",
        "response": {"uid": "u", "result": {"status": "Success"}, "convertedObjects": objects},
    })
}

/// What comes of an answer about one object, or about a list of two.
fn check(versions: &[&str], listed: bool, answer: &Value, expected: Expect) {
    let originals = if listed { vec![original("a"), original("b")] } else { vec![original("a")] };
    let body = answer.to_string();
    let uid = Uid::from("u");
    let read =
        webhook(versions).converted(body.as_bytes(), &originals, "stable.example.com/v2", &uid, listed);
    let text = match read {
        Ok(objects) => objects.iter().map(|object| format!("{object}\n")).collect::<String>(),
        Err(why) => why,
    };
    expected.assert_eq(&text);
}

/// The answer about one object, with one thing changed.
fn check_with(pointer: &str, value: Value, expected: Expect) {
    let mut answer = answer(&[converted("a")]);
    *answer.pointer_mut(pointer).unwrap() = value;
    check(&["v1"], false, &answer, expected);
}

#[test]
fn the_first_version_that_is_known_is_asked_in() {
    let ask = |versions: &[&str]| {
        let review = webhook(versions).request(&[original("a")], "stable.example.com/v2", &Uid::from("u"));
        review.map(|review| format!("{} {}", review["apiVersion"], review["request"]["desiredAPIVersion"]))
    };
    assert_eq!(ask(&["v1", "v1beta1"]).unwrap(), r#""apiextensions.k8s.io/v1" "stable.example.com/v2""#);
    assert_eq!(
        ask(&["v7", "v1beta1", "v1"]).unwrap(),
        r#""apiextensions.k8s.io/v1beta1" "stable.example.com/v2""#
    );
    assert_eq!(ask(&["v7"]).unwrap_err(), "no supported conversion review versions");
    let review =
        webhook(&["v1"]).request(&[original("a")], "stable.example.com/v2", &Uid::from("u")).unwrap();
    expect![[r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"desiredAPIVersion":"stable.example.com/v2","objects":[{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"annotations":{"lost":"yes"},"generation":1,"labels":{"kept":"yes","lost":"yes"},"name":"a","namespace":"default","uid":"a"},"spec":{"host":"a","port":"1"}}],"uid":"u"}}"#]].assert_eq(&review.to_string());
}

#[test]
fn only_labels_and_annotations_of_the_metadata_change() {
    check(
        &["v1"],
        false,
        &answer(&[converted("a")]),
        expect![[r#"
        {"apiVersion":"stable.example.com/v2","kind":"CronTab","metadata":{"generation":1,"labels":{"kept":"yes","new":"1"},"name":"a","namespace":"default","uid":"a"},"spec":{"hostPort":"a:1"}}
    "#]],
    );
    check(
        &["v1"],
        true,
        &answer(&[converted("a"), converted("b")]),
        expect![[r#"
        {"apiVersion":"stable.example.com/v2","kind":"CronTab","metadata":{"generation":1,"labels":{"kept":"yes","new":"1"},"name":"a","namespace":"default","uid":"a"},"spec":{"hostPort":"a:1"}}
        {"apiVersion":"stable.example.com/v2","kind":"CronTab","metadata":{"generation":1,"labels":{"kept":"yes","new":"1"},"name":"b","namespace":"default","uid":"b"},"spec":{"hostPort":"a:1"}}
    "#]],
    );
}

#[test]
fn answers_to_something_else_are_refused() {
    check_with(
        "/apiVersion",
        json!("apiextensions.k8s.io/v1beta1"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1beta1, Kind=ConversionReview"
        ],
    );
    check_with(
        "/kind",
        json!("AdmissionReview"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=AdmissionReview"
        ],
    );
    check_with(
        "/response",
        Value::Null,
        expect!["conversion webhook for stable.example.com/v1, Kind=CronTab failed: no response provided"],
    );
    check_with(
        "/response/uid",
        json!("other"),
        expect![[
            r#"conversion webhook for stable.example.com/v1, Kind=CronTab failed: expected response.uid="u", got "other""#
        ]],
    );
    check_with(
        "/response/result",
        json!({"status": "Failure", "message": "it is too old"}),
        expect!["conversion webhook for stable.example.com/v1, Kind=CronTab failed: it is too old"],
    );
    check_with(
        "/response/result",
        json!({"status": "Failure"}),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab failed: response.result.status was 'Failure', not 'Success'"
        ],
    );
    check_with(
        "/response/result",
        json!({}),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab failed: response.result.status was '', not 'Success'"
        ],
    );
    check_with(
        "/response/convertedObjects",
        json!([]),
        expect!["conversion webhook for stable.example.com/v1, Kind=CronTab returned 0 objects, expected 1"],
    );
    // Who speaks v1beta1 is not asked whom he means.
    let mut old = answer(&[converted("a")]);
    old["response"]["uid"] = json!("other");
    old["apiVersion"] = json!("nonsense");
    check(
        &["v1beta1"],
        false,
        &old,
        expect![[r#"
        {"apiVersion":"stable.example.com/v2","kind":"CronTab","metadata":{"generation":1,"labels":{"kept":"yes","new":"1"},"name":"a","namespace":"default","uid":"a"},"spec":{"hostPort":"a:1"}}
    "#]],
    );
}

#[test]
fn answers_with_other_objects_are_refused() {
    const OBJECT: &str = "/response/convertedObjects/0";
    let at = |pointer: &str| format!("{OBJECT}{pointer}");
    check_with(
        &at("/apiVersion"),
        json!("stable.example.com/v3"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object at index 0: invalid groupVersion (expected stable.example.com/v2, received stable.example.com/v3)"
        ],
    );
    check_with(
        &at("/kind"),
        json!("CronTub"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object at index 0: invalid kind (expected CronTab, received CronTub)"
        ],
    );
    check_with(
        &at("/metadata/name"),
        json!("b"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object: must have the same name: a != b"
        ],
    );
    check_with(
        &at("/metadata/namespace"),
        json!("other"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object: must have the same namespace: default != other"
        ],
    );
    check_with(
        &at("/metadata/uid"),
        json!("other"),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object: must have the same UID: a != other"
        ],
    );
    check_with(
        &at("/metadata/labels"),
        json!([]),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid metadata: invalid metadata.labels of type []interface {} in converted object"
        ],
    );
    check_with(
        &at("/metadata/labels"),
        json!({"a": 1}),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object"
        ],
    );
    check_with(
        &at("/metadata/labels"),
        json!({"a": "b c", "d/e/f": ""}),
        expect![[
            r#"conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid metadata: [metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'), metadata.labels: Invalid value: "d/e/f": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')]"#
        ]],
    );
    let mut bare = converted("a");
    bare["metadata"] = json!("none");
    check(
        &["v1"],
        false,
        &answer(&[bare]),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid object: must have the same name: a != "
        ],
    );
}

#[test]
fn elements_of_lists_have_places() {
    let with = |pointer: &str, value: Value| {
        let mut second = converted("b");
        *second.pointer_mut(pointer).unwrap() = value;
        answer(&[converted("a"), second])
    };
    check(
        &["v1"],
        true,
        &with("/apiVersion", json!("stable.example.com/v3")),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid converted object at index 1: invalid groupVersion (expected stable.example.com/v2, received stable.example.com/v3)"
        ],
    );
    check(
        &["v1"],
        true,
        &with("/metadata/uid", json!("c")),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid converted object at index 1: must have the same UID: b != c"
        ],
    );
    check(
        &["v1"],
        true,
        &with("/metadata/labels", json!(1)),
        expect![
            "conversion webhook for stable.example.com/v1, Kind=CronTab returned invalid metadata in object at index 1: invalid metadata.labels of type int64 in converted object"
        ],
    );
    check(
        &["v1"],
        true,
        &answer(&[converted("a")]),
        expect!["conversion webhook for stable.example.com/v1, Kind=CronTab returned 1 objects, expected 2"],
    );
}
