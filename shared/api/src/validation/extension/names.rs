//! Rules of the names of a definition, of those that it wants and of those that it got.

use serde_json::Value;

use crate::json::{items, text};
use crate::validation::Errors;
use crate::validation::format::dns_1035_label;

/// Checks names that are there.
pub(super) fn check(errors: &mut Errors, names: Option<&Value>, path: &str) {
    let Some(names) = names else { return };
    let (kind, list_kind) = (text(names, "/kind"), text(names, "/listKind"));
    for key in ["plural", "singular"] {
        label(errors, text(names, &format!("/{key}")), &format!("{path}.{key}"));
    }
    for (key, word) in [("kind", kind), ("listKind", list_kind)] {
        let wrong = dns_1035_label(&word.to_lowercase()).join(",");
        if !word.is_empty() && !wrong.is_empty() {
            let why = format!("may have mixed case, but should otherwise match: {wrong}");
            errors.invalid(format!("{path}.{key}"), word, &why);
        }
    }
    list(errors, names, "shortNames", path);
    if !kind.is_empty() && kind == list_kind {
        errors.invalid(format!("{path}.listKind"), list_kind, "kind and listKind may not be the same");
    }
    list(errors, names, "categories", path);
}

fn list(errors: &mut Errors, names: &Value, key: &str, path: &str) {
    for (index, word) in items(names, &format!("/{key}")).iter().enumerate() {
        let (word, path) = (word.as_str().unwrap_or_default(), format!("{path}.{key}[{index}]"));
        match word {
            "" => errors.invalid(path, "", &dns_1035_label("").join(",")),
            word => label(errors, word, &path),
        }
    }
}

fn label(errors: &mut Errors, word: &str, path: &str) {
    let wrong = dns_1035_label(word).join(",");
    if !word.is_empty() && !wrong.is_empty() {
        errors.invalid(path, word, &wrong);
    }
}
