//! Comprehensions with two variables: the crate's evaluator binds one, so the second is looked up by the first.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue,
    MapEntryExpr, MapExpr, operators,
};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{DeclarationError, Env};

/// What is walked over: no expression can name it.
const RANGE: &str = "@range";
/// What a comprehension has so far.
const RESULT: &str = "@result";

/// A macro's nodes.
struct Builder<'a, 'b>(&'a mut MacroExprHelper<'b>);

/// What a macro makes of a range.
#[derive(Clone, Copy)]
enum Made {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    Entries,
}

/// The macros, with how many arguments they may have.
const MACROS: [(&str, &[usize], Made); 7] = [
    ("all", &[3], Made::All),
    ("exists", &[3], Made::Exists),
    ("existsOne", &[3], Made::ExistsOne),
    ("exists_one", &[3], Made::ExistsOne),
    ("transformList", &[3, 4], Made::List),
    ("transformMap", &[3, 4], Made::Map),
    ("transformMapEntry", &[3, 4], Made::Entries),
];

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    for (name, counts, made) in MACROS {
        for count in counts {
            environment.add_macro(Macro::receiver(name, *count, move |helper, target, args| {
                expand(helper, target, args, made)
            }))?;
        }
    }
    Ok(())
}

/// What is done for each element.
struct Walk {
    first: String,
    second: String,
    /// The last argument.
    last: IdedExpr,
    /// The one before it, if there are four.
    filter: Option<IdedExpr>,
}

fn expand(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
    made: Made,
) -> Result<Option<IdedExpr>, ParseError> {
    let name_of = |arg: Option<&IdedExpr>| match arg {
        Some(IdedExpr { expr: Expr::Ident(name), .. }) => Some(name.clone()),
        _ => None,
    };
    let (Some(first), Some(second)) = (name_of(args.first()), name_of(args.get(1))) else {
        let at = args.first().map_or(0, |arg| arg.id);
        return Err(helper.new_error(at, "argument must be a simple name"));
    };
    let (Some(range), Some(last)) = (target.take(), args.pop()) else { return Ok(None) };
    let filter = if args.len() == 3 { args.pop() } else { None };
    let mut builder = Builder(helper);
    let walk = Walk { first, second, last, filter };
    let walk = match made {
        Made::All => builder.all(walk),
        Made::Exists => builder.exists(walk),
        Made::ExistsOne => builder.exists_one(walk),
        Made::List => builder.transform_list(walk),
        Made::Map => builder.transform_map(walk),
        Made::Entries => builder.transform_entries(walk),
    };
    Ok(Some(builder.bind(RANGE, range, walk)))
}

impl Builder<'_, '_> {
    fn node(&mut self, expr: Expr) -> IdedExpr {
        self.0.next_expr(expr)
    }

    fn name(&mut self, name: &str) -> IdedExpr {
        self.node(Expr::Ident(name.to_owned()))
    }

    fn flag(&mut self, flag: bool) -> IdedExpr {
        self.node(Expr::Literal(LiteralValue::Boolean(flag.into())))
    }

    fn number(&mut self, number: i64) -> IdedExpr {
        self.node(Expr::Literal(LiteralValue::Int(number.into())))
    }

    fn list(&mut self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.node(Expr::List(ListExpr::new(elements)))
    }

