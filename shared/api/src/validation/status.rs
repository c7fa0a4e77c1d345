//! Rules of statuses that clients write: what Kubernetes' strategies of `/status` check.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::Value;

use super::address::{ip, parse};
use super::format::{dns_subdomain, qualified_name};
use super::{Errors, classes, custom_resource_definition_status, job_status, meta, node, resources};
use crate::ResourceId;
use crate::json::{entries, int, items, text};
use crate::kinds::FieldError;

/// Fields of a status that count something, in Kubernetes' order.
struct Counts {
    resource: &'static str,
    not_negative: &'static [&'static str],
    /// The first must not exceed the second; Kubernetes' words.
    at_most: &'static [(&'static str, &'static str, &'static str)],
    /// Fields that never become less.
    growing: &'static [&'static str],
}

const REPLICAS: &str = "cannot be greater than status.replicas";

const COUNTS: [Counts; 8] = [
    Counts {
        resource: "deployments.apps",
        not_negative: &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ],
        at_most: &[
            ("updatedReplicas", "replicas", REPLICAS),
            ("readyReplicas", "replicas", REPLICAS),
            ("availableReplicas", "replicas", REPLICAS),
            ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
        ],
        growing: &["collisionCount"],
    },
    Counts { resource: "replicasets.apps", not_negative: REPLICA_SET, at_most: OF_REPLICA_SET, growing: &[] },
    Counts {
        resource: "replicationcontrollers",
        not_negative: REPLICA_SET,
        at_most: OF_REPLICA_SET,
        growing: &[],
    },
    Counts {
        resource: "statefulsets.apps",
        not_negative: &[
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ],
        at_most: &[
            ("readyReplicas", "replicas", REPLICAS),
            ("currentReplicas", "replicas", REPLICAS),
            ("updatedReplicas", "replicas", REPLICAS),
            ("availableReplicas", "replicas", REPLICAS),
            ("availableReplicas", "readyReplicas", "cannot be greater than status.readyReplicas"),
        ],
        growing: &["collisionCount"],
    },
    Counts {
        resource: "daemonsets.apps",
        not_negative: &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ],
        at_most: &[],
        growing: &["collisionCount"],
    },
    Counts {
        resource: "jobs.batch",
        not_negative: &["active", "succeeded", "failed", "ready", "terminating"],
        at_most: &[],
        growing: &[],
    },
    Counts {
        resource: "horizontalpodautoscalers.autoscaling",
        not_negative: &["currentReplicas", "desiredReplicas"],
        at_most: &[],
        growing: &[],
    },
    Counts {
        resource: "poddisruptionbudgets.policy",
        not_negative: &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"],
        at_most: &[],
        growing: &[],
    },
];

const REPLICA_SET: &[&str] = &[
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
    "terminatingReplicas",
];
const OF_REPLICA_SET: &[(&str, &str, &str)] = &[
    ("fullyLabeledReplicas", "replicas", REPLICAS),
    ("readyReplicas", "replicas", REPLICAS),
    ("availableReplicas", "replicas", REPLICAS),
    ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
];

/// Checks a status that replaces that of `old`.
pub fn status(resource: ResourceId, object: &Value, old: &Value) -> Vec<FieldError> {
    match resource {
        crate::custom::DEFINITIONS => return custom_resource_definition_status(object, old),
        resource if resource.as_str() == "nodes" => return node::node(object, Some(old)),
        _ => {}
    }
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, Some(old));
    let status = object.get("status").unwrap_or(&Value::Null);
    counts(&mut errors, resource, status, old.get("status").unwrap_or(&Value::Null));
    match resource.as_str() {
        "pods" => pod(&mut errors, object, old),
        "services" => balanced_service(&mut errors, object),
        "ingresses.networking.k8s.io" => balancer(&mut errors, status, false),
        "namespaces" => namespace(&mut errors, object),
        "jobs.batch" => job_status::check(&mut errors, object, old),
        "persistentvolumeclaims" => amounts(&mut errors, status, "capacity"),
        "resourcequotas" => {
            classes::quota_amounts(&mut errors, status, "status", "hard");
            classes::quota_amounts(&mut errors, status, "status", "used");
        }
        _ => {}
    }
    errors.0
}

