//! A request as policies and webhooks see it.

use std::sync::Arc;

use api::cel::{Authorizer, Question, Verdict};
use api::hooks::{Attributes, Operation};
use api::{KindInfo, ObjectKey, ResourceId, json};
use serde_json::{Value, json as value};

use crate::access::{self, Policy, ResourceWish, Wish};
use crate::auth::User;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

const NAMESPACES: ResourceId = ResourceId::new("namespaces");

/// What is about to be done.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// What it is.
    pub operation: Operation,
    /// Empty if it will be generated.
    pub name: &'a str,
    /// The object as it will be stored.
    pub object: Option<&'a Value>,
    /// The object as it is stored.
    pub old: Option<&'a Value>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The group, version and kind of what is sent, where a subresource has a kind of its own.
    pub own_kind: Option<(&'a str, &'a str, &'a str)>,
}

/// What stays the same for all who are asked.
pub(super) struct Asking {
    versions: Vec<Arc<KindInfo>>,
    namespace_object: Option<Value>,
    user: Value,
    options: Value,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
}

impl Asking {
    pub fn of(context: &Context, call: &Call, operation: Operation) -> Self {
        let kinds = context.catalogue.kinds();
        let namespace = call.path.namespace.as_deref();
        let namespace = namespace.and_then(|name| context.view.get(&ObjectKey::cluster(NAMESPACES, name)));
        Self {
            versions: kinds.iter().filter(|kind| kind.id == call.kind.id).cloned().collect(),
            namespace_object: namespace.map(|namespace| namespace.value()),
            user: call.user.to_value(),
            options: options(call, operation),
            authorizer: Arc::new(Rights { policy: context.access.policy(), user: call.user.clone() }),
        }
    }

    pub fn attributes<'a>(&'a self, call: &'a Call, step: &Step<'a>) -> Attributes<'a> {
        let is_namespace = call.kind.id == NAMESPACES;
        Attributes {
            kind: &call.kind,
            versions: &self.versions,
            subresource: call.path.subresource.as_deref().unwrap_or_default(),
            own_kind: step.own_kind,
            operation: step.operation,
            namespace: if is_namespace {
                step.name
            } else {
                call.path.namespace.as_deref().unwrap_or_default()
            },
            name: step.name,
            object: step.object,
            old: step.old,
            namespace_object: self.namespace_object.as_ref(),
            user: &self.user,
            dry_run: step.dry_run,
            options: &self.options,
        }
    }
}

/// The objects of a request in the version in which somebody wants to see them, so far as a webhook had to convert them for that.
#[derive(Default)]
pub(super) struct Versioned {
    object: Option<Value>,
    old: Option<Value>,
}

impl Versioned {
    /// Converts what is in another version; pure functions convert when it is shown.
    pub async fn of(
        context: &Context,
        attributes: &Attributes<'_>,
        kind: &KindInfo,
    ) -> Result<Self, Failure> {
        if kind.webhook().is_none() || attributes.own_kind.is_some() {
            return Ok(Self::default());
        }
        let converted = async |object: Option<&Value>| match object {
            Some(object) => context.converter.value(kind, object.clone()).await.map(Some),
            None => Ok(None),
        };
        Ok(Self { object: converted(attributes.object).await?, old: converted(attributes.old).await? })
    }

    /// The request with the converted objects.
    pub fn attributes<'a>(&'a self, attributes: &Attributes<'a>) -> Attributes<'a> {
        Attributes {
            object: self.object.as_ref().or(attributes.object),
            old: self.old.as_ref().or(attributes.old),
            ..*attributes
        }
    }
}

/// The options of the request, as the verb that it amounts to would have them.
fn options(call: &Call, operation: Operation) -> Value {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Value::Null,
    };
    let mut options = value!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    for key in ["fieldManager", "fieldValidation"] {
        let word = call.query.text(key);
        if !word.is_empty() && operation != Operation::Delete {
            crate::fields::set(&mut options, key, word);
        }
    }
    if call.query.text("dryRun") == "All" {
        crate::fields::set(&mut options, "dryRun", value!(["All"]));
    }
    options
}

/// What whoever asks may do.
struct Rights {
    policy: Arc<Policy>,
    user: User,
}

impl Authorizer for Rights {
    fn decide(&self, question: &Question) -> Verdict {
        let wish = match question.path.as_str() {
            "" => Wish::Resource(ResourceWish {
                verb: question.verb.clone(),
                group: question.group.clone(),
                resource: question.resource.clone(),
                subresource: question.subresource.clone(),
                namespace: question.namespace.clone(),
                name: question.name.clone(),
            }),
            path => Wish::Path { verb: question.verb.clone(), path: path.to_owned() },
        };
        let account = question.account.as_ref().map(|(namespace, name)| {
            User::named(&format!("system:serviceaccount:{namespace}:{name}"), Vec::new())
        });
        match self.policy.decide(account.as_ref().unwrap_or(&self.user), &wish) {
            access::Verdict::Allowed { because } => Verdict { allowed: true, reason: because },
            access::Verdict::Denied { because } => Verdict { allowed: false, reason: because },
        }
    }
}

/// The name of an object, or what its name will begin with.
pub(super) fn name_of(object: &Value) -> &str {
    json::text(object, "/metadata/name")
}
