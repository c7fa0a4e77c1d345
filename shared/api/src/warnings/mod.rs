//! What Kubernetes warns of although it takes it: fields that do nothing, names that are given twice, kinds that go away.

mod pods;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::json::{entries, int, items, text};
use crate::kinds::KindInfo;
use crate::validation::{dns_label, qualified_name};

/// What is said of names that end up in the names of pods.
const IN_NAMES: &str = "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended";

/// What every request about a kind is answered with, if the kind goes away.
pub fn deprecation(group: &str, version: &str, kind: &str) -> Option<&'static str> {
    match (group, version, kind) {
        ("", "v1", "Endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        ("", "v1", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        _ => None,
    }
}

/// What is warned of when a valid object is written. Of what controls pods, an update is looked at when it changes what is wanted; of
/// pods, never.
pub fn of(kind: &KindInfo, object: &Value, old: Option<&Value>) -> Vec<String> {
    let id = kind.id.as_str();
    if let Some((path, template)) = pods_of(id, object) {
        let generation = |object| int(object, "/metadata/generation");
        let unchanged = old.is_some_and(|old| id == "pods" || generation(old) == generation(object));
        if unchanged {
            return Vec::new();
        }
        let mut warnings = if old.is_none() { name(id, object) } else { Vec::new() };
        warnings.extend(of_set(id, object));
        warnings.extend(pods::warnings(path, template));
        return warnings;
    }
    if kind.custom().is_some() {
        return finalizers(object, old);
    }
    match id {
        "services" => service(object),
        "persistentvolumes" => volume(object),
        "persistentvolumeclaims" => {
            let mut warnings = class_annotation(object);
            warnings.extend(claim("spec", object.get("spec").unwrap_or(&Value::Null)));
            warnings
        }
        "ingresses.networking.k8s.io" if old.is_none() => ingress(object),
        "serviceaccounts" => {
            let key = "kubernetes.io/enforce-mountable-secrets";
            let advice =
                "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
            annotation(object, key, advice)
        }
        _ if kind.custom().is_some() => finalizers(object, old),
        _ => Vec::new(),
    }
}

/// Finalizers of custom resources should say whose they are.
fn finalizers(object: &Value, old: Option<&Value>) -> Vec<String> {
    const PATH: &str = "metadata.finalizers";
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let known = old.map(|old| items(old, "/metadata/finalizers")).unwrap_or_default();
    let added = items(object, "/metadata/finalizers").iter().filter(|name| !known.contains(name));
    let mut added: Vec<&str> = added.filter_map(Value::as_str).collect();
    added.sort_unstable();
    added.dedup();
    let mut warnings = Vec::new();
    for name in added {
        warnings.extend(qualified_name(name).into_iter().map(|why| format!("{PATH}: {name:?}: {why}")));
        let how = if name.contains('.') { " including a path (/)" } else { "" };
        if !name.contains('/') && !STANDARD.contains(&name) {
            warnings.push(format!(
                "{PATH}: {name:?}: prefer a domain-qualified finalizer name{how} to avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    warnings
}

/// Where a kind has what its pods are like.
fn pods_of<'a>(id: &str, object: &'a Value) -> Option<(&'static str, &'a Value)> {
    let (path, pointer) = match id {
        "pods" => ("", ""),
        "podtemplates" => ("template", "/template"),
        "cronjobs.batch" => ("spec.jobTemplate.spec.template", "/spec/jobTemplate/spec/template"),
        "replicationcontrollers"
        | "replicasets.apps"
        | "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => ("spec.template", "/spec/template"),
        _ => return None,
    };
    object.pointer(pointer).map(|template| (path, template))
}

/// Of a name that is no label.
fn name(id: &str, object: &Value) -> Vec<String> {
    let said = match id {
        "pods" => {
            "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
        }
        "daemonsets.apps" | "podtemplates" => return Vec::new(),
        _ => IN_NAMES,
    };
    let trouble = dns_label(text(object, "/metadata/name"));
    if trouble.is_empty() {
        return Vec::new();
    }
    vec![format!("metadata.name: {said}: [{}]", trouble.join(" "))]
}

fn of_set(id: &str, object: &Value) -> Vec<String> {
    if id != "statefulsets.apps" {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (at, template) in items(object, "/spec/volumeClaimTemplates").iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{at}].spec");
        warnings.extend(claim(&path, template.get("spec").unwrap_or(&Value::Null)));
    }
    if int(object, "/spec/revisionHistoryLimit").is_some_and(|limit| limit < 0) {
        warnings.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
    }
    warnings
}

fn service(object: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let hints = "service.kubernetes.io/topology-aware-hints";
    if entries(object, "/metadata/annotations").any(|(key, _)| key == hints) {
        let mode = "service.kubernetes.io/topology-mode";
        warnings.push(format!("annotation {hints} is deprecated, please use {mode} instead"));
    }
    let kind = text(object, "/spec/type");
    let has_addresses = !items(object, "/spec/externalIPs").is_empty();
    if kind == "ClusterIP" && text(object, "/spec/clusterIP") == "None" {
        let ignored = [
            ("spec.loadBalancerIP", !text(object, "/spec/loadBalancerIP").is_empty()),
            ("spec.externalIPs", has_addresses),
            ("spec.SessionAffinity", text(object, "/spec/sessionAffinity") != "None"),
        ];
        let ignored = ignored.into_iter().filter(|(_, is_set)| *is_set);
        warnings.extend(ignored.map(|(field, _)| format!("{field} is ignored for headless services")));
    }
    if kind == "ExternalName" && has_addresses {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !text(object, "/spec/externalName").is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    warnings
}

fn volume(object: &Value) -> Vec<String> {
    let mut warnings = class_annotation(object);
    if text(object, "/spec/persistentVolumeReclaimPolicy") == "Recycle" {
        warnings.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
    }
    warnings
}

fn class_annotation(object: &Value) -> Vec<String> {
    let advice = "deprecated since v1.8; use \"storageClassName\" attribute instead";
    annotation(object, "volume.beta.kubernetes.io/storage-class", advice)
}

fn claim(path: &str, spec: &Value) -> Vec<String> {
    ["requests", "limits"]
        .into_iter()
        .filter_map(|which| {
            let value = text(spec, &format!("/resources/{which}/storage"));
            fraction(&format!("{path}.resources.{which}[storage]"), value)
        })
        .collect()
}

fn ingress(object: &Value) -> Vec<String> {
    let key = "kubernetes.io/ingress.class";
    let has = entries(object, "/metadata/annotations").any(|(name, _)| name == key);
    has.then(|| format!("annotation \"{key}\" is deprecated, please use 'spec.ingressClassName' instead"))
        .into_iter()
        .collect()
}

fn annotation(object: &Value, key: &str, advice: &str) -> Vec<String> {
    let has = entries(object, "/metadata/annotations").any(|(name, _)| name == key);
    has.then(|| format!("metadata.annotations[{key}]: {advice}")).into_iter().collect()
}

/// Of an amount of bytes that is no whole number. Amounts are written in one way, where only such end in these units.
fn fraction(path: &str, amount: &str) -> Option<String> {
    amount
        .ends_with(['m', 'u', 'n'])
        .then(|| format!("{path}: fractional byte value {amount:?} is invalid, must be an integer"))
}
