//! Decisions, as text: roles and bindings, then requests and what becomes of them.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::super::follow::Known;
use super::*;
use crate::access::refusal;
use crate::path::{self, Place, Query};

const POLICY: &str = r#"
- {kind: ClusterRole, metadata: {name: reader}, rules: [{verbs: [get, list, watch], apiGroups: ["", apps], resources: ["*"]}]}
- {kind: ClusterRole, metadata: {name: paths}, rules: [{verbs: [get], nonResourceURLs: [/metrics, /apis/*]}]}
- {kind: Role, metadata: {name: one, namespace: web}, rules: [{verbs: [get, watch, update], apiGroups: [""], resources: [configmaps], resourceNames: [c]}]}
- {kind: RoleBinding, metadata: {name: readers, namespace: web}, roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: User, name: jane}]}
- {kind: RoleBinding, metadata: {name: ones, namespace: web}, roleRef: {kind: Role, name: one}, subjects: [{kind: ServiceAccount, name: robot}]}
- {kind: RoleBinding, metadata: {name: lost, namespace: web}, roleRef: {kind: Role, name: gone}, subjects: [{kind: User, name: jim}]}
- {kind: ClusterRoleBinding, metadata: {name: watchers}, roleRef: {kind: ClusterRole, name: paths}, subjects: [{kind: Group, name: ops}]}
- {kind: ClusterRoleBinding, metadata: {name: ops}, roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: Group, name: ops}]}
"#;

fn policy() -> Policy {
    let objects: Vec<Value> = serde_yaml_ng::from_str(POLICY).unwrap();
    let view = bus::View::of(objects.into_iter().map(|mut object| {
        object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
        object
    }));
    Known::of(&view).policy()
}

fn wish(line: &str) -> Wish {
    let (method, path) = line.split_once(' ').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match path::parse(path) {
        Ok(Place::Objects(path)) => Wish::Resource(ResourceWish::of(method, &path, &Query::parse(query))),
        _ => Wish::Path { verb: method.to_lowercase(), path: path.to_owned() },
    }
}

fn check(user: &User, lines: &[&str], expected: Expect) {
    let policy = policy();
    let answers = lines.iter().map(|line| {
        let wish = wish(line);
        assert_eq!(policy.decide(&User::admin(), &wish), Verdict::Allowed { because: String::new() });
        match policy.decide(user, &wish) {
            Verdict::Allowed { because } => format!("{line}\n    yes: {because}\n"),
            Verdict::Denied { because } => {
                format!("{line}\n    {}\n", refusal::of(user, &wish, &because).status.message)
            }
        }
    });
    expected.assert_eq(&answers.collect::<String>());
}

#[test]
fn users_have_what_bindings_of_their_namespace_give() {
    check(
        &User::named("jane", Vec::new()),
        &[
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods/a/log",
            "GET /apis/apps/v1/namespaces/web/deployments/d",
            "GET /api/v1/namespaces/web",
            "GET /api/v1/namespaces/other/pods",
            "GET /api/v1/pods",
            "GET /api/v1/namespaces/web/pods/a/exec",
            "DELETE /api/v1/namespaces/web/pods",
            "GET /metrics",
        ],
        expect![[r#"
            GET /api/v1/namespaces/web/pods
                yes: RBAC: allowed by RoleBinding "readers/web" of ClusterRole "reader" to User "jane"
            GET /api/v1/namespaces/web/pods/a/log
                yes: RBAC: allowed by RoleBinding "readers/web" of ClusterRole "reader" to User "jane"
            GET /apis/apps/v1/namespaces/web/deployments/d
                yes: RBAC: allowed by RoleBinding "readers/web" of ClusterRole "reader" to User "jane"
            GET /api/v1/namespaces/web
                yes: RBAC: allowed by RoleBinding "readers/web" of ClusterRole "reader" to User "jane"
            GET /api/v1/namespaces/other/pods
                pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "other"
            GET /api/v1/pods
                pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope
            GET /api/v1/namespaces/web/pods/a/exec
                pods "a" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "web"
            DELETE /api/v1/namespaces/web/pods
                pods is forbidden: User "jane" cannot deletecollection resource "pods" in API group "" in the namespace "web"
            GET /metrics
                forbidden: User "jane" cannot get path "/metrics"
        "#]],
    );
}

#[test]
fn service_accounts_are_bound_by_name_and_names_of_objects_count() {
    check(
        &User::of_service_account("web", "robot", "u", "j"),
        &[
            "GET /api/v1/namespaces/web/configmaps/c",
            "GET /api/v1/namespaces/web/configmaps/d",
            "GET /api/v1/namespaces/web/configmaps?watch=1&fieldSelector=metadata.name%3Dc",
            "GET /api/v1/namespaces/web/configmaps?watch=1",
            "PATCH /api/v1/namespaces/web/configmaps/c",
            "PUT /api/v1/namespaces/web/configmaps/c",
        ],
        expect![[r#"
            GET /api/v1/namespaces/web/configmaps/c
                yes: RBAC: allowed by RoleBinding "ones/web" of Role "one" to ServiceAccount "robot/web"
            GET /api/v1/namespaces/web/configmaps/d
                configmaps "d" is forbidden: User "system:serviceaccount:web:robot" cannot get resource "configmaps" in API group "" in the namespace "web"
            GET /api/v1/namespaces/web/configmaps?watch=1&fieldSelector=metadata.name%3Dc
                yes: RBAC: allowed by RoleBinding "ones/web" of Role "one" to ServiceAccount "robot/web"
            GET /api/v1/namespaces/web/configmaps?watch=1
                configmaps is forbidden: User "system:serviceaccount:web:robot" cannot watch resource "configmaps" in API group "" in the namespace "web"
            PATCH /api/v1/namespaces/web/configmaps/c
                configmaps "c" is forbidden: User "system:serviceaccount:web:robot" cannot patch resource "configmaps" in API group "" in the namespace "web"
            PUT /api/v1/namespaces/web/configmaps/c
                yes: RBAC: allowed by RoleBinding "ones/web" of Role "one" to ServiceAccount "robot/web"
        "#]],
    );
}

#[test]
fn groups_have_what_is_given_everywhere() {
    check(
        &User::named("olga", vec!["ops".to_owned()]),
        &[
            "GET /api/v1/pods",
            "GET /api/v1/nodes/n",
            "GET /metrics",
            "GET /apis/apps",
            "POST /metrics",
            "GET /version",
        ],
        expect![[r#"
            GET /api/v1/pods
                yes: RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "reader" to Group "ops"
            GET /api/v1/nodes/n
                yes: RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "reader" to Group "ops"
            GET /metrics
                yes: RBAC: allowed by ClusterRoleBinding "watchers" of ClusterRole "paths" to Group "ops"
            GET /apis/apps
                yes: RBAC: allowed by ClusterRoleBinding "watchers" of ClusterRole "paths" to Group "ops"
            POST /metrics
                forbidden: User "olga" cannot post path "/metrics"
            GET /version
                forbidden: User "olga" cannot get path "/version"
        "#]],
    );
}

#[test]
fn a_role_that_is_not_there_is_named() {
    check(
        &User::named("jim", Vec::new()),
        &["GET /api/v1/namespaces/web/pods", "GET /api/v1/pods"],
        expect![[r#"
            GET /api/v1/namespaces/web/pods
                pods is forbidden: User "jim" cannot list resource "pods" in API group "" in the namespace "web": RBAC: role.rbac.authorization.k8s.io "gone" not found
            GET /api/v1/pods
                pods is forbidden: User "jim" cannot list resource "pods" in API group "" at the cluster scope
        "#]],
    );
}

#[test]
fn rules_are_listed_for_a_namespace() {
    let shown = |user: &User, namespace: &str| {
        let review = policy().rules_review(user, namespace);
        let count = |list: &str| review[list].as_array().unwrap().len();
        (count("resourceRules"), count("nonResourceRules"), review["incomplete"].clone())
    };
    assert_eq!(shown(&User::named("jane", Vec::new()), "web"), (1, 0, false.into()));
    assert_eq!(shown(&User::named("jane", vec!["ops".to_owned()]), "web"), (2, 1, false.into()));
    assert_eq!(shown(&User::named("jane", Vec::new()), "other"), (0, 0, false.into()));
    assert_eq!(shown(&User::named("jim", Vec::new()), "web"), (0, 0, true.into()));
}
