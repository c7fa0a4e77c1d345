//! One rule of a role, and whether it allows something.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Stands for everything.
pub(super) const ANY: &str = "*";

/// Kubernetes' `PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// `""` is the core group, `*` every group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Paths that are no resources; a `*` at the end stands for everything below.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
    /// None: objects of any name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// `pods`, `pods/log`, `*/scale`, `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// `get`, `*`.
    pub verbs: Vec<String>,
}

/// Something that is wanted of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// `list`.
    pub verb: &'a str,
    /// `apps`; empty for the core group.
    pub group: &'a str,
    /// `deployments`.
    pub resource: &'a str,
    /// `scale`; empty for the resource itself.
    pub subresource: &'a str,
    /// Empty: any.
    pub name: &'a str,
}

/// The rules of a role; what does not read as rules allows nothing.
pub fn rules_of(role: &Value) -> Vec<Rule> {
    let rules = role.get("rules").cloned().unwrap_or_default();
    serde_json::from_value::<Option<Vec<Rule>>>(rules).ok().flatten().unwrap_or_default()
}

impl Rule {
    /// Whether it allows something with a resource.
    pub fn allows(&self, wanted: &Wanted<'_>) -> bool {
        holds(&self.verbs, wanted.verb)
            && holds(&self.api_groups, wanted.group)
            && self.resources.iter().any(|resource| is_meant(resource, wanted))
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == wanted.name))
    }

    /// Whether it allows a method (in lower case) on a path that is no resource.
    pub fn allows_path(&self, verb: &str, path: &str) -> bool {
        holds(&self.verbs, verb) && self.non_resource_urls.iter().any(|url| leads_to(url, path))
    }
}

/// The list names it, or everything.
pub(super) fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|listed| listed == ANY || listed == wanted)
}

/// `*` means every resource with its subresources, `pods` the resource alone, `*/scale` the subresource of any.
fn is_meant(listed: &str, wanted: &Wanted<'_>) -> bool {
    match listed.split_once('/') {
        None => listed == ANY || wanted.subresource.is_empty() && listed == wanted.resource,
        Some((resource, below)) => {
            !wanted.subresource.is_empty()
                && below == wanted.subresource
                && (resource == ANY || resource == wanted.resource)
        }
    }
}

/// Whether a path of a rule stands for another path.
pub(super) fn leads_to(url: &str, path: &str) -> bool {
    url == path || url.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn rules_allow_what_they_name() {
        let rules = r#"[
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
            {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*/scale"]},
            {"verbs": ["get"], "apiGroups": ["*"], "resources": ["configmaps"], "resourceNames": ["a"]},
            {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]}
        ]"#;
        let rules = rules_of(&serde_json::json!({"rules": serde_json::from_str::<Value>(rules).unwrap()}));
        let wishes = [
            "get  pods  a",
            "get  pods log a",
            "get  pods exec a",
            "list  pods  ",
            "get apps pods  a",
            "patch apps deployments scale d",
            "patch apps deployments  d",
            "get x configmaps  a",
            "get x configmaps  b",
            "get x configmaps  ",
        ];
        let mut answers = String::new();
        for line in wishes {
            let mut words = line.split(' ');
            let mut next = || words.next().unwrap_or_default();
            let wanted =
                Wanted { verb: next(), group: next(), resource: next(), subresource: next(), name: next() };
            answers += &format!("{line}: {}\n", rules.iter().any(|rule| rule.allows(&wanted)));
        }
        for path in ["/healthz", "/healthz/x", "/apis", "/apis/apps", "/metrics"] {
            answers += &format!("{path}: {}\n", rules.iter().any(|rule| rule.allows_path("get", path)));
        }
        expect![[r#"
            get  pods  a: true
            get  pods log a: true
            get  pods exec a: false
            list  pods  : false
            get apps pods  a: false
            patch apps deployments scale d: true
            patch apps deployments  d: false
            get x configmaps  a: true
            get x configmaps  b: false
            get x configmaps  : false
            /healthz: true
            /healthz/x: false
            /apis: false
            /apis/apps: true
            /metrics: false
        "#]]
        .assert_eq(&answers);
    }
}
