//! ValidatingAdmissionPolicies, compiled, and what they say of a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::conditions::explained;
use super::{Attributes, Conditions, Constraints};
use crate::cel::{Authorizer, Budget, Expression, Fault, PER_OBJECT, Scope, spoken};
use crate::json::{items, text};
use crate::kinds::KindInfo;
use crate::selector::Selector;

/// What the expressions of a policy may speak of.
pub(crate) const VARIABLES: [&str; 7] =
    ["object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer"];
/// The longest message that an expression may make, in bytes.
const MESSAGE_BYTES: usize = 5 * 1024;

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// `apiVersion` and kind of its parameters.
    pub param_kind: Option<(String, String)>,
    /// What goes wrong is no reason to refuse.
    pub ignores_failures: bool,
    constraints: Constraints,
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    annotations: Vec<Expression>,
}

/// One thing that a policy asks for.
#[derive(Clone, Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
}

/// What puts a policy in force.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// The policy's name.
    pub policy: String,
    /// What becomes of a violation.
    pub actions: Vec<Action>,
    /// Which parameters the policy has; `None`: none.
    pub params: Option<ParamRef>,
    constraints: Constraints,
}

/// What becomes of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The request is refused.
    Deny,
    /// The client is warned.
    Warn,
    /// It is noted. There is no audit log to note it in.
    Audit,
}

/// Which objects are parameters.
#[derive(Clone, Debug)]
pub struct ParamRef {
    /// The only one; empty: those that are selected.
    pub name: String,
    /// Where they are; empty: where the request's object is.
    pub namespace: String,
    /// Which ones.
    pub selector: Selector,
    /// What if there are none.
    pub missing: Missing,
}

/// What becomes of a request when there are no parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is admitted.
    Allow,
    /// It is refused, as the failure policy says.
    Deny,
}

/// Why a request is refused or warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What is said.
    pub message: String,
    /// `Invalid`, `Forbidden`, …
    pub reason: String,
}

/// What a policy is judged with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The request.
    pub attributes: &'a Attributes<'a>,
    /// The version that the policy sees.
    pub kind: &'a KindInfo,
    /// Its parameters.
    pub params: Option<&'a Value>,
    /// Who may do what.
    pub authorizer: &'a Arc<dyn Authorizer>,
}

impl Policy {
    /// Compiles a policy; else says what cannot be compiled.
    pub fn compile(policy: &Value) -> Result<Self, String> {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let compile = |written: &str| Expression::compile(written, &VARIABLES);
        let all = |pointer: &str, key: &str| -> Result<Vec<Expression>, String> {
            items(spec, pointer).iter().map(|one| compile(text(one, key))).collect()
        };
        Ok(Self {
            name: text(policy, "/metadata/name").to_owned(),
            param_kind: param_kind(spec),
            ignores_failures: text(spec, "/failurePolicy") == "Ignore",
            constraints: Constraints::of_policy(spec.get("matchConstraints").unwrap_or(&Value::Null), false),
            conditions: Conditions::compile(spec, "/matchConditions", &VARIABLES)?,
            variables: variables(spec)?,
            validations: items(spec, "/validations")
                .iter()
                .map(Validation::compile)
                .collect::<Result<_, _>>()?,
            annotations: all("/auditAnnotations", "/valueExpression")?,
        })
    }

    /// The version in which it sees the request's object; `None` if it is not about it.
    pub fn matched<'a>(&self, attributes: &Attributes<'a>) -> Option<&'a Arc<KindInfo>> {
        self.constraints.matched(attributes)
    }

    /// What it has against a request.
    pub fn judge(&self, setting: Setting<'_>) -> Vec<Denial> {
        let mut case = Case::of(&self.variables, setting);
        match self.conditions.hold(&case.scope) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(why) => return self.failed(why).into_iter().collect(),
        }
        let mut denials = Vec::new();
        for validation in &self.validations {
            match case.evaluate(&validation.expression) {
                Ok(cel::Value::Bool(true)) => {}
                Ok(_) => denials
                    .push(Denial { message: case.message(validation), reason: validation.reason.clone() }),
                Err(Fault::OutOfBudget) => {
                    denials.extend(self.failed(crate::cel::OUT_OF_BUDGET.to_owned()));
                    return denials;
                }
                Err(fault) => denials.extend(self.failed(explained(&validation.expression, &fault))),
            }
        }
        for annotation in &self.annotations {
            if let Err(fault) = case.evaluate(annotation) {
                denials.extend(self.failed(explained(annotation, &fault)));
            }
        }
        denials
    }

    /// What cannot be decided is refused, unless that shall not matter.
    pub fn failed(&self, message: String) -> Option<Denial> {
        (!self.ignores_failures).then(|| Denial { message, reason: "Invalid".to_owned() })
    }
}

impl Validation {
    fn compile(validation: &Value) -> Result<Self, String> {
        let message = text(validation, "/messageExpression");
        let message = if message.is_empty() { None } else { Some(Expression::compile(message, &VARIABLES)?) };
        let reason = text(validation, "/reason");
        Ok(Self {
            expression: Expression::compile(text(validation, "/expression"), &VARIABLES)?,
            message: text(validation, "/message").trim().to_owned(),
            message_expression: message,
            reason: if reason.is_empty() { "Invalid" } else { reason }.to_owned(),
        })
    }
}

