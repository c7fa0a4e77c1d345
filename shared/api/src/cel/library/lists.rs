//! Functions of lists, and what comprehensions with two variables are made of.

use std::cmp::Ordering;
use std::collections::HashMap;

use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::{elements, failed, taken};
use crate::cel::meter::spend;

type Result<'b, 'v> = std::result::Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn extension(environment: &mut Env) -> std::result::Result<(), DeclarationError> {
    environment.add_member_overload("isSorted", "list.isSorted()", LIST_TYPE, vec![], is_sorted)?;
    environment.add_member_overload("sum", "list.sum()", LIST_TYPE, vec![], sum)?;
    environment.add_member_overload("min", "list.min()", LIST_TYPE, vec![], |args| {
        least(args, Ordering::Less, "min")
    })?;
    environment.add_member_overload("max", "list.max()", LIST_TYPE, vec![], |args| {
        least(args, Ordering::Greater, "max")
    })?;
    environment.add_member_overload("indexOf", "list.indexOf()", LIST_TYPE, vec![DYN_TYPE], |args| {
        place(args, false)
    })?;
    environment.add_member_overload(
        "lastIndexOf",
        "list.lastIndexOf()",
        LIST_TYPE,
        vec![DYN_TYPE],
        |args| place(args, true),
    )?;
    environment.add_overload("@keys", "keys", vec![DYN_TYPE], keys)?;
    environment.add_overload("@merge", "merge", vec![LIST_TYPE], merge)
}

fn order(one: &dyn Val, other: &dyn Val) -> std::result::Result<Ordering, ExecutionError> {
    one.as_comparer().ok_or_else(|| failed("no such overload"))?.compare(other)
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<'b, 'v> {
    let [list] = taken(args)?;
    let elements = elements(list.as_ref())?;
    for pair in elements.windows(2) {
        if let [one, next] = pair
            && order(one.clone_as_boxed().as_ref(), next.clone_as_boxed().as_ref())? == Ordering::Greater
        {
            return Ok(CowVal::owned(cel::common::types::CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(cel::common::types::CelBool::from(true)))
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<'b, 'v> {
    let [list] = taken(args)?;
    let mut total: Option<Box<dyn Val + 'v>> = None;
    for element in elements(list.as_ref())? {
        total = Some(match total {
            None => element.clone_as_boxed(),
            Some(so_far) => {
                let adder = so_far.as_adder().ok_or_else(|| failed("no such overload"))?;
                adder.add(element)?.into_owned()
            }
        });
    }
    Ok(total.map_or_else(|| CowVal::owned(CelInt::from(0)), CowVal::Owned))
}

fn least<'b, 'v>(args: Vec<CowVal<'b, 'v>>, wanted: Ordering, name: &str) -> Result<'b, 'v> {
    let [list] = taken(args)?;
    let mut found: Option<Box<dyn Val + 'v>> = None;
    for element in elements(list.as_ref())? {
        let element = element.clone_as_boxed();
        let is_better = match &found {
            None => true,
            Some(best) => order(element.as_ref(), best.as_ref())? == wanted,
        };
        if is_better {
            found = Some(element);
        }
    }
    found.map(CowVal::Owned).ok_or_else(|| failed(format!("{name} called on empty list")))
}

fn place<'b, 'v>(args: Vec<CowVal<'b, 'v>>, from_the_end: bool) -> Result<'b, 'v> {
    let [list, sought] = taken(args)?;
    let elements = elements(list.as_ref())?;
    let is_it = |element: &&(dyn Val + 'v)| element.equals(sought.as_ref());
    let at = if from_the_end { elements.iter().rposition(is_it) } else { elements.iter().position(is_it) };
    Ok(CowVal::owned(CelInt::from(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))))
}

/// The indices of a list, or the keys of a map.
fn keys<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<'b, 'v> {
    let [range] = taken(args)?;
    let indices: Vec<Box<dyn Val + 'v>> = match range.downcast_ref::<CelMap>() {
        Some(map) => {
            let mut keys: Vec<&CelMapKey<'v>> = map.inner().keys().collect();
            // Maps have no order of their own; the same question shall have the same answer.
            keys.sort_by_key(|key| format!("{key:?}"));
            keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect()
        }
        None => {
            let count = i64::try_from(elements(range.as_ref())?.len()).unwrap_or(i64::MAX);
            (0..count).map(|index| Box::new(CelInt::from(index)) as Box<dyn Val + 'v>).collect()
        }
    };
    spend(indices.len() as u64)?;
    Ok(CowVal::owned(CelList::from(indices)))
}

/// One map of many, none of which may have a key of another.
fn merge<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<'b, 'v> {
    let [maps] = taken(args)?;
    let mut merged: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
    for map in elements(maps.as_ref())? {
        let map = map.downcast_ref::<CelMap>().ok_or_else(|| failed("no such overload"))?;
        for (key, value) in map.inner() {
            if merged.insert(key.clone(), value.clone()).is_some() {
                return Err(failed(format!("insert failed: key {key:?} already exists")));
            }
        }
    }
    Ok(CowVal::owned(CelMap::from(merged)))
}
