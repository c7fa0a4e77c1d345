//! The budget of expressions: a compiled expression is rewritten so that it pays for each step, for what it copies and for what it
//! makes. The crate has no hook for costs, but its syntax trees can be evaluated after they were changed.

use std::cell::Cell;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators,
};
use cel::common::types::{CelBool, CelBytes, CelInt, CelList, CelMap, CelString, DYN_TYPE, INT_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::{Fault, names};

/// What all expressions about one object may cost together.
pub const PER_OBJECT: u64 = 10_000_000;
/// What all match conditions of one policy or webhook may cost together.
pub const PER_MATCH: u64 = PER_OBJECT / 4;
/// What one expression may cost.
pub(crate) const PER_CALL: u64 = 1_000_000;
/// So many bytes are copied or looked through for one step.
const BYTES: u64 = 10;

/// Pays for a value that is looked through or copied.
const COST: &str = "@cost";
/// Pays for a walk over a value.
const WALK: &str = "@walk";
/// Pays for one turn of a loop.
const TURN: &str = "@turn";
/// Pays for what is made from, or sought in, two values.
const PRODUCT: &str = "@product";
/// The crate's `matches` compiles its expression each time.
const MATCHES: &str = "@matches";

thread_local! {
    /// What the expression that this thread evaluates may still spend. Evaluation never leaves its thread, and functions of the
    /// environment are plain functions: there is no other way to hand it to them.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    /// It has asked for more.
    static BROKE: Cell<bool> = const { Cell::new(false) };
}

/// What may still be spent.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Budget {
    /// So many steps.
    pub fn of(steps: u64) -> Self {
        Self(steps)
    }

    /// Nothing more is evaluated.
    pub fn close(&mut self) {
        self.0 = 0;
    }

    /// Whether anything is left.
    pub fn is_closed(self) -> bool {
        self.0 == 0
    }

    /// Evaluates something that has so many steps itself.
    pub(super) fn spend_on<T>(&mut self, steps: u64, evaluate: impl FnOnce() -> T) -> Result<T, Fault> {
        let allowed = self.0.min(PER_CALL);
        LEFT.set(allowed);
        BROKE.set(false);
        let value = spend(steps).map(|()| evaluate());
        let spent = allowed - LEFT.replace(u64::MAX);
        let broke = BROKE.replace(false);
        self.0 -= spent.min(self.0);
        match value {
            Ok(value) if !broke => Ok(value),
            _ if allowed < PER_CALL => Err(Fault::OutOfBudget),
            _ => Err(Fault::TooCostly),
        }
    }
}

/// Pays for so many steps; once that is too much, everything is.
pub(super) fn spend(steps: u64) -> Result<(), ExecutionError> {
    match LEFT.get().checked_sub(steps) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            BROKE.set(true);
            Err(ExecutionError::function_error(COST, "operation cancelled: actual cost limit exceeded"))
        }
    }
}

/// The steps of so many bytes.
pub(super) fn steps_of(bytes: usize) -> u64 {
    bytes as u64 / BYTES + 1
}

/// What a value costs to copy.
fn weight(value: &(dyn Val + '_)) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return steps_of(text.inner().len());
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return steps_of(bytes.inner().len());
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().map(|item| weight(item.as_ref())).sum::<u64>() + 1;
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map.inner().values().map(|item| weight(item.as_ref()) + 1).sum::<u64>() + 1;
    }
    1
}

/// How many elements or bytes a value has.
fn extent(value: &(dyn Val + '_)) -> u64 {
    match value.downcast_ref::<CelString>() {
        Some(text) => steps_of(text.inner().len()),
        None => value.as_sizer().map_or(1, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or_default()),
    }
}

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    environment.add_overload(COST, "cost", vec![DYN_TYPE], |mut args| {
        let value = args.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
        spend(weight(value.as_ref()))?;
        Ok(value)
    })?;
    environment.add_overload(WALK, "walk", vec![DYN_TYPE, INT_TYPE], |mut args| {
        let (each, range) = (args.pop(), args.pop());
        let range = range.ok_or_else(ExecutionError::missing_argument_or_target)?;
        let each = each.and_then(|each| u64::try_from(*each.downcast_ref::<CelInt>()?.inner()).ok());
        let turns =
            range.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or_default());
        spend(weight(range.as_ref()).saturating_add(turns.saturating_mul(each.unwrap_or(1))))?;
        Ok(range)
    })?;
    environment.add_overload(TURN, "turn", vec![INT_TYPE], |mut args| {
        let steps = args.pop().and_then(|steps| u64::try_from(*steps.downcast_ref::<CelInt>()?.inner()).ok());
        spend(steps.unwrap_or(1))?;
        Ok(CowVal::owned(CelBool::from(true)))
    })?;
    environment.add_overload(PRODUCT, "product", vec![DYN_TYPE, DYN_TYPE], |mut args| {
        let (other, value) = (args.pop(), args.pop());
        let value = value.ok_or_else(ExecutionError::missing_argument_or_target)?;
        let other = other.map_or(1, |other| extent(other.as_ref()));
        spend(weight(value.as_ref()).saturating_add(extent(value.as_ref()).saturating_mul(other)))?;
        Ok(value)
    })?;
    Ok(())
}

