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
    /// The first conflict: a reason and a message. `None`: it has all that it asked for.
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
    let mut conflict = None;
    let mut may_have = |taken: &BTreeSet<&str>, name: &str, reason: &'static str| {
        let free = name.is_empty() || !taken.contains(name);
        if !free && conflict.is_none() {
            conflict = Some((reason, format!("{name:?} is already in use")));
        }
        free
    };
    let mut accepted = Names { categories: wanted.categories.clone(), ..before.clone() };
    let singles = [
        (&mut accepted.plural, &wanted.plural, &resources, "PluralConflict"),
        (&mut accepted.singular, &wanted.singular, &resources, "SingularConflict"),
        (&mut accepted.kind, &wanted.kind, &kinds, "KindConflict"),
        (&mut accepted.list_kind, &wanted.list_kind, &kinds, "ListKindConflict"),
    ];
    for (slot, name, taken, reason) in singles {
        if may_have(taken, name, reason) {
            slot.clone_from(name);
        }
    }
    if wanted.short_names.iter().all(|name| may_have(&resources, name, "ShortNamesConflict")) {
        accepted.short_names.clone_from(&wanted.short_names);
    }
    Acceptance { accepted, conflict }
}
