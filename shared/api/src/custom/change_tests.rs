//! What is wrong with changes of definitions, as text.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::tests::converted_by_webhook;

/// What is wrong with an update of the definition.
fn check_change(before: fn(&mut Value), change: fn(&mut Value), expected: Expect) {
    let kind = crate::by_gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition").unwrap();
    let mut old = converted_by_webhook();
    old["status"]["storedVersions"] = json!(["v1"]);
    before(&mut old);
    let mut new = old.clone();
    change(&mut new);
    let errors = kind.validate(&new, Some(&old));
    expected.assert_eq(
        &errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect::<String>(),
    );
}

#[test]
fn what_is_wrong_with_a_conversion() {
    const PEM: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
    let change = |change: fn(&mut Value), expected| check_change(|_| {}, change, expected);
    change(
        |it| it["spec"]["conversion"] = json!({"strategy": "Webhook"}),
        expect![[r#"
        spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook
        spec.conversion.conversionReviewVersions: Required value
    "#]],
    );
    change(
        |it| it["spec"]["conversion"]["strategy"] = json!("None"),
        expect![[r#"
        spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook
        spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook
    "#]],
    );
    change(
        |it| {
            it["spec"]["conversion"]["webhook"] = json!({
                "conversionReviewVersions": ["v2", "v2", "V3"],
                "clientConfig": {"url": "http://me@host/path?query#fragment", "caBundle": "bm9uZQ=="}});
        },
        expect![[r#"
            spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]
            spec.conversion.webhookClientConfig.url: Invalid value: "me": user information is not permitted in the URL
            spec.conversion.webhookClientConfig.url: Invalid value: "fragment": fragments are not permitted in the URL
            spec.conversion.webhookClientConfig.url: Invalid value: "query": query parameters are not permitted in the URL
            spec.conversion.webhookClientConfig.caBundle: Invalid value: "bm9uZQ==": unable to load root certificates: unable to parse bytes as PEM block
            spec.conversion.conversionReviewVersions[1]: Invalid value: "v2": duplicate version
            spec.conversion.conversionReviewVersions[2]: Invalid value: "V3": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.conversion.conversionReviewVersions: Invalid value: ["v2","v2","V3"]: must include at least one of v1, v1beta1
        "#]],
    );
    change(
        |it| {
            let client = &mut it["spec"]["conversion"]["webhook"]["clientConfig"];
            client["service"] = json!({"namespace": "", "name": "a", "path": "x//y_z/", "port": 0});
        },
        expect![[r#"
            spec.conversion.webhookClientConfig.service.name: Required value
            spec.conversion.webhookClientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive
            spec.conversion.webhookClientConfig.service.path: Invalid value: "x//y_z/": must start with a '/'
            spec.conversion.webhookClientConfig.service.path: Invalid value: "x//y_z/": segment[0] may not be empty
            spec.conversion.webhookClientConfig.service.path: Invalid value: "x//y_z/": segment[1] may not be empty
            spec.conversion.webhookClientConfig.service.path: Invalid value: "x//y_z/": segment[2]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        "#]],
    );
    change(
        |it| it["spec"]["conversion"]["webhook"]["clientConfig"] = json!({}),
        expect![[r#"
        spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required
    "#]],
    );
    // What was wrong before may stay so; before the definition is established anything goes.
    let broken =
        |it: &mut Value| it["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"] = json!("bm9uZQ==");
    check_change(broken, |it| it["metadata"]["labels"] = json!({"a": "b"}), expect![[""]]);
    check_change(|it| it["status"]["conditions"] = json!([]), broken, expect![[""]]);
    check_change(
        |it| it["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"] = json!(PEM),
        broken,
        expect![[r#"
            spec.conversion.webhookClientConfig.caBundle: Invalid value: "bm9uZQ==": unable to load root certificates: unable to parse bytes as PEM block
        "#]],
    );
}

#[test]
fn what_of_a_definition_stays() {
    let change = |change: fn(&mut Value), expected| check_change(|_| {}, change, expected);
    change(
        |it| {
            it["spec"]["scope"] = json!("Cluster");
            it["spec"]["names"]["kind"] = json!("Cron");
            it["spec"]["names"]["plural"] = json!("crons");
        },
        expect![[r#"
            spec.scope: Invalid value: "Cluster": field is immutable
            spec.names.kind: Invalid value: "Cron": field is immutable
            spec.names.plural: Invalid value: "crons": field is immutable
        "#]],
    );
    check_change(
        |it| it["status"]["conditions"] = json!([]),
        |it| it["spec"]["scope"] = json!("Cluster"),
        expect![[""]],
    );
    change(
        |it| it["status"]["storedVersions"] = json!(["v1beta1", "v0"]),
        expect![[r#"
        status.storedVersions: Invalid value: ["v1beta1","v0"]: must have the storage version v1
        status.storedVersions[1]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions
    "#]],
    );
    change(
        |it| it["status"]["storedVersions"] = json!([]),
        expect![[r#"
        status.storedVersions: Invalid value: []: must have at least one stored version
    "#]],
    );
    change(
        |it| {
            it["spec"]["versions"][0]["deprecationWarning"] = json!("gone soon");
            it["spec"]["versions"][1]["deprecationWarning"] = json!("");
            it["spec"]["versions"][2]["name"] = json!("V1");
        },
        expect![[r#"
            spec.versions[0].deprecationWarning: Invalid value: "gone soon": can only be set for deprecated versions
            spec.versions[1].deprecationWarning: Invalid value: "": must not be an empty string
            spec.versions[2].name: Invalid value: "V1": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
        "#]],
    );
}

/// What all versions have alike is told of once, where Kubernetes' older form of definitions has it.
#[test]
fn what_all_versions_have_alike_is_wrong_once() {
    let alone = |it: &mut Value| drop(it["spec"]["versions"].as_array_mut().unwrap().drain(1..));
    check_change(
        alone,
        |it| {
            let version = &mut it["spec"]["versions"][0];
            version["schema"]["openAPIV3Schema"]["properties"]["spec"]["type"] = json!("");
            version["schema"]["openAPIV3Schema"]["nullable"] = json!(true);
            version["subresources"]["scale"]["statusReplicasPath"] = json!("replicas");
            version["additionalPrinterColumns"] =
                json!([{"name": "a", "type": "string", "jsonPath": "spec", "format": "wide"}]);
            version["selectableFields"] =
                json!([{"jsonPath": ".metadata.name"}, {"jsonPath": ".spec.list[0]"}, {"jsonPath": ""}]);
        },
        expect![[r#"
            spec.validation.openAPIV3Schema: Invalid value: {"nullable":true,"properties":{"spec":{"properties":{"color":{"type":"string"},"cronSpec":{"type":"string"},"replicas":{"default":1,"type":"integer"}},"type":""},"status":{"properties":{"conditions":{"items":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"type":"array"},"replicas":{"type":"integer"},"selector":{"type":"string"}},"type":"object"}},"type":"object"}: only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled
            spec.validation.openAPIV3Schema.nullable: Forbidden: nullable cannot be true at the root
            spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields
            spec.subresources.scale.statusReplicasPath: Invalid value: "replicas": must be a simple json path starting with .
            spec.additionalPrinterColumns[0].format: Invalid value: "wide": must be one of byte,date,date-time,double,float,int32,int64,password
            spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with .
            spec.selectableFields[0].jsonPath: Invalid value: ".metadata.name": is an invalid path: does not refer to a valid field
            spec.selectableFields[1].jsonPath: Invalid value: ".spec.list[0]": is an invalid path: array notation is not allowed
            spec.selectableFields[2].jsonPath: Required value
        "#]],
    );
}

/// Schemas that would be refused today are served as they were, and do not keep anybody from changing something else.
#[test]
fn what_was_accepted_before_a_rule_is_served_still() {
    let old_fashioned = |it: &mut Value| {
        it["spec"]["versions"][1]["schema"]["openAPIV3Schema"] = json!({
            "type": "object", "additionalProperties": {"type": "string"},
            "properties": {
                "metadata": {"type": "object", "description": "as usual"},
                "spec": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": false,
                    "x-kubernetes-validations": [{"rule": "self.none == 1"}, {"rule": "self.size < 3"}],
                    "properties": {
                        "size": {"type": "integer", "default": 1},
                        "names": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
                        "places": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
                        "steps": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}},
                    },
                },
            },
        });
    };
    let mut definition = converted_by_webhook();
    old_fashioned(&mut definition);
    let kinds = super::kinds_of(&definition);
    assert_eq!(kinds.len(), 2);
    assert!(kinds[0].custom().unwrap().knows("stable.example.com/v1beta1"));
    let check = |spec: Value, expected: Expect| {
        let object = json!({
            "apiVersion": "stable.example.com/v1beta1", "kind": "CronTab",
            "metadata": {"name": "a", "namespace": "b"}, "spec": spec,
        });
        let mut object = kinds[1].decode(object).unwrap().object;
        kinds[1].default(&mut object);
        let errors = kinds[1].validate(&object, None);
        let wrong: String = errors.iter().map(|it| format!("\n{}: {}", it.field, it.message)).collect();
        expected.assert_eq(&format!("{}{wrong}", object["spec"]));
    };
    check(json!({"other": 1, "steps": [{}, {}]}), expect![[r#"{"size":1,"steps":[{},{}]}"#]]);
    check(
        json!({"size": 3, "places": [{}, {}]}),
        expect![[r#"
        {"places":[{},{}],"size":3}
        spec.places[1]: Duplicate value: {}
        spec: Invalid value: failed rule: self.size < 3"#]],
    );
    check_change(old_fashioned, |it| it["metadata"]["finalizers"] = json!(["example.com/a"]), expect![[""]]);
    check_change(
        old_fashioned,
        |it| it["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["description"] = json!("new"),
        expect![[r#"
            spec.versions[1].schema.openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root
            spec.versions[1].schema.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified
            spec.versions[1].schema.openAPIV3Schema.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive
            spec.versions[1].schema.openAPIV3Schema.properties[spec].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined
            spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[names].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic
            spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[places].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set
            spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[steps].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map
        "#]],
    );
}
