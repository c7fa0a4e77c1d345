//! Rules of requests for certificates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::format::{Format, dns_label, dns_subdomain, path_segment};
use super::{Errors, meta};
use crate::json::{int, items, text};
use crate::kinds::FieldError;

/// The shortest life of a certificate, in seconds.
const SHORTEST: i64 = 600;
/// Bytes of a signer's domain.
const LONGEST_DOMAIN: usize = 253;
/// Bytes of a signer's name: a domain, a namespace and a name.
const LONGEST_SIGNER: usize = 571;
/// What a certificate may be good for.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Checks a request for a certificate. Who asks, and what, does not change (`certificates::kept`).
pub fn signing_request(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, path_segment);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if text(spec, "/request").is_empty() {
        errors.required("spec.request", "");
    }
    let usages = items(spec, "/usages");
    if usages.is_empty() {
        errors.required("spec.usages", "");
    }
    let mut seen = BTreeSet::new();
    for (at, usage) in usages.iter().enumerate() {
        let (field, usage) = (format!("spec.usages[{at}]"), usage.as_str().unwrap_or_default());
        if !USAGES.contains(&usage) {
            errors.unsupported(field, usage, &USAGES);
        } else if !seen.insert(usage) {
            errors.duplicate(field, usage);
        }
    }
    match text(spec, "/signerName") {
        "kubernetes.io/legacy-unknown" => errors.invalid(
            "spec.signerName",
            "kubernetes.io/legacy-unknown",
            "the legacy signerName is not allowed via this API version",
        ),
        signer => signer_name(&mut errors, "spec.signerName", signer),
    }
    if let Some(seconds) = int(spec, "/expirationSeconds").filter(|seconds| *seconds < SHORTEST) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid("spec.expirationSeconds", seconds, why);
    }
    errors.0
}

/// Checks the name of who signs: a domain and a path.
pub(super) fn signer_name(errors: &mut Errors, field: &str, name: &str) {
    if name.is_empty() {
        return errors.required(field, "");
    }
    let Some((domain, path)) = name.split_once('/').filter(|(_, path)| !path.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid(field, name, detail);
    };
    if domain.len() > LONGEST_DOMAIN {
        errors.too_long(field, LONGEST_DOMAIN);
    }
    let wrong = |part: &str, format: Format| {
        let labels = part.split('.').map(|label| (label, format(label)));
        let first = labels.filter(|(_, violations)| !violations.is_empty()).take(1);
        first
            .flat_map(|(label, violations)| {
                violations
                    .into_iter()
                    .map(move |violation| format!("validating label {label:?}: {violation}"))
            })
            .collect::<Vec<_>>()
    };
    errors.format(field, domain, wrong(domain, dns_label));
    if !domain.contains('.') {
        errors.invalid(field, domain, "should be a domain with at least two segments separated by dots");
    }
    errors.format(field, path, wrong(path, dns_subdomain));
    if name.len() > LONGEST_SIGNER {
        errors.too_long(field, LONGEST_SIGNER);
    }
}

/// Checks the conditions that replace those of `old`. Decisions stay; Approved and Denied exclude each other; and who `approves` says
/// nothing else, while all others leave these two alone.
pub fn signing_conditions(new: &Value, old: &Value, approves: bool) -> Vec<FieldError> {
    let field = "status.conditions";
    let mut errors = Errors::default();
    let (new, old) = (items(new, "/status/conditions"), items(old, "/status/conditions"));
    let kinds = |list: &[Value]| -> BTreeSet<String> {
        list.iter().map(|condition| text(condition, "/type").to_owned()).collect()
    };
    for (at, condition) in new.iter().enumerate() {
        let kind = text(condition, "/type");
        let decides = matches!(kind, "Approved" | "Denied" | "Failed");
        if kind.is_empty() {
            errors.required(format!("{field}[{at}].type"), "");
        }
        if decides && text(condition, "/status") != "True" {
            errors.unsupported(format!("{field}[{at}].status"), text(condition, "/status"), &["True"]);
        } else {
            let status = text(condition, "/status");
            errors.one_of(format!("{field}[{at}].status"), status, &["True", "False", "Unknown"], true);
        }
    }
    let (now, before) = (kinds(new), kinds(old));
    if now.contains("Approved") && now.contains("Denied") {
        errors.invalid(field, "Denied", "Approved and Denied conditions are mutually exclusive");
    }
    for kind in ["Approved", "Denied", "Failed"] {
        match (before.contains(kind), now.contains(kind)) {
            (true, false) => {
                errors.forbidden(field, &format!("updates may not remove a condition of type \"{kind}\""));
            }
            (false, true) if (kind != "Failed") != approves => {
                errors.forbidden(field, &format!("updates may not add a condition of type \"{kind}\""));
            }
            _ => {}
        }
    }
    errors.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sentences(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
    }

    #[test]
    fn requests_are_checked() {
        let check = |spec: Value| {
            let object = json!({"metadata": {"name": "jane"}, "spec": spec});
            sentences(&signing_request(&object, None))
        };
        let fine = json!({"request": "LS0t", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "expirationSeconds": 600});
        assert_eq!(check(fine), Vec::<String>::new());
        assert_eq!(
            check(json!({})),
            [
                "spec.request: Required value",
                "spec.usages: Required value",
                "spec.signerName: Required value"
            ]
        );
        let wrong = json!({"request": "LS0t", "signerName": "kubernetes.io/legacy-unknown", "usages": ["any", "any"], "expirationSeconds": 599});
        assert_eq!(
            check(wrong),
            [
                "spec.usages[1]: Duplicate value: \"any\"",
                "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API version",
                "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
            ]
        );
        let unknown = check(json!({"request": "LS0t", "signerName": "mine", "usages": ["flying"]}));
        assert!(unknown[0].starts_with("spec.usages[0]: Unsupported value: \"flying\""), "{unknown:?}");
        assert!(unknown[1].contains("must be a fully qualified domain and path"), "{unknown:?}");
    }

    #[test]
    fn decisions_stay_and_exclude_each_other() {
        let with = |kinds: &[&str]| {
            let conditions: Vec<Value> =
                kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
            json!({"status": {"conditions": conditions}})
        };
        let check = |new: &[&str], old: &[&str], approves| {
            sentences(&signing_conditions(&with(new), &with(old), approves))
        };
        assert_eq!(check(&["Approved"], &[], true), Vec::<String>::new());
        assert_eq!(check(&["Approved", "Failed"], &["Approved"], false), Vec::<String>::new());
        assert_eq!(
            check(&["Approved", "Denied"], &["Denied"], true),
            [
                "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"
            ]
        );
        assert_eq!(
            check(&[], &["Approved"], true),
            ["status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""]
        );
        assert_eq!(
            check(&["Approved"], &[], false),
            ["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""]
        );
    }
}
