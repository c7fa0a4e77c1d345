//! The roles that every cluster has, and who has them, as objects: read from `data/roles.yaml` and `data/controller_roles.yaml`, whose
//! first lines explain them.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::rbac::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, Rule, aggregated};
use api::views::LabelSelector;
use api::{ObjectKey, ResourceId};
use serde::Deserialize;
use serde_json::{Value, json};

const TEXT: &str = include_str!("../../data/roles.yaml");
const CONTROLLERS: &str = include_str!("../../data/controller_roles.yaml");
/// Where the accounts of controllers are.
const SYSTEM: &str = "kube-system";
const EVENTS: &str = "create,patch,update ,events.k8s.io: events";
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
        std::iter::once(cluster_role(name, role, rules)).chain(
            (!role.to.is_empty()).then(|| binding(name, role.to.iter().map(|group| group_named(group)))),
        )
    });
    objects.chain(of_controllers()).collect()
}

/// A role and a binding for each controller.
fn of_controllers() -> impl Iterator<Item = (ObjectKey, Value)> {
    // The file is part of the program, and a test reads it.
    let controllers: BTreeMap<String, Vec<String>> = serde_yaml_ng::from_str(CONTROLLERS).unwrap_or_default();
    controllers.into_iter().flat_map(|(account, rights)| {
        let (name, role) = (format!("system:controller:{account}"), Role { rights, ..Role::default() });
        let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": SYSTEM});
        [cluster_role(&name, &role, &self::rights(&role)), binding(&name, std::iter::once(subject))]
    })
}

fn group_named(name: &str) -> Value {
    json!({"kind": "Group", "apiGroup": GROUP, "name": name})
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

fn binding(name: &str, subjects: impl Iterator<Item = Value>) -> (ObjectKey, Value) {
    let mut object = object(CLUSTER_ROLE_BINDINGS, "ClusterRoleBinding", name, &labels(&Role::default()));
    crate::fields::set(
        &mut object,
        "roleRef",
        json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name}),
    );
    crate::fields::set(&mut object, "subjects", subjects.collect::<Value>());
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

/// `read apps: deployments replicasets`, `approve certificates.k8s.io: signers = a/b`, `get /livez /readyz`, `events`. Words are sorted,
/// as Kubernetes writes them.
fn rule(line: &str) -> Option<Rule> {
    let line = if line == "events" { EVENTS } else { line };
    let (verbs, what) = line.split_once(' ')?;
    let verbs = verbs.split(',').flat_map(|verb| match verb {
        "read" => READ.to_vec(),
        "write" => WRITE.to_vec(),
        verb => vec![verb],
    });
    let verbs = sorted(verbs);
    Some(match what.split_once(": ") {
        Some((groups, what)) => {
            let (resources, names) = what.split_once(" = ").unwrap_or((what, ""));
            Rule {
                verbs,
                api_groups: sorted(groups.split(',')),
                resources: sorted(resources.split_whitespace()),
                resource_names: sorted(names.split_whitespace()),
                ..Rule::default()
            }
        }
        None => Rule { verbs, non_resource_urls: sorted(what.split_whitespace()), ..Rule::default() },
    })
}

