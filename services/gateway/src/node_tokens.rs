//! Hands agents the tokens that their own pods mount: each bound to its pod, so that it dies with it.

use std::sync::Arc;

use api::json::text;
use api::messages::{TokenAnswer, TokenRequest};
use api::{ObjectKey, ResourceId};
use bus::{Delivery, Subscription};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::answering;
use crate::context::Context;
use crate::tokens::{Bound, Claims, ISSUER};

/// Agents publish under their own node's name only: the subject says who asks.
const SUBJECT: &str = "odeon.node.*.token";
/// The shortest and the longest life of a token, in seconds.
const LIFE: std::ops::RangeInclusive<i64> = 600..=86_400;

/// Begins to listen.
pub async fn listen(context: &Context) -> Result<Subscription<TokenRequest>, bus::BusError> {
    context.bus.subscribe_queue(SUBJECT, answering::GROUP).await
}

/// Answers until `shutdown`.
pub async fn run(context: Arc<Context>, questions: Subscription<TokenRequest>, shutdown: CancellationToken) {
    let answer = |question| {
        let context = Arc::clone(&context);
        async move { answer(&context, question).await }
    };
    answering::serve(questions, shutdown, answer).await;
}

async fn answer(context: &Context, question: Delivery<TokenRequest>) {
    let Delivery { subject, message, reply, .. } = question;
    let node = subject.split('.').nth(2).unwrap_or_default();
    // The agent may have heard of its pod before this gateway has.
    let answer = match context.caught_up(message.seen).await {
        Ok(()) => issue(context, node, &message),
        Err(late) => Err(late.status.message),
    };
    let answer =
        answer.unwrap_or_else(|refused| TokenAnswer { refused: Some(refused), ..TokenAnswer::default() });
    if let Some(reply) = reply
        && let Err(error) = reply.send(&answer).await
    {
        warn!(pod = %message.pod, %error, "failed to hand out a token");
    }
}

/// A token for a pod of the node that asks; why not, else.
fn issue(context: &Context, node: &str, asked: &TokenRequest) -> Result<TokenAnswer, String> {
    let pod = context.view.get(&asked.pod).filter(|pod| pod.metadata.uid == asked.uid);
    let pod = pod.ok_or_else(|| format!("pod \"{}\" not found", asked.pod.name))?;
    let value = pod.value();
    if bus::token(text(&value, "/spec/nodeName")) != node {
        return Err(format!("pod \"{}\" does not run on the node that asks", asked.pod.name));
    }
    let namespace = asked.pod.namespace();
    let name = text(&value, "/spec/serviceAccountName");
    let account = ObjectKey::namespaced(ResourceId::new("serviceaccounts"), namespace, name);
    let account = context.view.get(&account).ok_or_else(|| format!("serviceaccount \"{name}\" not found"))?;
    let issued = telemetry::clock::now().0.div_euclid(1_000_000);
    let expires = issued.saturating_add(asked.seconds.clamp(*LIFE.start(), *LIFE.end()));
    let audience = if asked.audience.is_empty() { ISSUER } else { asked.audience.as_str() };
    let claims = Claims {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: account.metadata.uid.as_str().to_owned(),
        audiences: vec![audience.to_owned()],
        id: telemetry::clock::fresh_uid().as_str().to_owned(),
        issued,
        expires,
        bound: Some(Bound {
            kind: "Pod",
            name: asked.pod.name.to_string(),
            uid: asked.uid.as_str().to_owned(),
        }),
    };
    let token = context.tokens.sign(&claims).ok_or("there is no randomness to sign with")?;
    Ok(TokenAnswer { token, expires, refused: None })
}
