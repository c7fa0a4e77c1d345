//! Kubernetes' own functions for expressions.

pub(super) mod authorizer;
mod format;
mod ip;
mod json_patch;
mod lists;
mod quantity;
mod regex;
mod semver;
mod sets;
mod url;

use cel::common::traits::Iterable;
use cel::common::types::CelOptional;
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    authorizer::extension(environment)?;
    format::extension(environment)?;
    ip::extension(environment)?;
    json_patch::extension(environment)?;
    lists::extension(environment)?;
    quantity::extension(environment)?;
    regex::extension(environment)?;
    semver::extension(environment)?;
    sets::extension(environment)?;
    url::extension(environment)
}

/// The arguments of a function of `N`.
fn taken<'b, 'v, const N: usize>(args: Vec<CowVal<'b, 'v>>) -> Result<[CowVal<'b, 'v>; N], ExecutionError> {
    args.try_into().map_err(|args: Vec<_>| ExecutionError::invalid_argument_count(N, args.len()))
}

/// A list as something to walk over.
fn list<'b, 'v>(value: &'b (dyn Val + 'v)) -> Result<&'b (dyn Iterable + 'v), ExecutionError> {
    value.as_iterable().ok_or_else(|| failed("no such overload"))
}

/// The elements of a list.
fn elements<'b, 'v>(value: &'b (dyn Val + 'v)) -> Result<Vec<&'b (dyn Val + 'v)>, ExecutionError> {
    let mut walk = list(value)?.iter();
    Ok(std::iter::from_fn(|| walk.next()).collect())
}

fn failed(message: impl Into<String>) -> ExecutionError {
    ExecutionError::FunctionError { function: String::new(), message: message.into() }
}

fn optional<'b, 'v>(value: Option<Box<dyn Val + 'v>>) -> CowVal<'b, 'v> {
    CowVal::owned(value.map_or_else(CelOptional::none, CelOptional::of))
}
