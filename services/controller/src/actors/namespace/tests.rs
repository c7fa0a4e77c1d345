//! Decisions of Namespaces, as text.

use actor::Refusal;
use api::views::Namespace;
use api::{ObjectKey, Resource};
use expect_test::{Expect, expect};

use super::NamespaceActor;
use crate::actors::testing::Cluster;

fn check(cluster: &str, expect: Expect) {
    let cluster = Cluster::of(cluster);
    expect.assert_eq(&cluster.decide::<NamespaceActor>("shop").to_string());
    cluster.obeys_the_laws::<NamespaceActor>("shop");
}

#[test]
fn a_new_namespace_is_furnished() {
    check(
        r#"namespace shop
           configmap kube-root-ca.crt in=kube-system {"data": {"ca.crt": "new"}}"#,
        expect![[r#"
            create serviceaccounts/default: every namespace has a default service account
            create configmaps/kube-root-ca.crt: every namespace knows the cluster's certificate authority
            status phase=Active
        "#]],
    );
}

#[test]
fn an_outdated_authority_is_renewed() {
    check(
        r#"namespace shop {"status": {"phase": "Active"}}
           serviceaccount default in=shop
           configmap kube-root-ca.crt in=kube-system {"data": {"ca.crt": "new"}}
           configmap kube-root-ca.crt in=shop {"data": {"ca.crt": "old"}}"#,
        expect![[r#"
            patch configmaps/kube-root-ca.crt {"data":{"ca.crt":"new"}}: every namespace knows the cluster's certificate authority
        "#]],
    );
}

#[test]
fn what_makes_pods_goes_before_the_pods() {
    check(
        "namespace shop deleted
         deployment web in=shop
         replicaset web-one in=shop owner=deployment/web
         pod web-a in=shop owner=replicaset/web-one node=n
         configmap settings in=shop finalizers=example.com/hold",
        expect![[r#"
            delete deployments/web: its namespace is being deleted
            delete replicasets/web-one: its namespace is being deleted
            status NamespaceDeletionDiscoveryFailure=False(ResourcesDiscovered) NamespaceDeletionGroupVersionParsingFailure=False(ParsedGroupVersions) NamespaceDeletionContentFailure=False(ContentDeleted) NamespaceContentRemaining=True(SomeResourcesRemain) NamespaceFinalizersRemaining=True(SomeFinalizersRemain) phase=Terminating
        "#]],
    );
}

#[test]
fn then_pods_end_gracefully_before_what_they_rely_on() {
    check(
        "namespace shop deleted
         pod web-a in=shop node=n
         pod web-b in=shop node=n deleted=30
         configmap settings in=shop",
        expect![[r#"
            delete pods/web-a: its namespace is being deleted
            status NamespaceDeletionDiscoveryFailure=False(ResourcesDiscovered) NamespaceDeletionGroupVersionParsingFailure=False(ParsedGroupVersions) NamespaceDeletionContentFailure=False(ContentDeleted) NamespaceContentRemaining=True(SomeResourcesRemain) NamespaceFinalizersRemaining=False(ContentHasNoFinalizers) phase=Terminating
        "#]],
    );
}

#[test]
fn an_empty_namespace_is_let_go() {
    check(
        "namespace shop deleted",
        expect![[r#"
        finish namespaces/shop: everything in it is gone
    "#]],
    );
}

#[test]
fn finalizers_of_others_are_respected() {
    check(
        "namespace shop deleted finalizers=example.com/hold",
        expect![[r#"
        patch namespaces/shop {"spec":{"finalizers":[]}}: everything in it is gone
    "#]],
    );
}

#[test]
fn what_may_not_be_deleted_keeps_no_pods() {
    let text = "namespace shop deleted
         deployment web in=shop
         pod web-a in=shop node=n
         configmap settings in=shop";
    let told = |text: &str| {
        let cluster = Cluster::of(text);
        let message = "deployments.apps \"web\" is forbidden: no".to_owned();
        let refusal = Refusal { reason: "FailedDelete", message };
        cluster.facts.note_refusal(&ObjectKey::cluster(Namespace::ID, "shop"), Some(refusal));
        cluster.decide::<NamespaceActor>("shop").to_string()
    };
    expect![[r#"
        delete deployments/web: its namespace is being deleted
        delete pods/web-a: its namespace is being deleted
        status NamespaceDeletionDiscoveryFailure=False(ResourcesDiscovered) NamespaceDeletionGroupVersionParsingFailure=False(ParsedGroupVersions) NamespaceDeletionContentFailure=True(ContentDeletionFailed) NamespaceContentRemaining=True(SomeResourcesRemain) NamespaceFinalizersRemaining=False(ContentHasNoFinalizers) phase=Terminating
    "#]].assert_eq(&told(text));
    expect![[r#"
        delete configmaps/settings: its namespace is being deleted
        delete deployments/web: its namespace is being deleted
        status NamespaceDeletionDiscoveryFailure=False(ResourcesDiscovered) NamespaceDeletionGroupVersionParsingFailure=False(ParsedGroupVersions) NamespaceDeletionContentFailure=True(ContentDeletionFailed) NamespaceContentRemaining=True(SomeResourcesRemain) NamespaceFinalizersRemaining=False(ContentHasNoFinalizers) phase=Terminating
    "#]].assert_eq(&told(&text.replace("pod web-a in=shop node=n", "")));
}
