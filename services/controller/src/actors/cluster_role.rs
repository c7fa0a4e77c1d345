//! The ClusterRole actor: keeps the rules of aggregated roles what the roles they are made of say.

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::rbac::{Rule, aggregated};
use api::views::ClusterRole;
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, Reader};
use serde_json::json;

/// Keeps aggregated ClusterRoles.
#[derive(Debug)]
pub struct ClusterRoleActor;

impl ResourceActor for ClusterRoleActor {
    type Kind = ClusterRole;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: Some(ClusterRole::ID), keys: made_of }]
    }

    fn decide(me: &Object<ClusterRole>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        if me.aggregation_rule.is_none() || me.metadata.is_terminating() {
            return Decision::nothing();
        }
        let others: Vec<_> = world.list::<ClusterRole>(None).filter(|other| other.key != me.key).collect();
        let parts: Vec<_> = others
            .iter()
            .map(|other| (&other.metadata.labels, other.rules.as_deref().unwrap_or_default()))
            .collect();
        let rules: Vec<&Rule> = aggregated(me.selectors(), &parts);
        if me.rules.iter().flatten().eq(rules.iter().copied()) {
            return Decision::nothing();
        }
        let patch = Write::Patch {
            key: me.key.clone(),
            seen: me.revision,
            merge: json!({"rules": rules}),
            subresource_status: false,
            because: "the roles that it is made of say something else".into(),
            event: None,
        };
        Decision { commands: vec![patch], ..Decision::nothing() }
    }
}

/// Aggregated roles that the changed role is part of, or was.
fn made_of(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let labels = [Some(&change.object), change.previous.as_ref()]
        .into_iter()
        .flatten()
        .map(|stored| &stored.metadata.labels);
    let labels: Vec<_> = labels.filter(|labels| !labels.is_empty()).collect();
    if labels.is_empty() {
        return Vec::new();
    }
    let roles = reader.list(ClusterRole::ID, None).filter(|stored| {
        let role = stored.object::<ClusterRole>();
        role.selectors().iter().any(|selector| labels.iter().any(|labels| selector.matches(labels)))
    });
    roles.map(|stored| stored.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::ClusterRoleActor;
    use crate::actors::testing::Cluster;

    const ROLES: &str = r#"
        clusterrole all {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}, {"matchLabels": {"also": "x"}}]}}
        clusterrole a labels=to:all {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}
        clusterrole b labels=to:all,also:x {"rules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]}
        clusterrole c {"rules": [{"verbs": ["delete"], "apiGroups": [""], "resources": ["pods"]}]}"#;

    #[test]
    fn aggregated_roles_take_over_the_rules_of_others_once() {
        let mut cluster = Cluster::of(ROLES);
        expect![[r#"
            patch clusterroles/all {"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]},{"apiGroups":[""],"resources":["pods"],"verbs":["list"]}]}: the roles that it is made of say something else
        "#]].assert_eq(&cluster.decide::<ClusterRoleActor>("all").to_string());
        cluster.obeys_the_laws::<ClusterRoleActor>("all");
        cluster.settle::<ClusterRoleActor>("all");
        let role = &cluster.objects[&api::ObjectKey::cluster(api::rbac::CLUSTER_ROLES, "all")].0;
        expect![[r#"[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]},{"apiGroups":[""],"resources":["pods"],"verbs":["list"]}]"#]].assert_eq(&role["rules"].to_string());
    }

    #[test]
    fn other_roles_are_left_alone() {
        expect![[""]].assert_eq(&Cluster::of(ROLES).decide::<ClusterRoleActor>("a").to_string());
    }
}
