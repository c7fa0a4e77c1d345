//! What a user may do.
//!
//! There are no roles yet, so the rules are fixed:
//! - `system:masters` may do everything;
//! - everyone who is known may discover the API and ask about themselves, as Kubernetes' `system:discovery` and `system:basic-user` say;
//! - a service account may also read its own namespace, but no Secrets: pods that watch their neighbours work, and a token that leaks
//!   from a pod neither changes anything nor opens other doors.

use serde_json::{Value, json};

use crate::auth::User;
use crate::failure::Failure;
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

/// Verbs that change nothing.
const READING: [&str; 3] = ["get", "list", "watch"];
/// Subresources that can be read without reaching into a container.
const READABLE_BELOW: [&str; 4] = ["", "log", "scale", "status"];
/// What everyone may ask about themselves.
const ABOUT_ONESELF: [(&str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];
/// Paths that everyone may get; `/*` stands for everything below.
const DISCOVERY: [&str; 10] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
];

/// Whether the user may.
pub fn allows(user: &User, wish: &Wish) -> bool {
    if user.may_do_everything() {
        return true;
    }
    match wish {
        Wish::Path { verb, path } => verb == "get" && is_discovery(path),
        Wish::Resource(wish) => {
            let about_oneself = wish.verb == "create"
                && ABOUT_ONESELF.contains(&(wish.group.as_str(), wish.resource.as_str()));
            let own = user.service_account().is_some_and(|(namespace, _)| namespace == wish.namespace);
            about_oneself || own && may_be_read(wish)
        }
    }
}

fn may_be_read(wish: &ResourceWish) -> bool {
    READING.contains(&wish.verb.as_str())
        && READABLE_BELOW.contains(&wish.subresource.as_str())
        && (wish.group.as_str(), wish.resource.as_str()) != ("", "secrets")
}

fn is_discovery(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    DISCOVERY.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *known,
    })
}

/// What the user may do in a namespace, as rules (`kubectl auth can-i --list`).
pub fn rules(user: &User, namespace: &str) -> Value {
    if user.may_do_everything() {
        return json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": false,
        });
    }
    let mut resources: Vec<Value> = ABOUT_ONESELF
        .iter()
        .map(|(group, resource)| json!({"verbs": ["create"], "apiGroups": [group], "resources": [resource]}))
        .collect();
    if user.service_account().is_some_and(|(own, _)| own == namespace) {
        let kinds = api::kinds().iter().filter(|kind| kind.namespaced && kind.id.as_str() != "secrets");
        resources.extend(kinds.map(
            |kind| json!({"verbs": READING, "apiGroups": [kind.group], "resources": [kind.id.plural()]}),
        ));
    }
    json!({
        "resourceRules": resources, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": DISCOVERY}],
        "incomplete": false,
    })
}

impl ResourceWish {
    /// What a request about objects wants.
    pub fn of(method: &str, path: &ObjectPath, query: &Query) -> Self {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let streams =
            matches!(path.subresource.as_deref(), Some("exec" | "attach" | "portforward" | "proxy"));
        let verb = match (method, path.name.is_some()) {
            // Opened with GET by WebSocket clients, and yet no reading.
            (_, true) if streams => "create",
            ("GET" | "HEAD", _) if path.subresource.is_none() && query.flag("watch") => "watch",
            ("GET" | "HEAD", true) => "get",
            ("GET" | "HEAD", false) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => "",
        };
        let is_namespace = path.api.group.is_empty() && path.plural == "namespaces";
        Self {
            verb: verb.to_owned(),
            group: path.api.group.clone(),
            resource: path.plural.clone(),
            subresource: text(&path.subresource),
            // A namespace lies in itself, as Kubernetes sees it.
            namespace: if is_namespace { text(&path.name) } else { text(&path.namespace) },
            name: text(&path.name),
        }
    }
}

