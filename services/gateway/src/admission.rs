//! Rules of the cluster about what may be created and deleted where.

use api::custom::CustomResource;
use api::json::text;
use api::{ObjectKey, ResourceId, Uid, service_account};
use serde_json::{Value, json};

use crate::api_services;
use crate::call::Call;
use crate::certificates;
use crate::context::Context;
use crate::failure::Failure;

const PODS: ResourceId = ResourceId::new("pods");
const SERVICE_ACCOUNTS: ResourceId = ResourceId::new("serviceaccounts");
const STORAGE_CLASSES: ResourceId = ResourceId::new("storageclasses.storage.k8s.io");
const NAMESPACES: ResourceId = ResourceId::new("namespaces");
const PRIORITY_CLASSES: ResourceId = ResourceId::new("priorityclasses.scheduling.k8s.io");
/// Every cluster has them, so they stay.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Objects are created only in namespaces that exist and stay.
pub fn creation(context: &Context, call: &Call, object: &Value) -> Result<(), Failure> {
    if call.kind.custom().is_some_and(CustomResource::is_terminating) {
        return Err(Failure::method_not_allowed());
    }
    let Some(namespace) = call.path.namespace.as_deref() else { return Ok(()) };
    let found = context.view.get(&ObjectKey::cluster(NAMESPACES, namespace));
    let Some(found) = found else {
        return Err(api::status::not_found(NAMESPACES, namespace).into());
    };
    if !found.metadata.is_terminating() {
        return Ok(());
    }
    let name = text(object, "/metadata/name");
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut failure = Failure::forbidden(&call.kind, name, &why);
    let cause = json!({
        "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    });
    failure.status.details.insert("causes".into(), json!([cause]));
    Err(failure)
}

/// A pod runs as an account that is there (the default one may be on its way), with a token if that is wanted.
pub fn service_account(context: &Context, call: &Call, object: &mut Value, uid: &Uid) -> Result<(), Failure> {
    let Some(namespace) = call.path.namespace.as_deref().filter(|_| call.kind.id == PODS) else {
        return Ok(());
    };
    let name = text(object, "/spec/serviceAccountName");
    let account = context.view.get(&ObjectKey::namespaced(SERVICE_ACCOUNTS, namespace, name));
    if account.is_none() && name != service_account::DEFAULT {
        let why = format!(
            "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
        );
        return Err(Failure::forbidden(&call.kind, text(object, "/metadata/name"), &why));
    }
    service_account::mount_token(object, account.map(|account| account.value()).as_ref(), uid);
    Ok(())
}

/// Completes a new object as the cluster's objects say (limit ranges, priority classes, …), and checks it against them.
pub fn completion(context: &Context, call: &Call, object: &mut Value) -> Result<(), Failure> {
    let name = text(object, "/metadata/name").to_owned();
    one_default_priority(context, call, object)?;
    certificates::creation(call, object)?;
    api_services::creation(context, call, object)?;
    api::admission::admit(object, call.kind.id, &context.view.read())
        .map_err(|why| Failure::forbidden(&call.kind, &name, &why))
}

/// Completes what a changed object asks for as limit ranges say, and checks it against them.
pub fn limits(context: &Context, call: &Call, object: &mut Value) -> Result<(), Failure> {
    api::admission::limit(object, call.kind.id, &context.view.read())
        .map_err(|why| Failure::forbidden(&call.kind, call.name(), &why))
}

/// A claim grows only if its class lets it (Kubernetes' admission plugin PersistentVolumeClaimResize), and within limits.
pub fn growth(context: &Context, call: &Call, new: &mut Value, old: &Value) -> Result<(), Failure> {
    // What is going may lose its finalizers whatever the limits are by now.
    let goes = !text(old, "/metadata/deletionTimestamp").is_empty();
    if call.kind.id != api::admission::CLAIMS || goes {
        return Ok(());
    }
    limits(context, call, new)?;
    let amount = |claim| api::quantity::Quantity::parse(text(claim, "/spec/resources/requests/storage"));
    if amount(new) <= amount(old) {
        return Ok(());
    }
    let key = ObjectKey::cluster(STORAGE_CLASSES, text(new, "/spec/storageClassName"));
    let class = context.view.get(&key).map(|class| class.value()).unwrap_or_default();
    match api::json::flag(&class, "/allowVolumeExpansion") {
        true => Ok(()),
        false => {
            let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
            Err(Failure::forbidden(&call.kind, call.name(), why))
        }
    }
}

/// Pods that name no class have the priority of one class at most.
fn one_default_priority(context: &Context, call: &Call, class: &Value) -> Result<(), Failure> {
    if call.kind.id != PRIORITY_CLASSES || !api::json::flag(class, "/globalDefault") {
        return Ok(());
    }
    let reader = context.view.read();
    let name = text(class, "/metadata/name");
    let mut others = reader.list(PRIORITY_CLASSES, None).filter(|other| *other.key.name != *name);
    match others.find(|other| api::json::flag(&other.value(), "/globalDefault")) {
        None => Ok(()),
        Some(other) => {
            let why = format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                other.key.name
            );
            Err(Failure::forbidden(&call.kind, name, &why))
        }
    }
}

/// Some objects cannot be deleted.
pub fn deletion(call: &Call, name: &str) -> Result<(), Failure> {
    match call.kind.id == NAMESPACES && IMMORTAL.contains(&name) {
        true => Err(Failure::forbidden(&call.kind, name, "this namespace may not be deleted")),
        false => Ok(()),
    }
}
