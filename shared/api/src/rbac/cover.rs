//! Whether one set of rules allows all that another does: nobody may hand out more than they have.

use std::collections::BTreeSet;
use std::fmt;

use super::rule::{ANY, Rule, holds, leads_to};

/// What of `wanted` the rules that are held do not allow, one rule per resource; empty if they allow it all.
pub fn missing(held: &[&Rule], wanted: &[Rule]) -> Vec<Rule> {
    let lacking = wanted
        .iter()
        .flat_map(atoms)
        .filter(|atom| !held.iter().any(|rule| covers(rule, atom)))
        .collect::<BTreeSet<Rule>>();
    compact(lacking)
}

/// A rule taken apart: one verb, and one resource (of one name, if it names any) or one path each.
fn atoms(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let mut found = Vec::new();
    for verb in &rule.verbs {
        for url in &rule.non_resource_urls {
            found.push(Rule { verbs: one(verb), non_resource_urls: one(url), ..Rule::default() });
        }
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let whole = Rule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..Rule::default()
                };
                match rule.resource_names.as_slice() {
                    [] => found.push(whole),
                    names => found
                        .extend(names.iter().map(|name| Rule { resource_names: one(name), ..whole.clone() })),
                }
            }
        }
    }
    found
}

fn covers(held: &Rule, atom: &Rule) -> bool {
    let all = |list: &[String], wanted: &[String]| wanted.iter().all(|wanted| holds(list, wanted));
    let names = held.resource_names.is_empty()
        || !atom.resource_names.is_empty()
            && atom.resource_names.iter().all(|name| held.resource_names.contains(name));
    all(&held.verbs, &atom.verbs)
        && all(&held.api_groups, &atom.api_groups)
        && atom.resources.iter().all(|resource| covers_resource(&held.resources, resource))
        && names
        && atom
            .non_resource_urls
            .iter()
            .all(|path| held.non_resource_urls.iter().any(|url| leads_to(url, path)))
}

fn covers_resource(held: &[String], wanted: &str) -> bool {
    let any_of_these = wanted.split_once('/').map(|(_, below)| below);
    held.iter().any(|held| {
        held == ANY
            || held == wanted
            || any_of_these.is_some_and(|below| held.strip_prefix("*/") == Some(below))
    })
}

/// Puts the verbs of one resource together again.
fn compact(atoms: BTreeSet<Rule>) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for atom in atoms {
        let simple = atom.resource_names.is_empty() && atom.non_resource_urls.is_empty();
        let twin = compacted.iter_mut().find(|known| {
            simple
                && known.resource_names.is_empty()
                && known.api_groups == atom.api_groups
                && known.resources == atom.resources
        });
        match twin {
            Some(known) => known.verbs.extend(atom.verbs),
            None => compacted.push(atom),
        }
    }
    compacted
}

/// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`, as Kubernetes prints rules.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<String> = parts.map(|(name, list)| format!("{name}:{}", quoted(list))).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// `["a" "b"]`.
fn quoted(list: &[String]) -> String {
    let list: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", list.join(" "))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    /// `get,list apps/deployments,pods name,name` or `get /path`.
    fn rule(text: &str) -> Rule {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut words = text.split_whitespace();
        let verbs = list(words.next().unwrap());
        let what = words.next().unwrap();
        if what.starts_with('/') {
            return Rule { verbs, non_resource_urls: list(what), ..Rule::default() };
        }
        let (group, resources) = what.split_once(':').unwrap();
        let resource_names = words.next().map(list).unwrap_or_default();
        Rule { verbs, api_groups: list(group), resources: list(resources), resource_names, ..Rule::default() }
    }

    fn check(held: &[&str], wanted: &[&str], expected: Expect) {
        let held: Vec<Rule> = held.iter().map(|text| rule(text)).collect();
        let wanted: Vec<Rule> = wanted.iter().map(|text| rule(text)).collect();
        let lacking = missing(&held.iter().collect::<Vec<_>>(), &wanted);
        expected.assert_eq(&lacking.iter().map(|rule| format!("{rule}\n")).collect::<String>());
    }

    #[test]
    fn what_is_not_held_is_named() {
        check(&["get,list :pods", "* apps:*"], &["get,list :pods", "delete apps:deployments"], expect![""]);
        check(
            &["get :pods", "get :secrets a"],
            &["get,list,watch :pods,secrets", "get :secrets a", "get :secrets b"],
            expect![[r#"
                {APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}
                {APIGroups:[""], Resources:["secrets"], Verbs:["get" "list" "watch"]}
                {APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}
            "#]],
        );
        check(
            &["* apps:*/scale", "get /healthz/*"],
            &[
                "get apps:deployments/scale",
                "get apps:deployments/status",
                "get /healthz/ping",
                "get /metrics",
            ],
            expect![[r#"
                {NonResourceURLs:["/metrics"], Verbs:["get"]}
                {APIGroups:["apps"], Resources:["deployments/status"], Verbs:["get"]}
            "#]],
        );
        check(
            &["get *:*"],
            &["* *:*"],
            expect![[r#"
            {APIGroups:["*"], Resources:["*"], Verbs:["*"]}
        "#]],
        );
    }

    fn some_rule() -> impl Strategy<Value = Rule> {
        let some = |of: &'static [&'static str]| {
            proptest::collection::vec(proptest::sample::select(of), 1..3)
                .prop_map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        (
            some(&["get", "list", "*"]),
            some(&["", "apps", "*"]),
            some(&["a", "a/b", "*/b", "*"]),
            some(&["x", "y"]),
            any::<bool>(),
        )
            .prop_map(|(verbs, api_groups, resources, names, named)| Rule {
                verbs,
                api_groups,
                resources,
                resource_names: if named { names } else { Vec::new() },
                ..Rule::default()
            })
    }

    proptest! {
        #[test]
        fn what_is_covered_allows_nothing_more(held in proptest::collection::vec(some_rule(), 0..4), wanted in some_rule()) {
            prop_assert!(missing(&[&wanted], std::slice::from_ref(&wanted)).is_empty());
            let held: Vec<&Rule> = held.iter().collect();
            if missing(&held, std::slice::from_ref(&wanted)).is_empty() {
                for verb in ["get", "list", "watch"] {
                    for (group, subresource, name) in [("", "", "x"), ("apps", "b", "y"), ("z", "b", ""), ("", "c", "x")] {
                        let wish = super::super::Wanted { verb, group, resource: "a", subresource, name };
                        prop_assert!(!wanted.allows(&wish) || held.iter().any(|rule| rule.allows(&wish)), "{:?}", wish);
                    }
                }
            }
        }
    }
}
