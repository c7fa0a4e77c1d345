//! Asks a pod's disruption budget whether it may be evicted, and takes the eviction off the budget.

use std::sync::Arc;

use api::views::{Pod, PodDisruptionBudget, PodDisruptionBudgetStatus};
use api::{Object, Resource, Timestamp};
use bus::{ChangeTo, Expect, Mutation, Stored, WriteError};
use serde_json::{Value, json};

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::{explain_write, fields, write};

/// How often it is tried again when the budget changes meanwhile.
const ATTEMPTS: usize = 12;
/// More evictions than this do not wait for their pods to end at a time.
const MOST_GRANTED: usize = 2_000;
/// Seconds after which a budget that is not counted yet should be.
const SOON: u32 = 10;

/// Under which condition the pod may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In any case.
    Always,
    /// Only as it was seen.
    IfUnchanged,
}

/// Asks the budget; a failure that says how many pods are missing if it does not allow it.
pub async fn ask(
    context: &Context,
    call: &Call,
    pod: &Object<Pod>,
    dry_run: bool,
) -> Result<Answer, Failure> {
    if pod.has_ended() || pod.status.phase == "Pending" || pod.metadata.is_terminating() {
        return Ok(Answer::Always);
    }
    for _ in 0..ATTEMPTS {
        let Some(stored) = budget_of(context, pod)? else { return Ok(Answer::Always) };
        let budget = stored.object::<PodDisruptionBudget>();
        if is_expendable(pod, &budget) {
            return Ok(Answer::IfUnchanged);
        }
        let status = grant(&budget, &pod.key.name, telemetry::clock::now())?;
        if dry_run || take(context, call, &stored, status).await? {
            return Ok(Answer::Always);
        }
    }
    Err(Failure::modified(&call.kind, call.name()))
}

/// The one budget that selects the pod.
fn budget_of(context: &Context, pod: &Object<Pod>) -> Result<Option<Arc<Stored>>, Failure> {
    let reader = context.view.read();
    let budgets = reader.list(PodDisruptionBudget::ID, Some(pod.key.namespace()));
    let mut budgets =
        budgets.filter(|stored| stored.object::<PodDisruptionBudget>().spec.selects(&pod.metadata.labels));
    match (budgets.next(), budgets.next()) {
        (found, None) => Ok(found.cloned()),
        (_, Some(_)) => {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            Err(Failure::new(500, "InternalError", message))
        }
    }
}

/// A pod that is not healthy may go if the budget does not count on it.
fn is_expendable(pod: &Pod, budget: &PodDisruptionBudget) -> bool {
    let status = &budget.status;
    !pod.is_ready()
        && (budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow")
            || status.current_healthy >= status.desired_healthy && status.desired_healthy > 0)
}

/// The budget's status after the eviction was granted.
fn grant(
    budget: &Object<PodDisruptionBudget>,
    pod: &str,
    now: Timestamp,
) -> Result<PodDisruptionBudgetStatus, Failure> {
    let (name, mut status) = (&budget.key.name, budget.status.clone());
    if status.observed_generation < budget.metadata.generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refusal(&why, SOON));
    }
    if status.disrupted_pods.len() > MOST_GRANTED {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(api::status::forbidden(PodDisruptionBudget::ID, name, why).into());
    }
    if status.disruptions_allowed <= 0 {
        let why = format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status.desired_healthy, status.current_healthy
        );
        return Err(refusal(&why, 0));
    }
    status.disruptions_allowed -= 1;
    status.disrupted_pods.insert(pod.to_owned(), now);
    status.set_condition(now);
    Ok(status)
}

/// 429, which `kubectl drain` takes as a reason to try again.
fn refusal(why: &str, seconds: u32) -> Failure {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut failure: Failure = api::status::too_many_requests(message, seconds).into();
    let details = &mut failure.status.details;
    details.insert("causes".into(), json!([{"reason": "DisruptionBudget", "message": why}]));
    if seconds == 0 {
        details.remove("retryAfterSeconds");
    } else {
        failure.retry_after = Some(seconds);
    }
    failure
}

/// Writes the status; false if the budget has changed meanwhile.
async fn take(
    context: &Context,
    call: &Call,
    stored: &Stored,
    status: PodDisruptionBudgetStatus,
) -> Result<bool, Failure> {
    let mut budget: Value = stored.value();
    fields::set(&mut budget, "status", json!(status));
    let mutation = Mutation {
        key: stored.key.clone(),
        expect: Expect::At(stored.revision),
        change: ChangeTo::Put(budget.clone()),
        cause: call.cause,
    };
    match context.store.write(mutation).await {
        Ok(revision) => {
            explain_write::journal(context, call, &stored.key, &budget, "evict");
            context.caught_up(revision).await?;
            Ok(true)
        }
        Err(WriteError::Conflict { current }) => {
            write::catch_up_after_conflict(context, current).await;
            Ok(false)
        }
        Err(error) => Err(Failure::write(&call.kind, &stored.key.name, &error)),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn budget(status: Value) -> Arc<Object<PodDisruptionBudget>> {
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "default", "generation": 2}, "status": status,
        });
        Stored::test(budget, 1).object::<PodDisruptionBudget>()
    }

    #[test]
    fn a_budget_is_spent_pod_by_pod() {
        let counted = json!({"observedGeneration": 2, "disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2});
        let granted = grant(&budget(counted), "a", Timestamp(0)).unwrap();
        expect![[r#"{"conditions":[{"lastTransitionTime":"1970-01-01T00:00:00Z","observedGeneration":2,"reason":"InsufficientPods","status":"False","type":"DisruptionAllowed"}],"currentHealthy":3,"desiredHealthy":2,"disruptedPods":{"a":"1970-01-01T00:00:00Z"},"disruptionsAllowed":0,"expectedPods":0,"observedGeneration":2}"#]].assert_eq(&json!(granted).to_string());
        let why = |status: Value| {
            let failure = grant(&budget(status), "b", Timestamp(0)).unwrap_err();
            format!("{} {}", failure.code(), Value::Object(failure.status.details.clone()))
        };
        expect![[r#"429 {"causes":[{"message":"The disruption budget web needs 2 healthy pods and has 3 currently","reason":"DisruptionBudget"}]}"#]].assert_eq(&why(json!(granted)));
        expect![[r#"429 {"causes":[{"message":"The disruption budget web is still being processed by the server.","reason":"DisruptionBudget"}],"retryAfterSeconds":10}"#]].assert_eq(&why(json!({"observedGeneration": 1, "disruptionsAllowed": 1})));
    }

    #[test]
    fn pods_that_are_not_healthy_are_expendable_when_enough_others_are() {
        let pod = |ready: &str| {
            let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
            serde_json::from_value::<Pod>(json!({"status": status})).unwrap()
        };
        let enough = json!({"currentHealthy": 2, "desiredHealthy": 2});
        let few = json!({"currentHealthy": 1, "desiredHealthy": 2});
        assert!(is_expendable(&pod("False"), &budget(enough.clone())));
        assert!(!is_expendable(&pod("True"), &budget(enough)));
        assert!(!is_expendable(&pod("False"), &budget(few.clone())));
        let mut always = (*budget(few)).clone();
        always.body.spec.unhealthy_pod_eviction_policy = Some("AlwaysAllow".to_owned());
        assert!(is_expendable(&pod("False"), &always));
    }
}
