//! What is applied and does not fit its type: unknown fields, and values of another shape. In the words of Kubernetes' structured merge.

use serde_json::{Map, Value};

use super::set::{field_step, show};
use super::types::{Shape, TypeRef};
use crate::json::{as_go_prints, go_type};

/// What does not fit, one sentence each: `.spec.colour: field not declared in schema`.
pub fn misfits(kind: TypeRef<'_>, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(kind, object, &mut String::new(), &mut found);
    found
}

fn walk(kind: TypeRef<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let shown = || format!("&{{{}}}", as_go_prints(value));
    let wanted = match (kind.shape(), value) {
        (_, Value::Null) | (Shape::Anything, _) => return,
        (Shape::Fields { open }, Value::Object(fields)) => return entries(kind, fields, open, path, found),
        (Shape::Elements, Value::Array(items)) => return elements(kind, items, path, found),
        (Shape::Text, Value::String(_))
        | (Shape::Number, Value::Number(_))
        | (Shape::Truth, Value::Bool(_)) => return,
        (Shape::Fields { .. }, _) => format!("map, got {}", shown()),
        (Shape::Elements, _) => format!("list, got {}", shown()),
        (Shape::Text, _) => format!("string, got {}", shown()),
        (Shape::Truth, _) => format!("boolean, got {}", shown()),
        (Shape::Number, _) => format!("numeric (int or float), got {}", go_type(value)),
    };
    found.push(format!("{path}: expected {wanted}"));
}

fn entries(
    kind: TypeRef<'_>,
    fields: &Map<String, Value>,
    open: bool,
    path: &mut String,
    found: &mut Vec<String>,
) {
    for (name, value) in fields {
        if kind.is_object() && matches!(name.as_str(), "apiVersion" | "kind") {
            continue;
        }
        let end = path.len();
        show(&field_step(name), path);
        match open || kind.field(name).is_some() {
            true => walk(kind.child(name), value, path, found),
            false => found.push(format!("{path}: field not declared in schema")),
        }
        path.truncate(end);
    }
}

fn elements(kind: TypeRef<'_>, items: &[Value], path: &mut String, found: &mut Vec<String>) {
    // What is no element of a set is told when the elements are told apart.
    let items = if kind.is_set() { &[] } else { items };
    for (index, item) in items.iter().enumerate() {
        let end = path.len();
        let step = kind.step_to(item).ok().filter(|step| step.starts_with("k:"));
        show(&step.unwrap_or_else(|| format!("i:{index}")), path);
        walk(kind.element(), item, path, found);
        path.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::schema;

    fn check(kind: TypeRef<'_>, yaml: &str, expected: Expect) {
        let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
        expected.assert_eq(&misfits(kind, &object).join("\n"));
    }

    #[test]
    fn what_a_built_in_type_does_not_declare_is_named() {
        let pod = TypeRef::Message(schema::root("v1", "Pod").unwrap());
        check(
            pod,
            "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {a: b}, Name: b}, spec: {colour: red, nodeSelector: [a], \
             hostNetwork: 'yes', containers: [{name: c, imag: i, resources: {limits: {cpu: 1, memory: 2Gi}}, ports: [{containerPort: 80, port: 1}], \
             livenessProbe: {httpGet: {port: http}}}]}}",
            expect![[r#"
                .metadata.Name: field not declared in schema
                .spec.colour: field not declared in schema
                .spec.containers[name="c"].imag: field not declared in schema
                .spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].port: field not declared in schema
                .spec.hostNetwork: expected boolean, got &{yes}
                .spec.nodeSelector: expected map, got &{[a]}"#]],
        );
    }

    #[test]
    fn what_a_structural_schema_does_not_declare_is_named() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "port": {"x-kubernetes-int-or-string": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"n": {"type": "integer"}}},
            "inner": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"a": {"type": "string"}}},
        }}}});
        check(
            TypeRef::Custom(&schema),
            "{apiVersion: v1, kind: W, metadata: {name: a, bogus: 1}, top: 1, spec: {size: x, names: x, labels: {a: b, c: {d: e}}, port: http, \
             free: {n: 1, m: 2}, inner: {apiVersion: v1, kind: X, metadata: {name: a}, a: b, q: 1}}}",
            expect![[r#"
                .metadata.bogus: field not declared in schema
                .spec.inner.q: field not declared in schema
                .spec.labels.c: expected string, got &{map[d:e]}
                .spec.names: expected list, got &{x}
                .spec.size: expected numeric (int or float), got string
                .top: field not declared in schema"#]],
        );
    }
}
