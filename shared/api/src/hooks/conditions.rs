//! `matchConditions`: expressions that say whether a webhook or a policy is asked at all.

use serde_json::Value;

use crate::cel::{Budget, Expression, Fault, OUT_OF_BUDGET, PER_MATCH, Scope, TOO_COSTLY};
use crate::json::{items, text};

/// Conditions that must all hold.
#[derive(Clone, Debug, Default)]
pub struct Conditions(Vec<Expression>);

impl Conditions {
    /// Compiles `matchConditions`, which may speak of these variables; else says which one cannot be compiled, and why.
    pub fn compile(owner: &Value, pointer: &str, variables: &[&str]) -> Result<Self, String> {
        let conditions = items(owner, pointer).iter();
        conditions
            .map(|condition| Expression::compile(text(condition, "/expression"), variables))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all hold. One that does not hold is enough, whatever went wrong with others.
    pub fn hold(&self, scope: &Scope) -> Result<bool, String> {
        let mut budget = Budget::of(PER_MATCH);
        let mut wrong = Vec::new();
        for condition in &self.0 {
            match condition.evaluate(scope, &mut budget) {
                Ok(cel::Value::Bool(true)) => {}
                Ok(cel::Value::Bool(false)) => return Ok(false),
                Ok(_) => wrong.push(format!(
                    "expression '{}' resulted in error: it is no truth value",
                    condition.written()
                )),
                Err(fault) => wrong.push(explained(condition, &fault)),
            }
        }
        match wrong.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

/// What went wrong with an expression.
pub(super) fn explained(expression: &Expression, fault: &Fault) -> String {
    match fault {
        Fault::Failed(why) => format!("expression '{}' resulted in error: {why}", expression.written()),
        Fault::TooCostly => format!("expression '{}' resulted in error: {TOO_COSTLY}", expression.written()),
        Fault::OutOfBudget => OUT_OF_BUDGET.to_owned(),
    }
}
