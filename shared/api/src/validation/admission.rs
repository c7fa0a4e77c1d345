//! Rules of policies and webhooks: what is stored can be matched, called and evaluated.

use std::collections::BTreeSet;

use serde_json::Value;

use super::format::{dns_1035_label, dns_subdomain, path_segment, qualified_name};
use super::{Errors, client_config, meta};
use crate::cel::Expression;
use crate::hooks::Operation;
use crate::json::{int, items, text};
use crate::kinds::FieldError;

pub(super) const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
/// Reviews of webhooks are of these versions.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];
/// What match conditions of webhooks may speak of.
pub(super) const OF_WEBHOOKS: [&str; 4] = ["object", "oldObject", "request", "authorizer"];
/// More annotations than these are too many.
const ANNOTATIONS: usize = 20;
/// More match conditions than these are too many.
const CONDITIONS: usize = 64;

/// Checks a configuration of webhooks that say yes or no.
pub fn webhook_configuration(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let mut names = BTreeSet::new();
    for (index, webhook) in items(object, "/webhooks").iter().enumerate() {
        let path = format!("webhooks[{index}]");
        self::webhook(&mut errors, webhook, &path);
        if !names.insert(text(webhook, "/name")) {
            errors.duplicate(format!("{path}.name"), text(webhook, "/name"));
        }
    }
    errors.0
}

/// Checks a configuration of webhooks that change objects.
pub fn mutating_webhook_configuration(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors(webhook_configuration(object, old));
    for (index, webhook) in items(object, "/webhooks").iter().enumerate() {
        let policy = text(webhook, "/reinvocationPolicy");
        errors.one_of(format!("webhooks[{index}].reinvocationPolicy"), policy, &["IfNeeded", "Never"], false);
    }
    errors.0
}

fn webhook(errors: &mut Errors, webhook: &Value, path: &str) {
    let name = text(webhook, "/name");
    match name {
        "" => errors.required(format!("{path}.name"), ""),
        name if name.split('.').count() < 3 => {
            let why = "should be a domain with at least three segments separated by dots";
            errors.invalid(format!("{path}.name"), name, why);
        }
        name => errors.format(&format!("{path}.name"), name, dns_subdomain(name)),
    }
    rules(errors, webhook, "/rules", &format!("{path}.rules"));
    errors.one_of(format!("{path}.failurePolicy"), text(webhook, "/failurePolicy"), &FAILURE_POLICIES, false);
    errors.one_of(format!("{path}.matchPolicy"), text(webhook, "/matchPolicy"), &MATCH_POLICIES, false);
    match text(webhook, "/sideEffects") {
        "" => errors.required(format!("{path}.sideEffects"), "must specify one of None, NoneOnDryRun"),
        effects => errors.one_of(format!("{path}.sideEffects"), effects, &["None", "NoneOnDryRun"], true),
    }
    if let Some(seconds) = int(webhook, "/timeoutSeconds").filter(|seconds| !(1..=30).contains(seconds)) {
        errors.invalid(
            format!("{path}.timeoutSeconds"),
            seconds,
            "the timeout value must be between 1 and 30 seconds",
        );
    }
    selectors(errors, webhook, path);
    client_config::check(
        errors,
        webhook.get("clientConfig").unwrap_or(&Value::Null),
        &format!("{path}.clientConfig"),
    );
    conditions(errors, webhook, &OF_WEBHOOKS, &format!("{path}.matchConditions"));
    review_versions(errors, webhook, &format!("{path}.admissionReviewVersions"));
}

fn review_versions(errors: &mut Errors, webhook: &Value, path: &str) {
    let versions: Vec<&str> =
        items(webhook, "/admissionReviewVersions").iter().filter_map(Value::as_str).collect();
    if versions.is_empty() {
        return errors.required(path, "must specify one of v1, v1beta1");
    }
    for (index, version) in versions.iter().enumerate() {
        errors.format(&format!("{path}[{index}]"), version, dns_1035_label(version));
    }
    if !versions.iter().any(|version| REVIEWS.contains(version)) {
        errors.invalid(path, versions, "must include at least one of v1, v1beta1");
    }
}

