//! Rules of pods and of pod specs in templates, in Kubernetes' order.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::address::ip;
use super::container::{Pod, containers, of_pods_only};
use super::format::{dns_label, dns_search, dns_subdomain, qualified_name};
use super::resources::{self, Asker};
use super::{Errors, affinity, ephemeral, meta, pod_change, security, volume};
use crate::json::{flag, given, int, items, text};
use crate::kinds::FieldError;
use crate::quantity::Quantity;

/// The longest time that a pod may run, in seconds.
const LONGEST_RUN: i64 = 2_147_483_647;
/// What the resolver of Linux' libc takes.
const MOST_NAMESERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const LONGEST_SEARCHES: usize = 2048;
const LONGEST_HOSTNAME: usize = 64;

/// Checks a pod.
pub fn pod(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    whole(&mut errors, object, old);
    match old {
        Some(old) => pod_change::change(&mut errors, object, old),
        None => new(&mut errors, object),
    }
    errors.0
}

/// Checks all that a pod is, whether it is new or changed.
pub(super) fn whole(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    meta::metadata(errors, object, old, dns_subdomain);
    let pod_spec = object.get("spec").unwrap_or(&Value::Null);
    pod_change::annotations(errors, object.get("metadata"), pod_spec, "metadata.annotations");
    spec_of(errors, pod_spec, "spec", Some(text(object, "/metadata/name")));
    for list in ["containers", "initContainers"] {
        for (index, container) in items(pod_spec, &format!("/{list}")).iter().enumerate() {
            of_pods_only(errors, container, &format!("spec.{list}[{index}]"));
        }
    }
}

