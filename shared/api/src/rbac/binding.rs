//! A binding read for evaluation: which role, where, and for whom.

use serde_json::Value;

use super::{CLUSTER_ROLES, ROLES};
use crate::ObjectKey;
use crate::json::{items, text};

/// Who is bound, as authentication knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user of this name; also a service account, by the name it has as a user.
    User(String),
    /// Everyone in a group.
    Group(String),
}

/// A RoleBinding, or a ClusterRoleBinding if it has no namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where it gives the role; `None`: everywhere.
    pub namespace: Option<String>,
    /// The role that is given.
    pub role: ObjectKey,
    /// To whom, each with the sentence that tells of it.
    pub subjects: Vec<(Subject, String)>,
}

impl Binding {
    /// Reads a stored binding.
    pub fn of(object: &Value) -> Self {
        let namespace = Some(text(object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let subjects = items(object, "/subjects").iter().filter_map(|subject| {
            let known = Subject::of(subject, namespace.unwrap_or_default())?;
            Some((known, sentence(object, subject)))
        });
        Self { role: role_of(object), subjects: subjects.collect(), namespace: namespace.map(str::to_owned) }
    }
}

/// The role that a binding refers to.
fn role_of(binding: &Value) -> ObjectKey {
    let name = text(binding, "/roleRef/name");
    match text(binding, "/roleRef/kind") {
        "Role" => ObjectKey::namespaced(ROLES, text(binding, "/metadata/namespace"), name),
        _ => ObjectKey::cluster(CLUSTER_ROLES, name),
    }
}

impl Subject {
    fn of(subject: &Value, namespace: &str) -> Option<Self> {
        let name = text(subject, "/name");
        match text(subject, "/kind") {
            "User" => Some(Self::User(name.to_owned())),
            "Group" => Some(Self::Group(name.to_owned())),
            "ServiceAccount" => {
                let of = namespace_of(subject, namespace);
                Some(Self::User(format!("system:serviceaccount:{of}:{name}")))
            }
            _ => None,
        }
    }
}

fn namespace_of<'a>(subject: &'a Value, fallback: &'a str) -> &'a str {
    match text(subject, "/namespace") {
        "" => fallback,
        namespace => namespace,
    }
}

/// `RoleBinding "b/web" of Role "r" to User "jane"`.
fn sentence(binding: &Value, subject: &Value) -> String {
    let (name, namespace) = (text(binding, "/metadata/name"), text(binding, "/metadata/namespace"));
    let (kind, shown) = match namespace {
        "" => ("ClusterRoleBinding", name.to_owned()),
        namespace => ("RoleBinding", format!("{name}/{namespace}")),
    };
    let whom = match text(subject, "/kind") {
        "ServiceAccount" => format!("{}/{}", text(subject, "/name"), namespace_of(subject, namespace)),
        _ => text(subject, "/name").to_owned(),
    };
    format!(
        "{kind} {shown:?} of {} {:?} to {} {whom:?}",
        text(binding, "/roleRef/kind"),
        text(binding, "/roleRef/name"),
        text(subject, "/kind"),
    )
}