fn selectors(errors: &mut Errors, owner: &Value, path: &str) {
    for key in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = owner.get(key) {
            meta::selector(errors, selector, &format!("{path}.{key}"));
        }
    }
}

fn rules(errors: &mut Errors, owner: &Value, pointer: &str, path: &str) {
    for (index, rule) in items(owner, pointer).iter().enumerate() {
        self::rule(errors, rule, &format!("{path}[{index}]"));
    }
}

fn rule(errors: &mut Errors, rule: &Value, path: &str) {
    let texts = |key: &str| -> Vec<&str> {
        items(rule, &format!("/{key}")).iter().map(|one| one.as_str().unwrap_or_default()).collect()
    };
    let operations = texts("operations");
    for (key, what) in
        [("operations", "operations"), ("apiGroups", "API groups"), ("apiVersions", "API versions")]
    {
        let list = texts(key);
        if list.is_empty() {
            errors.required(format!("{path}.{key}"), "");
        }
        if list.len() > 1 && list.contains(&"*") {
            errors.invalid(
                format!("{path}.{key}"),
                list,
                &format!("if '*' is present, must not specify other {what}"),
            );
        }
    }
    for (index, operation) in operations.iter().enumerate() {
        errors.one_of(format!("{path}.operations[{index}]"), operation, &Operation::WORDS, true);
    }
    for (index, _) in texts("apiVersions").iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.required(format!("{path}.apiVersions[{index}]"), "");
    }
    resources(errors, &texts("resources"), &format!("{path}.resources"));
    errors.one_of(format!("{path}.scope"), text(rule, "/scope"), &SCOPES, false);
    for (index, name) in texts("resourceNames").into_iter().enumerate() {
        errors.format(&format!("{path}.resourceNames[{index}]"), name, path_segment(name));
    }
}

fn resources(errors: &mut Errors, resources: &[&str], path: &str) {
    if resources.is_empty() {
        errors.required(path, "");
    }
    for (index, resource) in resources.iter().enumerate() {
        if resource.is_empty() {
            errors.required(format!("{path}[{index}]"), "");
        }
        let Some((above, below)) = resource.split_once('/') else { continue };
        let before = resources.get(..index).unwrap_or_default();
        if before.contains(&format!("{above}/*").as_str()) {
            let why = format!("if '{above}/*' is present, must not specify {resource}");
            errors.invalid(format!("{path}[{index}]"), *resource, &why);
        }
        if before.contains(&format!("*/{below}").as_str()) {
            let why = format!("if '*/{below}' is present, must not specify {resource}");
            errors.invalid(format!("{path}[{index}]"), *resource, &why);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        errors.invalid(path, resources.to_vec(), "if '*/*' is present, must not specify other resources");
    }
    let plain = |resource: &&str| *resource != "*" && !resource.contains('/');
    if resources.contains(&"*") && resources.iter().any(plain) {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, resources.to_vec(), why);
    }
}

pub(super) fn conditions(errors: &mut Errors, owner: &Value, variables: &[&str], path: &str) {
    let conditions = items(owner, "/matchConditions");
    if conditions.len() > CONDITIONS {
        errors.too_many(path, conditions.len(), CONDITIONS);
    }
    let mut names = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("{path}[{index}]");
        expression(errors, text(condition, "/expression"), "", variables, &format!("{path}.expression"));
        match text(condition, "/name") {
            "" => errors.required(format!("{path}.name"), ""),
            name if !names.insert(name) => errors.duplicate(format!("{path}.name"), name),
            name => errors.format(&format!("{path}.name"), name, qualified_name(name)),
        }
    }
}

