//! What the level `restricted` asks beside what `baseline` asks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::{added, unconfined};
use super::pod::{Pod, containers, plural, quoted, setters, uses};
use super::{Check, Violation};
use crate::json::{items, text};

/// In Kubernetes' order.
pub(super) const CHECKS: [Check; 6] =
    [escalation, capabilities, volumes, run_as_non_root, run_as_user, seccomp];

/// Volumes that show pods nothing of the machine.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const NON_ROOT: &str = "/securityContext/runAsNonRoot";
const USER: &str = "/securityContext/runAsUser";

fn escalation(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let names = pod.which(|container| {
        container.pointer("/securityContext/allowPrivilegeEscalation") != Some(&Value::Bool(false))
    });
    (minor >= 8 && !names.is_empty()).then(|| Violation {
        reason: "allowPrivilegeEscalation != false",
        detail: format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names)),
    })
}

fn capabilities(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let keeping = pod.which(|container| {
        !items(container, "/securityContext/capabilities/drop").iter().any(|dropped| dropped == "ALL")
    });
    let keeping = (!keeping.is_empty())
        .then(|| format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    let said: Vec<String> = keeping.into_iter().chain(added(pod, &["NET_BIND_SERVICE"])).collect();
    (minor >= 22 && !said.is_empty())
        .then(|| Violation { reason: "unrestricted capabilities", detail: said.join("; ") })
}

fn volumes(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let has = |volume: &Value, kind: &str| volume.get(kind).is_some_and(|source| !source.is_null());
    let others: Vec<&Value> = items(pod.0, "/spec/volumes")
        .iter()
        .filter(|volume| !VOLUMES.iter().any(|kind| has(volume, kind)))
        .collect();
    let names: Vec<&str> = others.iter().map(|volume| text(volume, "/name")).collect();
    let kind = |volume: &&Value| {
        let mut fields = volume.as_object().into_iter().flatten();
        let source = fields.find(|(field, source)| *field != "name" && !source.is_null());
        source.map_or("unknown", |(field, _)| field.as_str()).to_owned()
    };
    let kinds: BTreeSet<String> = others.iter().map(kind).collect();
    (!names.is_empty()).then(|| Violation {
        reason: "restricted volume types",
        detail: format!(
            "{} {} {} {} {}",
            plural("volume", names.len()),
            quoted(&names),
            uses(names.len()),
            plural("restricted volume type", kinds.len()),
            quoted(&kinds)
        ),
    })
}

/// User namespaces do not excuse it: pods do not have any.
fn run_as_non_root(pod: &Pod<'_>, _minor: u32) -> Option<Violation> {
    let of = |holder: &Value| holder.pointer(NON_ROOT).and_then(Value::as_bool);
    let by_pod = pod.0.get("spec").and_then(of);
    let wrong = pod.which(|container| of(container) == Some(false));
    let silent = pod.which(|container| of(container).is_none() && by_pod != Some(true));
    let detail = match setters(by_pod == Some(false), &wrong) {
        Some(who) => format!("{who} must not set securityContext.runAsNonRoot=false"),
        None if silent.is_empty() => return None,
        None => format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent)),
    };
    Some(Violation { reason: "runAsNonRoot != true", detail })
}

fn run_as_user(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let is_root = |holder: &Value| holder.pointer(USER).and_then(Value::as_i64) == Some(0);
    let who = setters(pod.0.get("spec").is_some_and(is_root), &pod.which(is_root))?;
    (minor >= 23)
        .then(|| Violation { reason: "runAsUser=0", detail: format!("{who} must not set runAsUser=0") })
}

fn seccomp(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if !minor >= 19 {
        return None;
    }
    let has = |holder: &Value| holder.pointer("/securityContext/seccompProfile/type").is_some();
    let by_pod = pod.0.get("spec").is_some_and(has);
    let silent = pod.which(|container| !has(container) && !by_pod);
    let missing = (!silent.is_empty()).then(|| Violation {
        reason: "seccompProfile",
        detail: format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&silent)
        ),
    });
    unconfined(pod).or(missing)
}
