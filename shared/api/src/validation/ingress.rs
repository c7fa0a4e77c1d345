//! Rules of ingresses and their classes.

use serde_json::Value;

use super::container::number_in_range;
use super::format::{dns_1035_label, dns_subdomain, port_name, qualified_name, wildcard_subdomain};
use super::{Errors, meta};
use crate::json::{int, items, text};
use crate::kinds::FieldError;

/// What a path may not contain, and what it may not end with.
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: [&str; 2] = ["/..", "/."];
const CLASS: &str = "kubernetes.io/ingress.class";
/// Bytes of a class' controller.
const LONGEST_CONTROLLER: usize = 250;
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];

/// Checks an ingress.
pub fn ingress(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (rules, default) = (items(spec, "/rules"), spec.get("defaultBackend"));
    if rules.is_empty() && default.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.invalid("spec", Value::Array(Vec::new()), detail);
    }
    if let Some(default) = default {
        backend(&mut errors, default, "spec.defaultBackend");
    }
    for (index, rule) in rules.iter().enumerate() {
        self::rule(&mut errors, rule, &format!("spec.rules[{index}]"));
    }
    for (index, tls) in items(spec, "/tls").iter().enumerate() {
        for (position, name) in items(tls, "/hosts").iter().filter_map(Value::as_str).enumerate() {
            host(&mut errors, name, &format!("spec.tls[{index}].hosts[{position}]"));
        }
        let secret = text(tls, "/secretName");
        let known = old.is_some_and(|old| {
            items(old, "/spec/tls").iter().any(|tls| !dns_subdomain(text(tls, "/secretName")).is_empty())
        });
        if !secret.is_empty() && !known {
            errors.format(&format!("spec.tls[{index}].secretName"), secret, dns_subdomain(secret));
        }
    }
    let class = text(spec, "/ingressClassName");
    if !class.is_empty() {
        errors.format("spec.ingressClassName", class, dns_subdomain(class));
    }
    let annotated =
        object.pointer("/metadata/annotations").and_then(|known| known.get(CLASS)).and_then(Value::as_str);
    if let Some(annotated) = annotated.filter(|annotated| !class.is_empty() && *annotated != class)
        && old.is_none()
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(format!("annotations.{CLASS}"), annotated, detail);
    }
    errors.0
}

fn rule(errors: &mut Errors, rule: &Value, path: &str) {
    let name = text(rule, "/host");
    if name.parse::<std::net::IpAddr>().is_ok() {
        errors.invalid(format!("{path}.host"), name, "must be a DNS name, not an IP address");
    } else if !name.is_empty() {
        host(errors, name, &format!("{path}.host"));
    }
    let Some(http) = rule.get("http") else { return };
    let path = format!("{path}.http.paths");
    let paths = items(http, "/paths");
    if paths.is_empty() {
        errors.required(path.as_str(), "");
    }
    for (index, one) in paths.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let place = text(one, "/path");
        match text(one, "/pathType") {
            "" => {
                errors.required(format!("{path}.pathType"), "pathType must be specified");
                continue;
            }
            "Exact" | "Prefix" => exact_path(errors, place, &format!("{path}.path")),
            "ImplementationSpecific" if !place.is_empty() && !place.starts_with('/') => {
                errors.invalid(format!("{path}.path"), place, "must be an absolute path");
            }
            kind => errors.one_of(format!("{path}.pathType"), kind, &PATH_TYPES, true),
        }
        backend(errors, one.get("backend").unwrap_or(&Value::Null), &format!("{path}.backend"));
    }
}

fn exact_path(errors: &mut Errors, place: &str, path: &str) {
    if !place.starts_with('/') {
        errors.invalid(path, place, "must be an absolute path");
    }
    for sequence in BAD_SEQUENCES.iter().filter(|sequence| place.contains(**sequence)) {
        errors.invalid(path, place, &format!("must not contain '{sequence}'"));
    }
    for end in BAD_ENDS.iter().filter(|end| place.ends_with(**end)) {
        errors.invalid(path, place, &format!("cannot end with '{end}'"));
    }
}

fn host(errors: &mut Errors, name: &str, path: &str) {
    let format = if name.contains('*') { wildcard_subdomain } else { dns_subdomain };
    errors.format(path, name, format(name));
}

fn backend(errors: &mut Errors, backend: &Value, path: &str) {
    match (backend.get("service"), backend.get("resource")) {
        (Some(_), Some(_)) => {
            errors.invalid(path, "", "cannot set both resource and service backends");
        }
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
        (None, Some(resource)) => {
            errors.needs(resource, &format!("{path}.resource"), "kind");
            errors.needs(resource, &format!("{path}.resource"), "name");
        }
        (Some(service), None) => self::service(errors, service, path),
    }
}

fn service(errors: &mut Errors, service: &Value, path: &str) {
    match text(service, "/name") {
        "" => errors.required(format!("{path}.service.name"), ""),
        name => errors.format(&format!("{path}.service.name"), name, dns_1035_label(name)),
    }
    let number = int(service, "/port/number").filter(|number| *number != 0);
    match (text(service, "/port/name"), number) {
        ("", None) => errors.required(path, "port name or number is required"),
        ("", Some(number)) => number_in_range(errors, &format!("{path}.service.port.number"), number),
        (name, None) => errors.format(&format!("{path}.service.port.name"), name, port_name(name)),
        (_, Some(_)) => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

/// Checks an ingress class.
pub fn ingress_class(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match text(spec, "/controller") {
        "" => errors.required("spec.controller", ""),
        name if name.len() > LONGEST_CONTROLLER => errors.too_long("spec.controller", LONGEST_CONTROLLER),
        name if !name.contains('/') => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid("spec.controller", name, detail);
        }
        name => errors.format("spec.controller", name, qualified_name(name)),
    }
    if let Some(parameters) = spec.get("parameters") {
        let path = "spec.parameters";
        errors.needs(parameters, path, "kind");
        errors.needs(parameters, path, "name");
        let scope = text(parameters, "/scope");
        errors.one_of(format!("{path}.scope"), scope, &["Cluster", "Namespace"], true);
        match (scope, text(parameters, "/namespace")) {
            ("Namespace", "") => {
                errors.required(format!("{path}.namespace"), "`parameters.scope` is set to 'Namespace'")
            }
            ("Cluster", namespace) if !namespace.is_empty() => {
                errors.forbidden(format!("{path}.namespace"), "`parameters.scope` is set to 'Cluster'")
            }
            _ => {}
        }
    }
    if let Some(old) = old {
        errors.immutable("spec.controller", spec.get("controller"), old.pointer("/spec/controller"));
    }
    errors.0
}