/// How many steps an expression has, without those of its loops.
pub(super) fn steps(tree: &IdedExpr) -> u64 {
    let all = |trees: &[IdedExpr]| trees.iter().map(steps).sum::<u64>();
    let entry = |entry: &IdedEntryExpr| match &entry.expr {
        EntryExpr::StructField(field) => steps(&field.value),
        EntryExpr::MapEntry(entry) => steps(&entry.key) + steps(&entry.value),
    };
    match &tree.expr {
        Expr::Unspecified | Expr::Literal(_) => 0,
        Expr::Ident(_) => 1,
        Expr::Select(select) => steps(&select.operand) + 1,
        Expr::Call(call) => call.target.as_deref().map_or(0, steps) + all(&call.args) + 1,
        Expr::List(list) => all(&list.elements) + 1,
        Expr::Map(map) => map.entries.iter().map(entry).sum::<u64>() + 1,
        Expr::Struct(it) => it.entries.iter().map(entry).sum::<u64>() + 1,
        Expr::Comprehension(it) => steps(&it.iter_range) + steps(&it.accu_init) + steps(&it.result) + 1,
    }
}

/// The same expression, which pays for what it does.
pub(super) fn metered(tree: IdedExpr) -> IdedExpr {
    let id = tree.id;
    let expr = match tree.expr {
        Expr::Call(call) => Expr::Call(metered_call(call)),
        Expr::Comprehension(it) => Expr::Comprehension(Box::new(metered_loop(*it))),
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(|element| paid(metered(element))).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            map.entries = map.entries.into_iter().map(metered_entry).collect();
            Expr::Map(map)
        }
        Expr::Struct(mut it) => {
            it.entries = it.entries.into_iter().map(metered_entry).collect();
            Expr::Struct(it)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(metered(*select.operand));
            Expr::Select(select)
        }
        other @ (Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_)) => other,
    };
    IdedExpr { id, expr }
}

fn metered_entry(mut entry: IdedEntryExpr) -> IdedEntryExpr {
    match &mut entry.expr {
        EntryExpr::StructField(field) => field.value = paid(metered(std::mem::take(&mut field.value))),
        EntryExpr::MapEntry(it) => {
            it.key = metered(std::mem::take(&mut it.key));
            it.value = paid(metered(std::mem::take(&mut it.value)));
        }
    }
    entry
}

fn metered_call(call: CallExpr) -> CallExpr {
    let CallExpr { func_name, target, args } = call;
    let mut args: Vec<IdedExpr> = args.into_iter().map(metered).collect();
    let target = target.map(|target| metered(*target));
    match func_name.as_str() {
        // What these do with their operands takes no time.
        operators::CONDITIONAL
        | operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE
        | operators::INDEX
        | operators::OPT_INDEX
        | operators::OPT_SELECT => return CallExpr { func_name, target: target.map(Box::new), args },
        _ => {}
    }
    let target = target.map(|target| match is_namespace(&target) {
        true => target,
        false => match (func_name.as_str(), args.first(), args.last()) {
            ("replace", _, Some(made)) if args.len() > 1 => {
                let to = args.get(1).unwrap_or(made).clone();
                product(target, to)
            }
            ("join" | "indexOf" | "lastIndexOf", Some(sought), _) => {
                let sought = sought.clone();
                product(target, sought)
            }
            ("distinct", _, _) => product(target.clone(), target),
            _ => paid(target),
        },
    });
    args = args.into_iter().map(paid).collect();
    if func_name == "matches" {
        args.splice(0..0, target);
        return CallExpr { func_name: MATCHES.to_owned(), target: None, args };
    }
    CallExpr { func_name, target: target.map(Box::new), args }
}

fn metered_loop(it: ComprehensionExpr) -> ComprehensionExpr {
    let each = steps(&it.loop_step) + 1;
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let counts_ahead = matches!(it.loop_cond.expr, Expr::Literal(_));
    let range = metered(it.iter_range);
    let is_empty = matches!(&range.expr, Expr::List(list) if list.elements.is_empty());
    // A loop that may end early pays for each turn; one that does not, for all before it starts.
    let ahead = if counts_ahead { each } else { 0 };
    let (iter_range, loop_cond) = match (is_empty, counts_ahead) {
        (true, _) => (range, it.loop_cond),
        (false, true) => (call(WALK, vec![range, number(ahead)]), it.loop_cond),
        (false, false) => (
            call(WALK, vec![range, number(ahead)]),
            call(operators::LOGICAL_AND, vec![call(TURN, vec![number(each)]), metered(it.loop_cond)]),
        ),
    };
    ComprehensionExpr {
        iter_range,
        loop_cond,
        accu_init: paid(metered(it.accu_init)),
        loop_step: metered(it.loop_step),
        result: metered(it.result),
        ..it
    }
}

/// Pays for a value; the parts of lists and maps have paid already, literals are as long as they are written, and what a loop has so far
/// must stay recognisable: the evaluator appends to it in place.
fn paid(value: IdedExpr) -> IdedExpr {
    match &value.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) | Expr::Comprehension(_) => value,
        Expr::Ident(name) if name.starts_with('@') => value,
        Expr::Call(inner) if [COST, PRODUCT].contains(&inner.func_name.as_str()) => value,
        _ => call(COST, vec![value]),
    }
}

fn product(value: IdedExpr, other: IdedExpr) -> IdedExpr {
    call(PRODUCT, vec![value, other])
}

fn is_namespace(target: &IdedExpr) -> bool {
    matches!(&target.expr, Expr::Ident(name) if names::NAMESPACES.contains(&name.as_str()))
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let call = CallExpr { func_name: name.to_owned(), target: None, args };
    IdedExpr { id: 0, expr: Expr::Call(call) }
}

fn number(number: i64) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(number.into())) }
}
