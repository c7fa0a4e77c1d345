//! Roles and disruption budgets as people use them: with kubectl.

use std::time::Duration;

use odeon_tests::{Cluster, eventually};

const SOON: Duration = Duration::from_secs(30);

fn kubectl(cluster: &Cluster, arguments: &str) -> String {
    cluster.kubectl(&arguments.split(' ').collect::<Vec<_>>()).ok()
}

fn refused(cluster: &Cluster, arguments: &str) -> String {
    cluster.kubectl(&arguments.split(' ').collect::<Vec<_>>()).err()
}

fn can_i(cluster: &Cluster, arguments: &str) -> String {
    let words = format!("auth can-i {arguments}");
    cluster.kubectl(&words.split(' ').collect::<Vec<_>>()).stdout.trim().to_owned()
}

#[test]
fn roles_are_made_bound_and_shown() {
    let cluster = Cluster::hollow(1);
    assert_eq!(can_i(&cluster, "list pods --as=jane"), "no");
    kubectl(&cluster, "create role reader --verb=get,list,watch --resource=pods,deployments.apps");
    kubectl(&cluster, "create clusterrole nodes --verb=get --resource=nodes --resource-name=hollow-1");
    kubectl(&cluster, "create clusterrole paths --verb=get --non-resource-url=/metrics");
    kubectl(&cluster, "create rolebinding readers --role=reader --user=jane --serviceaccount=default:robot");
    kubectl(&cluster, "create clusterrolebinding nodes --clusterrole=nodes --group=dev");
    assert_eq!(can_i(&cluster, "list pods --as=jane"), "yes");
    assert_eq!(can_i(&cluster, "list deployments.apps --as=jane"), "yes");
    assert_eq!(can_i(&cluster, "list pods --as=jane -n kube-system"), "no");
    assert_eq!(can_i(&cluster, "list pods --as=system:serviceaccount:default:robot"), "yes");
    assert_eq!(can_i(&cluster, "get nodes/hollow-1 --as=jane --as-group=dev"), "yes");
    assert_eq!(can_i(&cluster, "get nodes/hollow-2 --as=jane --as-group=dev"), "no");
    let listed = kubectl(&cluster, "auth can-i --list --as=jane");
    assert!(
        listed.lines().any(|line| line.starts_with("pods ") && line.ends_with("[get list watch]")),
        "{listed}"
    );
    assert!(listed.contains("[/healthz]"), "{listed}");
    let shown = kubectl(&cluster, "get rolebindings -o wide");
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = shown.lines().map(cells);
    assert_eq!(lines.next().unwrap(), ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]);
    let row = lines.next().unwrap();
    assert_eq!([&row[0], &row[1], &row[3], &row[4]], ["readers", "Role/reader", "jane", "default/robot"]);
    assert!(kubectl(&cluster, "describe role reader").contains("deployments.apps  []"), "described");
    assert!(kubectl(&cluster, "get clusterroles").contains("CREATED AT"));
    let denied = refused(&cluster, "delete pod x --as=jane");
    assert_eq!(
        denied.trim(),
        "Error from server (Forbidden): pods \"x\" is forbidden: User \"jane\" cannot delete resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let denied = refused(&cluster, "create role more --verb=get --resource=secrets --as=jane");
    assert!(
        denied.contains("cannot create resource \"roles\" in API group \"rbac.authorization.k8s.io\""),
        "{denied}"
    );
}

#[test]
fn reconciling_adds_what_is_missing_and_roles_are_put_together() {
    let cluster = Cluster::hollow(1);
    let manifest = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: secret-viewer, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jim}]
";
    let first = cluster.kubectl_with(&["auth", "reconcile", "-f", "-"], manifest).ok();
    assert!(first.contains("clusterrole.rbac.authorization.k8s.io/secret-viewer reconciled"), "{first}");
    let more = manifest.replace("verbs: [get]", "verbs: [list]");
    let again = cluster.kubectl_with(&["auth", "reconcile", "-f", "-"], &more).ok();
    assert!(again.contains("reconciled"), "{again}");
    eventually("those who view see secrets", SOON, || {
        let seen = [can_i(&cluster, "list secrets --as=jim"), can_i(&cluster, "get secrets --as=jim")];
        if seen == ["yes", "yes"] { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(can_i(&cluster, "delete secrets --as=jim"), "no");
    assert_eq!(can_i(&cluster, "get pods/log --as=jim"), "yes");
    assert_eq!(can_i(&cluster, "watch secrets --as=jim"), "no");
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'nginx:1'}]}
";

#[test]
fn a_drain_waits_for_the_budget() {
    let cluster = Cluster::hollow(2);
    cluster.kubectl_with(&["apply", "-f", "-"], WEB).ok();
    kubectl(&cluster, "rollout status deployment/web --timeout=30s");
    kubectl(&cluster, "create poddisruptionbudget web --selector=app=web --min-available=2");
    eventually("the budget is counted", SOON, || {
        let shown = kubectl(&cluster, "get pdb web --no-headers");
        let cells: Vec<&str> = shown.split_whitespace().take(4).collect();
        if cells == ["web", "2", "N/A", "0"] { Ok(()) } else { Err(shown) }
    });
    let described = kubectl(&cluster, "describe pdb web");
    let current = described.lines().find(|line| line.contains("Current:")).unwrap_or_default();
    assert_eq!(current.split_whitespace().last(), Some("2"), "{described}");
    let pods = kubectl(&cluster, "get pods -l app=web -o jsonpath={.items[0].spec.nodeName}");
    let drain = format!("drain {pods} --ignore-daemonsets --force");
    let refusal = refused(&cluster, &format!("{drain} --timeout=2s"));
    assert!(
        refusal.contains(
            "(will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget."
        ),
        "{refusal}"
    );
    kubectl(&cluster, "patch pdb web --type=merge -p {\"spec\":{\"minAvailable\":1}}");
    let drained = kubectl(&cluster, &format!("{drain} --timeout=60s"));
    assert!(drained.contains("drained"), "{drained}");
    let elsewhere =
        kubectl(&cluster, &format!("get pods -l app=web --field-selector=spec.nodeName={pods} -o name"));
    assert_eq!(elsewhere, "");
}
