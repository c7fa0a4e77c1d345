//! Who is asked about which requests, and what policies say of them.

mod mutations;

use expect_test::{Expect, expect};

use super::*;
use crate::Uid;
use crate::cel::Verdict;

/// Everybody may read, nobody may do anything else.
struct ReadOnly;

impl Authorizer for ReadOnly {
    fn decide(&self, question: &Question) -> Verdict {
        Verdict {
            allowed: question.verb == "get",
            reason: format!("{} {}", question.verb, question.resource),
        }
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

/// One request: `CREATE deployments.apps web` and its object.
struct Asked {
    kind: Arc<KindInfo>,
    operation: Operation,
    subresource: &'static str,
    object: Value,
    old: Value,
    namespace: &'static str,
}

impl Asked {
    fn of(operation: Operation, resource: &str, object: &str) -> Self {
        let kind = crate::kinds().iter().find(|kind| kind.id.as_str() == resource).cloned().unwrap();
        let namespace = if kind.namespaced { "default" } else { "" };
        Self { kind, operation, subresource: "", object: yaml(object), old: Value::Null, namespace }
    }

    fn with<T>(&self, ask: impl FnOnce(&Attributes<'_>) -> T) -> T {
        let versions: Vec<Arc<KindInfo>> =
            crate::kinds().iter().filter(|kind| kind.id == self.kind.id).cloned().collect();
        let labels = json!({"metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default", "tier": "web"}}});
        let user = json!({"username": "jane", "groups": ["system:authenticated"]});
        let options = json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"});
        let some = |value: &Value| (!value.is_null()).then(|| value.clone());
        let (object, old) = (some(&self.object), some(&self.old));
        ask(&Attributes {
            kind: &self.kind,
            versions: &versions,
            subresource: self.subresource,
            own_kind: None,
            operation: self.operation,
            namespace: self.namespace,
            name: crate::json::text(&self.object, "/metadata/name"),
            object: object.as_ref(),
            old: old.as_ref(),
            namespace_object: Some(&labels).filter(|_| !self.namespace.is_empty()),
            user: &user,
            dry_run: false,
            options: &options,
        })
    }
}

const WEB: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default, labels: {app: web}}, spec: {replicas: 7}}";

#[test]
fn rules_match_as_kubernetes_does() {
    let cases = [
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}",
        "{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}",
        "{operations: [UPDATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments]}",
        "{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [deployments]}",
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1beta1], resources: [deployments]}",
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments/status]}",
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: ['deployments/*']}",
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments], scope: Cluster}",
        "{operations: [CREATE], apiGroups: [apps], apiVersions: [v1], resources: [deployments], scope: Namespaced}",
    ];
    let asked = Asked::of(Operation::Create, "deployments.apps", WEB);
    let matches = |webhook: &str| {
        let constraints = Constraints::of_webhook(&yaml(webhook));
        asked.with(|attributes| constraints.matched(attributes).is_some())
    };
    let table: Vec<bool> = cases.iter().map(|rule| matches(&format!("{{rules: [{rule}]}}"))).collect();
    assert_eq!(table, [true, true, false, false, false, false, true, false, true]);
    let all = "rules: [{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}]";
    let selectors = [
        "namespaceSelector: {matchLabels: {tier: web}}",
        "namespaceSelector: {matchLabels: {tier: db}}",
        "objectSelector: {matchLabels: {app: web}}",
        "objectSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}",
    ];
    let table: Vec<bool> =
        selectors.iter().map(|selector| matches(&format!("{{{all}, {selector}}}"))).collect();
    assert_eq!(table, [true, false, true, false]);
}

#[test]
fn equivalent_versions_match_in_the_version_that_is_asked_for() {
    let object = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {maxReplicas: 2}}";
    let asked = Asked::of(Operation::Create, "horizontalpodautoscalers.autoscaling", object);
    let seen = |policy: &str| {
        let rule = "{operations: [CREATE], apiGroups: [autoscaling], apiVersions: [v1], resources: [horizontalpodautoscalers]}";
        let constraints =
            Constraints::of_webhook(&yaml(&format!("{{rules: [{rule}], matchPolicy: {policy}}}")));
        asked.with(|attributes| {
            let kind = constraints.matched(attributes)?;
            Some(request(attributes, kind, &Uid::from("u-1")))
        })
    };
    assert_eq!(seen("Exact"), None);
    let request = seen("Equivalent").unwrap();
    assert_eq!(request["object"]["apiVersion"], "autoscaling/v1");
    assert_eq!(request["kind"]["version"], "v1");
    assert_eq!(request["requestKind"]["version"], "v2");
}

