//! Policies and webhooks that users configure, as kubectl meets them; webhooks are real servers over TLS.

use std::time::Duration;

use odeon_tests::{Cluster, eventually};
use serde_json::{Value, json};

use crate::hook::Hook;

fn apply(cluster: &Cluster, manifest: &str) {
    cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
}

#[test]
fn webhooks_change_and_refuse_what_is_written() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    let conditions = json!({"matchConditions": [{"name": "not-tables", "expression": "!object.metadata.name.startsWith('kube-')"}]});
    apply(&cluster, &hook.configuration("MutatingWebhookConfiguration", "changes", "/mutate", json!({
        "matchConditions": conditions["matchConditions"], "objectSelector": {"matchExpressions": [{"key": "plain", "operator": "DoesNotExist"}]},
        "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    })));
    apply(&cluster, &hook.configuration("ValidatingWebhookConfiguration", "refuses", "/deny", json!({})));
    let table = cluster.kubectl(&["get", "validatingwebhookconfigurations"]).ok();
    assert!(table.contains("NAME      WEBHOOKS   AGE\nrefuses   1"), "{table}");

    let made = cluster.kubectl(&["create", "configmap", "one", "--from-literal=a=b"]);
    made.ok();
    let stored = cluster.kubectl(&["get", "cm", "one", "-o", "json", "--show-managed-fields"]).ok();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["data"], json!({"a": "b", "mutated": "one"}));
    assert_eq!(stored["metadata"]["managedFields"][0]["manager"], "kubectl-create");
    let applied = "{apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {deny: not this one}}";
    let refused = cluster.kubectl_with(&["apply", "-f", "-"], applied).err();
    assert!(
        refused.contains("admission webhook \"refuses.example.com\" denied the request: not this one"),
        "{refused}"
    );
    let tried = cluster
        .kubectl(&["create", "configmap", "tried", "--from-literal=a=b", "--dry-run=server", "-o", "json"])
        .ok();
    assert!(tried.contains("\"mutated\": \"tried\""), "{tried}");
    apply(
        &cluster,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: plain, labels: {plain: 'yes'}}, data: {a: b}}",
    );
    let plain = cluster.kubectl(&["get", "cm", "plain", "-o", "jsonpath={.data}"]).ok();
    assert_eq!(plain, "{\"a\":\"b\"}");

    let asked = hook.asked.lock().unwrap().clone();
    let first = &asked.iter().find(|asked| asked["request"]["name"] == "one").unwrap()["request"];
    assert_eq!(first["operation"], "CREATE");
    assert_eq!(first["kind"], json!({"group": "", "version": "v1", "kind": "ConfigMap"}));
    assert_eq!(first["resource"], json!({"group": "", "version": "v1", "resource": "configmaps"}));
    assert_eq!(first["namespace"], "default");
    assert_eq!(first["userInfo"]["username"], "admin");
    assert_eq!(first["oldObject"], Value::Null);
    assert!(
        asked.iter().any(|asked| asked["request"]["name"] == "tried" && asked["request"]["dryRun"] == true)
    );
}

#[test]
fn webhooks_that_do_not_answer_are_told_of() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    let nowhere = json!({"clientConfig": {"url": "https://127.0.0.1:1/x", "caBundle": hook.server.bundle}});
    apply(&cluster, &hook.configuration("ValidatingWebhookConfiguration", "gone", "/", nowhere.clone()));
    let failed = cluster.kubectl(&["create", "configmap", "a"]).err();
    let words = "failed calling webhook \"gone.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1";
    assert!(failed.contains("Internal error occurred: failed calling webhook"), "{failed}");
    assert!(failed.contains(words), "{failed}");
    let mut ignoring = nowhere;
    ignoring["failurePolicy"] = json!("Ignore");
    apply(&cluster, &hook.configuration("ValidatingWebhookConfiguration", "gone", "/", ignoring));
    cluster.kubectl(&["create", "configmap", "a"]).ok();

    apply(&cluster, &hook.configuration("MutatingWebhookConfiguration", "breaks", "/break", json!({})));
    let broken = cluster.kubectl(&["create", "configmap", "b", "--from-literal=x=y"]).err();
    assert!(broken.contains("cannot unmarshal number"), "{broken}");
    cluster.kubectl(&["delete", "mutatingwebhookconfiguration", "breaks"]).ok();
    cluster.kubectl(&["create", "configmap", "b", "--from-literal=x=y"]).ok();

    let refused = hook.configuration(
        "ValidatingWebhookConfiguration",
        "odd",
        "/",
        json!({"timeoutSeconds": 31, "sideEffects": "Some"}),
    );
    let refused = cluster.kubectl_with(&["create", "-f", "-"], &refused).err();
    assert!(refused.contains("webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"), "{refused}");
    assert!(refused.contains("webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\""), "{refused}");
}

