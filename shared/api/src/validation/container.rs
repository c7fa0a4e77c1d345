//! Rules of containers, in Kubernetes' order: what all have, then what those of a pod have together.

use std::collections::HashSet;

use serde_json::Value;

use super::environment::environment;
use super::format::{dns_label, port_name, port_number};
use super::mounts::mounts;
use super::volume::Volumes;
use super::{Errors, probe, resources, security};
use crate::json::{given, int, items, text};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
/// Rules about exits of one container, and codes in one of them.
const MOST_RULES: usize = 20;
const MOST_CODES: usize = 255;

/// What containers need to know of the pod that they are in.
pub(super) struct Pod<'a> {
    /// What they may mount.
    pub volumes: Volumes<'a>,
    /// The names of its claims of devices.
    pub claims: Vec<&'a str>,
    /// Seconds that it has to end.
    pub grace: Option<i64>,
    pub restart_policy: &'a str,
    /// Its users are the node's.
    pub host_users: bool,
}

/// Checks a pod spec's main and init containers.
pub(super) fn containers(errors: &mut Errors, spec: &Value, path: &str, pod: &Pod<'_>) {
    main(errors, spec, &format!("{path}.containers"), pod);
    init(errors, spec, &format!("{path}.initContainers"), pod);
}

fn main(errors: &mut Errors, spec: &Value, path: &str, pod: &Pod<'_>) {
    let containers = items(spec, "/containers");
    if containers.is_empty() {
        errors.required(path, "");
    }
    let mut names = HashSet::new();
    for (index, one) in containers.iter().enumerate() {
        let path = format!("{path}[{index}]");
        common(errors, one, &path, pod);
        let name = text(one, "/name");
        if !names.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        probe::probes(errors, one, &path, pod.grace);
        restarts(errors, one, &path);
    }
    let mut taken = HashSet::new();
    for (index, one) in containers.iter().enumerate() {
        host_ports(errors, one, &format!("{path}[{index}]"), &mut taken);
    }
}

fn init(errors: &mut Errors, spec: &Value, path: &str, pod: &Pod<'_>) {
    let mut names: HashSet<&str> = items(spec, "/containers").iter().map(|one| text(one, "/name")).collect();
    for (index, one) in items(spec, "/initContainers").iter().enumerate() {
        let own = format!("{path}[{index}]");
        common(errors, one, &own, pod);
        restarts(errors, one, &own);
        let name = text(one, "/name");
        if names.contains(name) {
            errors.duplicate(format!("{own}.name"), name);
        } else if !name.is_empty() {
            names.insert(name);
        }
        // They run one by one; Kubernetes takes each for the first of its list.
        host_ports(errors, one, &format!("{path}[0]"), &mut HashSet::new());
        match text(one, "/restartPolicy") {
            "Always" => probe::probes(errors, one, &own, pod.grace),
            _ => probe::none(errors, one, &own),
        }
    }
}

/// Checks what every container has.
pub(super) fn common(errors: &mut Errors, container: &Value, path: &str, pod: &Pod<'_>) {
    errors.named(container, path, "name", dns_label);
    errors.needs(container, path, "image");
    let policy = text(container, "/terminationMessagePolicy");
    let policies = ["File", "FallbackToLogsOnError"];
    errors.one_of(format!("{path}.terminationMessagePolicy"), policy, &policies, true);
    ports(errors, container, path);
    environment(errors, container, path, &pod.volumes);
    mounts(errors, container, path, &pod.volumes);
    let policy = text(container, "/imagePullPolicy");
    errors.one_of(format!("{path}.imagePullPolicy"), policy, &PULL_POLICIES, true);
    resources::resources(errors, container, path, &pod.claims);
    resize_policy(errors, container, path, pod.restart_policy);
    security::of_container(errors, container, path, pod.host_users);
}

fn ports(errors: &mut Errors, container: &Value, path: &str) {
    let mut names = HashSet::new();
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "/name");
        if !name.is_empty() {
            let violations = port_name(name);
            if violations.is_empty() && !names.insert(name) {
                errors.duplicate(format!("{path}.name"), name);
            }
            errors.format(&format!("{path}.name"), name, violations);
        }
        match int(port, "/containerPort").unwrap_or(0) {
            0 => errors.required(format!("{path}.containerPort"), ""),
            number => number_in_range(errors, &format!("{path}.containerPort"), number),
        }
        if let Some(number) = int(port, "/hostPort").filter(|number| *number != 0) {
            number_in_range(errors, &format!("{path}.hostPort"), number);
        }
        errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
    }
}

/// A port's number must be one.
pub(super) fn number_in_range(errors: &mut Errors, path: &str, number: i64) {
    for violation in port_number(number) {
        errors.invalid(path, number, &violation);
    }
}

/// No two ports of a node are the same.
fn host_ports(errors: &mut Errors, container: &Value, path: &str, taken: &mut HashSet<String>) {
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let Some(number) = int(port, "/hostPort").filter(|number| *number != 0) else { continue };
        let shown = format!("{}/{}/{number}", text(port, "/protocol"), text(port, "/hostIP"));
        if !taken.insert(shown.clone()) {
            errors.duplicate(format!("{path}.ports[{index}].hostPort"), shown);
        }
    }
}

fn resize_policy(errors: &mut Errors, container: &Value, path: &str, restart_policy: &str) {
    let path = format!("{path}.resizePolicy");
    let mut seen = HashSet::new();
    for (index, policy) in items(container, "/resizePolicy").iter().enumerate() {
        let (resource, restart) = (text(policy, "/resourceName"), text(policy, "/restartPolicy"));
        if !seen.insert(resource) {
            errors.duplicate(format!("{path}[{index}]"), resource);
        }
        errors.one_of(path.clone(), resource, &["cpu", "memory"], true);
        errors.one_of(path.clone(), restart, &["NotRequired", "RestartContainer"], true);
        if restart_policy == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.invalid(path.as_str(), restart, detail);
        }
    }
}

/// When a container starts again, if it says so itself.
fn restarts(errors: &mut Errors, container: &Value, path: &str) {
    errors.supports(container, path, "restartPolicy", &["Always", "Never", "OnFailure"]);
    let rules = items(container, "/restartPolicyRules");
    if !rules.is_empty() && given(container, "/restartPolicy").is_none() {
        let detail = "must specify restartPolicy when restart rules are used";
        return errors.required(format!("{path}.restartPolicy"), detail);
    }
    let path = format!("{path}.restartPolicyRules");
    if rules.len() > MOST_RULES {
        errors.too_many(path.as_str(), rules.len(), MOST_RULES);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let action = text(rule, "/action");
        if action != "Restart" {
            errors.unsupported(format!("{path}.action"), action, &["Restart"]);
        }
        let Some(codes) = given(rule, "/exitCodes") else {
            errors.required(format!("{path}.exitCodes"), "must be specified");
            continue;
        };
        let path = format!("{path}.exitCodes");
        let operator = text(codes, "/operator");
        if !["In", "NotIn"].contains(&operator) {
            errors.unsupported(format!("{path}.operator"), operator, &["In", "NotIn"]);
        }
        let values = items(codes, "/values").len();
        if values > MOST_CODES {
            errors.too_many(format!("{path}.values"), values, MOST_CODES);
        }
    }
}

/// Checks what only containers of pods have to fulfil, those of templates not.
pub(super) fn of_pods_only(errors: &mut Errors, container: &Value, path: &str) {
    let image = text(container, "/image");
    if image.trim() != image {
        errors.invalid(format!("{path}.image"), image, "must not have leading or trailing whitespace");
    }
}
