//! ValidatingAdmissionPolicies: finds their parameters and tells what they have against a request.

use std::sync::Arc;

use api::hooks::{Action, Attributes, Binding, Denial, Missing, ParamRef, Policy, Setting};
use api::{KindInfo, ObjectKey};
use bus::Stored;
use serde_json::{Value, json};

use super::asking::{Asking, Versioned};
use super::index::Index;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

/// Refuses, or warns of, what policies do not admit.
pub(super) async fn check(
    context: &Context,
    call: &Call,
    index: &Index,
    attributes: &Attributes<'_>,
    asking: &Asking,
) -> Result<(), Failure> {
    let mut denied = None;
    for (policy, bindings) in &index.policies {
        let Some(kind) = policy.matched(attributes) else { continue };
        let versioned = Versioned::of(context, attributes, kind).await?;
        let attributes = &versioned.attributes(attributes);
        for binding in bindings.iter().filter(|binding| binding.is_about(attributes)) {
            let denials = match params(context, policy.param_kind.as_ref(), binding, attributes).await {
                Ok(params) => {
                    let judge = |params: &Option<Value>| {
                        let params = params.as_ref();
                        policy.judge(Setting { attributes, kind, params, authorizer: &asking.authorizer })
                    };
                    params.iter().flat_map(judge).collect::<Vec<Denial>>()
                }
                Err(why) => {
                    denied = denied.or_else(|| policy.failed(why).map(|denial| (policy, binding, denial)));
                    continue;
                }
            };
            for denial in denials {
                if binding.actions.contains(&Action::Warn) {
                    call.warn([format!(
                        "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                        policy.name, binding.name, denial.message
                    )]);
                }
                if binding.actions.contains(&Action::Deny) {
                    denied = denied.or(Some((policy, binding, denial)));
                }
            }
        }
    }
    match denied {
        None => Ok(()),
        Some((policy, binding, denial)) => Err(refusal(attributes, policy, binding, &denial)),
    }
}

fn refusal(attributes: &Attributes<'_>, policy: &Policy, binding: &Binding, denial: &Denial) -> Failure {
    let (policy, binding) = (&policy.name, &binding.name);
    let why = format!(
        "ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {}",
        denial.message
    );
    let mut failure = Failure::forbidden(attributes.kind, attributes.name, &why);
    (failure.status.reason, failure.status.code) = match denial.reason.as_str() {
        "Forbidden" => ("Forbidden", 403),
        "Unauthorized" => ("Unauthorized", 401),
        "RequestEntityTooLarge" => ("RequestEntityTooLarge", 413),
        _ => ("Invalid", 422),
    };
    failure.status.details.insert("causes".into(), json!([{"message": why}]));
    failure
}

/// The parameters that a binding gives its policy: `None` stands for none at all. An empty list: nobody is judged.
pub(super) async fn params(
    context: &Context,
    kind: Option<&(String, String)>,
    binding: &Binding,
    attributes: &Attributes<'_>,
) -> Result<Vec<Option<Value>>, String> {
    let (Some((api_version, word)), Some(reference)) = (kind, &binding.params) else {
        return Ok(vec![None]);
    };
    let kinds = context.catalogue.kinds();
    let kind = kinds.by_gvk(api_version, word).ok_or_else(|| {
        format!("failed to configure policy: failed to find resource referenced by paramKind: '{api_version}, Kind={word}'")
    })?;
    let found = find(context, kind, reference, attributes.namespace)
        .await
        .map_err(|why| format!("failed to configure binding: {why}"))?;
    match (found.is_empty(), reference.missing) {
        (true, Missing::Deny) => Err(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
        ),
        (true, Missing::Allow) | (false, _) => Ok(found.into_iter().map(Some).collect()),
    }
}

async fn find(
    context: &Context,
    kind: &KindInfo,
    reference: &ParamRef,
    namespace: &str,
) -> Result<Vec<Value>, String> {
    let namespace = match (kind.namespaced, reference.namespace.as_str(), namespace) {
        (false, "", _) => None,
        (false, _, _) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
        }
        (true, "", "") => {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                    .to_owned(),
            );
        }
        (true, "", namespace) | (true, namespace, _) => Some(namespace),
    };
    let stored: Vec<Arc<Stored>> = match (reference.name.as_str(), namespace) {
        ("", _) => context.view.read().list(kind.id, namespace).cloned().collect(),
        (name, Some(namespace)) => {
            context.view.get(&ObjectKey::namespaced(kind.id, namespace, name)).into_iter().collect()
        }
        (name, None) => context.view.get(&ObjectKey::cluster(kind.id, name)).into_iter().collect(),
    };
    let shown = context.converter.all(kind, stored).await.map_err(|failure| failure.status.message)?;
    let params = shown.iter().map(|stored| kind.shown(stored.value()));
    // One that is named need not be selected too.
    let is_selected = |param: &Value| {
        !reference.name.is_empty() || reference.selector.matches_map(param.pointer("/metadata/labels"))
    };
    Ok(params.filter(is_selected).collect())
}
