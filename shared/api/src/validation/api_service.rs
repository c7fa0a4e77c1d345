//! Rules of APIServices.

use serde_json::Value;

use super::format::{dns_1035_label, dns_subdomain, path_segment};
use super::{Errors, meta};
use crate::json::{flag, int, items, text};
use crate::kinds::FieldError;

/// Checks an APIService.
pub fn api_service(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::general(&mut errors, object, old, path_segment);
    let (name, group, version) =
        (text(object, "/metadata/name"), text(object, "/spec/group"), text(object, "/spec/version"));
    let required = format!("{version}.{group}");
    if !name.is_empty() && name != required {
        errors.invalid(
            "metadata.name",
            name,
            &format!("must be `spec.version+\".\"+spec.group`: {required:?}"),
        );
    }
    match group {
        "" if version != "v1" => {
            errors.required("spec.group", "only v1 may have an empty group and it better be legacy kube");
        }
        "" => {}
        group => errors.format("spec.group", group, dns_subdomain(group)),
    }
    errors.format("spec.version", version, dns_1035_label(version));
    for (key, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let priority = int(object, &format!("/spec/{key}")).unwrap_or(0);
        if !(1..=most).contains(&priority) {
            let why = format!("must be positive and less than {most}");
            errors.invalid(format!("spec.{key}"), priority, &why);
        }
    }
    service(&mut errors, object);
    for (index, condition) in items(object, "/status/conditions").iter().enumerate() {
        let path = format!("status.conditions[{index}].status");
        errors.one_of(path, text(condition, "/status"), &["True", "False", "Unknown"], true);
    }
    errors.0
}

fn service(errors: &mut Errors, object: &Value) {
    let bundle = text(object, "/spec/caBundle");
    let unchecked = flag(object, "/spec/insecureSkipTLSVerify");
    let Some(service) = object.pointer("/spec/service").filter(|service| !service.is_null()) else {
        if !bundle.is_empty() {
            let bytes = bundle.trim_end_matches('=').len() * 3 / 4;
            let why = "local APIServices may not have a caBundle";
            errors.invalid("spec.caBundle", format!("{bytes} bytes"), why);
        }
        if unchecked {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid("spec.insecureSkipTLSVerify", true, why);
        }
        return;
    };
    errors.needs(service, "spec.service", "namespace");
    errors.needs(service, "spec.service", "name");
    if unchecked && !bundle.is_empty() {
        errors.invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present");
    }
    let port = int(service, "/port").unwrap_or(443);
    if !(1..=65_535).contains(&port) {
        let why = "must be between 1 and 65535, inclusive";
        errors.invalid("spec.service.port", port, &format!("port is not valid: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::validation::tests::check;

    #[test]
    fn api_services() {
        check(
            "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.shop.example.com}, spec: {group: shop.example.com, version: v1, groupPriorityMinimum: 1000, versionPriority: 15}}",
            expect![""],
        );
        check(
            "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v2.}, spec: {version: v2, groupPriorityMinimum: 20001, caBundle: YQ==, insecureSkipTLSVerify: true}}",
            expect![[r#"
                spec.group: Required value: only v1 may have an empty group and it better be legacy kube
                spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000
                spec.versionPriority: Invalid value: 0: must be positive and less than 1000
                spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle
                spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify
            "#]],
        );
        check(
            "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: shop}, spec: {group: sh_op, version: v1, groupPriorityMinimum: 1, versionPriority: 1, caBundle: YQ==, insecureSkipTLSVerify: true, service: {name: api}}}",
            expect![[r#"
                metadata.name: Invalid value: "shop": must be `spec.version+"."+spec.group`: "v1.sh_op"
                spec.group: Invalid value: "sh_op": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.service.namespace: Required value
                spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present
            "#]],
        );
    }
}
