//! Asks one webhook: over TLS, within its time, in Kubernetes' words when that fails.

use std::time::Duration;

use api::hooks::{self, Answer, Attributes, Webhook};
use api::{KindInfo, status};

use crate::context::Context;
use crate::failure::Failure;
use crate::webhook;

/// The webhook could not be asked, or has answered nonsense.
#[derive(Clone, Debug)]
pub(super) struct Unanswered(String);

impl Unanswered {
    /// Without an answer the request fails.
    pub fn failure(&self, webhook: &Webhook) -> Failure {
        status::internal_error(&format!("failed calling webhook {:?}: {}", webhook.name, self.0)).into()
    }
}

/// Asks a webhook about a request, which it sees in the version `kind`. What is only tried is not told to webhooks that would act.
pub(super) async fn ask(
    context: &Context,
    webhook: &Webhook,
    attributes: &Attributes<'_>,
    kind: &KindInfo,
    mutating: bool,
) -> Result<Answer, Unanswered> {
    let uid = telemetry::clock::fresh_uid();
    let request = hooks::request(attributes, kind, &uid);
    let body = hooks::review(&webhook.review_version, &request).to_string();
    let limit = Duration::from_secs(webhook.timeout_seconds);
    let answer =
        webhook::post(&context.dialer, &webhook.client, limit, body, "kube-apiserver-admission").await;
    let answer = answer.map_err(|why| Unanswered(format!("failed to call webhook: {why}")))?;
    Answer::read(&answer, &webhook.review_version, &uid, mutating).map_err(Unanswered)
}

/// Whether a webhook is asked at all; a failure if that cannot be known, or if it would act on what is only tried.
pub(super) fn is_asked(
    webhook: &Webhook,
    attributes: &Attributes<'_>,
    kind: &KindInfo,
    asking: &super::asking::Asking,
) -> Result<bool, Failure> {
    let forbidden = |why: &str| Failure::forbidden(attributes.kind, attributes.name, why);
    let holds = match &webhook.conditions {
        Ok(conditions) if conditions.is_empty() => Ok(true),
        Ok(conditions) => conditions.hold(&attributes.scope(kind, Some(&asking.authorizer))),
        Err(why) => Err(why.clone()),
    };
    match holds {
        Ok(true) if attributes.dry_run && !webhook.allows_dry_runs => Err(Failure::bad_request(format!(
            "admission webhook {:?} does not support dry run",
            webhook.name
        ))),
        Ok(holds) => Ok(holds),
        Err(_) if webhook.ignores_failures => Ok(false),
        Err(why) => Err(forbidden(&why)),
    }
}