fn counts(errors: &mut Errors, resource: ResourceId, status: &Value, old: &Value) {
    let Some(counts) = COUNTS.iter().find(|counts| counts.resource == resource.as_str()) else { return };
    for field in counts.not_negative {
        errors.not_negative(status, "status", field);
    }
    let of = |status: &Value, field: &str| int(status, &format!("/{field}")).unwrap_or_default();
    for (field, most, detail) in counts.at_most {
        if of(status, field) > of(status, most) {
            errors.invalid(format!("status.{field}"), of(status, field), detail);
        }
    }
    for field in counts.growing {
        let is_less = of(status, field) < of(old, field);
        match status.get(*field).filter(|value| !value.is_null()) {
            Some(value) if is_less => {
                errors.invalid(format!("status.{field}"), value.clone(), "cannot be decremented");
            }
            None if is_less => errors.invalid_as(format!("status.{field}"), "null", "cannot be decremented"),
            Some(_) | None => {}
        }
    }
}

fn amounts(errors: &mut Errors, status: &Value, list: &str) {
    for (resource, amount) in entries(status, &format!("/{list}")) {
        let path = format!("status.{list}[{resource}]");
        resources::value(errors, &path, resource, amount.as_str().unwrap_or_default());
    }
}

fn namespace(errors: &mut Errors, object: &Value) {
    let phase = text(object, "/status/phase");
    let ends = object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    match (ends, phase) {
        (false, "Active") | (true, "Terminating") => {}
        (false, phase) => {
            errors.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        }
        (true, phase) => errors.invalid(
            "status.Phase",
            phase,
            "may only be 'Terminating' if `deletionTimestamp` is not empty",
        ),
    }
}

fn balanced_service(errors: &mut Errors, object: &Value) {
    let status = object.get("status").unwrap_or(&Value::Null);
    if text(object, "/spec/type") != "LoadBalancer" && !items(status, "/loadBalancer/ingress").is_empty() {
        let detail = "may only be used when `spec.type` is LoadBalancer";
        return errors.forbidden("status.loadBalancer.ingress", detail);
    }
    balancer(errors, status, true);
}

/// Where a balancer takes traffic in, of a Service (whose addresses have modes) or of an Ingress.
fn balancer(errors: &mut Errors, status: &Value, has_modes: bool) {
    for (index, ingress) in items(status, "/loadBalancer/ingress").iter().enumerate() {
        let path = format!("status.loadBalancer.ingress[{index}]");
        let (address, host) = (text(ingress, "/ip"), text(ingress, "/hostname"));
        errors.formatted(ingress, &path, "ip", ip);
        let mode = ingress.get("ipMode").and_then(Value::as_str);
        match (address, mode) {
            _ if !has_modes => {}
            ("", Some(_)) => {
                errors.forbidden(format!("{path}.ipMode"), "may not be specified when `ip` is not set");
            }
            ("", None) => {}
            (_, None) => errors.required(format!("{path}.ipMode"), "must be specified when `ip` is set"),
            (_, Some(_)) => errors.supports(ingress, &path, "ipMode", &["Proxy", "VIP"]),
        }
        if !host.is_empty() {
            errors.formatted(ingress, &path, "hostname", dns_subdomain);
            if parse(host).is_some() {
                errors.invalid(format!("{path}.hostname"), host, "must be a DNS name, not an IP address");
            }
        }
    }
}