/// Returns the expression if there is nothing wrong with it.
fn expression(
    errors: &mut Errors,
    written: &str,
    absent: &str,
    variables: &[&str],
    path: &str,
) -> Option<Expression> {
    if written.trim().is_empty() {
        errors.required(path, absent);
        return None;
    }
    Expression::compile(written, variables)
        .map_err(|complaint| errors.invalid(path, written, &complaint))
        .ok()
}

/// Checks a policy.
pub fn admission_policy(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.one_of("spec.failurePolicy".into(), text(spec, "/failurePolicy"), &FAILURE_POLICIES, true);
    let has_params = spec.get("paramKind").is_some_and(|kind| !kind.is_null());
    if has_params {
        param_kind(&mut errors, spec);
    }
    let params: &[&str] = if has_params { &["params"] } else { &[] };
    let variables = ["object", "oldObject", "request", "namespaceObject", "variables", "authorizer"];
    let variables = [variables.as_slice(), params].concat();
    match spec.get("matchConstraints").filter(|constraints| !constraints.is_null()) {
        None => errors.required("spec.matchConstraints", ""),
        Some(constraints) => {
            match_resources(&mut errors, constraints, "spec.matchConstraints");
            if items(constraints, "/resourceRules").is_empty() {
                errors.required("spec.matchConstraints.resourceRules", "");
            }
        }
    }
    let of_conditions = [OF_WEBHOOKS.as_slice(), &["namespaceObject"], params].concat();
    conditions(&mut errors, spec, &of_conditions, "spec.matchConditions");
    expressions(&mut errors, spec, &variables);
    errors.0
}

pub(super) fn param_kind(errors: &mut Errors, spec: &Value) {
    let kind = text(spec, "/paramKind/kind");
    match text(spec, "/paramKind/apiVersion") {
        "" => errors.required("spec.paramKind.apiVersion", ""),
        version if version.matches('/').count() > 1 => {
            let why = format!("unexpected GroupVersion string: {version}");
            errors.invalid("spec.paramKind.apiVersion", version, &why);
        }
        _ => {}
    }
    match kind {
        "" => errors.required("spec.paramKind.kind", ""),
        kind => errors.format("spec.paramKind.kind", kind, dns_1035_label(&kind.to_lowercase())),
    }
}

/// Checks an expression that may speak of variables that are known so far.
pub(super) fn composed(
    errors: &mut Errors,
    written: &str,
    path: String,
    variables: &[&str],
    known: &BTreeSet<String>,
) {
    let compiled = expression(errors, written, "expression is not specified", variables, &path);
    let unknown = compiled.iter().flat_map(Expression::composed_of).find(|name| !known.contains(name));
    if let Some(unknown) = unknown {
        let why = format!("compilation failed: ERROR: <input>:1:1: undefined field '{unknown}'");
        errors.invalid(path, written, &why);
    }
}

/// Checks variables, which may speak of those before them; their names.
pub(super) fn composed_variables(errors: &mut Errors, spec: &Value, variables: &[&str]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (index, variable) in items(spec, "/variables").iter().enumerate() {
        let path = format!("spec.variables[{index}]");
        let name = text(variable, "/name");
        if name.is_empty() {
            errors.required(format!("{path}.name"), "name is not specified");
        } else if !is_identifier(name) {
            errors.invalid(format!("{path}.name"), name, "name is not a valid CEL identifier");
        }
        composed(errors, text(variable, "/expression"), format!("{path}.expression"), variables, &known);
        known.insert(name.to_owned());
    }
    known
}

