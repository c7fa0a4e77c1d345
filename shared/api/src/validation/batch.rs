//! Rules of jobs and cron jobs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::errors::same;
use super::format::{dns_label, dns_subdomain, qualified_name};
use super::{Errors, job_indexes, meta, pod};
use crate::cron::Schedule;
use crate::json::{flag, given, int, items, text};
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
/// Bytes of the name of who looks after a job.
const LONGEST_MANAGER: usize = 63;
/// What a policy about failures may say.
const MOST_RULES: usize = 20;
const MOST_PATTERNS: usize = 20;
const MOST_CODES: usize = 255;

/// Checks a job.
pub fn job(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    job_spec(&mut errors, spec, "spec");
    selector(&mut errors, object, spec);
    if old.is_none() {
        pod_names(&mut errors, object, spec);
    }
    if let Some(old) = old {
        job_change(&mut errors, object, old);
    }
    errors.0
}

/// Checks a cron job.
pub fn cron_job(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let known = |key: &str| old.and_then(|old| old.get("spec")).and_then(|spec| spec.get(key));
    schedule(&mut errors, spec, known("schedule").and_then(Value::as_str).unwrap_or_default());
    errors.not_negative(spec, "spec", "startingDeadlineSeconds");
    if old.is_none() || known("timeZone") != spec.get("timeZone") {
        time_zone(&mut errors, spec);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.one_of("spec.concurrencyPolicy".into(), text(spec, "/concurrencyPolicy"), &policies, true);
    let template = spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null);
    job_spec(&mut errors, template, "spec.jobTemplate.spec");
    if let Some(selector) = given(template, "/selector") {
        let detail = "`selector` will be auto-generated";
        errors.invalid("spec.jobTemplate.spec.selector", selector.clone(), detail);
    }
    if flag(template, "/manualSelector") {
        errors.unsupported("spec.jobTemplate.spec.manualSelector", "true", &["nil", "false"]);
    }
    errors.not_negative(spec, "spec", "successfulJobsHistoryLimit");
    errors.not_negative(spec, "spec", "failedJobsHistoryLimit");
    let name = text(object, "/metadata/name");
    if old.is_none() && name.len() > LONGEST_CRON_JOB_NAME {
        errors.invalid("metadata.name", name, "must be no more than 52 characters");
    }
    errors.0
}

