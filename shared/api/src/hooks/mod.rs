//! Admission that users configure: policies and webhooks, matched and judged without IO.

mod conditions;
pub mod controllers;
mod interests;
mod matching;
mod mutation;
mod policy;
mod review;
mod webhook;

pub use conditions::Conditions;
pub use interests::{CONFIGURATIONS, Interests};
pub use matching::Constraints;
pub(crate) use mutation::CONSTRUCTED;
pub use mutation::{Changed, MutatingPolicy};
pub use policy::{Action, Binding, Denial, Missing, ParamRef, Policy, Setting};
pub use review::{Answer, refusal, request, review};
pub use webhook::{Client, Webhook, webhooks_of};

use std::sync::Arc;

use serde_json::{Value, json};

use crate::ResourceId;
use crate::cel::{Authorizer, Question, Scope, spoken};
use crate::kinds::KindInfo;

/// The resource of ValidatingAdmissionPolicies.
pub const POLICIES: ResourceId = ResourceId::new("validatingadmissionpolicies.admissionregistration.k8s.io");
/// The resource of ValidatingAdmissionPolicyBindings.
pub const BINDINGS: ResourceId =
    ResourceId::new("validatingadmissionpolicybindings.admissionregistration.k8s.io");
/// The resource of MutatingAdmissionPolicies.
pub const MUTATING_POLICIES: ResourceId =
    ResourceId::new("mutatingadmissionpolicies.admissionregistration.k8s.io");
/// The resource of MutatingAdmissionPolicyBindings.
pub const MUTATING_BINDINGS: ResourceId =
    ResourceId::new("mutatingadmissionpolicybindings.admissionregistration.k8s.io");
/// The resource of MutatingWebhookConfigurations.
pub const MUTATING: ResourceId =
    ResourceId::new("mutatingwebhookconfigurations.admissionregistration.k8s.io");
/// The resource of ValidatingWebhookConfigurations.
pub const VALIDATING: ResourceId =
    ResourceId::new("validatingwebhookconfigurations.admissionregistration.k8s.io");

/// Whether objects of a kind configure admission. Nothing that users configure is asked about them: who has locked himself out
/// could not let himself in again.
pub fn configures(resource: ResourceId) -> bool {
    CONFIGURATIONS.contains(&resource)
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change.
    Update,
    /// An end.
    Delete,
    /// A connection into a pod.
    Connect,
}

impl Operation {
    /// Kubernetes' word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A request that wants to be admitted.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    /// The kind that its path names.
    pub kind: &'a Arc<KindInfo>,
    /// All versions in which the resource is served.
    pub versions: &'a [Arc<KindInfo>],
    /// `status`; empty for the object itself.
    pub subresource: &'a str,
    /// The group, version and kind of what is sent, where a subresource has a kind of its own.
    pub own_kind: Option<(&'a str, &'a str, &'a str)>,
    /// What is done.
    pub operation: Operation,
    /// Of the object; a namespace lies in itself.
    pub namespace: &'a str,
    /// Empty if it will be generated.
    pub name: &'a str,
    /// The object as it will be stored.
    pub object: Option<&'a Value>,
    /// The object as it is stored.
    pub old: Option<&'a Value>,
    /// The namespace it lies in.
    pub namespace_object: Option<&'a Value>,
    /// `UserInfo`.
    pub user: &'a Value,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// `CreateOptions` and its like.
    pub options: &'a Value,
}

impl Attributes<'_> {
    /// An object in the version in which somebody wants to see it.
    pub(crate) fn shown(&self, object: Option<&Value>, kind: &KindInfo) -> Value {
        match (object, self.own_kind) {
            (None, _) => Value::Null,
            (Some(object), Some(_)) => object.clone(),
            (Some(object), None) => kind.shown(object.clone()),
        }
    }

    /// What expressions can speak of.
    pub fn scope(&self, kind: &KindInfo, authorizer: Option<&Arc<dyn Authorizer>>) -> Scope {
        let mut scope = Scope::default()
            .with("object", spoken(&self.shown(self.object, kind)))
            .with("oldObject", spoken(&self.shown(self.old, kind)))
            .with("request", spoken(&self.request(kind)));
        if let Some(authorizer) = authorizer {
            scope.set_authorizer(Arc::clone(authorizer), self.question());
        }
        scope
    }

    /// What the request wants, as roles see it.
    fn question(&self) -> Question {
        Question {
            group: self.kind.group.to_owned(),
            resource: self.kind.id.plural().to_owned(),
            subresource: self.subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
            ..Question::default()
        }
    }

    /// An `AdmissionRequest` without its objects.
    pub(crate) fn request(&self, kind: &KindInfo) -> Value {
        let (group, version, word) = self.own_kind.unwrap_or((kind.group, kind.version, kind.kind));
        let (asked_group, asked_version, asked_word) =
            self.own_kind.unwrap_or((self.kind.group, self.kind.version, self.kind.kind));
        json!({
            "kind": {"group": group, "version": version, "kind": word},
            "resource": {"group": kind.group, "version": kind.version, "resource": kind.id.plural()},
            "subResource": self.subresource,
            "requestKind": {"group": asked_group, "version": asked_version, "kind": asked_word},
            "requestResource": {"group": self.kind.group, "version": self.kind.version, "resource": self.kind.id.plural()},
            "requestSubResource": self.subresource,
            "name": self.name,
            "namespace": self.namespace,
            "operation": self.operation.word(),
            "userInfo": self.user,
            "dryRun": self.dry_run,
            "options": self.options,
        })
    }
}

#[cfg(test)]
mod tests;
