//! Which requests a webhook or a policy is about.

use std::sync::Arc;

use serde_json::Value;

use super::{Attributes, Operation};
use crate::json::{items, text};
use crate::kinds::KindInfo;
use crate::selector::Selector;

/// What is matched: resources, namespaces and labels.
#[derive(Clone, Debug)]
pub struct Constraints {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    namespaces: Selector,
    objects: Selector,
    /// Other versions of the same resource count too.
    equivalent: bool,
    /// All resources, if there is no rule.
    everything: bool,
}

/// Some operations on some resources.
#[derive(Clone, Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
    names: Vec<String>,
}

impl Constraints {
    /// Those of a policy (`matchConstraints`, `matchResources` of a binding, which may leave the rules to its policy).
    pub fn of_policy(constraints: &Value, everything: bool) -> Self {
        Self::of(constraints, ["/resourceRules", "/excludeResourceRules"], everything)
    }

    /// Those of a webhook.
    pub fn of_webhook(webhook: &Value) -> Self {
        Self::of(webhook, ["/rules", "/nothing"], false)
    }

    fn of(value: &Value, [rules, excluded]: [&str; 2], everything: bool) -> Self {
        let rules_at = |pointer| items(value, pointer).iter().map(Rule::of).collect::<Vec<_>>();
        let selector = |key: &str| {
            // Selectors were checked when they were written.
            value
                .get(key)
                .and_then(|selector| Selector::from_label_selector(selector).ok())
                .unwrap_or_default()
        };
        let rules = rules_at(rules);
        Self {
            everything: everything && rules.is_empty(),
            rules,
            excluded: rules_at(excluded),
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            equivalent: text(value, "/matchPolicy") != "Exact",
        }
    }

    /// The version in which the matched object is to be seen; `None` if the request does not match.
    pub fn matched<'a>(&self, attributes: &Attributes<'a>) -> Option<&'a Arc<KindInfo>> {
        if !self.fits_namespace(attributes) || !self.fits_object(attributes) {
            return None;
        }
        if self.excluded.iter().any(|rule| self.finds(rule, attributes).is_some()) {
            return None;
        }
        if self.everything {
            return Some(attributes.kind);
        }
        let exact = self.rules.iter().find(|rule| rule.matches(attributes, attributes.kind));
        match exact {
            Some(_) => Some(attributes.kind),
            None => self.rules.iter().find_map(|rule| self.finds(rule, attributes)),
        }
    }

    fn finds<'a>(&self, rule: &Rule, attributes: &Attributes<'a>) -> Option<&'a Arc<KindInfo>> {
        let others = attributes.versions.iter().filter(|_| self.equivalent);
        std::iter::once(attributes.kind).chain(others).find(|kind| rule.matches(attributes, kind))
    }

    /// A namespace is selected by its own labels, everything else by those of its namespace; what lies in none is always selected.
    fn fits_namespace(&self, attributes: &Attributes<'_>) -> bool {
        let is_namespace = attributes.kind.id.as_str() == "namespaces";
        if self.namespaces.is_empty() || attributes.namespace.is_empty() && !is_namespace {
            return true;
        }
        let itself = attributes
            .object
            .or(attributes.old)
            .filter(|_| is_namespace && attributes.subresource.is_empty());
        let namespace = itself.or(attributes.namespace_object);
        self.namespaces.matches_map(namespace.and_then(|namespace| namespace.pointer("/metadata/labels")))
    }

    fn fits_object(&self, attributes: &Attributes<'_>) -> bool {
        let fits = |object: &Value| self.objects.matches_map(object.pointer("/metadata/labels"));
        self.objects.is_empty() || [attributes.object, attributes.old].into_iter().flatten().any(fits)
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let texts = |pointer: &str| {
            items(rule, pointer).iter().filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        Self {
            operations: texts("/operations"),
            groups: texts("/apiGroups"),
            versions: texts("/apiVersions"),
            resources: texts("/resources"),
            scope: text(rule, "/scope").to_owned(),
            names: texts("/resourceNames"),
        }
    }

    fn matches(&self, attributes: &Attributes<'_>, kind: &KindInfo) -> bool {
        let any = |list: &[String], word: &str| list.iter().any(|one| one == "*" || one == word);
        any(&self.operations, attributes.operation.word())
            && any(&self.groups, kind.group)
            && any(&self.versions, kind.version)
            && self.fits_resource(kind.id.plural(), attributes.subresource)
            && self.fits_scope(attributes)
            && (self.names.is_empty() || self.names.iter().any(|name| name == attributes.name))
    }

    fn fits_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|wanted| {
            let (wanted, below) = wanted.split_once('/').unwrap_or((wanted, ""));
            (wanted == "*" || wanted == resource) && (below == "*" || below == subresource)
        })
    }

    fn fits_scope(&self, attributes: &Attributes<'_>) -> bool {
        let is_cluster = attributes.kind.id.as_str() == "namespaces" || attributes.namespace.is_empty();
        match self.scope.as_str() {
            "Cluster" => is_cluster,
            "Namespaced" => !is_cluster,
            _ => true,
        }
    }
}

impl Operation {
    /// What rules may name.
    pub const WORDS: [&'static str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
}
