//! Rules of network policies.

use serde_json::Value;

use super::address::{Cidr, cidr};
use super::container::number_in_range;
use super::format::port_name;
use super::{Errors, meta};
use crate::json::{int, items, text};
use crate::kinds::FieldError;

/// Checks a network policy.
pub fn network_policy(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if let Some(selector) = spec.get("podSelector") {
        meta::selector(&mut errors, selector, "spec.podSelector");
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, &format!("/{direction}")).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (index, port) in items(rule, "/ports").iter().enumerate() {
                self::port(&mut errors, port, &format!("{path}.ports[{index}]"));
            }
            for (index, peer) in items(rule, &format!("/{peers}")).iter().enumerate() {
                self::peer(&mut errors, peer, &format!("{path}.{peers}[{index}]"));
            }
        }
    }
    let types = items(spec, "/policyTypes");
    if types.len() > 2 {
        let detail = "may not specify more than two policyTypes";
        errors.invalid("spec.policyTypes", Value::Array(types.to_vec()), detail);
        return errors.0;
    }
    for (index, kind) in types.iter().filter_map(Value::as_str).enumerate() {
        errors.one_of(format!("spec.policyTypes[{index}]"), kind, &["Ingress", "Egress"], true);
    }
    errors.0
}

fn port(errors: &mut Errors, port: &Value, path: &str) {
    errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &["TCP", "UDP", "SCTP"], false);
    let end = int(port, "/endPort");
    match port.get("port") {
        Some(Value::String(name)) => {
            if end.is_some() {
                errors.invalid(
                    format!("{path}.endPort"),
                    end,
                    "may not be specified when `port` is non-numeric",
                );
            }
            errors.format(&format!("{path}.port"), name, port_name(name));
        }
        Some(number) => {
            let number = number.as_i64().unwrap_or(0);
            number_in_range(errors, &format!("{path}.port"), number);
            if let Some(end) = end {
                if end < number {
                    errors.invalid(format!("{path}.endPort"), end, "must be greater than or equal to `port`");
                }
                number_in_range(errors, &format!("{path}.endPort"), end);
            }
        }
        None if end.is_some() => {
            errors.invalid(
                format!("{path}.endPort"),
                end,
                "may not be specified when `port` is not specified",
            );
        }
        None => {}
    }
}

fn peer(errors: &mut Errors, peer: &Value, path: &str) {
    let mut selectors = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = peer.get(key) {
            selectors += 1;
            meta::selector(errors, selector, &format!("{path}.{key}"));
        }
    }
    match peer.get("ipBlock") {
        Some(block) => {
            ip_block(errors, block, &format!("{path}.ipBlock"));
            if selectors > 0 {
                errors.forbidden(path, "may not specify both ipBlock and another peer");
            }
        }
        None if selectors == 0 => errors.required(path, "must specify a peer"),
        None => {}
    }
}

fn ip_block(errors: &mut Errors, block: &Value, path: &str) {
    let range = text(block, "/cidr");
    if range.is_empty() {
        return errors.required(format!("{path}.cidr"), "");
    }
    let known = Cidr::parse(range);
    errors.format(&format!("{path}.cidr"), range, cidr(range));
    for (index, except) in items(block, "/except").iter().filter_map(Value::as_str).enumerate() {
        let path = format!("{path}.except[{index}]");
        match (Cidr::parse(except), &known) {
            (None, _) => errors.format(&path, except, cidr(except)),
            (Some(inner), Some(outer)) if !outer.strictly_contains(&inner) => {
                errors.invalid(path, except, "must be a strict subset of `cidr`");
            }
            (Some(_), _) => {}
        }
    }
}