/// Checks the variables, what is asked for, and the annotations.
fn expressions(errors: &mut Errors, spec: &Value, variables: &[&str]) {
    let known = composed_variables(errors, spec, variables);
    let check = |errors: &mut Errors, written: &str, path: String, known: &BTreeSet<String>| {
        composed(errors, written, path, variables, known);
    };
    let (validations, annotations) = (items(spec, "/validations"), items(spec, "/auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.required("spec.validations", why);
        errors.required("spec.auditAnnotations", why);
    }
    for (index, validation) in validations.iter().enumerate() {
        let path = format!("spec.validations[{index}]");
        check(errors, text(validation, "/expression"), format!("{path}.expression"), &known);
        let message = text(validation, "/messageExpression");
        if !message.is_empty() {
            check(errors, message, format!("{path}.messageExpression"), &known);
        }
        if text(validation, "/message").trim().contains('\n') {
            errors.invalid(
                format!("{path}.message"),
                text(validation, "/message"),
                "message must not contain line breaks",
            );
        }
        let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
        errors.one_of(format!("{path}.reason"), text(validation, "/reason"), &reasons, false);
    }
    if annotations.len() > ANNOTATIONS {
        let why = format!("must not have more than {ANNOTATIONS} auditAnnotations");
        errors.invalid("spec.auditAnnotations", annotations.to_vec(), &why);
    }
    for (index, annotation) in annotations.iter().enumerate() {
        let path = format!("spec.auditAnnotations[{index}]");
        errors.needs(annotation, &path, "key");
        check(errors, text(annotation, "/valueExpression"), format!("{path}.valueExpression"), &known);
    }
}

fn is_identifier(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(letters)
}

pub(super) fn match_resources(errors: &mut Errors, constraints: &Value, path: &str) {
    errors.one_of(format!("{path}.matchPolicy"), text(constraints, "/matchPolicy"), &MATCH_POLICIES, true);
    selectors(errors, constraints, path);
    for key in ["resourceRules", "excludeResourceRules"] {
        rules(errors, constraints, &format!("/{key}"), &format!("{path}.{key}"));
    }
}

/// Checks a binding of a policy.
pub fn admission_policy_binding(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors(mutating_policy_binding(object, old));
    actions(&mut errors, object.get("spec").unwrap_or(&Value::Null));
    errors.0
}

/// Checks a binding of a policy that changes objects.
pub fn mutating_policy_binding(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match text(spec, "/policyName") {
        "" => errors.required("spec.policyName", ""),
        name => errors.format("spec.policyName", name, dns_subdomain(name)),
    }
    if let Some(reference) = spec.get("paramRef").filter(|reference| !reference.is_null()) {
        param_ref(&mut errors, reference);
    }
    if let Some(constraints) = spec.get("matchResources").filter(|constraints| !constraints.is_null()) {
        match_resources(&mut errors, constraints, "spec.matchResources");
    }
    errors.0
}

fn param_ref(errors: &mut Errors, reference: &Value) {
    let path = "spec.paramRef";
    let selector = reference.get("selector").filter(|selector| !selector.is_null());
    match (text(reference, "/name"), selector) {
        ("", None) => errors.required(path, "one of name or selector must be specified"),
        ("", Some(selector)) => meta::selector(errors, selector, &format!("{path}.selector")),
        (name, None) => errors.format(&format!("{path}.name"), name, path_segment(name)),
        (_, Some(_)) => errors.forbidden(format!("{path}.name"), "name and selector are mutually exclusive"),
    }
    let missing = text(reference, "/parameterNotFoundAction");
    errors.one_of(format!("{path}.parameterNotFoundAction"), missing, &["Allow", "Deny"], true);
}

fn actions(errors: &mut Errors, spec: &Value) {
    let path = "spec.validationActions";
    let actions: Vec<&str> = items(spec, "/validationActions").iter().filter_map(Value::as_str).collect();
    let mut seen = BTreeSet::new();
    for (index, action) in actions.iter().enumerate() {
        errors.one_of(format!("{path}[{index}]"), action, &["Audit", "Deny", "Warn"], true);
        if !seen.insert(*action) {
            errors.duplicate(format!("{path}[{index}]"), *action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid(path, actions, why);
    } else if seen.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
}