fn job_spec(errors: &mut Errors, spec: &Value, path: &str) {
    for key in NUMBERS {
        errors.not_negative(spec, path, key);
    }
    if int(spec, "/maxFailedIndexes").is_some() && int(spec, "/backoffLimitPerIndex").is_none() {
        errors.required(format!("{path}.backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    managed_by(errors, spec, path);
    errors.supports(spec, path, "completionMode", &["NonIndexed", "Indexed"]);
    if text(spec, "/completionMode") == "Indexed" && int(spec, "/completions").is_none() {
        errors.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    job_indexes::limits(errors, spec, path);
    job_indexes::success_policy(errors, spec, path);
    let policy = given(spec, "/podFailurePolicy");
    if let Some(policy) = policy {
        failure_policy(errors, spec, policy, &format!("{path}.podFailurePolicy"));
    }
    let policies: &[&str] = if policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    errors.supports(spec, path, "podReplacementPolicy", policies);
    let template = spec.get("template").unwrap_or(&Value::Null);
    let pod_spec = template.get("spec").unwrap_or(&Value::Null);
    pod::template(errors, template, &format!("{path}.template"));
    let (restart, field) = (text(pod_spec, "/restartPolicy"), format!("{path}.template.spec.restartPolicy"));
    match restart {
        "Always" | "" => errors.required(field, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if policy.is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(field, restart, detail);
        }
        "OnFailure" => {}
        other => errors.unsupported(field, other, &["OnFailure", "Never"]),
    }
}

/// Somebody else may look after the job.
fn managed_by(errors: &mut Errors, spec: &Value, path: &str) {
    let Some(name) = given(spec, "/managedBy").and_then(Value::as_str) else { return };
    let path = format!("{path}.managedBy");
    match name.split_once('/') {
        _ if name.is_empty() => errors.required(path.as_str(), ""),
        Some((domain, place)) if !domain.is_empty() && !place.is_empty() => {
            errors.format(&path, domain, dns_subdomain(domain));
            let allowed = |c: char| c.is_ascii_alphanumeric() || r"/-._~%!$&'()*+,;=:".contains(c);
            if !place.chars().all(allowed) {
                let detail = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
                errors.invalid(path.as_str(), place, detail);
            }
        }
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid(path.as_str(), name, detail);
        }
    }
    if name.len() > LONGEST_MANAGER {
        errors.too_long(path, LONGEST_MANAGER);
    }
}

/// The last of an Indexed job's pods must have a name, too.
fn pod_names(errors: &mut Errors, object: &Value, spec: &Value) {
    let last = int(spec, "/completions").filter(|completions| *completions > 0);
    if let (Some(completions), "Indexed") = (last, text(spec, "/completionMode")) {
        let name = text(object, "/metadata/name");
        let hostname = format!("{name}-{}", completions - 1);
        if !dns_label(&hostname).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
            errors.invalid("metadata.name", name, &detail);
        }
    }
}

fn failure_policy(errors: &mut Errors, spec: &Value, policy: &Value, path: &str) {
    let rules = items(policy, "/rules");
    if rules.len() > MOST_RULES {
        errors.too_many(format!("{path}.rules"), rules.len(), MOST_RULES);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}.rules[{index}]");
        let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
        match text(rule, "/action") {
            "" => errors.required(
                format!("{path}.action"),
                r#"valid values: ["Count" "FailIndex" "FailJob" "Ignore"]"#,
            ),
            "FailIndex" if given(spec, "/backoffLimitPerIndex").is_none() => {
                let detail = "requires the backoffLimitPerIndex to be set";
                errors.invalid(format!("{path}.action"), "FailIndex", detail);
            }
            _ => errors.supports(rule, &path, "action", &actions),
        }
        let (codes, patterns) = (given(rule, "/onExitCodes"), items(rule, "/onPodConditions"));
        if let Some(codes) = codes {
            exit_codes(errors, spec, codes, &format!("{path}.onExitCodes"));
        }
        conditions(errors, patterns, &format!("{path}.onPodConditions"));
        match (codes.is_some(), patterns.is_empty()) {
            (true, false) => {
                errors.wrong(path, "specifying both OnExitCodes and OnPodConditions is not supported");
            }
            (false, true) => {
                errors.wrong(path, "specifying one of OnExitCodes and OnPodConditions is required");
            }
            _ => {}
        }
    }
}

fn conditions(errors: &mut Errors, patterns: &[Value], path: &str) {
    if patterns.len() > MOST_PATTERNS {
        errors.too_many(path, patterns.len(), MOST_PATTERNS);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let kind = text(pattern, "/type");
        errors.format(&format!("{path}.type"), kind, qualified_name(kind));
        match text(pattern, "/status") {
            "" => errors.required(format!("{path}.status"), r#"valid values: ["False" "True" "Unknown"]"#),
            _ => errors.supports(pattern, &path, "status", &["False", "True", "Unknown"]),
        }
    }
}

fn exit_codes(errors: &mut Errors, spec: &Value, codes: &Value, path: &str) {
    match text(codes, "/operator") {
        "" => errors.required(format!("{path}.operator"), r#"valid values: ["In" "NotIn"]"#),
        _ => errors.supports(codes, path, "operator", &["In", "NotIn"]),
    }
    let lists = ["/template/spec/containers", "/template/spec/initContainers"];
    let there =
        |name: &str| lists.iter().any(|list| items(spec, list).iter().any(|one| text(one, "/name") == name));
    if let Some(name) = given(codes, "/containerName").and_then(Value::as_str).filter(|name| !there(name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(format!("{path}.containerName"), name, detail);
    }
    let path = format!("{path}.values");
    let values: Vec<i64> = items(codes, "/values").iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        errors.invalid(path.as_str(), values.clone(), "at least one value is required");
    } else if values.len() > MOST_CODES {
        errors.too_many(path.as_str(), values.len(), MOST_CODES);
    }
    let mut seen = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        if *value == 0 && text(codes, "/operator") == "In" {
            errors.invalid(format!("{path}[{index}]"), 0, "must not be 0 for the In operator");
        }
        if !seen.insert(*value) {
            errors.duplicate(format!("{path}[{index}]"), *value);
        }
    }
    if !values.is_sorted() {
        errors.invalid(path, values, "must be ordered");
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
    let (now, before) = (new.get("spec").unwrap_or(&Value::Null), old.get("spec").unwrap_or(&Value::Null));
    if text(now, "/completionMode") != "Indexed" {
        errors.immutable("spec.completions", now.get("completions"), before.get("completions"));
    } else if let Some(completions) = int(now, "/completions")
        && Some(completions) != int(before, "/completions")
        && Some(completions) != int(now, "/parallelism")
    {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.invalid("spec.completions", completions, detail);
    }
    errors.immutable("spec.selector", now.get("selector"), before.get("selector"));
    // A job that never ran has no pods that would be elsewhere.
    let movable = flag(before, "/suspend") && given(old, "/status/startTime").is_none();
    let template = |spec: &Value| {
        let mut template = spec.get("template").cloned().unwrap_or_default();
        if movable {
            forget_place(&mut template);
        }
        template
    };
    if !same(&template(now), &template(before)) {
        let template = now.get("template").cloned().unwrap_or_default();
        errors.invalid("spec.template", template, "field is immutable");
    }
    for key in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        errors.immutable(&format!("spec.{key}"), now.get(key), before.get(key));
    }
}

/// Takes out of a template what says where its pods run.
fn forget_place(template: &mut Value) {
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for key in ["nodeSelector", "tolerations", "schedulingGates"] {
        spec.remove(key);
    }
    if let Some(affinity) = spec.get_mut("affinity").and_then(Value::as_object_mut) {
        affinity.remove("nodeAffinity");
        if affinity.is_empty() {
            spec.remove("affinity");
        }
    }
}

fn schedule(errors: &mut Errors, spec: &Value, known: &str) {
    let schedule = text(spec, "/schedule");
    if schedule.is_empty() {
        return errors.required("spec.schedule", "");
    }
    let zoned = schedule.contains("TZ");
    if let Err(error) = Schedule::parse(schedule)
        && !zoned
    {
        errors.invalid("spec.schedule", schedule, &error.to_string());
    }
    if zoned && !known.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid("spec.schedule", schedule, detail);
    } else if zoned && given(spec, "/timeZone").is_some() {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid("spec.schedule", schedule, detail);
    }
}

fn time_zone(errors: &mut Errors, spec: &Value) {
    let Some(zone) = given(spec, "/timeZone").and_then(Value::as_str) else { return };
    let named = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.len() <= 14
            && part.chars().all(allowed)
    };
    if zone.is_empty() {
        errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string");
    } else if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid("spec.timeZone", zone, detail);
    } else if !zone.split('/').all(named)
        || Schedule::parse("@daily").is_ok_and(|daily| daily.in_zone(zone).is_none())
    {
        errors.invalid("spec.timeZone", zone, &format!("unknown time zone {zone}"));
    }
}
