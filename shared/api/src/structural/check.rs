//! What a schema tells of a rule before any object is there: fields that do not exist, and what the rule may cost at most.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators,
};

use serde_json::Value;

use super::{Additional, Kind, Schema};
use crate::cel::{Expression, escaped};
use crate::json::{items, text};

/// The longest request, in bytes: nothing in it has more elements.
const REQUEST_BYTES: u64 = 3 * 1024 * 1024;
/// What one rule may cost by this estimate, in steps.
const LIMIT: u64 = 10_000_000;
/// The estimate is coarser than Kubernetes' own: what is refused here exceeds by this factor, so that what Kubernetes admits is
/// admitted. What is admitted wrongly meets the budget when it runs.
const FACTOR: u64 = 100;

/// What is known of the values that a rule is about.
pub(super) struct Types<'a> {
    /// What `self` is like; nothing is known of what stands within `allOf` and its like.
    pub schema: Option<&'a Schema>,
    /// At how many places of one object it may stand.
    pub places: u64,
    /// `oldSelf` is optional.
    pub optional_old: bool,
}

/// What is known of a part of an expression.
#[derive(Clone, Copy, Debug, Default)]
struct Guess<'a> {
    schema: Option<&'a Schema>,
    /// How many elements or bytes it has at most.
    extent: u64,
}

/// What evaluating costs, and what comes out.
struct Estimate<'a> {
    cost: u64,
    guess: Guess<'a>,
}

impl Types<'_> {
    /// What is wrong with the types, if anything is.
    pub fn complaint(&self, expression: &Expression) -> Option<String> {
        self.walk(expression).err()
    }

    /// What is wrong with the costs, if anything is.
    pub fn cost(&self, expression: &Expression) -> Option<String> {
        let cost = self.walk(expression).ok()?.saturating_mul(self.places);
        (cost / LIMIT >= FACTOR).then(|| {
            format!(
                "estimated rule cost exceeds budget by factor of more than {FACTOR}x (try simplifying the rule, or adding maxItems, \
                 maxProperties, and maxLength where arrays, maps, and strings are declared)"
            )
        })
    }

    fn walk(&self, expression: &Expression) -> Result<u64, String> {
        let this = self.schema.map_or_else(Guess::default, Guess::of);
        let old = if self.optional_old { Guess::default() } else { this };
        let mut walk = Walk { bound: vec![("self", this), ("oldSelf", old)] };
        walk.estimate(expression.tree()).map(|estimate| estimate.cost)
    }
}

impl<'a> Guess<'a> {
    fn of(schema: &'a Schema) -> Self {
        Self { schema: Some(schema), extent: schema.extent() }
    }

    fn some(extent: u64) -> Self {
        Self { schema: None, extent }
    }

    /// What an index finds, or a loop walks over.
    fn element(self) -> Self {
        let Some(schema) = self.schema else { return Self::some(self.extent) };
        match (&schema.items, &schema.additional) {
            (Some(items), _) => Self::of(items),
            (_, Some(Additional::Of(values))) => Self::of(values),
            _ => Self::some(self.extent),
        }
    }

    fn field(self, name: &str) -> Result<Self, String> {
        let Some(schema) = self.schema else { return Ok(Self::some(self.extent)) };
        if let Some((_, found)) = schema.properties.iter().find(|(known, _)| escaped(known) == name) {
            return Ok(if schema.is_resource && name == "metadata" {
                Self::some(253)
            } else {
                Self::of(found)
            });
        }
        match (&schema.additional, schema.kind) {
            (Some(Additional::Of(values)), _) => Ok(Self::of(values)),
            (Some(Additional::Anything), _) | (_, None) => Ok(Self::some(REQUEST_BYTES)),
            (None, Some(Kind::Object))
                if schema.is_resource && ["apiVersion", "kind", "metadata"].contains(&name) =>
            {
                Ok(Self::some(253))
            }
            (None, Some(Kind::Object)) => Err(format!("undefined field '{name}'")),
            (None, Some(Kind::String | Kind::Integer | Kind::Number | Kind::Boolean | Kind::Array))
                if schema.limits.format.is_none() =>
            {
                let kind = schema.kind.map_or("", Kind::name);
                Err(format!("type '{kind}' does not support field selection"))
            }
            (None, Some(_)) => Ok(Self::default()),
        }
    }
}