/// 403 in Kubernetes' words.
pub fn refusal(user: &User, wish: &Wish) -> Failure {
    let who = &user.name;
    let wish = match wish {
        Wish::Path { verb, path } => {
            let message = format!("forbidden: User \"{who}\" cannot {verb} path \"{path}\"");
            return Failure::new(403, "Forbidden", message);
        }
        Wish::Resource(wish) => wish,
    };
    let ResourceWish { verb, group, resource, subresource, namespace, name } = wish;
    let below = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
    let dotted = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let subject = if name.is_empty() { dotted } else { format!("{dotted} \"{name}\"") };
    let place = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let message = format!(
        "{subject} is forbidden: User \"{who}\" cannot {verb} resource \"{resource}{below}\" in API group \"{group}\" {place}"
    );
    let mut failure = Failure::new(403, "Forbidden", message);
    for (key, value) in [("name", name), ("group", group), ("kind", resource)] {
        if !value.is_empty() {
            failure.status.details.insert(key.into(), value.as_str().into());
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::path::{self, Place};

    fn wish(line: &str) -> Wish {
        let (method, path) = line.split_once(' ').unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path::parse(path) {
            Ok(Place::Objects(path)) => Wish::Resource(ResourceWish::of(method, &path, &Query::parse(query))),
            _ => Wish::Path { verb: method.to_lowercase(), path: path.to_owned() },
        }
    }

    #[test]
    fn service_accounts_read_their_own_namespace() {
        let robot = User::of_service_account("web", "robot", "u", "j");
        let lines = [
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods?watch=1",
            "GET /api/v1/namespaces/web/pods/a/log",
            "GET /api/v1/namespaces/web",
            "GET /apis/apps/v1/namespaces/web/deployments/d",
            "GET /apis",
            "GET /openapi/v3/api/v1",
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "GET /api/v1/namespaces/web/secrets/s",
            "GET /api/v1/namespaces/web/pods/a/exec",
            "DELETE /api/v1/namespaces/web/pods/a",
            "PATCH /apis/apps/v1/namespaces/web/deployments/d/scale",
            "GET /api/v1/namespaces/other/pods",
            "GET /api/v1/pods",
            "GET /api/v1/nodes/n",
            "GET /metrics",
            "POST /apis/authorization.k8s.io/v1/subjectaccessreviews",
        ];
        let answers = lines.iter().map(|line| {
            let wish = wish(line);
            assert!(allows(&User::admin(), &wish));
            match allows(&robot, &wish) {
                true => format!("{line}: yes\n"),
                false => format!("{line}: {}\n", refusal(&robot, &wish).status.message),
            }
        });
        expect![[r#"
            GET /api/v1/namespaces/web/pods: yes
            GET /api/v1/namespaces/web/pods?watch=1: yes
            GET /api/v1/namespaces/web/pods/a/log: yes
            GET /api/v1/namespaces/web: yes
            GET /apis/apps/v1/namespaces/web/deployments/d: yes
            GET /apis: yes
            GET /openapi/v3/api/v1: yes
            POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews: yes
            GET /api/v1/namespaces/web/secrets/s: secrets "s" is forbidden: User "system:serviceaccount:web:robot" cannot get resource "secrets" in API group "" in the namespace "web"
            GET /api/v1/namespaces/web/pods/a/exec: pods "a" is forbidden: User "system:serviceaccount:web:robot" cannot create resource "pods/exec" in API group "" in the namespace "web"
            DELETE /api/v1/namespaces/web/pods/a: pods "a" is forbidden: User "system:serviceaccount:web:robot" cannot delete resource "pods" in API group "" in the namespace "web"
            PATCH /apis/apps/v1/namespaces/web/deployments/d/scale: deployments.apps "d" is forbidden: User "system:serviceaccount:web:robot" cannot patch resource "deployments/scale" in API group "apps" in the namespace "web"
            GET /api/v1/namespaces/other/pods: pods is forbidden: User "system:serviceaccount:web:robot" cannot list resource "pods" in API group "" in the namespace "other"
            GET /api/v1/pods: pods is forbidden: User "system:serviceaccount:web:robot" cannot list resource "pods" in API group "" at the cluster scope
            GET /api/v1/nodes/n: nodes "n" is forbidden: User "system:serviceaccount:web:robot" cannot get resource "nodes" in API group "" at the cluster scope
            GET /metrics: forbidden: User "system:serviceaccount:web:robot" cannot get path "/metrics"
            POST /apis/authorization.k8s.io/v1/subjectaccessreviews: subjectaccessreviews.authorization.k8s.io is forbidden: User "system:serviceaccount:web:robot" cannot create resource "subjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope
        "#]]
        .assert_eq(&answers.collect::<String>());
    }

    #[test]
    fn strangers_only_discover() {
        let stranger = User::named("jane", vec!["dev".to_owned()]);
        assert!(allows(&stranger, &wish("GET /api/v1")));
        assert!(!allows(&stranger, &wish("GET /api/v1/namespaces/default/pods")));
        assert_eq!(rules(&stranger, "default")["resourceRules"].as_array().unwrap().len(), 3);
    }
}