const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{operations: [CREATE, UPDATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}]
  variables: [{name: replicas, expression: object.spec.replicas}]
  validations:
  - expression: variables.replicas <= int(params.data.most)
    messageExpression: '\"at most \" + params.data.most + \" replicas\"'
";

const BINDING: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few-here}
spec:
  policyName: few
  validationActions: [Deny]
  paramRef: {name: limits, namespace: default, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}
";

#[test]
fn policies_decide_about_what_is_written() {
    let cluster = Cluster::hollow(1);
    apply(&cluster, POLICY);
    apply(&cluster, BINDING);
    let deploy = |name: &str, replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        cluster.kubectl(&["create", "deployment", name, "--image=x", &replicas])
    };
    let missing = deploy("web", "1").err();
    assert!(
        missing.contains("no params found for policy binding with `Deny` parameterNotFoundAction"),
        "{missing}"
    );
    cluster.kubectl(&["create", "configmap", "limits", "--from-literal=most=2"]).ok();
    eventually("the parameters count", Duration::from_secs(10), || {
        let refused = deploy("web", "3").err();
        match refused.contains("at most 2 replicas") {
            true => Ok(()),
            false => Err(refused),
        }
    });
    let refused = deploy("web", "3").err();
    let words = "ValidatingAdmissionPolicy 'few' with binding 'few-here' denied request: at most 2 replicas";
    assert!(refused.contains(words), "{refused}");
    deploy("web", "2").ok();
    let scaled = cluster.kubectl(&["patch", "deployment", "web", "-p", "{\"spec\":{\"replicas\":3}}"]).err();
    assert!(scaled.contains(&format!("The deployments \"web\" is invalid: : {words}")), "{scaled}");
    cluster.kubectl(&["create", "namespace", "free"]).ok();
    cluster.kubectl(&["create", "deployment", "web", "--image=x", "--replicas=3", "-n", "free"]).ok();

    apply(&cluster, &BINDING.replace("[Deny]", "[Warn]"));
    let warned = cluster.kubectl(&["patch", "deployment", "web", "-p", "{\"spec\":{\"replicas\":3}}"]);
    let said = warned.stderr;
    assert!(said.contains("Validation failed for ValidatingAdmissionPolicy 'few' with binding 'few-here': at most 2 replicas"), "{said}");
    let table = cluster.kubectl(&["get", "validatingadmissionpolicies"]).ok();
    assert!(
        table.contains("NAME   VALIDATIONS   PARAMKIND      AGE\nfew    1             v1/ConfigMap"),
        "{table}"
    );
    let seen = cluster.kubectl(&["get", "validatingadmissionpolicy", "few", "-o", "jsonpath={.status}"]).ok();
    assert_eq!(seen, "{\"observedGeneration\":1,\"typeChecking\":{}}");
    let wrong = cluster
        .kubectl_with(&["apply", "-f", "-"], &POLICY.replace("variables.replicas", "variables.replica"))
        .err();
    assert!(wrong.contains("undefined field 'replica'"), "{wrong}");
}

fn pods_of(cluster: &Cluster, selector: &str) -> String {
    let columns = "jsonpath={range .items[*]}{.spec.containers[*].name}{\"\\n\"}{end}";
    cluster.kubectl(&["get", "pods", "-l", selector, "-o", columns]).ok()
}

#[test]
fn webhooks_change_what_controllers_create() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    let rules =
        json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]);
    let fields = json!({"rules": rules});
    apply(&cluster, &hook.configuration("MutatingWebhookConfiguration", "injects", "/inject", fields));
    cluster.kubectl(&["create", "deployment", "web", "--image=x", "--replicas=3"]).ok();
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    assert_eq!(pods_of(&cluster, "injected=yes"), "x helper\nx helper\nx helper\n");
    let tokens = "jsonpath={.items[0].spec.containers[1].volumeMounts[0].mountPath}";
    let tokens = cluster.kubectl(&["get", "pods", "-o", tokens]).ok();
    assert_eq!(tokens, "/var/run/secrets/kubernetes.io/serviceaccount");

    let asked = hook.asked.lock().unwrap().clone();
    let first = &asked[0]["request"];
    assert_eq!(first["operation"], "CREATE");
    assert_eq!(first["kind"], json!({"group": "", "version": "v1", "kind": "Pod"}));
    assert_eq!(first["namespace"], "default");
    assert_eq!(first["userInfo"]["username"], "system:serviceaccount:kube-system:replicaset-controller");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];
    assert_eq!(first["userInfo"]["groups"], json!(groups));
    assert_eq!(first["object"]["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
    assert_eq!(first["dryRun"], false);
}

const TEAMS: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: teams}
spec:
  matchConstraints:
    resourceRules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}]
  validations:
  - expression: has(object.metadata.labels) && 'team' in object.metadata.labels
    message: a pod needs a team
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: teams-everywhere}
spec: {policyName: teams, validationActions: [Deny]}
";

