//! What is wrong with the shape of schemas and of objects, as YAML.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::Schema;
use crate::kinds::FieldError;

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

fn lines(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect()
}

fn refuses(schema: &str, expected: Expect) {
    expected.assert_eq(&lines(&Schema::compile(&yaml(schema), "schema").unwrap_err()));
}

/// What is wrong with a change of an object.
fn check(schema: &str, object: &str, old: Option<&str>, expected: Expect) {
    let schema = Schema::compile(&yaml(schema), "schema").unwrap();
    let old = old.map(yaml);
    expected.assert_eq(&lines(&schema.validate(&yaml(object), old.as_ref(), Default::default())));
}

#[test]
fn defaults_fit_what_they_are_defaults_of() {
    refuses(
        "
type: object
properties:
  h: {type: object, properties: {y: {type: string}}, default: {x: 1}}
  i: {type: integer, default: text}
",
        expect![[r#"
            schema.properties[h].default: Invalid value: {"x":1}: must not have unknown fields
            schema.properties[i].default: Invalid value: "string":  in body must be of type integer: "string"
        "#]],
    );
}

#[test]
fn lists_and_maps_are_of_known_kinds() {
    refuses(
        "
type: object
properties:
  a: {type: object, x-kubernetes-list-type: set, properties: {x: {type: string}}}
  b: {type: array, x-kubernetes-list-type: bag, items: {type: string}}
  c: {type: array, x-kubernetes-list-map-keys: [n], items: {type: object, properties: {n: {type: string}}}}
  d: {type: array, x-kubernetes-list-type: set, items: {type: object, properties: {n: {type: string}}}}
  e: {type: array, x-kubernetes-list-type: set, items: {type: string, nullable: true}}
  f: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [n, n, o], items: {type: object, required: [n], properties: {n: {type: string, nullable: true}}}}
  g: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [n], items: {type: string}}
  h: {type: string, x-kubernetes-map-type: granular}
  i: {type: object, x-kubernetes-map-type: loose, properties: {x: {type: string}}}
  j: {type: object, x-kubernetes-preserve-unknown-fields: false, properties: {x: {type: string}}}
",
        expect![[r#"
            schema.properties[a].type: Invalid value: "object": must be array if x-kubernetes-list-type is specified
            schema.properties[b].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"
            schema.properties[c].x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty
            schema.properties[d].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set
            schema.properties[e].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set
            schema.properties[f].x-kubernetes-list-map-keys: Invalid value: ["n","n","o"]: must not contain duplicate entries
            schema.properties[f].x-kubernetes-list-map-keys: Invalid value: ["n","n","o"]: entries must all be names of item properties
            schema.properties[f].items.properties[n].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable
            schema.properties[f].items.properties[n].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable
            schema.properties[g].items.type: Invalid value: "string": must be object if parent array's x-kubernetes-list-type is map
            schema.properties[h].type: Invalid value: "string": must be object if x-kubernetes-map-type is specified
            schema.properties[i].x-kubernetes-map-type: Unsupported value: "loose": supported values: "atomic", "granular"
            schema.properties[j].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined
        "#]],
    );
}

#[test]
fn combinations_bound_what_is_described() {
    refuses(
        "
type: object
additionalProperties: {type: string}
properties:
  kind: {type: integer}
  metadata: {type: string}
  port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}], allOf: [{type: string}]}
  template: {type: string, x-kubernetes-embedded-resource: true}
  both: {x-kubernetes-int-or-string: true, x-kubernetes-preserve-unknown-fields: true}
oneOf:
- required: [a]
  properties: {a: {minLength: 1}, metadata: {required: [name]}, kind: {nullable: true}}
not: {items: {minimum: 1}}
",
        expect![[r#"
            schema.additionalProperties: Forbidden: must not be used at the root
            schema.items: Required value: because it is defined in schema.not.items
            schema.oneOf[0].properties[kind].nullable: Forbidden: must be false to be structural
            schema.oneOf[0].properties[metadata]: Forbidden: must not be specified in a nested context
            schema.properties[a]: Required value: because it is defined in schema.oneOf[0].properties[a]
            schema.properties[both].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true
            schema.properties[kind].type: Invalid value: "integer": must be string
            schema.properties[metadata].type: Invalid value: "string": must be object
            schema.properties[port].allOf[0].type: Forbidden: must be empty to be structural
            schema.properties[template].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields
            schema.properties[template].type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true
            schema.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive
        "#]],
    );
}

#[test]
fn embedded_resources_may_describe_their_metadata() {
    let schema = "
type: object
properties:
  template:
    type: object
    x-kubernetes-embedded-resource: true
    properties: {metadata: {type: object, properties: {labels: {type: object, additionalProperties: {type: string}}}}}
";
    check(schema, "{template: {apiVersion: v1, kind: Pod, metadata: {labels: {a: b}}}}", None, expect![[""]]);
    check(
        schema,
        "{template: {apiVersion: a/b/c, kind: 'Pod Template', metadata: {name: 'a/b', labels: {a: b c}}}}",
        None,
        expect![[r#"
            template.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c
            template.kind: Invalid value: "Pod Template": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            template.metadata.name: Invalid value: "a/b": may not contain '/'
            template.metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        "#]],
    );
    check(
        schema,
        "{template: {kind: '', metadata: {labels: 7}}}",
        None,
        expect![[r#"
        template.metadata.labels: Invalid value: "integer": template.metadata.labels in body must be of type object: "integer"
        template.apiVersion: Required value
        template.kind: Invalid value: "": must not be empty
        template.metadata: Invalid value: {"labels":7}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type map[string]string
    "#]],
    );
}

const RULED: &str = "
type: object
required: [spec]
x-kubernetes-validations: [{rule: 'self.spec.min <= self.spec.max', message: min and max}]
properties:
  spec:
    type: object
    x-kubernetes-validations: [{rule: 'self.min > 0', message: min is positive}]
    properties:
      min: {type: integer, default: 1}
      max: {type: integer, minimum: 1, default: 1}
      name: {type: string, maxLength: 3}
      tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
";

#[test]
fn rules_are_asked_about_objects_of_the_right_shape() {
    check(
        RULED,
        "{spec: {min: 3, max: 2}}",
        None,
        expect![[r#"
            <nil>: Invalid value: min and max
        "#]],
    );
    // A bound that is violated keeps no rule from being looked at.
    check(
        RULED,
        "{spec: {min: 0, max: -1}}",
        None,
        expect![[r#"
            spec.max: Invalid value: -1: spec.max in body should be greater than or equal to 1
            <nil>: Invalid value: min and max
            spec: Invalid value: min is positive
        "#]],
    );
    check(
        RULED,
        "{spec: {min: 3, max: 2, name: long}}",
        None,
        expect![[r#"
        spec.name: Too long: may not be more than 3 bytes
        <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation
    "#]],
    );
}

#[test]
fn what_was_there_twice_may_stay() {
    check(
        RULED,
        "{spec: {min: 1, max: 1, tags: [a, b, a, a, b]}}",
        None,
        expect![[r#"
        spec.tags[2]: Duplicate value: "a"
        spec.tags[4]: Duplicate value: "b"
    "#]],
    );
    let old = "{spec: {min: 1, max: 1, tags: [a, a]}}";
    check(RULED, "{spec: {min: 1, max: 2, tags: [a, a, b]}}", Some(old), expect![[""]]);
}
