//! The roles that every cluster has, and who has them, as objects: read from `data/roles.yaml`, whose first lines explain it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::rbac::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, Rule, aggregated};
use api::views::LabelSelector;
use api::{ObjectKey, ResourceId};
use serde::Deserialize;
use serde_json::{Value, json};

const TEXT: &str = include_str!("../../data/roles.yaml");
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// On objects that the server keeps complete.
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// A role, as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Role {
    to: Vec<String>,
    rights: Vec<String>,
    aggregates: Option<String>,
    aggregates_to: Option<String>,
}

/// Every role and binding that a new cluster starts with; aggregated roles have their rules already.
pub fn objects() -> Vec<(ObjectKey, Value)> {
    // The file is part of the program, and a test reads it.
    let roles: BTreeMap<String, Role> = serde_yaml_ng::from_str(TEXT).unwrap_or_default();
    let mut rules: BTreeMap<&str, Vec<Rule>> =
        roles.iter().map(|(name, role)| (name.as_str(), rights(role))).collect();
    // One aggregated role may be part of another: view of edit, edit of admin.
    for _ in 0..roles.len() {
        rules = roles.iter().map(|(name, role)| (name.as_str(), complete(role, &roles, &rules))).collect();
    }
    let objects = roles.iter().flat_map(|(name, role)| {
        let rules = rules.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        std::iter::once(cluster_role(name, role, rules))
            .chain((!role.to.is_empty()).then(|| binding(name, role)))
    });
    objects.collect()
}

fn complete(role: &Role, roles: &BTreeMap<String, Role>, rules: &BTreeMap<&str, Vec<Rule>>) -> Vec<Rule> {
    let Some(aggregate) = &role.aggregates else { return rights(role) };
    let labelled: Vec<_> =
        roles.iter().filter_map(|(name, role)| Some((labels(role), rules.get(name.as_str())?))).collect();
    let parts: Vec<_> = labelled.iter().map(|(labels, rules)| (labels, rules.as_slice())).collect();
    let label: Arc<str> = aggregation_label(aggregate).into();
    let selector =
        LabelSelector { match_labels: [(label, "true".into())].into(), ..LabelSelector::default() };
    aggregated(&[selector], &parts).into_iter().cloned().collect()
}

fn labels(role: &Role) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut labels = BTreeMap::from([("kubernetes.io/bootstrapping".into(), "rbac-defaults".into())]);
    labels.extend(role.aggregates_to.as_ref().map(|to| (aggregation_label(to).into(), "true".into())));
    labels
}

fn aggregation_label(role: &str) -> String {
    format!("{GROUP}/aggregate-to-{role}")
}

fn cluster_role(name: &str, role: &Role, rules: &[Rule]) -> (ObjectKey, Value) {
    let mut object = object(CLUSTER_ROLES, "ClusterRole", name, &labels(role));
    crate::fields::set(&mut object, "rules", json!(rules));
    if let Some(aggregate) = &role.aggregates {
        let selectors = json!([{"matchLabels": {aggregation_label(aggregate): "true"}}]);
        crate::fields::set(&mut object, "aggregationRule", json!({"clusterRoleSelectors": selectors}));
    }
    (ObjectKey::cluster(CLUSTER_ROLES, name), object)
}

fn binding(name: &str, role: &Role) -> (ObjectKey, Value) {
    let mut object = object(CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding", name, &labels(&Role::default()));
    let subject = |group: &String| json!({"kind": "Group", "apiGroup": GROUP, "name": group});
    crate::fields::set(
        &mut object,
        "roleRef",
        json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name}),
    );
    crate::fields::set(&mut object, "subjects", role.to.iter().map(subject).collect::<Value>());
    (ObjectKey::cluster(CLUSTER_ROLE_BINDINGS, name), object)
}

