//! Names of children, computed from what is observed: deciding twice asks for the same child twice.

use std::collections::HashSet;

use api::Uid;
use api::names_for::child_suffix;

/// Longest base of a generated name, so that the whole fits a label's 63 characters.
const LONGEST_BASE: usize = 58;

/// The first `count` names `<base><suffix of (uid, ordinal)>` that nothing has yet.
pub(super) fn free_names(base: &str, uid: &Uid, count: usize, taken: impl Fn(&str) -> bool) -> Vec<String> {
    let base: String = base.chars().take(LONGEST_BASE).collect();
    let mut names = Vec::with_capacity(count);
    let mut given = HashSet::new();
    let mut ordinals = 0_u64..;
    while names.len() < count
        && let Some(ordinal) = ordinals.next()
    {
        let name = format!("{base}{}", child_suffix(uid, ordinal));
        if !taken(&name) && given.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_function_of_what_is_taken() {
        let uid = Uid::from("4d0cbb8a");
        let names = free_names("web-", &uid, 3, |_| false);
        assert_eq!(names, free_names("web-", &uid, 3, |_| false));
        let after_the_first = free_names("web-", &uid, 2, |name| name == names[0]);
        assert_eq!(after_the_first, names[1..]);
    }

    #[test]
    fn many_names_differ() {
        let names = free_names("web-", &Uid::from("a"), 20_000, |_| false);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 20_000);
        assert!(names.iter().all(|name| name.len() == 9));
    }

    #[test]
    fn long_bases_leave_room_for_the_suffix() {
        let names = free_names(&"x".repeat(70), &Uid::from("a"), 1, |_| false);
        assert_eq!(names[0].len(), 63);
    }
}
