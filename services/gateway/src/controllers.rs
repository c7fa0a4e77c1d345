//! Admits what controllers are about to write, as it admits what clients write; they store it themselves.

use std::sync::Arc;

use api::hooks::Operation;
use api::messages::{AdmissionAnswer, AdmissionQuestion};
use bus::{Delivery, Subscription};
use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::auth::User;
use crate::body::Checked;
use crate::call::{Call, Warnings};
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks::Step;
use crate::owners::Owners;
use crate::path::{GroupVersion, ObjectPath, Query};
use crate::{answering, hooks, write};

/// Only controllers may publish here.
const SUBJECT: &str = "odeon.gateway.admit";

/// Begins to listen.
pub async fn listen(context: &Context) -> Result<Subscription<AdmissionQuestion>, bus::BusError> {
    context.bus.subscribe_queue(SUBJECT, answering::GROUP).await
}

/// Answers until `shutdown`: webhooks may be slow.
pub async fn run(
    context: Arc<Context>,
    questions: Subscription<AdmissionQuestion>,
    shutdown: CancellationToken,
) {
    let answer = |question| {
        let context = Arc::clone(&context);
        async move { answer(&context, question).await }
    };
    answering::serve(questions, shutdown, answer).await;
}

async fn answer(context: &Context, question: Delivery<AdmissionQuestion>) {
    let Delivery { message, reply, cause, .. } = question;
    let Some(reply) = reply else { return };
    let key = message.key.clone();
    let answer = match admit(context, message, cause).await {
        Ok(object) => AdmissionAnswer { object, refused: None },
        Err(failure) => AdmissionAnswer { object: None, refused: Some(failure.status.message) },
    };
    if let Err(error) = reply.send(&answer).await {
        warn!(object = %key, %error, "failed to answer a controller");
    }
}

/// The object as it may be stored; `None` for one that may be deleted.
async fn admit(
    context: &Context,
    asked: AdmissionQuestion,
    cause: Option<api::journal::Cause>,
) -> Result<Option<Value>, Failure> {
    // What the controller has seen counts here too.
    context.caught_up(asked.seen).await?;
    context.hooks.caught_up(asked.configured).await;
    let kinds = context.catalogue.kinds();
    let kind = match (kinds.of(asked.key.resource), &asked.object) {
        (Some(kind), _) => kind,
        // What is not served any more goes without asking anybody.
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(Failure::no_such_path()),
    };
    let path = ObjectPath {
        api: GroupVersion { group: kind.group.to_owned(), version: kind.version.to_owned() },
        namespace: asked.key.namespace.as_deref().map(str::to_owned),
        plural: kind.id.plural().to_owned(),
        name: asked.object.is_none().then(|| asked.key.name.to_string()),
        subresource: None,
        deeper: false,
    };
    let account = format!("system:serviceaccount:kube-system:{}", asked.account);
    let call = Call {
        kind: Arc::clone(kind),
        path,
        query: Query::default(),
        accept: String::new(),
        content_type: String::new(),
        agent: "kube-controller-manager".to_owned(),
        user: User::named(&account, Vec::new()),
        cause: cause.unwrap_or_else(telemetry::clock::fresh_cause),
        body: Bytes::new(),
        upgrade: None,
        warnings: Warnings::default(),
    };
    match asked.object {
        Some(object) => {
            // As everything that Odeon writes itself, it is nobody's.
            let checked = Checked { object, owners: Owners::Settled(None) };
            write::admit_new(context, &call, checked).await.map(Some)
        }
        None => {
            let meant = |stored: &Arc<bus::Stored>| {
                Some(&stored.metadata.uid) == asked.uid.as_ref() && !stored.metadata.is_terminating()
            };
            // What is gone, or goes, is nobody's business any more.
            let Some(stored) = context.view.get(&asked.key).filter(meant) else { return Ok(None) };
            let old = stored.value();
            let step = Step {
                operation: Operation::Delete,
                name: &asked.key.name,
                object: None,
                old: Some(&old),
                dry_run: false,
                own_kind: None,
            };
            hooks::validate(context, &call, step).await.map(|()| None)
        }
    }
}