fn object(resource: ResourceId, kind: &str, name: &str, labels: &BTreeMap<Arc<str>, Arc<str>>) -> Value {
    let api_version = format!("{}/v1", resource.group());
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "labels": labels, "annotations": {AUTO_UPDATE: "true"}},
    })
}

fn rights(role: &Role) -> Vec<Rule> {
    role.rights.iter().filter_map(|line| rule(line)).collect()
}

/// `read apps: deployments replicasets`, `get /livez /readyz`.
fn rule(line: &str) -> Option<Rule> {
    let (verbs, what) = line.split_once(' ')?;
    let verbs = verbs.split(',').flat_map(|verb| match verb {
        "read" => READ.to_vec(),
        "write" => WRITE.to_vec(),
        verb => vec![verb],
    });
    let verbs = verbs.map(str::to_owned).collect();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Some(match what.split_once(": ") {
        Some((group, resources)) => {
            Rule { verbs, api_groups: vec![group.to_owned()], resources: words(resources), ..Rule::default() }
        }
        None => Rule { verbs, non_resource_urls: words(what), ..Rule::default() },
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_role_is_valid_and_aggregated() {
        let mut lines = String::new();
        for (key, object) in objects() {
            let kind = api::kind(key.resource).unwrap();
            assert_eq!(kind.validate(&object, None), [], "{key}");
            let rules = api::rbac::rules_of(&object).len();
            let groups: Vec<&str> = api::json::items(&object, "/subjects")
                .iter()
                .map(|subject| api::json::text(subject, "/name"))
                .collect();
            lines += &format!("{key} {rules} {}\n", groups.join(" "));
        }
        expect![[r#"
            clusterroles.rbac.authorization.k8s.io/admin 23 
            clusterroles.rbac.authorization.k8s.io/cluster-admin 2 
            clusterrolebindings.rbac.authorization.k8s.io/cluster-admin 0 system:masters
            clusterroles.rbac.authorization.k8s.io/edit 21 
            clusterroles.rbac.authorization.k8s.io/system:aggregate-to-admin 2 
            clusterroles.rbac.authorization.k8s.io/system:aggregate-to-edit 12 
            clusterroles.rbac.authorization.k8s.io/system:aggregate-to-view 9 
            clusterroles.rbac.authorization.k8s.io/system:auth-delegator 2 
            clusterroles.rbac.authorization.k8s.io/system:basic-user 2 
            clusterrolebindings.rbac.authorization.k8s.io/system:basic-user 0 system:authenticated
            clusterroles.rbac.authorization.k8s.io/system:discovery 1 
            clusterrolebindings.rbac.authorization.k8s.io/system:discovery 0 system:authenticated
            clusterroles.rbac.authorization.k8s.io/system:monitoring 1 
            clusterrolebindings.rbac.authorization.k8s.io/system:monitoring 0 system:monitoring
            clusterroles.rbac.authorization.k8s.io/system:public-info-viewer 1 
            clusterrolebindings.rbac.authorization.k8s.io/system:public-info-viewer 0 system:authenticated system:unauthenticated
            clusterroles.rbac.authorization.k8s.io/view 9 
        "#]].assert_eq(&lines);
    }

    #[test]
    fn nobody_reads_secrets_by_viewing() {
        let objects = objects();
        let rules = |name: &str| {
            let (_, role) =
                objects.iter().find(|(key, _)| key.resource == CLUSTER_ROLES && *key.name == *name).unwrap();
            api::rbac::rules_of(role)
        };
        let wanted = api::rbac::Wanted { verb: "get", resource: "secrets", ..Default::default() };
        let may = |name| rules(name).iter().any(|rule| rule.allows(&wanted));
        assert_eq!([may("view"), may("edit"), may("admin"), may("cluster-admin")], [false, true, true, true]);
        assert!(rules("admin").iter().any(|rule| rule.allows(&api::rbac::Wanted {
            verb: "create",
            group: GROUP,
            resource: "rolebindings",
            ..Default::default()
        })));
    }
}