impl Schema {
    /// How many elements or bytes a value has at most.
    fn extent(&self) -> u64 {
        let bounded = |max: Option<usize>, each: u64| {
            max.map_or(REQUEST_BYTES / each.max(1), |max| u64::try_from(max).unwrap_or(u64::MAX))
        };
        match self.kind {
            Some(Kind::Array) => {
                bounded(self.limits.items.max, self.items.as_ref().map_or(1, |items| items.least_bytes()) + 1)
            }
            Some(Kind::Object) => match &self.additional {
                Some(Additional::Of(values)) => bounded(self.limits.properties.max, values.least_bytes() + 6),
                Some(Additional::Anything) | None => 1,
            },
            Some(Kind::String) => match &self.limits.allowed {
                Some(allowed) => {
                    allowed.iter().map(|one| one.to_string().len() as u64).max().unwrap_or_default()
                }
                None if self.limits.format.is_some() => bounded(self.limits.length.max.or(Some(253)), 1),
                None => bounded(self.limits.length.max, 1),
            },
            Some(Kind::Integer | Kind::Number | Kind::Boolean) => 1,
            None => bounded(self.limits.length.max, 1),
        }
    }

    /// How short a value can be, written.
    fn least_bytes(&self) -> u64 {
        let required = |name: &String| {
            let value = self.properties.get(name).filter(|field| field.default.is_none());
            value.map_or(0, |value| value.least_bytes() + name.len() as u64 + 4)
        };
        match self.kind {
            Some(Kind::Object) => self.limits.required.iter().map(required).sum::<u64>() + 2,
            Some(Kind::Array | Kind::String) => 2,
            Some(Kind::Boolean) => 4,
            Some(Kind::Integer | Kind::Number) | None => 1,
        }
    }
}

/// At how many places of one object the elements of something may stand, if it stands at so many itself and has so many at most.
pub(super) fn places_within(max: Option<usize>, places: u64, element: &Value) -> u64 {
    match max {
        Some(max) => places.saturating_mul(u64::try_from(max).unwrap_or(u64::MAX)),
        None => REQUEST_BYTES / (least_written(element) + 1),
    }
}

/// How short a value of a schema can be that is not compiled yet.
fn least_written(schema: &Value) -> u64 {
    match text(schema, "/type") {
        "object" => {
            let required = items(schema, "/required").iter().filter_map(Value::as_str).map(|name| {
                let field = schema.get("properties").and_then(|fields| fields.get(name));
                field
                    .filter(|field| field.get("default").is_none())
                    .map_or(0, |field| least_written(field) + name.len() as u64 + 4)
            });
            required.sum::<u64>() + 2
        }
        "array" | "string" => 2,
        "boolean" => 4,
        _ => 1,
    }
}

