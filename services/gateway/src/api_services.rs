//! APIServices of what this program serves itself: worked out from the catalogue whenever somebody reads them, and never stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::custom::DEFINITIONS;
use api::json::text;
use api::{Kinds, ObjectKey, ResourceId};
use bus::{ChangeKind, Stored, View};
use hyper::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::unstored;

/// Those of namespaces: the one named `default` is as old as the cluster.
const NAMESPACES: ResourceId = ResourceId::new("namespaces");
/// The kind.
const ID: ResourceId = ResourceId::new("apiservices.apiregistration.k8s.io");

/// Kubernetes' priorities of its groups, and of their versions; what is not among them has those of custom groups.
#[rustfmt::skip]
const PRIORITIES: &[(&str, &str, u32, u32)] = &[
    ("", "v1", 18_000, 1),
    ("apps", "v1", 17_800, 15),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v1", 17_500, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("admissionregistration.k8s.io", "v1beta1", 16_700, 12),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
];
/// Groups without APIServices, and their priorities: Kubernetes has none of who serves these, and what is measured may be served by
/// whoever registers for it.
const SILENT: [(&str, i64); 2] = [("apiregistration.k8s.io", 20_000), ("metrics.k8s.io", 100)];
/// Of groups that definitions bring.
const CUSTOM: (u32, u32) = (1_000, 100);
/// What a read of APIServices shows, those that somebody has stored included; `None`: it is about something else.
pub fn shown(context: &Context, call: &Call) -> Option<Arc<View>> {
    if call.kind.id != ID {
        return None;
    }
    let kinds = context.catalogue.kinds();
    let (stored, definitions, first, now) = {
        let reader = context.view.read();
        let stored: Vec<Arc<Stored>> = reader.list(ID, None).cloned().collect();
        let definitions: Vec<Arc<Stored>> = reader.list(DEFINITIONS, None).cloned().collect();
        let first = reader.get(&ObjectKey::cluster(NAMESPACES, "default")).cloned();
        (stored, definitions, first, reader.revision())
    };
    let view = View::offline();
    stored.into_iter().for_each(|object| view.apply(ChangeKind::Put, object));
    // What somebody has registered for another server stays so, also when the cluster begins to serve it.
    let registered = |name: &str| view.get(&ObjectKey::cluster(ID, name)).is_some();
    for ((group, version), is_custom) in local(&kinds) {
        if registered(&name(group, version)) {
            continue;
        }
        let mut brought = definitions.iter().filter(|definition| group_of(definition) == group);
        let since = if is_custom { brought.next() } else { first.as_ref() };
        let revision = since.map_or(now, |since| since.revision).0;
        let mut object = told(group, version, is_custom);
        if let Some(since) = since {
            stamp(&mut object, &since.metadata.creation_timestamp.to_seconds_text());
        }
        let key = ObjectKey::cluster(ID, &name(group, version));
        view.apply(ChangeKind::Put, Stored::test_at(key, object, revision));
    }
    // Watches go on from the present.
    let nothing = ObjectKey::cluster(ID, "");
    view.apply(ChangeKind::Deleted, Stored::test_at(nothing, json!({}), now.0));
    Some(view)
}

/// APIServices of what is served here cannot be written.
pub fn check_write(context: &Context, call: &Call, method: &Method) -> Result<(), Failure> {
    let named = call.path.name.as_deref().filter(|_| call.kind.id == ID);
    match named.filter(|_| !matches!(*method, Method::GET | Method::HEAD)) {
        Some(name)
            if is_local(&context.catalogue.kinds(), name)
                && context.view.get(&ObjectKey::cluster(ID, name)).is_none() =>
        {
            let why = "the cluster serves this version itself, and always";
            Err(Failure::forbidden(&call.kind, name, why))
        }
        _ => Ok(()),
    }
}

/// Completes a new one: nobody has to be asked whether those without a Service are available.
pub fn creation(context: &Context, call: &Call, object: &mut Value) -> Result<(), Failure> {
    if call.kind.id != ID {
        return Ok(());
    }
    let name = text(object, "/metadata/name");
    if is_local(&context.catalogue.kinds(), name) {
        return Err(Failure::already_exists(&call.kind, name));
    }
    if object.pointer("/spec/service").is_some_and(|service| !service.is_null()) {
        return Ok(());
    }
    set(object, "status", available());
    if let Some(condition) = object.pointer_mut("/status/conditions/0") {
        set(condition, "lastTransitionTime", json!(telemetry::clock::now()));
    }
    Ok(())
}