#[test]
fn what_controllers_write_may_be_refused() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    let events_of = |reason: &str, kind: &str| {
        let selector = format!("reason={reason},involvedObject.kind={kind}");
        let messages = "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}";
        cluster.kubectl(&["get", "events", "--field-selector", &selector, "-o", messages]).ok()
    };
    let told = |reason: &str, kind: &str, words: &str| {
        eventually(&format!("{kind} tells {words}"), Duration::from_secs(30), || {
            let seen = events_of(reason, kind);
            if seen.contains(words) { Ok(()) } else { Err(seen) }
        });
    };
    apply(&cluster, TEAMS);
    cluster.kubectl(&["create", "deployment", "web", "--image=x", "--replicas=2"]).ok();
    let words = "is forbidden: ValidatingAdmissionPolicy 'teams' with binding 'teams-everywhere' denied request: a pod needs a team";
    told("FailedCreate", "ReplicaSet", words);
    assert!(events_of("FailedCreate", "ReplicaSet").starts_with("Error creating: pods \"web-"));
    let failed = |kind: &str| {
        let condition = "jsonpath={.items[0].status.conditions[?(@.type=='ReplicaFailure')]}";
        cluster.kubectl(&["get", kind, "-o", condition]).ok()
    };
    for kind in ["replicasets", "deployments"] {
        eventually(&format!("{kind} have a condition"), Duration::from_secs(30), || {
            let seen = failed(kind);
            let whole = seen.contains("\"reason\":\"FailedCreate\"") && seen.contains(words);
            if whole { Ok(()) } else { Err(seen) }
        });
    }
    assert_eq!(pods_of(&cluster, "app=web"), "");
    cluster.kubectl(&["delete", "validatingadmissionpolicybinding", "teams-everywhere"]).ok();
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    for kind in ["replicasets", "deployments"] {
        eventually(&format!("{kind} have no condition"), Duration::from_secs(30), || {
            let seen = failed(kind);
            if seen.is_empty() { Ok(()) } else { Err(seen) }
        });
    }

    let refuses = |operation: &str, resource: &str| {
        let (group, version) = if resource == "jobs" { ("batch", "v1") } else { ("", "v1") };
        let rules = json!([{"operations": [operation], "apiGroups": [group], "apiVersions": [version], "resources": [resource]}]);
        hook.configuration("ValidatingWebhookConfiguration", "keeps", "/deny", json!({"rules": rules}))
    };
    let annotate = "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"deny\":\"they stay\"}}}}}";
    cluster.kubectl(&["patch", "deployment", "web", "-p", annotate]).ok();
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    apply(&cluster, &refuses("DELETE", "pods"));
    cluster.kubectl(&["scale", "deployment/web", "--replicas=0"]).ok();
    let words = "Error deleting: admission webhook \"keeps.example.com\" denied the request: they stay";
    told("FailedDelete", "ReplicaSet", words);
    assert_eq!(pods_of(&cluster, "app=web"), "x\nx\n");
    apply(&cluster, &refuses("CREATE", "pods"));
    eventually("all pods are gone", Duration::from_secs(30), || {
        let seen = pods_of(&cluster, "app=web");
        if seen.is_empty() { Ok(()) } else { Err(seen) }
    });
    cluster.kubectl(&["scale", "deployment/web", "--replicas=1"]).ok();
    let words = "Error creating: admission webhook \"keeps.example.com\" denied the request: they stay";
    told("FailedCreate", "ReplicaSet", words);
}

