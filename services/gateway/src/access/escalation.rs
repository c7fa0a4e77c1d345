//! Nobody hands out more than they have: rules of roles, and roles through bindings.

use api::rbac::{
    Binding, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Rule, missing, rules_of,
};
use api::{KindInfo, ObjectKey};
use serde_json::Value;

use super::{ResourceWish, Wish};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

/// Checks a role or a binding that is about to be written; all other kinds pass.
pub fn check(context: &Context, call: &Call, object: &Value) -> Result<(), Failure> {
    if call.user.may_do_everything() {
        return Ok(());
    }
    match call.kind.id {
        ROLES | CLUSTER_ROLES => role(context, call, object),
        ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS => binding(context, call, object),
        _ => Ok(()),
    }
}

fn role(context: &Context, call: &Call, role: &Value) -> Result<(), Failure> {
    let name = api::json::text(role, "/metadata/name");
    if may(context, call, "escalate", &call.kind, name) {
        return Ok(());
    }
    if role.get("aggregationRule").is_some_and(|rule| !rule.is_null())
        && lacking(context, call, &everything()).is_some()
    {
        let why = "must have cluster-admin privileges to use the aggregationRule";
        return Err(Failure::forbidden(&call.kind, name, why));
    }
    refuse_lacking(context, call, name, &rules_of(role))
}

fn binding(context: &Context, call: &Call, object: &Value) -> Result<(), Failure> {
    let role = Binding::of(object).role;
    let Some(kind) = api::kind(role.resource) else { return Err(Failure::no_such_path()) };
    if may(context, call, "bind", kind, &role.name) {
        return Ok(());
    }
    let rules = stored_rules(context, &role).ok_or_else(|| Failure::not_found(kind, &role.name))?;
    refuse_lacking(context, call, api::json::text(object, "/metadata/name"), &rules)
}

fn stored_rules(context: &Context, role: &ObjectKey) -> Option<Vec<Rule>> {
    context.view.get(role).map(|stored| rules_of(&stored.value()))
}

/// Whether the user has the verb itself, which stands above the rules.
fn may(context: &Context, call: &Call, verb: &str, kind: &KindInfo, name: &str) -> bool {
    let wish = Wish::Resource(ResourceWish {
        verb: verb.to_owned(),
        group: kind.group.to_owned(),
        resource: kind.id.plural().to_owned(),
        namespace: call.path.namespace.clone().unwrap_or_default(),
        name: name.to_owned(),
        ..ResourceWish::default()
    });
    context.access.allows(&call.user, &wish)
}

fn refuse_lacking(context: &Context, call: &Call, name: &str, wanted: &[Rule]) -> Result<(), Failure> {
    match lacking(context, call, wanted) {
        None => Ok(()),
        Some(why) => Err(Failure::forbidden(&call.kind, name, &why)),
    }
}

/// Kubernetes' sentence about what the user does not have; `None` if it is all there.
fn lacking(context: &Context, call: &Call, wanted: &[Rule]) -> Option<String> {
    let policy = context.access.policy();
    let held = policy.rules(&call.user, call.path.namespace.as_deref().unwrap_or_default());
    let mut lines: Vec<String> = missing(&held, wanted).iter().map(Rule::to_string).collect();
    lines.sort();
    let groups: Vec<String> = call.user.groups.iter().map(|group| format!("{group:?}")).collect();
    let sentence = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        call.user.name,
        groups.join(" "),
        lines.join("\n")
    );
    (!lines.is_empty()).then_some(sentence)
}

fn everything() -> [Rule; 2] {
    let all = || vec!["*".to_owned()];
    [
        Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
    ]
}