/// How early clients look into a group that is served here.
pub fn group_priority(group: &str) -> i64 {
    let silent = SILENT.iter().find(|known| known.0 == group).map(|known| known.1);
    let known = || PRIORITIES.iter().find(|known| known.0 == group).map_or(CUSTOM.0, |known| known.2);
    silent.unwrap_or_else(|| known().into())
}

/// Every group and version that is served, and whether a definition brings it.
fn local(kinds: &Kinds) -> BTreeMap<(&'static str, &'static str), bool> {
    let served = kinds.iter().map(|kind| ((kind.group, kind.version), kind.custom().is_some()));
    let others = unstored::all().map(|other| ((other.group, other.version), false));
    served.chain(others).filter(|((group, _), _)| SILENT.iter().all(|silent| silent.0 != *group)).collect()
}

/// A definition's name is its plural and its group.
fn group_of(definition: &Stored) -> &str {
    definition.key.name.split_once('.').map_or("", |(_, group)| group)
}

fn is_local(kinds: &Kinds, asked: &str) -> bool {
    local(kinds).into_keys().any(|(group, version)| name(group, version) == asked)
}

fn name(group: &str, version: &str) -> String {
    format!("{version}.{group}")
}

fn told(group: &str, version: &str, is_custom: bool) -> Value {
    let known = PRIORITIES.iter().find(|known| (known.0, known.1) == (group, version));
    let (of_group, of_version) = known.map_or(CUSTOM, |known| (known.2, known.3));
    let mut spec =
        json!({"version": version, "groupPriorityMinimum": of_group, "versionPriority": of_version});
    if !group.is_empty() {
        set(&mut spec, "group", json!(group));
    }
    let managed = if is_custom { "true" } else { "onstart" };
    let name = name(group, version);
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name, "uid": uid(&name), "labels": {"kube-aggregator.kubernetes.io/automanaged": managed}},
        "spec": spec, "status": available(),
    })
}

fn available() -> Value {
    json!({"conditions": [{
        "type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available",
    }]})
}

fn stamp(object: &mut Value, created: &str) {
    for (pointer, key) in [("/metadata", "creationTimestamp"), ("/status/conditions/0", "lastTransitionTime")]
    {
        if let Some(part) = object.pointer_mut(pointer) {
            set(part, key, json!(created));
        }
    }
}

/// The same whenever it is asked for, and another for each name.
fn uid(name: &str) -> String {
    let digits: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range| digits.get(range).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_and_version_has_one() {
        let names: Vec<String> =
            local(api::kinds()).into_keys().map(|(group, version)| name(group, version)).collect();
        for expected in ["v1.", "v1.apps", "v2.autoscaling", "v1.rbac.authorization.k8s.io"] {
            assert!(names.iter().any(|name| name == expected), "{expected}: {names:?}");
        }
        assert!(!names.iter().any(|name| SILENT.iter().any(|silent| name.ends_with(silent.0))), "{names:?}");
        assert!(is_local(api::kinds(), "v1.apps") && !is_local(api::kinds(), "v2.apps"));
    }

    #[test]
    fn what_is_told_is_valid() {
        let kind = api::kind(ID).unwrap();
        for (group, version) in local(api::kinds()).into_keys() {
            let object = told(group, version, false);
            assert_eq!(kind.validate(&object, None), [], "{group}/{version}");
            let known = PRIORITIES.iter().any(|known| (known.0, known.1) == (group, version));
            assert!(known, "{group}/{version} has no priority");
        }
        let custom = told("shop.example.com", "v1", true);
        assert_eq!(
            (&custom["spec"]["groupPriorityMinimum"], &custom["spec"]["versionPriority"]),
            (&json!(1_000), &json!(100))
        );
        assert_eq!(uid("v1.apps").len(), 36);
        assert_ne!(uid("v1.apps"), uid("v1.batch"));
    }
}