const WORKLOADS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: x, volumeMounts: [{name: data, mountPath: /d}]}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: all}
spec: {selector: {matchLabels: {app: all}}, template: {metadata: {labels: {app: all}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec: {selector: {app: old}, template: {metadata: {labels: {app: old}}, spec: {containers: [{name: c, image: x}]}}}
";

/// Who creates what, as webhooks see it.
const CREATIONS: [&str; 12] = [
    "daemon-set-controller controllerrevisions",
    "daemon-set-controller pods",
    "deployment-controller replicasets",
    "endpoint-controller endpoints",
    "endpointslice-controller endpointslices",
    "job-controller pods",
    "replicaset-controller pods",
    "replication-controller pods",
    "root-ca-cert-publisher configmaps",
    "service-account-controller serviceaccounts",
    "statefulset-controller persistentvolumeclaims",
    "statefulset-controller pods",
];

#[test]
fn whatever_controllers_create_is_asked_about_and_valid() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    let rules =
        json!([{"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]);
    let fields = json!({"rules": rules});
    apply(&cluster, &hook.configuration("ValidatingWebhookConfiguration", "sees", "/", fields));
    apply(&cluster, WORKLOADS);
    cluster.kubectl(&["create", "deployment", "web", "--image=x"]).ok();
    eventually("all creations are asked about", Duration::from_secs(60), || {
        let asked = hook.asked.lock().unwrap().clone();
        let line = |asked: &Value| {
            let user = asked["request"]["userInfo"]["username"].as_str()?;
            let controller = user.strip_prefix("system:serviceaccount:kube-system:")?;
            Some(format!("{controller} {}", asked["request"]["resource"]["resource"].as_str()?))
        };
        let seen: std::collections::BTreeSet<String> = asked.iter().filter_map(line).collect();
        let missing: Vec<&str> = CREATIONS.into_iter().filter(|line| !seen.contains(*line)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} of {seen:?}")) }
    });
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    let failed =
        cluster.kubectl(&["get", "events", "--field-selector=reason=FailedCreate", "-o", "name"]).ok();
    assert_eq!(failed, "");
}

const CHANGES: &str = "
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicy
metadata: {name: label}
spec:
  reinvocationPolicy: IfNeeded
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}]
  matchConditions: [{name: not-plain, expression: \"!('plain' in object.metadata.?labels.orValue({}))\"}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: \"Object{metadata: Object.metadata{labels: {'team': params.data.team}}}\"}
  - patchType: JSONPatch
    jsonPatch: {expression: \"[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/seen'), value: string(object.spec.containers.size())}]\"}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicyBinding
metadata: {name: label-here}
spec:
  policyName: label
  paramRef: {name: team, namespace: default, parameterNotFoundAction: Deny}
";

#[test]
fn policies_change_what_is_written() {
    let (cluster, hook) = (Cluster::hollow(1), Hook::start());
    apply(&cluster, "{apiVersion: v1, kind: ConfigMap, metadata: {name: team}, data: {team: blue}}");
    apply(&cluster, CHANGES);
    let table = cluster.kubectl(&["get", "mutatingadmissionpolicies"]).ok();
    assert!(
        table.contains("NAME    MUTATIONS   PARAMKIND      AGE\nlabel   2           v1/ConfigMap"),
        "{table}"
    );
    let made = cluster.kubectl(&["run", "web", "--image=x", "-o", "jsonpath={.metadata.labels}"]).ok();
    assert_eq!(made, "{\"example.com/seen\":\"1\",\"run\":\"web\",\"team\":\"blue\"}");
    let manager =
        ["get", "pod", "web", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}"];
    assert!(cluster.kubectl(&manager).ok().contains("kubectl-run"));
    let plain = ["run", "plain", "--image=x", "--labels=plain=yes", "-o", "jsonpath={.metadata.labels}"];
    assert_eq!(cluster.kubectl(&plain).ok(), "{\"plain\":\"yes\"}");

    // A controller's pods, and what a webhook adds after the policy has seen an object without.
    cluster.kubectl(&["create", "deployment", "app", "--image=x"]).ok();
    eventually("the pods are labelled", Duration::from_secs(15), || {
        let found = cluster.kubectl(&["get", "pods", "-l", "team=blue,app=app", "-o", "name"]).ok();
        if found.contains("pod/app-") { Ok(()) } else { Err(found) }
    });
    apply(&cluster, &hook.configuration("MutatingWebhookConfiguration", "changes", "/inject", json!({
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    })));
    let seen = cluster.kubectl(&["run", "two", "--image=x", "-o", "jsonpath={.metadata.labels}"]).ok();
    assert_eq!(seen, "{\"example.com/seen\":\"2\",\"injected\":\"yes\",\"run\":\"two\",\"team\":\"blue\"}");

    cluster.kubectl(&["delete", "configmap", "team"]).ok();
    let refused = cluster.kubectl(&["run", "other", "--image=x"]).err();
    let words = "policy 'label' with binding 'label-here' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    assert!(refused.contains(words), "{refused}");
    let broken = CHANGES.replace("Object{", "Thing{").replace("name: label", "name: broken");
    let refused = cluster.kubectl_with(&["create", "-f", "-"], &broken).err();
    assert!(refused.contains("undeclared reference to 'Thing'"), "{refused}");
}
