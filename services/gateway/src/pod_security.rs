//! Pod security admission: holds clients' pods to what their namespace's labels ask, and warns of templates that will not hold.

use std::collections::BTreeMap;

use api::json::{entries, text};
use api::kinds::FieldError;
use api::pod_security::{self, Level, Policy, Standard};
use api::{ObjectKey, ResourceId};
use serde_json::Value;

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

const PODS: ResourceId = ResourceId::new("pods");
const NAMESPACES: ResourceId = ResourceId::new("namespaces");
/// So many pods of a namespace are looked at when it begins to ask more.
const MOST_PODS: usize = 3_000;

/// Refuses a pod, or a namespace whose labels make no sense, and warns the client of what is admitted and violates something.
pub fn check(context: &Context, call: &Call, new: &Value, old: Option<&Value>) -> Result<(), Failure> {
    if !matches!(call.path.subresource.as_deref(), None | Some("ephemeralcontainers" | "resize")) {
        return Ok(());
    }
    if call.kind.id == NAMESPACES {
        return namespace(context, call, new, old);
    }
    let Some(pod) = pod_security::template(call.kind.id, new) else { return Ok(()) };
    let Some(namespace) = call.path.namespace.as_deref() else { return Ok(()) };
    let Some(namespace) = context.view.get(&ObjectKey::cluster(NAMESPACES, namespace)) else {
        return Ok(());
    };
    let labels = namespace.metadata.labels.iter().map(|(key, value)| (&**key, &**value));
    let (policy, _) = Policy::of(labels);
    if policy.is_empty() {
        return Ok(());
    }
    if call.kind.id == PODS {
        if old.is_some_and(|old| !pod_security::is_significant(new, old)) {
            return Ok(());
        }
        if let Some(why) = policy.refusal(pod) {
            return Err(Failure::forbidden(&call.kind, text(new, "/metadata/name"), &why));
        }
    }
    call.warn(policy.warning(pod));
    Ok(())
}

/// Labels of a namespace are what can be understood; who asks more of pods is told which ones do not hold.
fn namespace(context: &Context, call: &Call, new: &Value, old: Option<&Value>) -> Result<(), Failure> {
    let (policy, errors) = policy_of(new);
    let before = old.map(policy_of);
    let name = text(new, "/metadata/name");
    let is_new = |errors: &Vec<FieldError>| before.as_ref().is_none_or(|(_, before)| before != errors);
    if !errors.is_empty() && is_new(&errors) {
        return Err(Failure::invalid(&call.kind, name, &errors));
    }
    let Some((before, _)) = before else { return Ok(()) };
    let asks_more = match policy.enforce.version == before.enforce.version {
        true => policy.enforce.level > before.enforce.level,
        false => policy.enforce.level > Level::Privileged,
    };
    if asks_more {
        call.warn(of_pods(context, name, policy.enforce));
    }
    Ok(())
}

fn policy_of(namespace: &Value) -> (Policy, Vec<FieldError>) {
    let labels = entries(namespace, "/metadata/labels");
    Policy::of(labels.filter_map(|(key, value)| Some((key, value.as_str()?))))
}

/// What a standard has against the pods of a namespace: what is said of several is said once.
fn of_pods(context: &Context, namespace: &str, standard: Standard) -> Vec<String> {
    let pods: Vec<_> = context.view.read().list(PODS, Some(namespace)).cloned().collect();
    let mut found: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for pod in pods.iter().take(MOST_PODS) {
        let violations = standard.violations(&pod.value());
        if !violations.is_empty() {
            let first = || (pod.key.name.to_string(), 0);
            found.entry(pod_security::reasons(&violations)).or_insert_with(first).1 += 1;
        }
    }
    let mut warnings = Vec::new();
    if pods.len() > MOST_PODS {
        let all = pods.len();
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {MOST_PODS} of {all} existing pods"
        ));
    }
    if !found.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{standard}\""
        ));
    }
    let mut told: Vec<String> = found
        .into_iter()
        .map(|(reasons, (first, count))| match count {
            0 | 1 => format!("{first}: {reasons}"),
            2 => format!("{first} (and 1 other pod): {reasons}"),
            _ => format!("{first} (and {} other pods): {reasons}", count - 1),
        })
        .collect();
    told.sort_unstable();
    warnings.append(&mut told);
    warnings
}
