//! Expressions in the Common Expression Language, with Kubernetes' functions and a budget that nothing can overrun.

mod construct;
mod library;
mod macros;
mod meter;
mod names;
mod native;
mod spoken;

pub use construct::{constructed, constructed_type};
pub use library::authorizer::{Authorizer, Question, Verdict};
pub use meter::{Budget, PER_MATCH, PER_OBJECT};
pub(crate) use spoken::{duration, timestamp};
pub use spoken::{escaped, spoken};

use std::fmt;
use std::sync::{Arc, LazyLock};

use self::library::authorizer::{authorizer, request_resource};

use cel::parser::Expression as Tree;
use cel::{Context, Env, ExecutionError, Value, extensions};

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // They cannot clash: a test looks.
    let added = environment
        .add_extension(extensions::strings)
        .and_then(|()| environment.add_extension(extensions::lists))
        .and_then(|()| environment.add_extension(library::extension))
        .and_then(|()| environment.add_extension(meter::extension))
        .and_then(|()| environment.add_extension(macros::extension))
        .and_then(|()| environment.add_extension(native::extension));
    debug_assert_eq!(added, Ok(()));
    Arc::new(environment)
});

/// An expression that can be evaluated.
#[derive(Clone)]
pub struct Expression {
    written: String,
    /// As it was written.
    tree: Arc<Tree>,
    /// With what charges for its steps.
    metered: Arc<Tree>,
}

/// What is said when an object's expressions cost too much together.
pub const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// What is said of an expression that alone costs too much.
pub const TOO_COSTLY: &str = "operation cancelled: actual cost limit exceeded";

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What went wrong, in the words of Kubernetes' own library.
    Failed(String),
    /// It alone costs more than one expression may.
    TooCostly,
    /// The expressions before it have used the budget up.
    OutOfBudget,
}

/// What expressions can name.
pub struct Scope(Context<'static, 'static>);

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Expression {
    /// Compiles what is written, which may speak of these variables; else says what is wrong, as Kubernetes does. Types of what may be
    /// constructed (`Object`, `JSONPatch`) count as variables, and so does a library that not all have (`jsonpatch`).
    pub fn compile(written: &str, variables: &[&str]) -> Result<Self, String> {
        let program = ENVIRONMENT.compile(written).map_err(|error| format!("compilation failed: {error}"))?;
        let tree = program.expression().clone();
        if let Some(complaint) = names::complaint(&tree, variables) {
            return Err(format!("compilation failed: ERROR: <input>:1:1: {complaint}"));
        }
        let metered = Arc::new(meter::metered(construct::with_maps(tree.clone())));
        Ok(Self { written: written.to_owned(), tree: Arc::new(tree), metered })
    }

    /// What was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Its syntax tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether it speaks of a variable.
    pub fn mentions(&self, variable: &str) -> bool {
        self.tree.references().has_variable(variable)
    }

    /// The names under `variables` that it selects.
    pub fn composed_of(&self) -> Vec<String> {
        names::selected_from(&self.tree, "variables")
    }

    /// Its value, paid from the budget.
    pub fn evaluate(&self, scope: &Scope, budget: &mut Budget) -> Result<Value, Fault> {
        budget
            .spend_on(meter::steps(&self.metered), || Value::resolve(&self.metered, &scope.0))?
            .map_err(fault)
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self(Context::with_env(Arc::clone(&ENVIRONMENT)))
    }
}

impl Scope {
    /// Adds a variable.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.set(name, value);
        self
    }

    /// Adds `authorizer` and `authorizer.requestResource`.
    pub fn set_authorizer(&mut self, asked: Arc<dyn Authorizer>, request: Question) {
        self.0
            .add_variable_as_val("authorizer.requestResource", request_resource(Arc::clone(&asked), request));
        self.0.add_variable_as_val("authorizer", authorizer(asked));
    }

    /// Gives a variable another value.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.add_variable_from_value(name, value);
    }
}

fn fault(error: ExecutionError) -> Fault {
    Fault::Failed(match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(index) => format!("index out of bounds: {}", shown(&index)),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..) => "no such overload".to_owned(),
        ExecutionError::FunctionError { message, .. } => message,
        other => other.to_string(),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