/// What a pod cannot begin with.
fn new(errors: &mut Errors, object: &Value) {
    if !items(object, "/spec/ephemeralContainers").is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(object, "/spec/nodeName").is_empty() && !items(object, "/spec/schedulingGates").is_empty() {
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

/// Checks the pod template at `path`.
pub(super) fn template(errors: &mut Errors, template: &Value, path: &str) {
    meta::labels(errors, template, "/metadata/labels", &format!("{path}.labels"));
    let annotations = format!("{path}.annotations");
    meta::annotations(errors, template, "/metadata/annotations", &annotations);
    let spec = template.get("spec").unwrap_or(&Value::Null);
    pod_change::annotations(errors, template.get("metadata"), spec, &annotations);
    spec_of(errors, spec, &format!("{path}.spec"), None);
    if !items(spec, "/ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        errors.forbidden(format!("{path}.spec.ephemeralContainers"), detail);
    }
}

/// Checks the spec of the pod of this name, or of a template's pods.
fn spec_of(errors: &mut Errors, spec: &Value, path: &str, name: Option<&str>) {
    let mut pod = Pod {
        volumes: volume::volumes(errors, spec, path, name.unwrap_or_default()),
        claims: items(spec, "/resourceClaims").iter().map(|claim| text(claim, "/name")).collect(),
        grace: int(spec, "/terminationGracePeriodSeconds"),
        restart_policy: text(spec, "/restartPolicy"),
        host_users: given(spec, "/hostUsers") != Some(&Value::Bool(false)),
    };
    pod.claims.retain(|claim| !claim.is_empty());
    resource_claims(errors, spec, path);
    containers(errors, spec, path, &pod);
    ephemeral::containers(errors, spec, path, &pod);
    own_resources(errors, spec, path);
    host_network_ports(errors, spec, path, name.is_some());
    let restart = ["Always", "OnFailure", "Never"];
    errors.one_of(format!("{path}.restartPolicy"), pod.restart_policy, &restart, true);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(format!("{path}.dnsPolicy"), text(spec, "/dnsPolicy"), &dns, true);
    meta::labels(errors, spec, "/nodeSelector", &format!("{path}.nodeSelector"));
    security::of_pod(errors, spec, path);
    affinity::affinity(errors, spec, path);
    dns_config(errors, spec, path);
    gates(errors, spec, path);
    affinity::spread(errors, spec, path);
    security::host_users(errors, spec, path);
    named(errors, spec, path);
    affinity::tolerations(errors, spec, path);
    host_aliases(errors, spec, path);
    classes(errors, spec, path);
    security::of_system(errors, spec, path);
}

/// Claims of devices, which are there or are made for the pod.
fn resource_claims(errors: &mut Errors, spec: &Value, path: &str) {
    let mut names = HashSet::new();
    for (index, claim) in items(spec, "/resourceClaims").iter().enumerate() {
        let path = format!("{path}.resourceClaims[{index}]");
        let name = text(claim, "/name");
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        } else {
            errors.named(claim, &path, "name", dns_label);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        let shown = || super::errors::spelled(claim, &["name", sources[0], sources[1]]);
        match sources.iter().filter(|key| claim.get(**key).is_some_and(|name| !name.is_null())).count() {
            0 => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                errors.invalid_as(path.as_str(), &shown(), detail);
            }
            1 => {}
            _ => {
                let detail =
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid_as(path.as_str(), &shown(), detail);
            }
        }
        for key in sources {
            errors.formatted(claim, &path, key, dns_subdomain);
        }
    }
}

/// What all containers share is no less than what they ask for.
fn own_resources(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(own) = given(spec, "/resources") else { return };
    let path = format!("{path}.resources");
    if given(own, "/claims").is_some() {
        errors.forbidden(format!("{path}.claims"), "claims cannot be set for Resources at pod-level");
    }
    resources::amounts(errors, own, &path, Asker::Pod);
    let lists = ["containers", "initContainers"].map(|list| (list.to_owned(), spec.get(list).cloned()));
    let lists: Value = lists.into_iter().filter_map(|(list, containers)| Some((list, containers?))).collect();
    let asked = crate::admission::pod_amounts(&json!({"spec": lists}), "requests");
    for (resource, sum) in asked {
        let wanted = own.get("requests").and_then(|requests| requests.get(&resource)).and_then(Value::as_str);
        if let Some(wanted) = wanted
            && Quantity::parse(wanted).is_some_and(|most| sum > most)
        {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.invalid(format!("{path}.requests[{resource}]"), wanted, &detail);
        }
    }
}

/// With the node's network, a container's port is the node's. In a template it may still be open.
fn host_network_ports(errors: &mut Errors, spec: &Value, path: &str, of_pod: bool) {
    if !flag(spec, "/hostNetwork") {
        return;
    }
    for (index, container) in items(spec, "/containers").iter().enumerate() {
        for (port_index, port) in items(container, "/ports").iter().enumerate() {
            let (own, inner) =
                (int(port, "/hostPort").unwrap_or(0), int(port, "/containerPort").unwrap_or(0));
            if own != inner && (of_pod || own != 0) {
                let path = format!("{path}.containers[{index}].ports[{port_index}].hostPort");
                errors.invalid(path, own, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

fn dns_config(errors: &mut Errors, spec: &Value, path: &str) {
    let path = format!("{path}.dnsConfig");
    let config = given(spec, "/dnsConfig");
    let servers = items(spec, "/dnsConfig/nameservers");
    if text(spec, "/dnsPolicy") == "None" && config.is_none() {
        return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    if text(spec, "/dnsPolicy") == "None" && servers.is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        return errors.required(format!("{path}.nameservers"), detail);
    }
    let Some(config) = config else { return };
    if servers.len() > MOST_NAMESERVERS {
        let detail = format!("must not have more than {MOST_NAMESERVERS} nameservers");
        errors.invalid(format!("{path}.nameservers"), servers.to_vec(), &detail);
    }
    for (index, server) in servers.iter().filter_map(Value::as_str).enumerate() {
        errors.format(&format!("{path}.nameservers[{index}]"), server, ip(server));
    }
    searches(errors, config, &format!("{path}.searches"));
    for (index, _) in
        items(config, "/options").iter().enumerate().filter(|(_, option)| text(option, "/name").is_empty())
    {
        errors.required(format!("{path}.options[{index}]"), "must not be empty");
    }
}

fn searches(errors: &mut Errors, config: &Value, path: &str) {
    let searches: Vec<&str> = items(config, "/searches").iter().filter_map(Value::as_str).collect();
    if searches.len() > MOST_SEARCHES {
        let detail = format!("must not have more than {MOST_SEARCHES} search paths");
        errors.invalid(path, searches.clone(), &detail);
    }
    if searches.join(" ").len() > LONGEST_SEARCHES {
        let detail = format!(
            "must not have more than {LONGEST_SEARCHES} characters (including spaces) in the search list"
        );
        errors.invalid(path, searches.clone(), &detail);
    }
    for (index, search) in searches.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.format(&format!("{path}[{index}]"), search, dns_search(search));
    }
}

/// What a pod waits for before it is ready, and before it is scheduled.
fn gates(errors: &mut Errors, spec: &Value, path: &str) {
    for (index, gate) in items(spec, "/readinessGates").iter().enumerate() {
        let condition = text(gate, "/conditionType");
        let path = format!("{path}.readinessGates[{index}].conditionType");
        errors.format(&path, condition, qualified_name(condition));
    }
    let mut seen = HashSet::new();
    for (index, gate) in items(spec, "/schedulingGates").iter().enumerate() {
        let (name, path) = (text(gate, "/name"), format!("{path}.schedulingGates[{index}]"));
        errors.format(&path, name, qualified_name(name));
        if !seen.insert(name) {
            errors.duplicate(path, name);
        }
    }
}

/// Fields of a pod spec that are names of something, and how long it may run.
fn named(errors: &mut Errors, spec: &Value, path: &str) {
    for key in ["serviceAccountName", "nodeName"] {
        errors.formatted(spec, path, key, dns_subdomain);
    }
    errors.between(spec, path, "activeDeadlineSeconds", (1, LONGEST_RUN));
    for key in ["hostname", "subdomain"] {
        errors.formatted(spec, path, key, dns_label);
    }
    let Some(name) = given(spec, "/hostnameOverride").and_then(Value::as_str) else { return };
    let field = format!("{path}.hostnameOverride");
    if name.len() > LONGEST_HOSTNAME {
        errors.too_long(field.as_str(), LONGEST_HOSTNAME);
    }
    errors.format(&field, name, dns_subdomain(name));
    for key in ["hostNetwork", "setHostnameAsFQDN"].into_iter().filter(|key| flag(spec, &format!("/{key}"))) {
        errors.forbidden(field.as_str(), &format!("may not be specified when {key} is true"));
    }
}

fn host_aliases(errors: &mut Errors, spec: &Value, path: &str) {
    for (index, alias) in items(spec, "/hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{index}]");
        let address = text(alias, "/ip");
        errors.format(&format!("{path}.ip"), address, ip(address));
        for (index, name) in items(alias, "/hostnames").iter().filter_map(Value::as_str).enumerate() {
            errors.format(&format!("{path}.hostnames[{index}]"), name, dns_subdomain(name));
        }
    }
}

fn classes(errors: &mut Errors, spec: &Value, path: &str) {
    errors.formatted(spec, path, "priorityClassName", dns_subdomain);
    if let Some(name) = given(spec, "/runtimeClassName").and_then(Value::as_str) {
        errors.format(&format!("{path}.runtimeClassName"), name, dns_subdomain(name));
    }
    if let Some(policy) = given(spec, "/preemptionPolicy").and_then(Value::as_str) {
        let policies = ["PreemptLowerPriority", "Never"];
        errors.one_of(format!("{path}.preemptionPolicy"), policy, &policies, true);
    }
    if let Some(overhead) = given(spec, "/overhead") {
        let limits = json!({"limits": overhead});
        resources::amounts(errors, &limits, &format!("{path}.overhead"), Asker::Container);
    }
}