fn pod(errors: &mut Errors, object: &Value, old: &Value) {
    let status = object.get("status").unwrap_or(&Value::Null);
    for (index, condition) in items(status, "/conditions").iter().enumerate() {
        let kind = text(condition, "/type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            errors.format(&format!("metadata.conditions[{index}].Type"), kind, qualified_name(kind));
        }
    }
    let nominated = text(status, "/nominatedNodeName");
    if nominated != text(old, "/status/nominatedNodeName") && !nominated.is_empty() {
        errors.format("status.nominatedNodeName", nominated, dns_subdomain(nominated));
    }
    errors.immutable("status.qosClass", status.get("qosClass"), old.pointer("/status/qosClass"));
    let policy = text(old, "/spec/restartPolicy");
    // Sidecars, and containers that say themselves when they are restarted (KEP-5307).
    let by_themselves = |list: &'static str| {
        move |name: &str| {
            let mut named = items(old, list).iter().filter(|container| text(container, "/name") == name);
            named.any(|container| {
                !matches!(text(container, "/restartPolicy"), "" | "Never")
                    || !items(container, "/restartPolicyRules").is_empty()
            })
        }
    };
    over_stays_over(errors, status, old, "containerStatuses", policy, by_themselves("/spec/containers"));
    over_stays_over(
        errors,
        status,
        old,
        "initContainerStatuses",
        policy,
        by_themselves("/spec/initContainers"),
    );
    over_stays_over(errors, status, old, "ephemeralContainerStatuses", "Never", |_| false);
    addresses(errors, status, "podIPs");
    addresses(errors, status, "hostIPs");
    let (host, hosts) = (text(status, "/hostIP"), items(status, "/hostIPs"));
    if let Some(first) = hosts.first().map(|first| text(first, "/ip")).filter(|first| *first != host) {
        errors.invalid("status.hostIPs[0].ip", first, "must be equal to `hostIP`");
    }
}

/// Containers that have ended and are not restarted do not run again.
fn over_stays_over(
    errors: &mut Errors,
    status: &Value,
    old: &Value,
    list: &str,
    policy: &str,
    is_restarted: impl Fn(&str) -> bool,
) {
    if policy == "Always" {
        return;
    }
    for (index, before) in items(old, &format!("/status/{list}")).iter().enumerate() {
        let Some(terminated) = before.pointer("/state/terminated").filter(|state| !state.is_null()) else {
            continue;
        };
        let failed = int(terminated, "/exitCode").unwrap_or_default() != 0;
        let name = text(before, "/name");
        if (failed && policy == "OnFailure") || is_restarted(name) {
            continue;
        }
        let runs = |now: &&Value| {
            text(now, "/name") == name && now.pointer("/state/terminated").is_none_or(Value::is_null)
        };
        for _ in items(status, &format!("/{list}")).iter().filter(runs) {
            let field = format!("status.{list}[{index}].state");
            errors.forbidden(field, "may not be transitioned to non-terminated state");
        }
    }
}

/// Addresses of a pod or its host: one of each family at most.
fn addresses(errors: &mut Errors, status: &Value, list: &str) {
    let path = format!("status.{list}");
    let listed = items(status, &format!("/{list}"));
    for (index, address) in listed.iter().enumerate() {
        errors.format(&format!("{path}[{index}]"), text(address, "/ip"), ip(text(address, "/ip")));
    }
    let parsed: Vec<IpAddr> = listed.iter().filter_map(|address| parse(text(address, "/ip"))).collect();
    if listed.len() < 2 || parsed.len() != listed.len() {
        return;
    }
    let families: HashSet<bool> = parsed.iter().map(IpAddr::is_ipv4).collect();
    if families.len() < 2 || listed.len() > 2 {
        let detail = "may specify no more than one IP for each IP family";
        errors.invalid(path.as_str(), listed.to_vec(), detail);
    }
    let mut seen = HashSet::new();
    for (index, address) in
        listed.iter().enumerate().filter(|(_, address)| !seen.insert(text(address, "/ip")))
    {
        errors.duplicate(format!("{path}[{index}]"), address.clone());
    }
}
