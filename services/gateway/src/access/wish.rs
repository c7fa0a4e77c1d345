//! What a request wants, in the terms that rules are written in.

use api::rbac::Wanted;

use crate::path::{ObjectPath, Query};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Something with resources.
    Resource(ResourceWish),
    /// A path that is no resource, with the method in lower case.
    Path {
        /// `get`.
        verb: String,
        /// `/metrics`.
        path: String,
    },
}

/// A verb on a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceWish {
    /// `list`.
    pub verb: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// `deployments`.
    pub resource: String,
    /// `scale`; empty for the resource itself.
    pub subresource: String,
    /// Empty: cluster-scoped, or all namespaces.
    pub namespace: String,
    /// Empty: any.
    pub name: String,
}

impl ResourceWish {
    /// What a request about objects wants.
    pub fn of(method: &str, path: &ObjectPath, query: &Query) -> Self {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let verb = verb(method, path, query);
        let is_namespace = path.api.group.is_empty() && path.plural == "namespaces";
        let name = match (&path.name, verb) {
            (Some(name), _) => name.clone(),
            // Who watches one object by its name may have been allowed just that.
            (None, "list" | "watch" | "deletecollection") => {
                only_name(query.text("fieldSelector")).to_owned()
            }
            (None, _) => String::new(),
        };
        Self {
            verb: verb.to_owned(),
            group: path.api.group.clone(),
            resource: path.plural.clone(),
            subresource: text(&path.subresource),
            // A namespace lies in itself, as Kubernetes sees it.
            namespace: if is_namespace { text(&path.name) } else { text(&path.namespace) },
            name,
        }
    }

    /// As rules see it: they are found by namespace already.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            verb: &self.verb,
            group: &self.group,
            resource: &self.resource,
            subresource: &self.subresource,
            name: &self.name,
        }
    }
}

fn verb(method: &str, path: &ObjectPath, query: &Query) -> &'static str {
    // Those of pods; what other servers call so is their own.
    let streams = path.api.group.is_empty()
        && matches!(path.subresource.as_deref(), Some("exec" | "attach" | "portforward"));
    match (method, path.name.is_some()) {
        // Opened with GET by WebSocket clients, and yet no reading.
        (_, true) if streams => "create",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) if query.flag("watch") => "watch",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "",
    }
}

/// The name that a field selector insists on.
fn only_name(selector: &str) -> &str {
    let terms = selector.split(',').filter_map(|term| term.strip_prefix("metadata.name"));
    let mut names = terms.filter_map(|rest| rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')));
    names.next().unwrap_or_default()
}
