//! What the failure of a pod means, by `spec.podFailurePolicy`.

use api::Object;
use api::views::{ExitCodes, Job, Pod, PodFailureRule};

/// What follows from a failed pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It counts towards the limit.
    Count,
    /// It does not.
    Ignore,
    /// It counts, and its index is not tried again.
    FailIndex,
    /// It is the end of the job, and this is why.
    FailJob(String),
}

/// The first rule that fits decides; without one, the failure counts.
pub(super) fn judge(me: &Object<Job>, pod: &Object<Pod>) -> Action {
    let rules = me.spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules);
    for (place, rule) in rules.enumerate() {
        if let Some(what) = fits(rule, pod) {
            return match rule.action.as_str() {
                "FailJob" => Action::FailJob(format!("{what} matching FailJob rule at index {place}")),
                "FailIndex" => Action::FailIndex,
                "Ignore" => Action::Ignore,
                _ => Action::Count,
            };
        }
    }
    Action::Count
}

/// What of the pod the rule is about, if it is about the pod.
fn fits(rule: &PodFailureRule, pod: &Object<Pod>) -> Option<String> {
    let name = format!("{}/{}", pod.key.namespace(), pod.key.name);
    if let Some(codes) = &rule.on_exit_codes {
        let exits = pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
        return exits
            .filter(|status| codes.container_name.as_deref().is_none_or(|wanted| *status.name == *wanted))
            .filter_map(|status| Some((&status.name, status.state.terminated.as_ref()?.exit_code)))
            .find(|(_, code)| *code != 0 && matches(codes, *code))
            .map(|(container, code)| {
                format!("Container {container} for pod {name} failed with exit code {code}")
            });
    }
    let conditions = rule.on_pod_conditions.iter();
    conditions
        .flat_map(|pattern| {
            pod.status
                .conditions
                .iter()
                .filter(move |condition| condition.kind == pattern.kind && condition.status == pattern.status)
        })
        .next()
        .map(|condition| format!("Pod {name} has condition {}", condition.kind))
}

fn matches(codes: &ExitCodes, code: i32) -> bool {
    codes.values.contains(&code) == (codes.operator == "In")
}