    fn call(&mut self, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.node(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
    }

    /// `body` with a variable that has a value: a comprehension over nothing.
    fn bind(&mut self, name: &str, value: IdedExpr, body: IdedExpr) -> IdedExpr {
        let comprehension = ComprehensionExpr {
            iter_range: self.list(Vec::new()),
            iter_var: "#unused".to_owned(),
            iter_var2: None,
            accu_var: name.to_owned(),
            accu_init: value,
            loop_cond: self.flag(false),
            loop_step: self.name(name),
            result: body,
        };
        self.node(Expr::Comprehension(Box::new(comprehension)))
    }

    /// `body` with the second variable, which stands in the range where the first says.
    fn with_second(&mut self, walk: &Walk, body: IdedExpr) -> IdedExpr {
        let (range, first) = (self.name(RANGE), self.name(&walk.first));
        let element = self.call(operators::INDEX, vec![range, first]);
        self.bind(&walk.second, element, body)
    }

    /// A walk over the indices of a list or the keys of a map.
    fn fold(
        &mut self,
        first: String,
        start: IdedExpr,
        goes_on: IdedExpr,
        step: IdedExpr,
        end: IdedExpr,
    ) -> IdedExpr {
        let range = self.name(RANGE);
        let comprehension = ComprehensionExpr {
            iter_range: self.call("@keys", vec![range]),
            iter_var: first,
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init: start,
            loop_cond: goes_on,
            loop_step: step,
            result: end,
        };
        self.node(Expr::Comprehension(Box::new(comprehension)))
    }

    fn all(&mut self, walk: Walk) -> IdedExpr {
        let holds = self.with_second(&walk, walk.last.clone());
        let (so_far, result, end) = (self.name(RESULT), self.name(RESULT), self.name(RESULT));
        let goes_on = self.call(operators::NOT_STRICTLY_FALSE, vec![so_far]);
        let step = self.call(operators::LOGICAL_AND, vec![result, holds]);
        let start = self.flag(true);
        self.fold(walk.first, start, goes_on, step, end)
    }

    fn exists(&mut self, walk: Walk) -> IdedExpr {
        let holds = self.with_second(&walk, walk.last.clone());
        let (so_far, result, end) = (self.name(RESULT), self.name(RESULT), self.name(RESULT));
        let none_yet = self.call(operators::LOGICAL_NOT, vec![so_far]);
        let goes_on = self.call(operators::NOT_STRICTLY_FALSE, vec![none_yet]);
        let step = self.call(operators::LOGICAL_OR, vec![result, holds]);
        let start = self.flag(false);
        self.fold(walk.first, start, goes_on, step, end)
    }

    fn exists_one(&mut self, walk: Walk) -> IdedExpr {
        let holds = self.with_second(&walk, walk.last.clone());
        let (result, same, end) = (self.name(RESULT), self.name(RESULT), self.name(RESULT));
        let (one, single) = (self.number(1), self.number(1));
        let more = self.call(operators::ADD, vec![result, one]);
        let step = self.call(operators::CONDITIONAL, vec![holds, more, same]);
        let end = self.call(operators::EQUALS, vec![end, single]);
        let (start, goes_on) = (self.number(0), self.flag(true));
        self.fold(walk.first, start, goes_on, step, end)
    }

    fn transform_list(&mut self, walk: Walk) -> IdedExpr {
        let made = self.with_second(&walk, walk.last.clone());
        let (result, end, one) = (self.name(RESULT), self.name(RESULT), self.list(vec![made]));
        let more = self.call(operators::ADD, vec![result, one]);
        let step = match walk.filter.clone() {
            None => more,
            Some(filter) => {
                let (holds, same) = (self.with_second(&walk, filter), self.name(RESULT));
                self.call(operators::CONDITIONAL, vec![holds, more, same])
            }
        };
        let (start, goes_on) = (self.list(Vec::new()), self.flag(true));
        self.fold(walk.first, start, goes_on, step, end)
    }

    fn transform_map(&mut self, walk: Walk) -> IdedExpr {
        let key = self.name(&walk.first);
        let entry = MapEntryExpr { key, value: walk.last, optional: false };
        let id = self.flag(true).id;
        let entries = vec![IdedEntryExpr { id, expr: EntryExpr::MapEntry(entry) }];
        let last = self.node(Expr::Map(MapExpr { entries }));
        self.transform_entries(Walk { last, ..walk })
    }

    fn transform_entries(&mut self, walk: Walk) -> IdedExpr {
        let entries = self.transform_list(walk);
        self.call("@merge", vec![entries])
    }
}
