//! Lists as sets: `sets.contains`, `sets.equivalent`, `sets.intersects`.

use cel::common::types::{CelBool, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::{elements, taken};
use crate::cel::meter::spend;

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    let lists = || vec![LIST_TYPE, LIST_TYPE];
    environment.add_overload("sets.contains", "sets.contains(list,list)", lists(), |args| {
        decide(args, |set, other| other.iter().all(|element| has(set, *element)))
    })?;
    environment.add_overload("sets.equivalent", "sets.equivalent(list,list)", lists(), |args| {
        decide(args, |set, other| {
            other.iter().all(|element| has(set, *element)) && set.iter().all(|element| has(other, *element))
        })
    })?;
    environment.add_overload("sets.intersects", "sets.intersects(list,list)", lists(), |args| {
        decide(args, |set, other| other.iter().any(|element| has(set, *element)))
    })
}

fn has<'v>(set: &[&(dyn Val + 'v)], element: &(dyn Val + 'v)) -> bool {
    set.iter().any(|one| one.equals(element))
}

fn decide<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    question: impl for<'c> Fn(&[&'c (dyn Val + 'v)], &[&'c (dyn Val + 'v)]) -> bool,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [one, other] = taken(args)?;
    let (one, other) = (elements(one.as_ref())?, elements(other.as_ref())?);
    spend(one.len() as u64 * other.len() as u64)?;
    Ok(CowVal::owned(CelBool::from(question(&one, &other))))
}
