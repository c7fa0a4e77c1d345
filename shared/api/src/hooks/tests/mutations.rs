//! What mutating policies make of objects.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::{Asked, Operation, ReadOnly, WEB, json, yaml};
use crate::cel::Authorizer;
use crate::hooks::{MutatingPolicy, Setting};
use crate::json::text;
use std::sync::Arc;

/// A pod with a container.
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default, labels: {app: web}}, spec: {containers: [{name: main, image: 'nginx:1', env: [{name: A, value: b}]}], nodeSelector: {disk: ssd}}}";

/// Parts of the changed object, and what went wrong.
fn check_more(
    (resource, object): (&str, &str),
    more: &str,
    mutations: &[(&str, &str)],
    shown: &[&str],
    expected: Expect,
) {
    let mutations: Vec<Value> = mutations
        .iter()
        .map(|(kind, expression)| match *kind {
            "patch" => json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}),
            _ => json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}),
        })
        .collect();
    let mut policy = yaml(&format!(
        "{{metadata: {{name: p}}, spec: {{matchConstraints: {{resourceRules: [{{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}}]}}, {more}}}}}"
    ));
    policy["spec"]["mutations"] = json!(mutations);
    let policy = match MutatingPolicy::compile(&policy) {
        Ok(policy) => policy,
        Err(why) => return expected.assert_eq(&why),
    };
    let authorizer: Arc<dyn Authorizer> = Arc::new(ReadOnly);
    let params = json!({"data": {"suffix": "-x"}});
    let changed = Asked::of(Operation::Create, resource, object).with(|attributes| {
        let kind = policy.matched(attributes).unwrap();
        policy.change(Setting { attributes, kind, params: Some(&params), authorizer: &authorizer })
    });
    let Some(changed) = changed else { return expected.assert_eq("its conditions do not hold") };
    let parts =
        shown.iter().map(|part| format!("{}\n", changed.object.pointer(part).unwrap_or(&Value::Null)));
    expected.assert_eq(&(parts.collect::<String>() + &changed.faults.join("\n")));
}

fn check(mutations: &[(&str, &str)], shown: &[&str], expected: Expect) {
    check_more(("pods", POD), "", mutations, shown, expected);
}

