//! Rules of the cluster about what may be created and deleted where.

use api::{ObjectKey, ResourceId};
use serde_json::{Value, json};

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

const NAMESPACES: ResourceId = ResourceId::new("namespaces");
/// Every cluster has them, so they stay.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Objects are created only in namespaces that exist and stay.
pub fn creation(context: &Context, call: &Call, object: &Value) -> Result<(), Failure> {
    let Some(namespace) = call.path.namespace.as_deref() else { return Ok(()) };
    let found = context.view.get(&ObjectKey::cluster(NAMESPACES, namespace));
    let Some(found) = found else {
        return Err(api::status::not_found(NAMESPACES, namespace).into());
    };
    if !found.metadata.is_terminating() {
        return Ok(());
    }
    let name = api::json::text(object, "/metadata/name");
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut failure = Failure::forbidden(&call.kind, name, &why);
    let cause = json!({
        "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    });
    failure.status.details.insert("causes".into(), json!([cause]));
    Err(failure)
}

/// Some objects cannot be deleted.
pub fn deletion(call: &Call, name: &str) -> Result<(), Failure> {
    match call.kind.id == NAMESPACES && IMMORTAL.contains(&name) {
        true => Err(Failure::forbidden(&call.kind, name, "this namespace may not be deleted")),
        false => Ok(()),
    }
}
