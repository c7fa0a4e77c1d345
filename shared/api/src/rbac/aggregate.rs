//! Puts the rules of a cluster role together from those of others that carry certain labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Rule;
use crate::views::LabelSelector;

/// A cluster role that others may take in.
pub type Part<'a> = (&'a BTreeMap<Arc<str>, Arc<str>>, &'a [Rule]);

/// The rules of all `parts` that a selector matches, in the order of the selectors, each rule once.
pub fn aggregated<'a>(selectors: &[LabelSelector], parts: &[Part<'a>]) -> Vec<&'a Rule> {
    let mut rules: Vec<&Rule> = Vec::new();
    for selector in selectors {
        let matching = parts.iter().filter(|(labels, _)| selector.matches(labels));
        for rule in matching.flat_map(|(_, rules)| rules.iter()) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    rules
}
