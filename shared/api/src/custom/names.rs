//! Which of the names that a definition asks for it gets: a name belongs to one definition of a group.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// `spec.names`, `status.acceptedNames`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Names {
    /// `crontabs`.
    pub plural: String,
    /// `crontab`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub singular: String,
    /// `ct`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<String>,
    /// `CronTab`.
    pub kind: String,
    /// `CronTabList`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub list_kind: String,
    /// `all`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// What became of a wish for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The names that it has from now on.
    pub accepted: Names,
    /// A conflict: a reason and a message. `None`: it has all that it asked for.
    pub conflict: Option<(&'static str, String)>,
}

/// Grants what no other definition of the group has; where there is a conflict, what was granted before stays.
pub fn accept<'a>(wanted: &Names, before: &Names, others: impl Iterator<Item = &'a Names>) -> Acceptance {
    let (mut resources, mut kinds): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for other in others {
        resources.extend([other.plural.as_str(), other.singular.as_str()]);
        resources.extend(other.short_names.iter().map(String::as_str));
        kinds.extend([other.kind.as_str(), other.list_kind.as_str()]);
    }
    let mut accepted = Names { categories: wanted.categories.clone(), ..before.clone() };
    let is_free = |taken: &BTreeSet<&str>, name: &str| name.is_empty() || !taken.contains(name);
    let in_use = |name: &str| format!("{name:?} is already in use");
    let mut conflict = None;
    let mut one =
        |slot: &mut String, name: &String, taken: &BTreeSet<&str>, reason| match is_free(taken, name)
            || slot == name
        {
            true => slot.clone_from(name),
            // As in Kubernetes, the last conflict is told.
            false => conflict = Some((reason, in_use(name))),
        };
    one(&mut accepted.plural, &wanted.plural, &resources, "PluralConflict");
    one(&mut accepted.singular, &wanted.singular, &resources, "SingularConflict");
    let short = wanted.short_names.iter().filter(|name| !before.short_names.contains(name));
    let short: Vec<String> =
        short.filter(|name| !is_free(&resources, name)).map(|name| in_use(name)).collect();
    let mut later = None;
    match short.as_slice() {
        [] => accepted.short_names.clone_from(&wanted.short_names),
        [only] => later = Some(("ShortNamesConflict", only.clone())),
        many => later = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
    }
    conflict = later.or(conflict);
    let mut one = |slot: &mut String, name: &String, reason| match is_free(&kinds, name) || slot == name {
        true => slot.clone_from(name),
        false => conflict = Some((reason, in_use(name))),
    };
    one(&mut accepted.kind, &wanted.kind, "KindConflict");
    one(&mut accepted.list_kind, &wanted.list_kind, "ListKindConflict");
    Acceptance { accepted, conflict }
}
