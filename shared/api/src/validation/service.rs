//! Rules of services, in Kubernetes' order: first what an update may change, then what every service must be.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::address::{cidr, ip, parse, reachable};
use super::container::number_in_range;
use super::format::{dns_1035_label, dns_label, dns_subdomain, port_name, qualified_name};
use super::{Errors, meta};
use crate::json::{given, int, items, text};
use crate::kinds::FieldError;

pub(super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES: [&str; 2] = ["Cluster", "Local"];
/// A day, in seconds.
const LONGEST_AFFINITY: i64 = 86_400;
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const BALANCERS_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";

/// Checks a service.
pub fn service(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_1035_label);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if let Some(old) = old.and_then(|old| old.get("spec")) {
        change(&mut errors, spec, old);
    }
    let kind = text(spec, "/type");
    if items(spec, "/ports").is_empty() && !is_headless(spec) && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    of_type(&mut errors, spec, kind);
    let mut names = HashSet::new();
    for (index, port) in items(spec, "/ports").iter().enumerate() {
        let alone = items(spec, "/ports").len() == 1;
        self::port(&mut errors, port, &format!("spec.ports[{index}]"), alone, &mut names);
    }
    meta::labels(&mut errors, spec, "/selector", "spec.selector");
    affinity(&mut errors, spec);
    addresses(&mut errors, spec, kind);
    for (index, address) in items(spec, "/externalIPs").iter().filter_map(Value::as_str).enumerate() {
        let path = format!("spec.externalIPs[{index}]");
        errors.format(&path, address, ip(address));
        errors.format(&path, address, reachable(address));
    }
    errors.one_of("spec.type".into(), kind, &TYPES, true);
    shared_ports(&mut errors, spec, kind);
    balancer(&mut errors, object, spec, kind);
    traffic(&mut errors, spec, kind);
    errors.0
}

/// Checks a service's addresses before it is given any.
pub fn cluster_ips(object: &Value) -> Result<(), Vec<FieldError>> {
    let mut errors = Errors::default();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let kind = text(spec, "/type");
    addresses(&mut errors, spec, kind);
    if kind != "ExternalName" && !(is_headless(spec) && given(spec, "/selector").is_none()) {
        for (index, family) in
            items(spec, "/ipFamilies").iter().enumerate().filter(|(_, family)| *family == "IPv6")
        {
            errors.invalid(
                format!("spec.ipFamilies[{index}]"),
                family.clone(),
                "not configured on this cluster",
            );
        }
        if text(spec, "/ipFamilyPolicy") == "RequireDualStack" {
            let detail = "this cluster is not configured for dual-stack services";
            errors.invalid("spec.ipFamilyPolicy", "RequireDualStack", detail);
        }
    }
    if errors.0.is_empty() { Ok(()) } else { Err(errors.0) }
}

/// The addresses as the server completes them: one that is given alone is the first of them.
fn cluster_addresses(spec: &Value) -> Vec<&str> {
    let listed: Vec<&str> = items(spec, "/clusterIPs").iter().filter_map(Value::as_str).collect();
    match (listed.is_empty(), text(spec, "/clusterIP")) {
        (true, alone) if !alone.is_empty() => vec![alone],
        _ => listed,
    }
}

fn is_headless(spec: &Value) -> bool {
    cluster_addresses(spec) == ["None"]
}

fn of_type(errors: &mut Errors, spec: &Value, kind: &str) {
    if is_headless(spec) && matches!(kind, "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {kind} services");
        errors.invalid("spec.clusterIPs[0]", "None", &detail);
    }
    if kind != "ExternalName" {
        return;
    }
    let refused = "may not be set for ExternalName services";
    if !cluster_addresses(spec).is_empty() {
        errors.forbidden("spec.clusterIPs", refused);
    }
    if !items(spec, "/ipFamilies").is_empty() {
        errors.forbidden("spec.ipFamilies", refused);
    }
    if given(spec, "/ipFamilyPolicy").is_some() {
        errors.forbidden("spec.ipFamilyPolicy", refused);
    }
    let name = text(spec, "/externalName");
    match name.strip_suffix('.').unwrap_or(name) {
        "" => errors.required("spec.externalName", ""),
        name => errors.format("spec.externalName", name, dns_subdomain(name)),
    }
}

fn port<'a>(errors: &mut Errors, port: &'a Value, path: &str, alone: bool, names: &mut HashSet<&'a str>) {
    match text(port, "/name") {
        "" if !alone => errors.required(format!("{path}.name"), ""),
        "" => {}
        name => {
            errors.format(&format!("{path}.name"), name, dns_label(name));
            if !names.insert(name) {
                errors.duplicate(format!("{path}.name"), name);
            }
        }
    }
    number_in_range(errors, &format!("{path}.port"), int(port, "/port").unwrap_or(0));
    errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
    let target = format!("{path}.targetPort");
    match given(port, "/targetPort") {
        Some(Value::String(name)) => errors.format(&target, name, port_name(name)),
        Some(number) => number_in_range(errors, &target, number.as_i64().unwrap_or(0)),
        None => {}
    }
    if let Some(protocol) = given(port, "/appProtocol").and_then(Value::as_str) {
        errors.format(&format!("{path}.appProtocol"), protocol, qualified_name(protocol));
    }
}

