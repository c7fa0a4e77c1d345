//! Rules of jobs and cron jobs.

use serde_json::Value;

use super::format::dns_subdomain;
use super::{Errors, job_indexes, meta, pod};
use crate::cron::Schedule;
use crate::json::{flag, int, items, text};
use crate::kinds::FieldError;
use crate::selector::Selector;

/// The label of a job's pods that its selector is made of.
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// A cron job's name leaves room for the minute that ends its jobs' names.
const LONGEST_CRON_JOB_NAME: usize = 52;
/// What a job counts.
const NUMBERS: [&str; 7] = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
];

/// Checks a job.
pub fn job(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    job_spec(&mut errors, spec, "spec");
    selector(&mut errors, object, spec);
    if let Some(old) = old {
        job_change(&mut errors, spec, old.get("spec").unwrap_or(&Value::Null));
    }
    errors.0
}

/// Checks a cron job.
pub fn cron_job(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let name = text(object, "/metadata/name");
    if name.len() > LONGEST_CRON_JOB_NAME {
        errors.invalid("metadata.name", name, "must be no more than 52 characters");
    }
    let spec = object.get("spec").unwrap_or(&Value::Null);
    schedule(&mut errors, spec);
    errors.not_negative(spec, "spec", "startingDeadlineSeconds");
    time_zone(&mut errors, spec);
    let policies = ["Allow", "Forbid", "Replace"];
    errors.one_of("spec.concurrencyPolicy".into(), text(spec, "/concurrencyPolicy"), &policies, true);
    let template = spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null);
    job_spec(&mut errors, template, "spec.jobTemplate.spec");
    if flag(template, "/manualSelector") {
        errors.unsupported("spec.jobTemplate.spec.manualSelector", "true", &["nil", "false"]);
    }
    errors.not_negative(spec, "spec", "successfulJobsHistoryLimit");
    errors.not_negative(spec, "spec", "failedJobsHistoryLimit");
    errors.0
}

fn job_spec(errors: &mut Errors, spec: &Value, path: &str) {
    for key in NUMBERS {
        errors.not_negative(spec, path, key);
    }
    if int(spec, "/maxFailedIndexes").is_some() && int(spec, "/backoffLimitPerIndex").is_none() {
        errors.required(format!("{path}.backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    let modes = ["NonIndexed", "Indexed"];
    errors.one_of(format!("{path}.completionMode"), text(spec, "/completionMode"), &modes, false);
    if text(spec, "/completionMode") == "Indexed" && int(spec, "/completions").is_none() {
        errors.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    job_indexes::limits(errors, spec, path);
    let policies = ["Failed", "TerminatingOrFailed"];
    errors.one_of(
        format!("{path}.podReplacementPolicy"),
        text(spec, "/podReplacementPolicy"),
        &policies,
        false,
    );
    let template = spec.get("template").unwrap_or(&Value::Null);
    meta::labels(errors, template, "/metadata/labels", &format!("{path}.template.labels"));
    let pod_spec = template.get("spec").unwrap_or(&Value::Null);
    pod::spec(errors, pod_spec, &format!("{path}.template.spec"));
    let restart = text(pod_spec, "/restartPolicy");
    if restart == "Always" {
        let valid = "valid values: \"OnFailure\", \"Never\"";
        errors.required(format!("{path}.template.spec.restartPolicy"), valid);
    }
    if let Some(policy) = spec.get("podFailurePolicy").filter(|policy| !policy.is_null()) {
        if restart != "Never" {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(format!("{path}.template.spec.restartPolicy"), restart, detail);
        }
        failure_policy(errors, policy, &format!("{path}.podFailurePolicy"));
        per_index_actions(errors, spec, path);
    }
    job_indexes::success_policy(errors, spec, path);
}

/// An index fails by itself only if indexes are judged one by one.
fn per_index_actions(errors: &mut Errors, spec: &Value, path: &str) {
    if int(spec, "/backoffLimitPerIndex").is_some() {
        return;
    }
    let rules = items(spec, "/podFailurePolicy/rules").iter().enumerate();
    for (index, _) in rules.filter(|(_, rule)| text(rule, "/action") == "FailIndex") {
        let path = format!("{path}.podFailurePolicy.rules[{index}].action");
        errors.invalid(path, "FailIndex", "requires the backoffLimitPerIndex to be set");
    }
}

fn failure_policy(errors: &mut Errors, policy: &Value, path: &str) {
    let Some(rules) = policy.get("rules").and_then(Value::as_array) else {
        return errors.required(format!("{path}.rules"), "");
    };
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}.rules[{index}]");
        let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
        errors.one_of(format!("{path}.action"), text(rule, "/action"), &actions, true);
        let codes = rule.get("onExitCodes").filter(|codes| !codes.is_null());
        match (codes, items(rule, "/onPodConditions")) {
            (None, []) => {
                let detail = "specifying one of OnExitCodes and OnPodConditions is required";
                errors.invalid(path, rule.clone(), detail);
            }
            (Some(_), [_, ..]) => {
                let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
                errors.invalid(path, rule.clone(), detail);
            }
            (Some(codes), []) => exit_codes(errors, codes, &format!("{path}.onExitCodes")),
            (None, patterns) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    let path = format!("{path}.onPodConditions[{index}]");
                    errors.needs(pattern, &path, "type");
                    let statuses = ["False", "True", "Unknown"];
                    errors.one_of(format!("{path}.status"), text(pattern, "/status"), &statuses, true);
                }
            }
        }
    }
}