/// A policy's words about a Deployment with seven replicas.
fn judge(policy: &str, params: &str, expect: Expect) {
    let policy = yaml(policy);
    let object = json!({"metadata": {"name": "p"}, "spec": policy});
    let policy = Policy::compile(&object).unwrap();
    let params = yaml(params);
    let authorizer: Arc<dyn Authorizer> = Arc::new(ReadOnly);
    let asked = Asked::of(Operation::Create, "deployments.apps", WEB);
    let denials = asked.with(|attributes| {
        let params = Some(&params).filter(|params| !params.is_null());
        policy.judge(Setting { attributes, kind: attributes.kind, params, authorizer: &authorizer })
    });
    let text: String =
        denials.iter().map(|denial| format!("{}: {}\n", denial.reason, denial.message)).collect();
    expect.assert_eq(&text);
}

#[test]
fn policies_say_what_they_have_against_it() {
    judge(
        "
validations:
- {expression: 'object.spec.replicas <= 5'}
- {expression: 'object.spec.replicas <= 5', message: too many, reason: Forbidden}
- {expression: 'object.spec.replicas <= 5', messageExpression: '\"at most 5, not \" + string(object.spec.replicas)'}
- {expression: 'object.metadata.name == \"web\"'}
",
        "null",
        expect![[r#"
            Invalid: failed expression: object.spec.replicas <= 5
            Forbidden: too many
            Invalid: at most 5, not 7
        "#]],
    );
    judge(
        "{failurePolicy: Fail, validations: [{expression: object.spec.missing == 1}]}",
        "null",
        expect![[r#"
            Invalid: expression 'object.spec.missing == 1' resulted in error: no such key: missing
        "#]],
    );
    judge(
        "{failurePolicy: Ignore, validations: [{expression: object.spec.missing == 1}]}",
        "null",
        expect![""],
    );
}

#[test]
fn policies_know_variables_parameters_namespaces_and_rights() {
    judge(
        "
paramKind: {apiVersion: v1, kind: ConfigMap}
variables:
- {name: replicas, expression: object.spec.replicas}
- {name: twice, expression: variables.replicas * 2}
- {name: broken, expression: object.spec.missing}
validations:
- {expression: 'variables.twice < int(params.data.limit)', messageExpression: '\"limit is \" + params.data.limit'}
- {expression: 'true || variables.broken'}
- {expression: 'variables.broken == 1'}
- {expression: 'namespaceObject.metadata.labels.tier == \"db\"', message: only databases}
- {expression: 'authorizer.group(\"apps\").resource(\"deployments\").check(\"get\").allowed()'}
- {expression: 'authorizer.requestResource.check(\"delete\").allowed()', messageExpression: 'authorizer.requestResource.check(\"delete\").reason()'}
- {expression: 'oldObject == null && request.operation == \"CREATE\" && request.userInfo.username == \"jane\"'}
- {expression: 'request.resource.resource == \"pods\"', message: no pod}
",
        "{data: {limit: '10'}}",
        expect![[r#"
            Invalid: limit is 10
            Invalid: expression 'variables.broken == 1' resulted in error: composited variable "broken" fails to evaluate: no such key: missing
            Invalid: only databases
            Invalid: delete deployments
            Invalid: no pod
        "#]],
    );
}

#[test]
fn conditions_come_first() {
    judge(
        "
matchConditions: [{name: jane, expression: 'request.userInfo.username != \"jane\"'}, {name: broken, expression: object.nothing == 1}]
validations: [{expression: 'false'}]
",
        "null",
        expect![""],
    );
    judge(
        "{matchConditions: [{name: broken, expression: object.nothing == 1}], validations: [{expression: 'false'}]}",
        "null",
        expect![[r#"
            Invalid: expression 'object.nothing == 1' resulted in error: no such key: nothing
        "#]],
    );
}

#[test]
fn answers_are_read_with_care() {
    let read = |body: &str, mutating: bool| {
        let uid = Uid::from("u-1");
        match Answer::read(body.as_bytes(), "v1", &uid, mutating) {
            Ok(answer) => format!(
                "{} {:?}",
                answer.allowed,
                answer.patch.map(|patch| String::from_utf8(patch).unwrap())
            ),
            Err(error) => error,
        }
    };
    let review = |response: &str| {
        format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{response}}}"#)
    };
    let cases = [
        read(&review(r#"{"uid":"u-1","allowed":true}"#), true),
        read(&review(r#"{"uid":"u-1","allowed":true,"patch":"W10=","patchType":"JSONPatch"}"#), true),
        read(&review(r#"{"uid":"u-1","allowed":true,"patch":"W10=","patchType":"Merge"}"#), true),
        read(&review(r#"{"uid":"u-1","allowed":true,"patch":"W10=","patchType":"JSONPatch"}"#), false),
        read(&review(r#"{"uid":"u-2","allowed":true}"#), false),
        read(&review("null"), false),
        read(r#"{"apiVersion":"v1","kind":"Pod"}"#, false),
        read("nonsense", false),
    ];
    expect![[r#"
        true None
        true Some("[]")
        received invalid webhook response: invalid response.patchType, expected "JSONPatch", got "Merge"
        received invalid webhook response: webhook response must not have a patch: it is no mutating one
        received invalid webhook response: expected response.uid="u-1", got "u-2"
        received invalid webhook response: webhook response was absent
        received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got v1, Kind=Pod
        failed to call webhook: couldn't get version/kind; json parse error: expected ident at line 1 column 2"#]].assert_eq(&cases.join("\n"));
    let said = |result: Value| refusal("w.example.com", &result).to_value().to_string();
    expect![[r#"
        {"apiVersion":"v1","code":400,"kind":"Status","message":"admission webhook \"w.example.com\" denied the request: no","metadata":{},"reason":"BadRequest","status":"Failure"}
        {"apiVersion":"v1","code":400,"kind":"Status","message":"admission webhook \"w.example.com\" denied the request without explanation","metadata":{},"status":"Failure"}"#]].assert_eq(
        &[said(json!({"message": "no", "code": 400, "reason": "BadRequest"})), said(Value::Null)].join("\n"),
    );
}

#[test]
fn interests_are_rules_and_the_time_that_answers_take() {
    let webhook = |kind: &str, seconds: u64, operations: &str| {
        yaml(&format!(
            "{{kind: {kind}, webhooks: [{{name: a, timeoutSeconds: {seconds}, clientConfig: {{url: 'https://x'}}, rules: [{{operations: [{operations}], apiGroups: [''], apiVersions: ['*'], resources: [pods]}}]}}]}}"
        ))
    };
    let policy = yaml(
        "{metadata: {name: p}, spec: {matchConstraints: {resourceRules: [{operations: ['*'], apiGroups: [''], apiVersions: ['*'], resources: [pods]}]}}}",
    );
    let binding = |selector: &str| {
        yaml(&format!(
            "{{spec: {{policyName: p, matchResources: {{objectSelector: {{matchLabels: {{a: {selector}}}}}}}}}}}"
        ))
    };
    let cases = [
        ("nothing", vec![]),
        (
            "two change, one after the other",
            vec![(MUTATING, webhook("M", 3, "CREATE")), (MUTATING, webhook("M", 4, "CREATE"))],
        ),
        (
            "two say yes or no, at once",
            vec![(VALIDATING, webhook("V", 3, "CREATE")), (VALIDATING, webhook("V", 4, "CREATE"))],
        ),
        ("both", vec![(MUTATING, webhook("M", 3, "CREATE")), (VALIDATING, webhook("V", 4, "CREATE"))]),
        ("of other operations", vec![(MUTATING, webhook("M", 3, "UPDATE"))]),
        ("a policy that nothing binds", vec![(POLICIES, policy.clone())]),
        ("a policy that is bound", vec![(POLICIES, policy.clone()), (BINDINGS, binding("b"))]),
        ("a policy that is bound elsewhere", vec![(POLICIES, policy), (BINDINGS, binding("c"))]),
    ];
    let asked = Asked::of(Operation::Create, "pods", "{metadata: {name: x, labels: {a: b}}}");
    let text: String = cases
        .into_iter()
        .map(|(what, configured)| {
            let patience = asked.with(|attributes| Interests::of(&configured).patience(attributes));
            format!("{what}: {patience:?}\n")
        })
        .collect();
    expect![[r#"
        nothing: None
        two change, one after the other: Some(12s)
        two say yes or no, at once: Some(9s)
        both: Some(12s)
        of other operations: None
        a policy that nothing binds: None
        a policy that is bound: Some(5s)
        a policy that is bound elsewhere: None
    "#]]
    .assert_eq(&text);
}
