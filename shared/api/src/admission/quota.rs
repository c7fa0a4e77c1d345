//! Quotas: what objects use, and whether there is enough of it left.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CLAIMS, Cluster, PODS};
use crate::ResourceId;
use crate::json::{entries, int, items, text};
use crate::qos;
use crate::quantity::Quantity;

/// Amounts by the names that quotas have for them.
pub type Amounts = BTreeMap<String, Quantity>;

/// What every container must ask for where a quota limits it.
const COMPUTE: [&str; 6] =
    ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What an object uses, by the names that quotas have for it.
pub fn usage(resource: ResourceId, object: &Value) -> Amounts {
    let one = Quantity::units(1);
    let mut used = Amounts::from([(format!("count/{resource}"), one)]);
    match resource.as_str() {
        // No quota limits them.
        "events" => used.clear(),
        "pods" if matches!(text(object, "/status/phase"), "Succeeded" | "Failed") => {}
        "pods" => {
            used.insert("pods".into(), one);
            used.extend(compute(object));
        }
        "services" => {
            used.insert("services".into(), one);
            match text(object, "/spec/type") {
                "NodePort" => drop(used.insert("services.nodeports".into(), node_ports(object))),
                "LoadBalancer" => {
                    used.insert("services.nodeports".into(), node_ports(object));
                    used.insert("services.loadbalancers".into(), one);
                }
                _ => {}
            }
        }
        "persistentvolumeclaims" => used.extend(storage(object)),
        "configmaps" | "secrets" | "resourcequotas" | "replicationcontrollers" => {
            used.insert(resource.as_str().into(), one);
        }
        _ => {}
    }
    used
}

/// The node ports that a Service has or will be given.
fn node_ports(service: &Value) -> Quantity {
    let ports = items(service, "/spec/ports").iter();
    let is_given = !is_false(service, "/spec/allocateLoadBalancerNodePorts");
    let counted =
        ports.filter(|port| is_given || int(port, "/nodePort").is_some_and(|number| number != 0)).count();
    Quantity::units(i64::try_from(counted).unwrap_or(i64::MAX))
}

fn is_false(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(false)
}

fn compute(pod: &Value) -> Amounts {
    let mut used = Amounts::new();
    for (name, amount) in pod_amounts(pod, "requests") {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") {
            used.insert(name.clone(), amount);
        }
        used.insert(format!("requests.{name}"), amount);
    }
    let limits = pod_amounts(pod, "limits");
    used.extend(limits.into_iter().map(|(name, amount)| (format!("limits.{name}"), amount)));
    used
}

fn storage(claim: &Value) -> Amounts {
    let amount = Quantity::parse(text(claim, "/spec/resources/requests/storage")).unwrap_or_default();
    let one = Quantity::units(1);
    let mut used =
        Amounts::from([("persistentvolumeclaims".into(), one), ("requests.storage".into(), amount)]);
    let class = text(claim, "/spec/storageClassName");
    if !class.is_empty() {
        used.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), amount);
        used.insert(format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), one);
    }
    used
}

/// What a pod's containers request (or are limited to) together: those that run side by side add up, and init containers run
/// before them.
pub(crate) fn pod_amounts(pod: &Value, list: &str) -> Amounts {
    let of = |container: &Value| -> Vec<(String, Quantity)> {
        entries(container, &format!("/resources/{list}"))
            .filter_map(|(name, amount)| Some((name.to_owned(), Quantity::parse(amount.as_str()?)?)))
            .collect()
    };
    let mut sum = Amounts::new();
    let mut peak = Amounts::new();
    let add = |sum: &mut Amounts, amounts: Vec<(String, Quantity)>| {
        for (name, amount) in amounts {
            sum.entry(name).or_default().milli += amount.milli;
        }
    };
    for container in items(pod, "/spec/initContainers") {
        if text(container, "/restartPolicy") == "Always" {
            add(&mut sum, of(container));
            continue;
        }
        for (name, amount) in of(container) {
            let beside = sum.get(&name).copied().unwrap_or_default();
            let most = peak.entry(name).or_default();
            most.milli = most.milli.max(amount.milli + beside.milli);
        }
    }
    items(pod, "/spec/containers").iter().for_each(|container| add(&mut sum, of(container)));
    for (name, most) in peak {
        let total = sum.entry(name).or_default();
        total.milli = total.milli.max(most.milli);
    }
    if list == "requests" {
        let overhead = entries(pod, "/spec/overhead");
        add(
            &mut sum,
            overhead
                .filter_map(|(name, amount)| Some((name.to_owned(), Quantity::parse(amount.as_str()?)?)))
                .collect(),
        );
    }
    sum
}

