//! Resource quantities: `quantity("1.5Gi").isGreaterThan(quantity("1G"))`.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::failed;
use crate::cel::native::{Native, named};
use crate::quantity::Quantity;

type It = Native<Quantity>;

named! { Quantity => "kubernetes.Quantity" }

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn quantity: (CelString) -> Result<It>)?;
    add_overload!(environment, fn is_quantity: (CelString) -> CelBool)?;
    add_member_overload!(environment, fn sign: (It) -> CelInt)?;
    add_member_overload!(environment, fn is_integer: (It) -> CelBool)?;
    add_member_overload!(environment, fn as_integer: (It) -> Result<CelInt>)?;
    add_member_overload!(environment, fn as_approximate_float: (It) -> CelDouble)?;
    add_member_overload!(environment, fn add: (It, It) -> Result<It>)?;
    add_member_overload!(environment, fn add_whole: (It, CelInt) -> Result<It>, name = "add")?;
    add_member_overload!(environment, fn sub: (It, It) -> Result<It>)?;
    add_member_overload!(environment, fn sub_whole: (It, CelInt) -> Result<It>, name = "sub")?;
    add_member_overload!(environment, fn is_greater_than: (It, It) -> CelBool)?;
    add_member_overload!(environment, fn is_less_than: (It, It) -> CelBool)?;
    add_member_overload!(environment, fn compare_to: (It, It) -> CelInt)?;
    Ok(())
}

fn quantity(text: &CelString<'_>) -> Result<It, ExecutionError> {
    let malformed = || {
        failed("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    };
    Quantity::parse(text.inner()).map(Native).ok_or_else(malformed)
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    CelBool::from(Quantity::parse(text.inner()).is_some())
}

fn sign(it: &It) -> CelInt {
    CelInt::from(i64::try_from(it.0.milli.signum()).unwrap_or_default())
}

fn whole(it: &It) -> Option<i64> {
    (it.0.milli % 1000 == 0).then(|| i64::try_from(it.0.milli / 1000).ok()).flatten()
}

fn is_integer(it: &It) -> CelBool {
    CelBool::from(whole(it).is_some())
}

fn as_integer(it: &It) -> Result<CelInt, ExecutionError> {
    whole(it).map(CelInt::from).ok_or_else(|| failed("cannot convert value to integer"))
}

fn as_approximate_float(it: &It) -> CelDouble {
    CelDouble::from(it.0.milli as f64 / 1000.0)
}

fn shifted(it: &It, by: Option<i128>) -> Result<It, ExecutionError> {
    let milli = by.and_then(|by| it.0.milli.checked_add(by));
    milli.map(|milli| Native(Quantity { milli })).ok_or_else(|| failed("integer overflow"))
}

fn add(it: &It, other: &It) -> Result<It, ExecutionError> {
    shifted(it, Some(other.0.milli))
}

fn add_whole(it: &It, units: &CelInt) -> Result<It, ExecutionError> {
    shifted(it, Some(Quantity::units(*units.inner()).milli))
}

fn sub(it: &It, other: &It) -> Result<It, ExecutionError> {
    shifted(it, other.0.milli.checked_neg())
}

fn sub_whole(it: &It, units: &CelInt) -> Result<It, ExecutionError> {
    shifted(it, Quantity::units(*units.inner()).milli.checked_neg())
}

fn is_greater_than(it: &It, other: &It) -> CelBool {
    CelBool::from(it.0 > other.0)
}

fn is_less_than(it: &It, other: &It) -> CelBool {
    CelBool::from(it.0 < other.0)
}

fn compare_to(it: &It, other: &It) -> CelInt {
    CelInt::from(match it.0.cmp(&other.0) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}