fn sorted<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// `name: how many rules, for whom`, one line per role, of those that are for controllers or of the others.
    fn shown(for_controllers: bool) -> String {
        let mut roles: std::collections::BTreeMap<String, (usize, Vec<String>)> = Default::default();
        for (key, object) in objects() {
            let kind = api::kind(key.resource).unwrap();
            assert_eq!(kind.validate(&object, None), [], "{key}");
            let (rules, subjects) = roles.entry(key.name.to_string()).or_default();
            *rules += api::rbac::rules_of(&object).len();
            let names = api::json::items(&object, "/subjects").iter();
            subjects.extend(names.map(|subject| api::json::text(subject, "/name").to_owned()));
        }
        let wanted =
            roles.iter().filter(|(name, _)| name.starts_with("system:controller:") == for_controllers);
        let line = |(name, (rules, subjects)): (&String, &(usize, Vec<String>))| {
            format!("{name}: {rules} {}", subjects.join(" ")).trim_end().to_owned() + "\n"
        };
        wanted.map(line).collect()
    }

    #[test]
    fn every_role_is_valid_and_aggregated() {
        expect![[r#"
            admin: 23
            cluster-admin: 2 system:masters
            edit: 21
            system:aggregate-to-admin: 2
            system:aggregate-to-edit: 12
            system:aggregate-to-view: 9
            system:auth-delegator: 2
            system:basic-user: 2 system:authenticated
            system:certificates.k8s.io:kube-apiserver-client-approver: 1
            system:certificates.k8s.io:kube-apiserver-client-kubelet-approver: 1
            system:certificates.k8s.io:kubelet-serving-approver: 1
            system:certificates.k8s.io:legacy-unknown-approver: 1
            system:discovery: 1 system:authenticated
            system:kubelet-api-admin: 3
            system:monitoring: 1 system:monitoring
            system:node-problem-detector: 3
            system:persistent-volume-provisioner: 5
            system:public-info-viewer: 1 system:authenticated system:unauthenticated
            view: 9
        "#]]
        .assert_eq(&shown(false));
    }

    #[test]
    fn every_controller_has_a_valid_role() {
        expect![[r#"
            system:controller:certificate-controller: 6 certificate-controller
            system:controller:clusterrole-aggregation-controller: 1 clusterrole-aggregation-controller
            system:controller:cronjob-controller: 6 cronjob-controller
            system:controller:daemon-set-controller: 8 daemon-set-controller
            system:controller:deployment-controller: 6 deployment-controller
            system:controller:disruption-controller: 9 disruption-controller
            system:controller:endpoint-controller: 4 endpoint-controller
            system:controller:endpointslice-controller: 4 endpointslice-controller
            system:controller:ephemeral-volume-controller: 4 ephemeral-volume-controller
            system:controller:expand-controller: 5 expand-controller
            system:controller:generic-garbage-collector: 2 generic-garbage-collector
            system:controller:horizontal-pod-autoscaler: 8 horizontal-pod-autoscaler
            system:controller:job-controller: 5 job-controller
            system:controller:namespace-controller: 3 namespace-controller
            system:controller:node-controller: 5 node-controller
            system:controller:persistent-volume-binder: 10 persistent-volume-binder
            system:controller:pod-garbage-collector: 3 pod-garbage-collector
            system:controller:pv-protection-controller: 2 pv-protection-controller
            system:controller:pvc-protection-controller: 3 pvc-protection-controller
            system:controller:replicaset-controller: 5 replicaset-controller
            system:controller:replication-controller: 5 replication-controller
            system:controller:resourcequota-controller: 3 resourcequota-controller
            system:controller:root-ca-cert-publisher: 2 root-ca-cert-publisher
            system:controller:service-account-controller: 2 service-account-controller
            system:controller:statefulset-controller: 10 statefulset-controller
            system:controller:ttl-after-finished-controller: 2 ttl-after-finished-controller
        "#]]
        .assert_eq(&shown(true));
    }

    #[test]
    fn every_account_that_is_asked_as_has_a_role() {
        let roles: Vec<String> = objects().iter().map(|(key, _)| key.name.to_string()).collect();
        let lines = CONTROLLERS.lines().filter(|line| line.starts_with("- ")).count();
        let rules: usize = of_controllers().map(|(_, object)| api::rbac::rules_of(&object).len()).sum();
        assert_eq!(rules, lines, "every line is a rule");
        for (actor, resource) in [
            ("deployments.apps", "replicasets.apps"),
            ("replicasets.apps", "pods"),
            ("replicationcontrollers", "pods"),
            ("statefulsets.apps", "pods"),
            ("daemonsets.apps", "pods"),
            ("jobs.batch", "pods"),
            ("cronjobs.batch", "jobs.batch"),
            ("services", "endpoints"),
            ("services", "endpointslices.discovery.k8s.io"),
            ("namespaces", "serviceaccounts"),
            ("namespaces", "configmaps"),
            ("namespaces", "pods"),
            ("persistentvolumes", "persistentvolumes"),
            ("pod-claims", "persistentvolumeclaims"),
            ("collector", "pods"),
            (
                "certificatesigningrequests.certificates.k8s.io",
                "certificatesigningrequests.certificates.k8s.io",
            ),
        ] {
            let account = api::hooks::controllers::account(actor, ResourceId::new(resource)).unwrap();
            assert!(roles.contains(&format!("system:controller:{account}")), "{account}");
        }
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
