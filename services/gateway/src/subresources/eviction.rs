//! `pods/eviction`: a deletion that asks first. No disruption budgets stand in its way yet.

use api::lifecycle::DeleteOptions;
use serde_json::Value;

use super::success;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::Response;
use crate::{body, delete};

/// `POST pods/<name>/eviction`.
pub async fn create(context: &Context, call: &Call) -> Result<Response, Failure> {
    let eviction = body::read(call)?;
    let options = eviction.get("deleteOptions").cloned().unwrap_or(Value::Null);
    let dry_run =
        call.query.dry_run()? || options.get("dryRun").is_some_and(|all| *all == serde_json::json!(["All"]));
    delete::delete(context, call, &call.key(call.name()), &DeleteOptions::from_value(&options), dry_run)
        .await?;
    Ok(success())
}