fn exit_codes(errors: &mut Errors, codes: &Value, path: &str) {
    errors.one_of(format!("{path}.operator"), text(codes, "/operator"), &["In", "NotIn"], true);
    let values = items(codes, "/values");
    if values.is_empty() {
        errors.invalid(format!("{path}.values"), codes.clone(), "at least one value is required");
    }
    for (index, value) in values.iter().enumerate() {
        if value.as_i64() == Some(0) && text(codes, "/operator") == "In" {
            let detail = "must not be 0 for the In operator";
            errors.invalid(format!("{path}.values[{index}]"), 0, detail);
        }
    }
}

/// A selector that is made by the server must be as the server made it; one by hand must select the job's pods.
fn selector(errors: &mut Errors, object: &Value, spec: &Value) {
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    let uid = text(object, "/metadata/uid");
    if selector.is_null() {
        return errors.required("spec.selector", "");
    }
    meta::selector(errors, selector, "spec.selector");
    let labels = spec.pointer("/template/metadata/labels");
    let own = selector
        .pointer("/matchLabels")
        .and_then(|labels| labels.get(CONTROLLER_UID))
        .and_then(Value::as_str);
    let old_own = text(selector, "/matchLabels/controller-uid");
    if !flag(spec, "/manualSelector") && own != Some(uid) && old_own != uid {
        errors.invalid("spec.selector", selector.clone(), "`selector` not auto-generated");
    }
    if Selector::from_label_selector(selector).is_ok_and(|selector| !selector.matches_map(labels)) {
        errors.invalid(
            "spec.template.metadata.labels",
            labels.cloned().unwrap_or_default(),
            "`selector` does not match template `labels`",
        );
    }
}

fn job_change(errors: &mut Errors, new: &Value, old: &Value) {
    let indexed = text(new, "/completionMode") == "Indexed";
    let in_tandem = indexed && new.get("completions") == new.get("parallelism");
    if !in_tandem {
        errors.immutable("spec.completions", new.get("completions"), old.get("completions"));
    }
    // A suspended job has no pods that its template would not fit.
    let may_change = flag(old, "/suspend") && flag(new, "/suspend");
    if !may_change {
        errors.immutable("spec.template", new.get("template"), old.get("template"));
    }
    for key in [
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        errors.immutable(&format!("spec.{key}"), new.get(key), old.get(key));
    }
}

fn schedule(errors: &mut Errors, spec: &Value) {
    let schedule = text(spec, "/schedule");
    if schedule.is_empty() {
        errors.required("spec.schedule", "");
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid("spec.schedule", schedule, detail);
    } else if let Err(error) = Schedule::parse(schedule) {
        errors.invalid("spec.schedule", schedule, &error.to_string());
    }
}

fn time_zone(errors: &mut Errors, spec: &Value) {
    let zone = text(spec, "/timeZone");
    if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid("spec.timeZone", zone, detail);
    } else if spec.get("timeZone").is_some_and(Value::is_string)
        && Schedule::parse("@daily").is_ok_and(|daily| daily.in_zone(zone).is_none())
    {
        errors.invalid("spec.timeZone", zone, &format!("unknown time zone {zone}"));
    }
}
