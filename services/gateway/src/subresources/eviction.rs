//! `pods/eviction`: a deletion that asks the pod's disruption budget first (`kubectl drain`).

mod budget;

use api::hooks::Operation;
use api::lifecycle::DeleteOptions;
use api::views::Pod;
use serde_json::Value;

use self::budget::Answer;
use super::success;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::hooks::{self, Step};
use crate::respond::Response;
use crate::{body, delete, read};

/// `POST pods/<name>/eviction`.
pub async fn create(context: &Context, call: &Call) -> Result<Response, Failure> {
    let eviction = body::read(call)?;
    let named = api::json::text(&eviction, "/metadata/name");
    if !named.is_empty() && named != call.name() {
        return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
    }
    let options = eviction.get("deleteOptions").cloned().unwrap_or(Value::Null);
    let dry_run =
        call.query.dry_run()? || options.get("dryRun").is_some_and(|all| *all == serde_json::json!(["All"]));
    let step = Step {
        operation: Operation::Create,
        name: call.name(),
        object: Some(&eviction),
        old: None,
        dry_run,
        own_kind: Some(("policy", "v1", "Eviction")),
    };
    hooks::validate(context, call, step).await?;
    let mut options = DeleteOptions::from_value(&options);
    let stored = read::find(context, call)?;
    let pod = stored.object::<Pod>();
    if let Answer::IfUnchanged = budget::ask(context, call, &pod, dry_run).await? {
        // It is not healthy now; should it have become so meanwhile, it would count.
        options.resource_version = Some(stored.revision.to_string());
    }
    delete::delete(context, call, &stored.key, &options, dry_run).await?;
    Ok(success())
}
