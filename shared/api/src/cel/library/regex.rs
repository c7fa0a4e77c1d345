//! `matches`, `find` and `findAll`, with regular expressions that are compiled once.

use std::cell::RefCell;
use std::collections::HashMap;

use cel::common::types::{CelBool, CelInt, CelList, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};
use regex::Regex;

use super::failed;
use crate::cel::meter::spend;

/// What compiling costs: most expressions are as cheap as they are short, repetitions multiply.
const COMPILING: u64 = 100;
/// So many are kept.
const KEPT: usize = 64;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn matches: (CelString, CelString) -> Result<CelBool>, name = "@matches")?;
    add_member_overload!(environment, fn find: (CelString, CelString) -> Result<CelString>)?;
    add_member_overload!(environment, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    add_member_overload!(environment, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")?;
    Ok(())
}

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    compiled(pattern, |regex| CelBool::from(regex.is_match(text.inner())))
}

fn find(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    compiled(pattern, |regex| {
        CelString::from(regex.find(text.inner()).map_or_else(String::new, |found| found.as_str().to_owned()))
    })
}

fn find_all(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelList<'static>, ExecutionError> {
    find_some(text, pattern, &CelInt::from(-1))
}

/// At most so many; all if that is negative.
fn find_some(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
    limit: &CelInt,
) -> Result<CelList<'static>, ExecutionError> {
    let limit = usize::try_from(*limit.inner()).unwrap_or(usize::MAX);
    compiled(pattern, |regex| {
        let found = regex.find_iter(text.inner()).take(limit);
        let found = found.map(|found| Box::new(CelString::from(found.as_str().to_owned())) as Box<dyn Val>);
        CelList::from(found.collect::<Vec<_>>())
    })
}

fn compiled<T>(pattern: &CelString<'_>, apply: impl FnOnce(&Regex) -> T) -> Result<T, ExecutionError> {
    let pattern = pattern.inner();
    COMPILED.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return Ok(apply(regex));
        }
        let repetitions = pattern.matches(['{', '(']).count() as u64 + 1;
        spend(COMPILING + pattern.len() as u64 * repetitions)?;
        let regex = Regex::new(pattern).map_err(|error| failed(error.to_string()))?;
        if known.len() >= KEPT {
            known.clear();
        }
        Ok(apply(known.entry(pattern.to_owned()).or_insert(regex)))
    })
}
