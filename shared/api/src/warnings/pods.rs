//! Warnings about pods and what they are made from, in Kubernetes' order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{claim, fraction};
use crate::json::{entries, int, items, text};

/// Labels of nodes that have other names now.
const LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// Annotations that do nothing.
const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

/// Volumes that are gone or about to go.
const VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

/// Of a pod, or of what pods are made from at `path`.
pub fn warnings(path: &str, pod: &Value) -> Vec<String> {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let look = Look { spec: below("spec"), annotations: below("metadata.annotations"), pod };
    let mut warnings = look.labels();
    warnings.extend(look.annotations());
    warnings.extend(look.volumes());
    warnings.extend(look.names_given_twice());
    warnings.extend(look.amounts("overhead", pod.pointer("/spec/overhead")));
    warnings.extend(look.seccomp("/spec/securityContext", "seccomp.security.alpha.kubernetes.io/pod"));
    look.each_container(|path, container| warnings.extend(look.container(path, container)));
    warnings.extend(look.ports());
    if int(pod, "/spec/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        let path = look.at("terminationGracePeriodSeconds");
        warnings.push(format!("{path}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    warnings.extend(look.affinities());
    warnings
}

/// A port that was seen before.
struct Known {
    path: String,
    /// The port of the node.
    host: i64,
    /// The address of the node.
    address: String,
}

/// What is looked at.
struct Look<'a> {
    /// `spec.template.spec`.
    spec: String,
    /// `spec.template.metadata.annotations`.
    annotations: String,
    pod: &'a Value,
}

impl Look<'_> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.spec)
    }

    fn has_annotation(&self, key: &str) -> bool {
        entries(self.pod, "/metadata/annotations").any(|(name, _)| name == key)
    }

    /// Old labels of nodes, and constraints that select nothing.
    fn labels(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (key, _) in entries(self.pod, "/spec/nodeSelector") {
            let path = self.at("nodeSelector");
            warnings.extend(deprecated(key).map(|advice| format!("{path}[{key}]: {advice}")));
        }
        let affinity = "/spec/affinity/nodeAffinity";
        let terms = "requiredDuringSchedulingIgnoredDuringExecution";
        let required = items(self.pod, &format!("{affinity}/{terms}/nodeSelectorTerms"));
        let path = self.at(&format!("affinity.nodeAffinity.{terms}.nodeSelectorTerms"));
        for (at, one) in required.iter().enumerate() {
            warnings.extend(term(&format!("{path}[{at}]"), one));
        }
        let terms = "preferredDuringSchedulingIgnoredDuringExecution";
        let path = self.at(&format!("affinity.nodeAffinity.{terms}"));
        for (at, one) in items(self.pod, &format!("{affinity}/{terms}")).iter().enumerate() {
            let preference = one.get("preference").unwrap_or(&Value::Null);
            warnings.extend(term(&format!("{path}[{at}].preference"), preference));
        }
        let path = self.at("topologySpreadConstraints");
        for (at, constraint) in items(self.pod, "/spec/topologySpreadConstraints").iter().enumerate() {
            let key = text(constraint, "/topologyKey");
            let advice = deprecated(key);
            warnings.extend(advice.map(|advice| format!("{path}[{at}].topologyKey: {key} is {advice}")));
            if constraint.get("labelSelector").is_none() {
                warnings.push(format!("{path}[{at}].labelSelector: {NO_SELECTOR}"));
            }
        }
        warnings
    }

    fn annotations(&self) -> Vec<String> {
        let found = ANNOTATIONS.iter().filter(|(key, _)| self.has_annotation(key));
        found.map(|(key, advice)| format!("{}[{key}]: {advice}", self.annotations)).collect()
    }

    fn volumes(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (at, volume) in items(self.pod, "/spec/volumes").iter().enumerate() {
            let path = self.at(&format!("volumes[{at}]"));
            let found = VOLUMES.iter().filter(|(source, _)| volume.get(*source).is_some());
            warnings.extend(found.map(|(source, advice)| {
                let field = if *source == "storageos" { "storageOS" } else { source };
                format!("{path}.{field}: {advice}")
            }));
            if let Some(spec) = volume.pointer("/ephemeral/volumeClaimTemplate/spec") {
                warnings.extend(claim(&format!("{path}.ephemeral.volumeClaimTemplate.spec"), spec));
            }
        }
        warnings
    }

    fn names_given_twice(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (list, field) in [("hostAliases", "ip"), ("imagePullSecrets", "name")] {
            let mut known = BTreeSet::new();
            for (at, item) in items(self.pod, &format!("/spec/{list}")).iter().enumerate() {
                let name = text(item, &format!("/{field}"));
                if !known.insert(name) {
                    let path = self.at(&format!("{list}[{at}].{field}"));
                    warnings.push(format!("{path}: duplicate {field} {name:?}"));
                }
            }
        }
        for (at, item) in items(self.pod, "/spec/imagePullSecrets").iter().enumerate() {
            if text(item, "/name").is_empty() {
                let path = self.at(&format!("imagePullSecrets[{at}].name"));
                warnings.push(format!("{path}: invalid empty name \"\""));
            }
        }
        warnings
    }

    /// Of amounts of bytes at a field of the spec.
    fn amounts(&self, field: &str, amounts: Option<&Value>) -> Vec<String> {
        let amount = |resource: &str| amounts?.get(resource)?.as_str();
        let found = ["memory", "ephemeral-storage"]
            .into_iter()
            .filter_map(|resource| fraction(&self.at(&format!("{field}[{resource}]")), amount(resource)?));
        found.collect()
    }

    /// Of an annotation where the field is not there.
    fn seccomp(&self, context: &str, key: &str) -> Option<String> {
        let has_field = self.pod.pointer(&format!("{context}/seccompProfile")).is_some();
        let warns = !has_field && self.has_annotation(key);
        warns.then(|| format!("{}[{key}]: {SECCOMP}", self.annotations))
    }

    /// Containers of every sort, each with its list and place in there.
    fn each_container(&self, mut visit: impl FnMut((&'static str, usize), &Value)) {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for (at, container) in items(self.pod, &format!("/spec/{list}")).iter().enumerate() {
                visit((list, at), container);
            }
        }
    }

    fn container(&self, (list, at): (&'static str, usize), container: &Value) -> Vec<String> {
        let (path, name) = (format!("{list}[{at}]"), text(container, "/name"));
        let context = format!("/spec/{list}/{at}/securityContext");
        let mut warnings = Vec::new();
        let key = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
        warnings.extend(self.seccomp(&context, &key));
        let has_profile = ["/spec/securityContext", context.as_str()]
            .iter()
            .any(|context| self.pod.pointer(&format!("{context}/appArmorProfile")).is_some());
        let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
        if !has_profile && self.has_annotation(&key) {
            let advice = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
            warnings.push(format!("{}[{key}]: {advice}", self.annotations));
        }
        for resource in ["memory", "ephemeral-storage"] {
            for which in ["limits", "requests"] {
                let amount = text(container, &format!("/resources/{which}/{resource}"));
                let path = self.at(&format!("{path}.resources.{which}[{resource}]"));
                warnings.extend(fraction(&path, amount));
            }
        }
        warnings.extend(self.variables(&path, container));
        warnings
    }

    /// Variables that hide others of their name, unless they build on them.
    fn variables(&self, path: &str, container: &Value) -> Vec<String> {
        let mut known = BTreeSet::new();
        let mut warnings = Vec::new();
        for (at, variable) in items(container, "/env").iter().enumerate() {
            let (name, value) = (text(variable, "/name"), text(variable, "/value"));
            let reference = format!("$({name})");
            let builds_on = value.contains(&reference) && value != reference;
            if !known.insert(name) && (variable.get("valueFrom").is_some() || !builds_on) {
                let path = self.at(&format!("{path}.env[{at}]"));
                warnings.push(format!(
                    "{path}: hides previous definition of {name:?}, which may be dropped when using apply"
                ));
            }
        }
        warnings
    }

    fn ports(&self) -> Vec<String> {
        let mut known: BTreeMap<(i64, String), Vec<Known>> = BTreeMap::new();
        let mut warnings = Vec::new();
        self.each_container(|(list, container_at), container| {
            for (at, port) in items(container, "/ports").iter().enumerate() {
                let path = self.at(&format!("{list}[{container_at}].ports[{at}]"));
                let number = int(port, "/containerPort").unwrap_or_default();
                let host = int(port, "/hostPort").unwrap_or_default();
                let (address, protocol) = (text(port, "/hostIP"), text(port, "/protocol"));
                if !address.is_empty() && host == 0 {
                    let name = text(port, "/name");
                    warnings.push(format!(
                        "{path}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{address}}}"
                    ));
                }
                let others = known.entry((number, protocol.to_owned())).or_default();
                for Known { path: other, host: other_host, address: other_address } in others.iter() {
                    let how = if (host, address) == (*other_host, other_address) {
                        "duplicate"
                    } else if host == 0 || *other_host == 0 {
                        "overlapping"
                    } else if host == *other_host && address.is_empty() != other_address.is_empty() {
                        "dangerously ambiguous"
                    } else {
                        continue;
                    };
                    warnings.push(format!("{path}: {how} port definition with {other}"));
                }
                others.push(Known { path, host, address: address.to_owned() });
            }
        });
        warnings
    }

    /// Affinities that select nothing.
    fn affinities(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for affinity in ["podAffinity", "podAntiAffinity"] {
            for (terms, within) in [
                ("requiredDuringSchedulingIgnoredDuringExecution", ""),
                ("preferredDuringSchedulingIgnoredDuringExecution", "podAffinityTerm"),
            ] {
                let list = items(self.pod, &format!("/spec/affinity/{affinity}/{terms}"));
                for (at, one) in list.iter().enumerate() {
                    let one = if within.is_empty() { Some(one) } else { one.get(within) };
                    if one.and_then(|one| one.get("labelSelector")).is_none() {
                        let dot = if within.is_empty() { "" } else { "." };
                        let path = self.at(&format!("affinity.{affinity}.{terms}[{at}]{dot}{within}"));
                        warnings.push(format!("{path}.labelSelector: {NO_SELECTOR}"));
                    }
                }
            }
        }
        warnings
    }
}

fn deprecated(label: &str) -> Option<&'static str> {
    LABELS.iter().find(|(known, _)| *known == label).map(|(_, advice)| *advice)
}

fn term(path: &str, term: &Value) -> Vec<String> {
    let expressions = items(term, "/matchExpressions").iter().enumerate();
    let found = expressions.filter_map(|(at, expression)| {
        let key = text(expression, "/key");
        Some(format!("{path}.matchExpressions[{at}].key: {key} is {}", deprecated(key)?))
    });
    found.collect()
}