impl Binding {
    /// Reads a binding.
    pub fn of(binding: &Value) -> Self {
        let spec = binding.get("spec").unwrap_or(&Value::Null);
        let action = |word: &Value| match word.as_str() {
            Some("Deny") => Some(Action::Deny),
            Some("Warn") => Some(Action::Warn),
            Some("Audit") => Some(Action::Audit),
            _ => None,
        };
        Self {
            name: text(binding, "/metadata/name").to_owned(),
            policy: text(spec, "/policyName").to_owned(),
            actions: items(spec, "/validationActions").iter().filter_map(action).collect(),
            params: spec.get("paramRef").filter(|reference| !reference.is_null()).map(ParamRef::of),
            constraints: Constraints::of_policy(spec.get("matchResources").unwrap_or(&Value::Null), true),
        }
    }

    /// Whether it puts its policy in force for a request.
    pub fn is_about(&self, attributes: &Attributes<'_>) -> bool {
        self.constraints.matched(attributes).is_some()
    }
}

impl ParamRef {
    fn of(reference: &Value) -> Self {
        let selector =
            reference.get("selector").and_then(|selector| Selector::from_label_selector(selector).ok());
        Self {
            name: text(reference, "/name").to_owned(),
            namespace: text(reference, "/namespace").to_owned(),
            selector: selector.unwrap_or_default(),
            missing: if text(reference, "/parameterNotFoundAction") == "Allow" {
                Missing::Allow
            } else {
                Missing::Deny
            },
        }
    }
}

/// The parameters of a policy: `apiVersion` and kind.
pub(super) fn param_kind(spec: &Value) -> Option<(String, String)> {
    let kind = (text(spec, "/paramKind/apiVersion"), text(spec, "/paramKind/kind"));
    (!kind.1.is_empty()).then(|| (kind.0.to_owned(), kind.1.to_owned()))
}

/// The variables of a policy; else says what cannot be compiled.
pub(super) fn variables(spec: &Value) -> Result<Vec<(String, Expression)>, String> {
    let compile = |variable: &Value| {
        let expression = Expression::compile(text(variable, "/expression"), &VARIABLES)?;
        Ok((text(variable, "/name").to_owned(), expression))
    };
    items(spec, "/variables").iter().map(compile).collect()
}

/// The variables of a policy with a request and parameters.
pub(super) struct Case<'a> {
    variables: &'a [(String, Expression)],
    pub(super) scope: Scope,
    budget: Budget,
    /// Values of the variables that were needed so far.
    known: BTreeMap<&'a str, Result<cel::Value, String>>,
}

impl<'a> Case<'a> {
    pub(super) fn of(variables: &'a [(String, Expression)], setting: Setting<'_>) -> Self {
        let mut scope = setting.attributes.scope(setting.kind, Some(setting.authorizer));
        scope.set("params", setting.params.map_or(cel::Value::Null, spoken));
        scope.set("namespaceObject", setting.attributes.namespace_object.map_or(cel::Value::Null, spoken));
        Self { variables, scope, budget: Budget::of(PER_OBJECT), known: BTreeMap::new() }
    }

    /// Variables have values when an expression needs them, once.
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Result<cel::Value, Fault> {
        self.provide(expression)?;
        match expression.evaluate(&self.scope, &mut self.budget) {
            Err(Fault::Failed(why)) => Err(Fault::Failed(self.blamed(why))),
            other => other,
        }
    }

    fn provide(&mut self, expression: &Expression) -> Result<(), Fault> {
        for name in expression.composed_of() {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            let Some((name, composed)) = found.filter(|(name, _)| !self.known.contains_key(name.as_str()))
            else {
                continue;
            };
            // A variable that needs itself has no value.
            self.known.insert(name, Err(format!("variable {name:?} needs itself")));
            let value = match self.evaluate(composed) {
                Ok(value) => Ok(value),
                Err(Fault::Failed(why)) => {
                    Err(format!("composited variable {name:?} fails to evaluate: {why}"))
                }
                Err(other) => return Err(other),
            };
            self.known.insert(name, value);
        }
        let values = self.known.iter().filter_map(|(name, value)| Some((*name, value.clone().ok()?)));
        self.scope.set("variables", cel::Value::from(values.collect::<std::collections::HashMap<_, _>>()));
        Ok(())
    }

    /// Why an expression has no value: a variable that has none is missing.
    fn blamed(&self, why: String) -> String {
        let missing = why.strip_prefix("no such key: ").and_then(|name| self.known.get(name));
        match missing {
            Some(Err(cause)) => cause.clone(),
            _ => why,
        }
    }

    fn message(&mut self, validation: &Validation) -> String {
        if let Some(expression) = &validation.message_expression
            && let Ok(cel::Value::String(words)) = self.evaluate(expression)
        {
            let words = words.trim();
            if !words.is_empty() && words.len() <= MESSAGE_BYTES && !words.contains('\n') {
                return words.to_owned();
            }
        }
        match validation.message.as_str() {
            "" => format!("failed expression: {}", validation.expression.written().trim()),
            message => message.to_owned(),
        }
    }
}
