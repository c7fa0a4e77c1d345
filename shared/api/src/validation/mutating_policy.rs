//! Rules of policies that change objects.

use serde_json::Value;

use super::admission::{
    FAILURE_POLICIES, OF_WEBHOOKS, composed, composed_variables, conditions, match_resources, param_kind,
};
use super::{Errors, meta};
use crate::hooks::CONSTRUCTED;
use crate::json::{given, items, text};
use crate::kinds::FieldError;

/// How a mutation says what changes, and the field that does.
const PATCHES: [(&str, &str); 2] = [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];

/// Checks a policy.
pub fn mutating_policy(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.one_of("spec.failurePolicy".into(), text(spec, "/failurePolicy"), &FAILURE_POLICIES, true);
    let has_params = given(spec, "/paramKind").is_some();
    if has_params {
        param_kind(&mut errors, spec);
    }
    match given(spec, "/matchConstraints") {
        None => errors.required("spec.matchConstraints", ""),
        Some(constraints) => {
            match_resources(&mut errors, constraints, "spec.matchConstraints");
            if items(constraints, "/resourceRules").is_empty() {
                errors.required("spec.matchConstraints.resourceRules", "");
            }
        }
    }
    let params: &[&str] = if has_params { &["params"] } else { &[] };
    let of_conditions = [OF_WEBHOOKS.as_slice(), &["namespaceObject"], params].concat();
    conditions(&mut errors, spec, &of_conditions, "spec.matchConditions");
    let variables = [of_conditions.as_slice(), &["variables"]].concat();
    let known = composed_variables(&mut errors, spec, &variables);
    let mutations = items(spec, "/mutations");
    if mutations.is_empty() {
        errors.required("spec.mutations", "mutations must contain at least one item");
    }
    let of_mutations = [variables.as_slice(), CONSTRUCTED.as_slice()].concat();
    for (index, mutation) in mutations.iter().enumerate() {
        let path = format!("spec.mutations[{index}]");
        let kind = text(mutation, "/patchType");
        errors.one_of(format!("{path}.patchType"), kind, &PATCHES.map(|(kind, _)| kind), true);
        for (_, field) in PATCHES.into_iter().filter(|(known, _)| *known == kind) {
            match given(mutation, &format!("/{field}")) {
                None => {
                    let detail = format!("must be specified when patchType is {kind}");
                    errors.required(format!("{path}.{field}"), &detail);
                }
                Some(patch) => {
                    let written = text(patch, "/expression");
                    composed(
                        &mut errors,
                        written,
                        format!("{path}.{field}.expression"),
                        &of_mutations,
                        &known,
                    );
                }
            }
        }
        for (other, field) in PATCHES.into_iter().filter(|(known, _)| *known != kind) {
            if !kind.is_empty() && given(mutation, &format!("/{field}")).is_some() {
                let detail = format!("must not be specified when patchType is not {other}");
                errors.invalid(
                    format!("{path}.{field}"),
                    mutation.get(field).cloned().unwrap_or_default(),
                    &detail,
                );
            }
        }
    }
    let policy = text(spec, "/reinvocationPolicy");
    errors.one_of("spec.reinvocationPolicy".into(), policy, &["IfNeeded", "Never"], true);
    errors.0
}
