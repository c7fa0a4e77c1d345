//! Rules of what judges the indexes of a job one by one: limits of failures per index, and policies of success (KEP-3850, KEP-3998).

use serde_json::Value;

use super::Errors;
use crate::indexes;
use crate::json::{int, items, text};

/// Above so many indexes, those of them that have failed must be bounded, so that `status.failedIndexes` stays small.
const SOFT_LIMIT: i64 = 100_000;
/// What may run or fail at most above it.
const ABOVE_SOFT_LIMIT: i64 = 10_000;
/// What may run or fail at most in any case.
const HARD_LIMIT: i64 = 100_000;
/// Rules of one policy.
const MOST_RULES: usize = 20;
/// Bytes of a list of indexes.
const LONGEST_LIST: usize = 65_536;

/// Limits of failures, after the numbers themselves were found not to be negative.
pub(super) fn limits(errors: &mut Errors, spec: &Value, path: &str) {
    let indexed = text(spec, "/completionMode") == "Indexed";
    let at = |key: &str| format!("{path}.{key}");
    let per_index = int(spec, "/backoffLimitPerIndex");
    let most = int(spec, "/maxFailedIndexes");
    if !indexed {
        for (key, limit) in [("backoffLimitPerIndex", per_index), ("maxFailedIndexes", most)] {
            if let Some(limit) = limit {
                errors.invalid(at(key), limit, "requires indexed completion mode");
            }
        }
        return;
    }
    let (completions, parallelism) = (int(spec, "/completions"), int(spec, "/parallelism"));
    let at_most = |errors: &mut Errors, key: &str, value: Option<i64>, limit: i64, because: &str| {
        if let Some(value) = value.filter(|value| *value > limit) {
            errors.invalid(at(key), value, &format!("must be less than or equal to {limit}{because}"));
        }
    };
    at_most(errors, "parallelism", parallelism, HARD_LIMIT, " when completion mode is Indexed");
    if let (Some(most), Some(completions)) = (most, completions)
        && most > completions
    {
        errors.invalid(at("maxFailedIndexes"), most, "must be less than or equal to completions");
    }
    at_most(errors, "maxFailedIndexes", most, HARD_LIMIT, "");
    if per_index.is_some() && completions.is_some_and(|completions| completions > SOFT_LIMIT) {
        if most.is_none() {
            let detail = format!("must be specified when completions is above {SOFT_LIMIT}");
            errors.required(at("maxFailedIndexes"), &detail);
        }
        let because =
            format!(" when completions are above {SOFT_LIMIT} and used with backoff limit per index");
        at_most(errors, "parallelism", parallelism, ABOVE_SOFT_LIMIT, &because);
        at_most(errors, "maxFailedIndexes", most, ABOVE_SOFT_LIMIT, &because);
    }
}

/// The policy of success, if there is one.
pub(super) fn success_policy(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(policy) = spec.get("successPolicy").filter(|policy| !policy.is_null()) else { return };
    let path = format!("{path}.successPolicy");
    if text(spec, "/completionMode") != "Indexed" {
        return errors.invalid(path, policy.clone(), "requires indexed completion mode");
    }
    let rules = items(policy, "/rules");
    let at = format!("{path}.rules");
    match rules.len() {
        0 => {
            let detail = "at least one rules must be specified when the successPolicy is specified";
            errors.required(&at, detail);
        }
        count if count > MOST_RULES => errors.too_many(&at, count, MOST_RULES),
        _ => {}
    }
    let completions = int(spec, "/completions").unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        success_rule(errors, rule, completions, &format!("{at}[{index}]"));
    }
}

fn success_rule(errors: &mut Errors, rule: &Value, completions: i64, path: &str) {
    let listed = rule.get("succeededIndexes").and_then(Value::as_str);
    let count = int(rule, "/succeededCount");
    if listed.is_none() && count.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let listed = listed.map(|listed| {
        let at = format!("{path}.succeededIndexes");
        if listed.len() > LONGEST_LIST {
            errors.too_long(&at, LONGEST_LIST);
        }
        let end = i32::try_from(completions).unwrap_or(i32::MAX);
        indexes::check(listed, end).unwrap_or_else(|wrong| {
            errors.invalid(&at, listed, &format!("error parsing succeededIndexes: {wrong}"));
            0
        })
    });
    errors.not_negative(rule, path, "succeededCount");
    let bounds = [
        (Some(completions), "the number of specified completions"),
        (listed, "the number of indexes in the specified succeededIndexes field"),
    ];
    for (bound, what) in bounds {
        if let (Some(count), Some(bound)) = (count, bound)
            && count > bound
        {
            let detail = format!("must be less than or equal to {bound} ({what})");
            errors.invalid(format!("{path}.succeededCount"), count, &detail);
        }
    }
}
