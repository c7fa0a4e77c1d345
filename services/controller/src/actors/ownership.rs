//! Who manages whom: controller references, and which objects an owner claims by its selector.

use std::sync::Arc;

use actor::{World, Write};
use api::views::{LabelSelector, Namespace};
use api::{Metadata, Object, ObjectKey, OwnerReference, Resource};
use bus::Reader;
use serde_json::{Value, json};

/// An owner that claims objects by its selector.
pub(super) struct Owner<'a> {
    /// Group and version of its kind.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its metadata.
    pub metadata: &'a Metadata,
    /// Which objects are its own.
    pub selector: &'a LabelSelector,
}

/// What an owner makes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It manages it already.
    Mine,
    /// Nobody manages it, and it matches.
    Adopt,
    /// It manages it, and it does not match any more.
    Release,
    /// It is none of its business.
    Foreign,
}

impl Owner<'_> {
    /// Kubernetes' rules of claiming. An empty selector would match everything, so it claims nothing.
    pub fn claim(&self, candidate: &Metadata) -> Claim {
        let empty = self.selector.match_labels.is_empty() && self.selector.match_expressions.is_empty();
        let matches = !empty && self.selector.matches(&candidate.labels);
        match candidate.controller() {
            Some(controller) if controller.uid != self.metadata.uid => Claim::Foreign,
            Some(_) if matches => Claim::Mine,
            Some(_) if self.metadata.is_terminating() => Claim::Foreign,
            Some(_) => Claim::Release,
            None if matches && !self.metadata.is_terminating() && !candidate.is_terminating() => Claim::Adopt,
            None => Claim::Foreign,
        }
    }

    /// The reference that makes an object this owner's.
    pub fn reference(&self) -> OwnerReference {
        controller_reference(self.api_version, self.kind, self.metadata)
    }

    /// Takes an object that nobody manages.
    pub fn adopt<K: Resource>(&self, object: &Object<K>) -> Write {
        let mut references: Vec<_> = others(&object.metadata, &self.metadata.uid);
        references.push(self.reference());
        patch_references(object, &references, "it matches the selector and nobody manages it")
    }

    /// Lets an object go that does not match any more.
    pub fn release<K: Resource>(&self, object: &Object<K>) -> Write {
        let references = others(&object.metadata, &self.metadata.uid);
        patch_references(object, &references, "it does not match the selector any more")
    }
}

impl<'a> Owner<'a> {
    /// Everything of a kind that this owner manages, with the writes that settle who manages what. Of what it may take it takes what
    /// `fits`, and counts it as its own already.
    pub fn claim_all<K: Resource>(
        &self,
        world: &World<'_>,
        fits: impl Fn(&Object<K>) -> bool,
    ) -> (Vec<Arc<Object<K>>>, Vec<Write>) {
        let (mut own, mut writes) = (Vec::new(), Vec::new());
        let managed = world.controlled_by::<K>(&self.metadata.uid);
        for object in managed.chain(orphans(world, &self.metadata.namespace, self.selector)) {
            match self.claim(&object.metadata) {
                Claim::Mine => own.push(object),
                Claim::Adopt if fits(&object) => {
                    writes.push(self.adopt(&object));
                    own.push(object);
                }
                Claim::Release => writes.push(self.release(&object)),
                Claim::Adopt | Claim::Foreign => {}
            }
        }
        (own, writes)
    }
}

/// A reference to a controller that waits for the object when it is deleted in the foreground.
pub(super) fn controller_reference(api_version: &str, kind: &str, owner: &Metadata) -> OwnerReference {
    OwnerReference {
        api_version: api_version.into(),
        kind: kind.into(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: true,
        block_owner_deletion: true,
    }
}

/// References as JSON, with the flags that are set only; `null` if there are none, for then objects have no such list.
pub(super) fn references_json(references: &[OwnerReference]) -> Value {
    let one = |reference: &OwnerReference| {
        let mut value = json!({
            "apiVersion": reference.api_version,
            "kind": reference.kind,
            "name": reference.name,
            "uid": reference.uid,
        });
        for (flag, set) in
            [("controller", reference.controller), ("blockOwnerDeletion", reference.block_owner_deletion)]
        {
            if set && let Some(fields) = value.as_object_mut() {
                fields.insert(flag.into(), Value::Bool(true));
            }
        }
        value
    };
    match references {
        [] => Value::Null,
        some => some.iter().map(one).collect(),
    }
}

/// The references to anyone else.
pub(super) fn others(metadata: &Metadata, owner: &api::Uid) -> Vec<OwnerReference> {
    metadata.owner_references.iter().filter(|reference| reference.uid != *owner).cloned().collect()
}

fn patch_references<K: Resource>(object: &Object<K>, references: &[OwnerReference], because: &str) -> Write {
    Write::Patch {
        key: object.key.clone(),
        seen: object.revision,
        merge: json!({"metadata": {"ownerReferences": references_json(references)}}),
        subresource_status: false,
        because: because.into(),
        event: None,
    }
}

/// Objects of a namespace that a selector may match, that nobody manages and that stay.
pub(super) fn orphans<'a, K: Resource>(
    reader: &'a Reader<'_>,
    namespace: &'a str,
    selector: &'a LabelSelector,
) -> impl Iterator<Item = Arc<Object<K>>> + 'a {
    reader
        .labelled(K::ID, namespace, &selector.match_labels)
        .filter(|stored| stored.metadata.controller().is_none() && !stored.metadata.is_terminating())
        .map(|stored| stored.object::<K>())
}

/// Whether the namespace is being deleted: nothing new is made in it.
pub(super) fn namespace_ends(world: &World<'_>, namespace: &str) -> bool {
    let reader: &Reader<'_> = world;
    reader
        .get(&ObjectKey::cluster(Namespace::ID, namespace))
        .is_some_and(|found| found.metadata.is_terminating())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_follow_selector_and_controller() {
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap();
        let metadata = Metadata { uid: "me".into(), ..Metadata::default() };
        let owner =
            Owner { api_version: "apps/v1", kind: "ReplicaSet", metadata: &metadata, selector: &selector };
        let candidate = |labels: Value, controller: &str| -> Metadata {
            let references = match controller {
                "" => json!([]),
                uid => json!([{"uid": uid, "controller": true}]),
            };
            serde_json::from_value(json!({"labels": labels, "ownerReferences": references})).unwrap()
        };
        let web = json!({"app": "web"});
        assert_eq!(owner.claim(&candidate(web.clone(), "")), Claim::Adopt);
        assert_eq!(owner.claim(&candidate(web.clone(), "me")), Claim::Mine);
        assert_eq!(owner.claim(&candidate(web, "other")), Claim::Foreign);
        assert_eq!(owner.claim(&candidate(json!({}), "me")), Claim::Release);
        assert_eq!(owner.claim(&candidate(json!({}), "")), Claim::Foreign);
    }
}