/// Whether a quota is about an object: scopes select pods.
pub(super) fn concerns(quota: &Value, resource: ResourceId, object: &Value) -> bool {
    let scopes = items(quota, "/spec/scopes").iter().filter_map(Value::as_str);
    let mut simple = scopes.map(|scope| (scope, "Exists", [].as_slice()));
    let mut selected = items(quota, "/spec/scopeSelector/matchExpressions")
        .iter()
        .map(|term| (text(term, "/scopeName"), text(term, "/operator"), items(term, "/values")));
    let holds = |(scope, operator, values): (&str, &str, &[Value])| {
        resource == PODS && in_scope(object, scope, operator, values)
    };
    simple.all(holds) && selected.all(holds)
}

fn in_scope(pod: &Value, scope: &str, operator: &str, values: &[Value]) -> bool {
    let terminating = int(pod, "/spec/activeDeadlineSeconds").is_some();
    match scope {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => qos::class(pod) == "BestEffort",
        "NotBestEffort" => qos::class(pod) != "BestEffort",
        "PriorityClass" => {
            let class = text(pod, "/spec/priorityClassName");
            let listed = values.iter().any(|value| value == class);
            match operator {
                "In" => listed,
                "NotIn" => !listed,
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
        }
        _ => false,
    }
}

/// What a namespace's objects use of what a quota limits: every limit has an entry.
pub fn totals(quota: &Value, namespace: &str, cluster: &impl Cluster) -> Amounts {
    let hard: Vec<&str> = entries(quota, "/spec/hard").map(|(name, _)| name).collect();
    let mut totals: Amounts = hard.iter().map(|name| ((*name).to_owned(), Quantity::default())).collect();
    for resource in resources_of(&hard) {
        for object in &*cluster.objects(resource, Some(namespace)) {
            add(&mut totals, quota, resource, object);
        }
    }
    totals
}

fn add(totals: &mut Amounts, quota: &Value, resource: ResourceId, object: &Value) {
    if !concerns(quota, resource, object) {
        return;
    }
    for (name, amount) in usage(resource, object) {
        if let Some(total) = totals.get_mut(&name) {
            total.milli += amount.milli;
        }
    }
}

/// The kinds whose objects use any of these.
fn resources_of(hard: &[&str]) -> Vec<ResourceId> {
    let mut found: Vec<ResourceId> = hard
        .iter()
        .map(|name| match name.strip_prefix("count/") {
            Some(counted) => ResourceId::intern(counted),
            None if name.starts_with("services") => ResourceId::new("services"),
            None if name.contains("storageclass.storage.k8s.io/") => CLAIMS,
            None => match *name {
                "persistentvolumeclaims" | "requests.storage" => CLAIMS,
                "configmaps" => ResourceId::new("configmaps"),
                "secrets" => ResourceId::new("secrets"),
                "resourcequotas" => ResourceId::new("resourcequotas"),
                "replicationcontrollers" => ResourceId::new("replicationcontrollers"),
                _ => PODS,
            },
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn must_say(resource: ResourceId, limited: &str) -> bool {
    resource == PODS && COMPUTE.contains(&limited)
}

/// `limits.cpu for: a,b; …`: what containers do not ask for although it is limited.
pub(super) fn unsaid(pod: &Value, resource: ResourceId, hard: &Amounts) -> String {
    let containers = ["/spec/containers", "/spec/initContainers"].map(|list| items(pod, list)).concat();
    let mut lines = Vec::new();
    for limited in hard.keys().filter(|limited| must_say(resource, limited)) {
        let (list, name) = limited.split_once('.').unwrap_or(("requests", limited));
        let silent: Vec<&str> = containers
            .iter()
            .filter(|container| text(container, &format!("/resources/{list}/{name}")).is_empty())
            .map(|container| text(container, "/name"))
            .collect();
        if !silent.is_empty() {
            lines.push(format!("{limited} for: {}", silent.join(",")));
        }
    }
    lines.join("; ")
}

/// Says which limits are passed when so much more is used.
pub(super) fn exceeds(name: &str, hard: &Amounts, wanted: &Amounts, used: &Amounts) -> Result<(), String> {
    let of = |amounts: &Amounts, limited: &str| amounts.get(limited).copied().unwrap_or_default();
    let over: Vec<&String> = hard
        .iter()
        .filter(|(limited, most)| {
            let more = of(wanted, limited).milli;
            more > 0 && of(used, limited).milli + more > most.milli
        })
        .map(|(limited, _)| limited)
        .collect();
    let list = |amounts: &Amounts| {
        let pairs =
            over.iter().map(|limited| format!("{limited}={}", format_amount(limited, of(amounts, limited))));
        pairs.collect::<Vec<_>>().join(",")
    };
    match over.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            list(wanted),
            list(used),
            list(hard)
        )),
    }
}

/// An amount as Kubernetes writes it: memory in powers of two, all else in decimals.
pub fn format_amount(limited: &str, amount: Quantity) -> String {
    let binary = ["memory", "storage"].iter().any(|measured| limited.ends_with(measured));
    match amount.milli % 1000 {
        0 if !binary => (amount.milli / 1000).to_string(),
        _ => amount.to_string(),
    }
}
