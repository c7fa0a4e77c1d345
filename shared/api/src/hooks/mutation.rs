//! MutatingAdmissionPolicies, compiled, and what they make of an object.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::conditions::explained;
use super::policy::{Case, VARIABLES, param_kind, variables};
use super::{Attributes, Conditions, Constraints, Setting};
use crate::cel::{Expression, constructed, constructed_type};
use crate::json::{items, text};
use crate::kinds::KindInfo;
use crate::managed::{self, TypeRef};

/// What expressions of mutations may speak of, beside `VARIABLES`.
pub(crate) const CONSTRUCTED: [&str; 3] = ["Object", "JSONPatch", "jsonpatch"];

/// A policy that changes objects.
#[derive(Clone, Debug)]
pub struct MutatingPolicy {
    /// Its name.
    pub name: String,
    /// `apiVersion` and kind of its parameters.
    pub param_kind: Option<(String, String)>,
    /// What goes wrong is no reason to refuse.
    pub ignores_failures: bool,
    /// It wants to see what others have changed after it.
    pub is_reinvoked: bool,
    constraints: Constraints,
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    mutations: Vec<Mutation>,
}

/// One change.
#[derive(Clone, Debug)]
enum Mutation {
    /// Makes an object that is laid over the one there is, as server-side apply does.
    Apply(Expression),
    /// Makes operations of a JSON patch.
    Patch(Expression),
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The object, decoded and defaulted.
    pub object: Value,
    /// What went wrong. Each mutation stands for itself.
    pub faults: Vec<String>,
}

impl MutatingPolicy {
    /// Compiles a policy; else says what cannot be compiled.
    pub fn compile(policy: &Value) -> Result<Self, String> {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        Ok(Self {
            name: text(policy, "/metadata/name").to_owned(),
            param_kind: param_kind(spec),
            ignores_failures: text(spec, "/failurePolicy") == "Ignore",
            is_reinvoked: text(spec, "/reinvocationPolicy") == "IfNeeded",
            constraints: Constraints::of_policy(spec.get("matchConstraints").unwrap_or(&Value::Null), false),
            conditions: Conditions::compile(spec, "/matchConditions", &VARIABLES)?,
            variables: variables(spec)?,
            mutations: items(spec, "/mutations").iter().map(Mutation::compile).collect::<Result<_, _>>()?,
        })
    }

    /// The version in which it sees the request's object; `None` if it is not about it.
    pub fn matched<'a>(&self, attributes: &Attributes<'a>) -> Option<&'a Arc<KindInfo>> {
        self.constraints.matched(attributes)
    }

    /// Changes a request's object; `None` if the policy's conditions do not hold.
    pub fn change(&self, setting: Setting<'_>) -> Option<Changed> {
        let mut object = setting.attributes.object?.clone();
        match self.conditions.hold(&Case::of(&self.variables, setting).scope) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(why) => return Some(Changed { object, faults: vec![why] }),
        }
        let mut faults = Vec::new();
        for mutation in &self.mutations {
            let attributes = Attributes { object: Some(&object), ..*setting.attributes };
            // Variables have new values when the object has changed.
            let mut case = Case::of(&self.variables, Setting { attributes: &attributes, ..setting });
            match mutation.perform(&mut case, setting.kind, &object) {
                Ok(changed) => object = changed,
                Err(why) => faults.push(why),
            }
        }
        Some(Changed { object, faults })
    }
}

impl Mutation {
    fn compile(mutation: &Value) -> Result<Self, String> {
        let variables = [VARIABLES.as_slice(), CONSTRUCTED.as_slice()].concat();
        let compile = |pointer| Expression::compile(text(mutation, pointer), &variables);
        match text(mutation, "/patchType") {
            "JSONPatch" => compile("/jsonPatch/expression").map(Self::Patch),
            _ => compile("/applyConfiguration/expression").map(Self::Apply),
        }
    }

    fn perform(&self, case: &mut Case<'_>, kind: &KindInfo, object: &Value) -> Result<Value, String> {
        let (Self::Apply(expression) | Self::Patch(expression)) = self;
        let made = case.evaluate(expression).map_err(|fault| explained(expression, &fault))?;
        let shown = kind.shown(object.clone());
        let changed = match self {
            Self::Apply(_) => laid_over(kind, &shown, &made)?,
            Self::Patch(_) => match patched(shown, &made)? {
                Some(changed) => changed,
                None => return Ok(object.clone()),
            },
        };
        let decoded = kind.decode(changed).map_err(|error| error.to_string())?;
        if let Some(unknown) = decoded.unknown.first() {
            return Err(match self {
                Self::Apply(_) => format!(
                    "error applying patch: failed to convert patch object to typed object: .{unknown}: field not declared in schema"
                ),
                Self::Patch(_) => format!("strict decoding error: unknown field {unknown:?}"),
            });
        }
        let mut object = decoded.object;
        kind.default(&mut object);
        Ok(object)
    }
}

/// The object with what was constructed laid over it.
fn laid_over(kind: &KindInfo, shown: &Value, made: &cel::Value) -> Result<Value, String> {
    if constructed_type(made) != Some("Object") {
        return Err("unsupported return type from ApplyConfiguration expression: it is no Object".to_owned());
    }
    let mut applied = constructed(made)?;
    if let Some(fields) = applied.as_object_mut() {
        // It is the object that it is.
        fields.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind"));
    }
    let atomics = managed::atomics(TypeRef::of(kind), &applied);
    match atomics.is_empty() {
        true => Ok(managed::overlay(TypeRef::of(kind), shown, &applied)),
        false => Err(format!(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
            atomics.join(", ")
        )),
    }
}

/// The object as operations change it; `None` if one of them finds it otherwise than it tests for.
fn patched(mut shown: Value, made: &cel::Value) -> Result<Option<Value>, String> {
    let cel::Value::List(made) = made else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    let operations = made.iter().map(operation).collect::<Result<Vec<_>, _>>()?;
    let patch: json_patch::Patch =
        serde_json::from_value(operations.into()).map_err(|error| format!("JSON Patch: {error}"))?;
    match json_patch::patch(&mut shown, &patch) {
        Ok(()) => Ok(Some(shown)),
        // What is not there is not as it should be either.
        Err(error) if matches!(patch.get(error.operation), Some(json_patch::PatchOperation::Test(_))) => {
            Ok(None)
        }
        Err(error) => Err(format!("JSON Patch: {error}")),
    }
}

fn operation(made: &cel::Value) -> Result<Value, String> {
    let cel::Value::Map(fields) = made else { return Err(no_operation()) };
    if constructed_type(made) != Some("JSONPatch") {
        return Err(no_operation());
    }
    let of = |name: &str| fields.map.get(&cel::objects::Key::from(name.to_owned()));
    let mut operation = Map::new();
    for name in ["op", "path", "from"] {
        match of(name) {
            Some(cel::Value::String(text)) => drop(operation.insert(name.to_owned(), json!(text.as_str()))),
            Some(_) => return Err("type mismatch: fields of a JSONPatch must be texts".to_owned()),
            None => {}
        }
    }
    if let Some(value) = of("value") {
        operation.insert("value".to_owned(), constructed(value)?);
    }
    Ok(operation.into())
}

fn no_operation() -> String {
    "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch".to_owned()
}