/// Whether it is what a comprehension has so far.
fn is_gathered(tree: &IdedExpr) -> bool {
    matches!(&tree.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// A walk over an expression, with the variables that are known on the way.
struct Walk<'a, 'e> {
    bound: Vec<(&'e str, Guess<'a>)>,
}

impl<'a, 'e> Walk<'a, 'e> {
    fn estimate(&mut self, tree: &'e IdedExpr) -> Result<Estimate<'a>, String> {
        match &tree.expr {
            Expr::Unspecified => Ok(Estimate { cost: 0, guess: Guess::default() }),
            Expr::Literal(literal) => {
                let extent = match literal {
                    LiteralValue::String(text) => text.inner().len() as u64,
                    _ => 1,
                };
                Ok(Estimate { cost: 0, guess: Guess::some(extent) })
            }
            Expr::Ident(name) => {
                let known = self.bound.iter().rev().find(|(known, _)| known == name);
                Ok(Estimate { cost: 1, guess: known.map_or_else(Guess::default, |(_, guess)| *guess) })
            }
            Expr::Select(select) => {
                let operand = self.estimate(&select.operand)?;
                Ok(Estimate { cost: operand.cost + 1, guess: operand.guess.field(&select.field)? })
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let cost = self.all(&list.elements)?;
                Ok(Estimate { cost: cost + 10, guess: Guess::some(list.elements.len() as u64) })
            }
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(it) => self.entries(&it.entries),
            Expr::Comprehension(it) => self.comprehension(it),
        }
    }

    fn all(&mut self, trees: &'e [IdedExpr]) -> Result<u64, String> {
        trees.iter().try_fold(0_u64, |sum, tree| Ok(sum.saturating_add(self.estimate(tree)?.cost)))
    }

    fn entries(&mut self, entries: &'e [IdedEntryExpr]) -> Result<Estimate<'a>, String> {
        let mut cost = 30_u64;
        for entry in entries {
            cost = cost.saturating_add(match &entry.expr {
                EntryExpr::StructField(field) => self.estimate(&field.value)?.cost,
                EntryExpr::MapEntry(entry) => {
                    self.estimate(&entry.key)?.cost.saturating_add(self.estimate(&entry.value)?.cost)
                }
            });
        }
        Ok(Estimate { cost, guess: Guess::some(entries.len() as u64) })
    }

    fn call(&mut self, call: &'e CallExpr) -> Result<Estimate<'a>, String> {
        let mut cost = 1_u64;
        let mut guesses = Vec::new();
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            let operand = self.estimate(operand)?;
            cost = cost.saturating_add(operand.cost);
            guesses.push(operand.guess);
        }
        let extents = || guesses.iter().map(|guess| guess.extent);
        let (most, least) = (extents().max().unwrap_or(1), extents().min().unwrap_or(1));
        let first = guesses.first().copied().unwrap_or_default();
        let guess = match call.func_name.as_str() {
            operators::INDEX => first.element(),
            operators::CONDITIONAL => Guess::some(extents().skip(1).max().unwrap_or(1)),
            operators::EQUALS | operators::NOT_EQUALS => {
                cost = cost.saturating_add(least / 10);
                Guess::some(1)
            }
            // Of the receiver no more is looked at than the argument has.
            "startsWith"
            | "endsWith"
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                cost = cost.saturating_add(least / 10);
                Guess::some(1)
            }
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | "size"
            | "has" => Guess::some(1),
            "@keys" => Guess::some(first.extent),
            // What a loop has so far is not looked through: the evaluator adds to it in place.
            operators::ADD if call.args.first().is_some_and(is_gathered) => Guess::some(first.extent),
            _ => {
                cost = cost.saturating_add(most / 10);
                Guess::some(most)
            }
        };
        Ok(Estimate { cost, guess })
    }

    fn comprehension(&mut self, it: &'e ComprehensionExpr) -> Result<Estimate<'a>, String> {
        let (range, start) = (self.estimate(&it.iter_range)?, self.estimate(&it.accu_init)?);
        let outer = self.bound.len();
        let binds = matches!(&it.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        let so_far = if binds { start.guess } else { Guess::some(range.guess.extent) };
        self.bound.push((&it.accu_var, so_far));
        let end = self.estimate(&it.result)?;
        let is_map = range.guess.schema.is_some_and(|schema| schema.kind == Some(Kind::Object));
        let element = if is_map { Guess::some(253) } else { range.guess.element() };
        // All elements come in one request: together they are no longer than it.
        let extent = element.extent.min((REQUEST_BYTES / range.guess.extent.max(1)).max(1));
        let element = Guess { extent, ..element };
        self.bound.push((&it.iter_var, element));
        let turn = self.estimate(&it.loop_cond)?.cost.saturating_add(self.estimate(&it.loop_step)?.cost);
        self.bound.truncate(outer);
        let turns = if binds { 0 } else { range.guess.extent };
        let cost = turn.saturating_mul(turns);
        let cost = cost.saturating_add(range.cost).saturating_add(start.cost).saturating_add(end.cost);
        Ok(Estimate { cost, guess: end.guess })
    }
}