fn affinity(errors: &mut Errors, spec: &Value) {
    let affinity = text(spec, "/sessionAffinity");
    errors.one_of("spec.sessionAffinity".into(), affinity, &["ClientIP", "None"], true);
    let path = "spec.sessionAffinityConfig";
    let config = given(spec, "/sessionAffinityConfig");
    match (affinity, config) {
        ("None", Some(_)) => errors.forbidden(path, "must not be set when session affinity is None"),
        ("ClientIP", config) => {
            let absent = "when session affinity type is ClientIP";
            let client = config.and_then(|config| given(config, "/clientIP"));
            match (config, client, client.and_then(|client| int(client, "/timeoutSeconds"))) {
                (None, _, _) => errors.required(path, absent),
                (_, None, _) => errors.required(format!("{path}.clientIP"), absent),
                (_, _, None) => errors.required(format!("{path}.clientIP.timeoutSeconds"), absent),
                (_, _, Some(seconds)) if !(1..=LONGEST_AFFINITY).contains(&seconds) => {
                    let detail = format!("must be greater than 0 and less than {LONGEST_AFFINITY}");
                    errors.invalid(format!("{path}.clientIP.timeoutSeconds"), seconds, &detail);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Addresses and their families, which stand side by side.
fn addresses(errors: &mut Errors, spec: &Value, kind: &str) {
    if kind == "ExternalName" {
        return;
    }
    let (first, listed) = (text(spec, "/clusterIP"), cluster_addresses(spec));
    match listed.first() {
        Some(_) if first.is_empty() => {
            errors.invalid(
                "spec.clusterIPs",
                listed.clone(),
                "must be empty when `clusterIP` is not specified",
            );
        }
        Some(address) if *address != first => {
            errors.invalid("spec.clusterIPs", listed.clone(), "first value must match `clusterIP`");
        }
        _ => {}
    }
    let mut seen = HashSet::new();
    for (index, family) in items(spec, "/ipFamilies").iter().filter_map(Value::as_str).enumerate() {
        let path = format!("spec.ipFamilies[{index}]");
        if !["IPv4", "IPv6"].contains(&family) {
            errors.unsupported(path.as_str(), family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(family) {
            errors.duplicate(path, family);
        }
    }
    errors.supports(spec, "spec", "ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    let before = errors.0.len();
    for (index, address) in listed.iter().enumerate() {
        if index > 0 || *address != "None" {
            errors.format(&format!("spec.clusterIPs[{index}]"), address, ip(address));
        } else if listed.len() > 1 {
            errors.invalid("spec.clusterIPs", listed.clone(), "'None' must be the first and only value");
        }
    }
    let wrong = errors.0.len() > before;
    if listed.len() > 2 {
        errors.invalid("spec.clusterIPs", listed.clone(), "may only hold up to 2 values");
    }
    if !wrong && !is_headless(spec) {
        families(errors, spec, &listed);
    }
}

fn families(errors: &mut Errors, spec: &Value, listed: &[&str]) {
    let long = |address: &str| parse(address).is_some_and(|address| address.is_ipv6());
    if listed.len() > 1 && !(listed.iter().any(|one| long(one)) && listed.iter().any(|one| !long(one))) {
        let detail = "may specify no more than one IP for each IP family";
        errors.invalid("spec.clusterIPs", listed.to_vec(), detail);
    }
    for (index, (address, family)) in listed.iter().zip(items(spec, "/ipFamilies")).enumerate() {
        if (family == "IPv4" && long(address)) || (family == "IPv6" && !long(address)) {
            let family = family.as_str().unwrap_or_default();
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(format!("spec.clusterIPs[{index}]"), *address, &detail);
        }
    }
}

/// No two ports are the same, on the service's address or on nodes.
fn shared_ports(errors: &mut Errors, spec: &Value, kind: &str) {
    let ports = || items(spec, "/ports").iter().enumerate();
    let node_port = |port: &Value| int(port, "/nodePort").filter(|number| *number != 0);
    for (index, _) in ports().filter(|(_, port)| kind == "ClusterIP" && node_port(port).is_some()) {
        let detail = "may not be used when `type` is 'ClusterIP'";
        errors.forbidden(format!("spec.ports[{index}].nodePort"), detail);
    }
    let mut taken = HashSet::new();
    for (index, port) in ports() {
        if let Some(number) =
            node_port(port).filter(|number| !taken.insert((text(port, "/protocol"), *number)))
        {
            errors.duplicate(format!("spec.ports[{index}].nodePort"), number);
        }
    }
    let mut taken = HashSet::new();
    for (index, port) in ports() {
        let (protocol, number) = (text(port, "/protocol"), int(port, "/port").unwrap_or(0));
        if !taken.insert((protocol, number)) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{protocol:?},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"
            );
            errors.duplicate_as(format!("spec.ports[{index}]"), &shown);
        }
    }
}

/// What only balancers have.
fn balancer(errors: &mut Errors, object: &Value, spec: &Value, kind: &str) {
    let balances = kind == "LoadBalancer";
    let ranges = items(spec, "/loadBalancerSourceRanges");
    let annotations = object.pointer("/metadata/annotations");
    let annotated = annotations.and_then(|all| all.get(SOURCE_RANGES)).and_then(Value::as_str);
    let path = "spec.LoadBalancerSourceRanges";
    if !ranges.is_empty() {
        if !balances {
            errors.forbidden(path, BALANCERS_ONLY);
        }
        for (index, range) in ranges.iter().filter_map(Value::as_str).map(str::trim).enumerate() {
            errors.format(&format!("{path}[{index}]"), range, cidr(range));
        }
    } else if let Some(annotated) = annotated {
        let path = format!("metadata.annotations[{SOURCE_RANGES}]");
        if !balances {
            errors.forbidden(path.as_str(), BALANCERS_ONLY);
        }
        for range in annotated.trim().split(',').map(str::trim).filter(|_| !annotated.trim().is_empty()) {
            errors.format(&path, range, cidr(range));
        }
    }
    if given(spec, "/allocateLoadBalancerNodePorts").is_some() && !balances {
        errors.forbidden("spec.allocateLoadBalancerNodePorts", BALANCERS_ONLY);
    }
    match given(spec, "/loadBalancerClass").and_then(Value::as_str) {
        Some(class) if balances => errors.format("spec.loadBalancerClass", class, qualified_name(class)),
        Some(_) => errors.forbidden("spec.loadBalancerClass", BALANCERS_ONLY),
        None => {}
    }
}

fn needs_health_check(spec: &Value) -> bool {
    text(spec, "/type") == "LoadBalancer" && text(spec, "/externalTrafficPolicy") == "Local"
}

fn traffic(errors: &mut Errors, spec: &Value, kind: &str) {
    let external = text(spec, "/externalTrafficPolicy");
    let outside = matches!(kind, "NodePort" | "LoadBalancer")
        || kind == "ClusterIP" && !items(spec, "/externalIPs").is_empty();
    if outside {
        errors.one_of("spec.externalTrafficPolicy".into(), external, &POLICIES, true);
    } else if !external.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.invalid("spec.externalTrafficPolicy", external, detail);
    }
    if let Some(port) = int(spec, "/healthCheckNodePort").filter(|port| *port != 0) {
        match needs_health_check(spec) {
            true => number_in_range(errors, "spec.healthCheckNodePort", port),
            false => {
                let detail =
                    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
                errors.invalid("spec.healthCheckNodePort", port, detail);
            }
        }
    }
    if given(spec, "/internalTrafficPolicy").is_none()
        && matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer")
    {
        errors.required("spec.internalTrafficPolicy", "");
    }
    errors.supports(spec, "spec", "internalTrafficPolicy", &POLICIES);
    let distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    errors.supports(spec, "spec", "trafficDistribution", &distributions);
}

/// A service's addresses and class stay, unless it becomes or was something else.
fn change(errors: &mut Errors, new: &Value, old: &Value) {
    let kinds = (text(new, "/type"), text(old, "/type"));
    if kinds.0 != "ExternalName" && kinds.1 != "ExternalName" && !(is_headless(new) && is_headless(old)) {
        address_change(errors, new, old);
    }
    if kinds == ("LoadBalancer", "LoadBalancer")
        && new.get("loadBalancerClass") != old.get("loadBalancerClass")
    {
        let class = new.get("loadBalancerClass").cloned().unwrap_or_default();
        errors.invalid("spec.loadBalancerClass", class, "may not change once set");
    }
    let checked = needs_health_check(new) && needs_health_check(old);
    if checked && new.get("healthCheckNodePort") != old.get("healthCheckNodePort") {
        errors.forbidden("spec.healthCheckNodePort", "field is immutable");
    }
}

fn address_change(errors: &mut Errors, new: &Value, old: &Value) {
    let (now, before) = (cluster_addresses(new), cluster_addresses(old));
    let mut refuse = |index: usize, why: &str| {
        errors.invalid(format!("spec.clusterIPs[{index}]"), json!(now), why);
    };
    if now.len() == before.len() {
        for (index, _) in before.iter().zip(&now).enumerate().filter(|(_, (before, now))| before != now) {
            refuse(index, "may not change once set");
        }
    } else if now.is_empty() {
        refuse(0, "primary clusterIP can not be unset");
    } else if before.first().is_some_and(|first| now.first() != Some(first)) {
        refuse(0, "may not change once set");
    }
    let released = now.len() == 1 && before.len() > 1;
    if released && text(new, "/ipFamilyPolicy") != "SingleStack" {
        let policy = new.get("ipFamilyPolicy").cloned().unwrap_or_default();
        let detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid("spec.ipFamilyPolicy", policy, detail);
    }
    let families = |spec: &Value| items(spec, "/ipFamilies").to_vec();
    if !is_headless(new) && !is_headless(old) {
        let (now, before) = (families(new), families(old));
        if let (Some(first), Some(known)) = (now.first(), before.first())
            && first != known
        {
            errors.invalid("spec.ipFamilies[0]", now, "may not change once set");
        }
    }
}