#[test]
fn objects_are_laid_over_as_by_server_side_apply() {
    let sidecar = "Object{
        metadata: Object.metadata{labels: {'added': object.metadata.name}},
        spec: Object.spec{
            initContainers: [Object.spec.initContainers{name: 'mesh', image: 'mesh:2', restartPolicy: 'Always'}],
            containers: [Object.spec.containers{name: 'main', env: [Object.spec.containers.env{name: 'B', value: 'c'}]}],
            ?hostname: optional.of('h'), ?subdomain: optional.none()}}";
    check(
        &[("apply", sidecar)],
        &[
            "/metadata/labels",
            "/spec/initContainers/0/restartPolicy",
            "/spec/containers/0/image",
            "/spec/containers/0/env",
            "/spec/hostname",
            "/spec/subdomain",
            "/spec/nodeSelector",
        ],
        expect![[r#"
            {"added":"a","app":"web"}
            "Always"
            "nginx:1"
            [{"name":"A","value":"b"},{"name":"B","value":"c"}]
            "h"
            null
            {"disk":"ssd"}
        "#]],
    );
    check_more(
        ("deployments.apps", WEB),
        "variables: [{name: less, expression: object.spec.replicas - 1}]",
        &[
            ("apply", "Object{spec: Object.spec{replicas: variables.less}}"),
            ("apply", "Object{spec: Object.spec{replicas: variables.less}}"),
        ],
        &["/spec/replicas"],
        expect![[r#"
            5
        "#]],
    );
}

#[test]
fn what_cannot_be_laid_over() {
    let of =
        |expression: &str, expected: Expect| check(&[("apply", expression)], &["/metadata/labels"], expected);
    of(
        "Object{spec: Object.spec{tolerations: [Object.spec.tolerations{key: 'a'}], nodeSelector: {'a': 'b'}}}",
        expect![[r#"
            {"app":"web"}
            error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.nodeSelector, .spec.tolerations"#]],
    );
    of(
        "Object{spec: Object.spec{containers: [Object.spec.wrong{name: 'a'}]}}",
        expect![[r#"
        {"app":"web"}
        type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.containers", which matches field name path from root Object type"#]],
    );
    of(
        "Object{spec: Object.spec{nothing: 1}}",
        expect![[r#"
        {"app":"web"}
        error applying patch: failed to convert patch object to typed object: .spec.nothing: field not declared in schema"#]],
    );
    of(
        "{'metadata': {'labels': {'a': 'b'}}}",
        expect![[r#"
        {"app":"web"}
        unsupported return type from ApplyConfiguration expression: it is no Object"#]],
    );
    of(
        "Object{spec: Object.spec{hostname: 3}}",
        expect![[r#"
        {"app":"web"}
        Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field PodSpec.spec.hostname of type string"#]],
    );
    of(
        "Object{metadata: Object.metadata{labels: {'a': object.missing}}}",
        expect![[r#"
        {"app":"web"}
        expression 'Object{metadata: Object.metadata{labels: {'a': object.missing}}}' resulted in error: no such key: missing"#]],
    );
    of(
        "Thing{a: 1}",
        expect!["compilation failed: ERROR: <input>:1:1: undeclared reference to 'Thing' (in container '')"],
    );
}

#[test]
fn patches_are_json_patches() {
    check(
        &[
            (
                "patch",
                "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/~a'), value: 'x'}]",
            ),
            (
                "patch",
                "[JSONPatch{op: 'test', path: '/spec/hostname', value: 'other'}, JSONPatch{op: 'remove', path: '/metadata/labels/app'}]",
            ),
            (
                "patch",
                "[JSONPatch{op: 'add', path: '/spec/containers/-', value: Object.spec.containers{name: 'side', image: 'i' + params.data.suffix}}]",
            ),
            (
                "patch",
                "object.spec.containers.size() > 1 ? [JSONPatch{op: 'copy', from: '/metadata/name', path: '/spec/hostname'}] : []",
            ),
        ],
        &["/metadata/labels", "/spec/containers/1", "/spec/hostname"],
        expect![[r#"
            {"app":"web","example.com/~a":"x"}
            {"image":"i-x","imagePullPolicy":"Always","name":"side","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}
            "a"
        "#]],
    );
    check(
        &[
            ("patch", "[JSONPatch{op: 'remove', path: '/spec/none'}]"),
            ("patch", "JSONPatch{op: 'a'}"),
            ("patch", "[1]"),
        ],
        &[],
        expect![[r#"
            JSON Patch: operation '/0' failed at path '/spec/none': path is invalid
            type mismatch: JSONPatchType.expression should evaluate to array
            type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch"#]],
    );
    check(
        &[("patch", "[JSONPatch{operation: 'add'}]")],
        &[],
        expect!["compilation failed: ERROR: <input>:1:1: undefined field 'operation'"],
    );
}

#[test]
fn conditions_and_rights_count() {
    let label = (
        "apply",
        "Object{metadata: Object.metadata{labels: {'may': string(authorizer.group('').resource('pods').check('get').allowed())}}}",
    );
    let conditions =
        |expression: &str| format!("matchConditions: [{{name: a, expression: \"{expression}\"}}]");
    check_more(
        ("pods", POD),
        &conditions("object.metadata.name == 'a'"),
        &[label],
        &["/metadata/labels"],
        expect![[r#"
            {"app":"web","may":"true"}
        "#]],
    );
    check_more(
        ("pods", POD),
        &conditions("object.metadata.name == 'b'"),
        &[label],
        &[],
        expect!["its conditions do not hold"],
    );
    check_more(
        ("pods", POD),
        &conditions("object.nothing == 'b'"),
        &[label],
        &["/metadata/labels"],
        expect![[r#"
            {"app":"web"}
            expression 'object.nothing == 'b'' resulted in error: no such key: nothing"#]],
    );
}

#[test]
fn what_is_written_is_checked() {
    let found = |spec: &str| -> String {
        let kind = crate::by_gvk("admissionregistration.k8s.io/v1beta1", "MutatingAdmissionPolicy").unwrap();
        let mut policy = yaml(&format!(
            "{{apiVersion: admissionregistration.k8s.io/v1beta1, kind: MutatingAdmissionPolicy, metadata: {{name: p}}, spec: {spec}}}"
        ));
        policy = kind.decode(policy).unwrap().object;
        kind.default(&mut policy);
        let errors = kind.validate(&policy, None);
        let told: String =
            errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect();
        format!("{told}{}\n", text(&policy, "/spec/reinvocationPolicy"))
    };
    let rules = "matchConstraints: {resourceRules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}]}";
    expect![[r#"
        spec.matchConstraints: Required value
        spec.mutations: Required value: mutations must contain at least one item
        Never
    "#]]
    .assert_eq(&found("{}"));
    expect![[r#"
        spec.mutations[0].patchType: Unsupported value: "Odd": supported values: "ApplyConfiguration", "JSONPatch"
        spec.mutations[1].jsonPatch: Required value: must be specified when patchType is JSONPatch
        spec.mutations[1].applyConfiguration: Invalid value: {"expression":"Object{}"}: must not be specified when patchType is not ApplyConfiguration
        spec.mutations[2].applyConfiguration.expression: Invalid value: "Object{spec: params.x}": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')
        spec.mutations[3].applyConfiguration.expression: Required value: expression is not specified
        spec.mutations[4].jsonPatch.expression: Invalid value: "[JSONPatch{to: 1}]": compilation failed: ERROR: <input>:1:1: undefined field 'to'
        spec.reinvocationPolicy: Unsupported value: "Odd": supported values: "IfNeeded", "Never"
        Odd
    "#]].assert_eq(&found(&format!("{{{rules}, reinvocationPolicy: Odd, mutations: [{{patchType: Odd}}, {{patchType: JSONPatch, applyConfiguration: {{expression: 'Object{{}}'}}}}, {{patchType: ApplyConfiguration, applyConfiguration: {{expression: 'Object{{spec: params.x}}'}}}}, {{patchType: ApplyConfiguration, applyConfiguration: {{expression: ''}}}}, {{patchType: JSONPatch, jsonPatch: {{expression: '[JSONPatch{{to: 1}}]'}}}}]}}")));
    expect![[r#"
        spec.variables[0].expression: Invalid value: "Object{}": compilation failed: ERROR: <input>:1:1: undeclared reference to 'Object' (in container '')
        spec.mutations[0].applyConfiguration.expression: Invalid value: "Object{spec: variables.b}": compilation failed: ERROR: <input>:1:1: undefined field 'b'
        Never
    "#]].assert_eq(&found(&format!("{{{rules}, variables: [{{name: a, expression: 'Object{{}}'}}], mutations: [{{patchType: ApplyConfiguration, applyConfiguration: {{expression: 'Object{{spec: variables.b}}'}}}}]}}")));
}
