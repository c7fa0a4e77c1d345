//! Decisions of CustomResourceDefinitions, as text.

use expect_test::{Expect, expect};

use super::CustomResourceDefinitionActor;
use crate::actors::testing::Cluster;

const WIDGETS: &str = r#"{"spec": {"group": "example.com", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}}}"#;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(&cluster.replace("WIDGETS", WIDGETS));
    expect.assert_eq(&cluster.decide::<CustomResourceDefinitionActor>("widgets.example.com").to_string());
    cluster.obeys_the_laws::<CustomResourceDefinitionActor>("widgets.example.com");
}

#[test]
fn names_that_are_free_are_granted() {
    check(
        "customresourcedefinition widgets.example.com WIDGETS",
        expect![[r#"
        status acceptedNames={"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"} NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted) storedVersions=[]
    "#]],
    );
}

#[test]
fn names_of_others_are_not() {
    check(
        r#"customresourcedefinition widgets.example.com WIDGETS
           customresourcedefinition gadgets.example.com {"spec": {"group": "example.com"}, "status": {"acceptedNames": {"plural": "gadgets", "kind": "Widget"}}}"#,
        expect![[r#"
            status acceptedNames={"kind":"","listKind":"WidgetList","plural":"widgets","singular":"widget"} NamesAccepted=False(KindConflict) Established=False(NotAccepted) storedVersions=[]
        "#]],
    );
}

#[test]
fn a_definition_goes_after_its_objects() {
    check(
        r#"customresourcedefinition widgets.example.com deleted finalizers=customresourcecleanup.apiextensions.k8s.io WIDGETS
           widget a in=shop"#,
        expect![[r#"
            delete widgets/a: the definition of its kind is being deleted
            status acceptedNames={"kind":"","plural":""} Terminating=True(InstanceDeletionInProgress) storedVersions=[]
        "#]],
    );
    check(
        "customresourcedefinition widgets.example.com deleted finalizers=customresourcecleanup.apiextensions.k8s.io WIDGETS",
        expect![[r#"
            patch customresourcedefinitions/widgets.example.com {"metadata":{"finalizers":[]}}: all objects of its kind are gone
            status acceptedNames={"kind":"","plural":""} Terminating=False(NeverEstablished) storedVersions=[]
        "#]],
    );
}

#[test]
fn the_last_conflict_is_told() {
    check(
        r#"customresourcedefinition widgets.example.com {"spec": {"group": "example.com", "names": {"plural": "widgets", "singular": "widget", "shortNames": ["w", "x"], "kind": "Widget", "listKind": "WidgetList"}}}
           customresourcedefinition gadgets.example.com {"spec": {"group": "example.com"}, "status": {"acceptedNames": {"plural": "gadgets", "singular": "widget", "shortNames": ["w", "x"], "kind": "Gadget"}}}"#,
        expect![[r#"
            status acceptedNames={"kind":"Widget","listKind":"WidgetList","plural":"widgets"} NamesAccepted=False(ShortNamesConflict) Established=False(NotAccepted) storedVersions=[]
        "#]],
    );
}

#[test]
fn a_bundle_that_is_none_keeps_a_definition_from_being_served() {
    let definition = WIDGETS.replace(
        "\"group\"",
        "\"conversion\": {\"webhook\": {\"clientConfig\": {\"caBundle\": \"bm9uZQ==\"}}}, \"group\"",
    );
    check(
        &format!("customresourcedefinition widgets.example.com {definition}"),
        expect![[r#"
            status acceptedNames={"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"} NamesAccepted=True(NoConflicts) Established=False(InvalidCABundle) storedVersions=[]
        "#]],
    );
}
