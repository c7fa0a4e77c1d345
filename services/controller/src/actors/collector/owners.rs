//! Which of an object's owners are there, gone, or waiting for it to go.

use std::sync::Arc;

use api::OwnerReference;
use api::custom::DEFINITIONS;
use api::views::CustomResourceDefinition;
use bus::{Reader, Stored};

use super::waits_for_dependents;

/// The owner references of an object, by what has become of the owners.
#[derive(Default)]
pub(super) struct Owners {
    /// They exist and keep the object.
    pub solid: Vec<OwnerReference>,
    /// They are being deleted and wait for the object to go first.
    pub waiting: Vec<OwnerReference>,
    /// They are gone.
    dangling: Vec<OwnerReference>,
}

impl Owners {
    /// Looks every owner up by its uid. The view is a prefix of history, and an owner is always older than the reference to it.
    pub fn of(object: &Arc<Stored>, reader: &Reader<'_>) -> Self {
        let mut owners = Self::default();
        for reference in &object.metadata.owner_references {
            let list = match reader.by_uid(&reference.uid) {
                Some(owner) if !may_own(owner, object) => &mut owners.dangling,
                Some(owner) if waits_for_dependents(&owner.metadata) => &mut owners.waiting,
                Some(_) => &mut owners.solid,
                // Whether an owner of a kind that is not known here exists cannot be told: it is believed.
                None if !is_known_kind(reference, reader) => &mut owners.solid,
                None => &mut owners.dangling,
            };
            list.push(reference.clone());
        }
        owners
    }

    /// What has become of those that do not keep the object.
    pub fn because(&self) -> String {
        let name =
            |reference: &OwnerReference| format!("{} {}", reference.kind.to_lowercase(), reference.name);
        match (self.dangling.first(), self.waiting.first()) {
            (Some(gone), _) => format!("its owner {} is gone", name(gone)),
            (None, Some(waiting)) => format!("its owner {} is being deleted and waits for it", name(waiting)),
            (None, None) => "all its owners exist".into(),
        }
    }
}

/// An owner lives in the same namespace or in none.
fn may_own(owner: &Stored, object: &Stored) -> bool {
    owner.key.namespace.is_none()
        || object.key.namespace.is_none()
        || owner.key.namespace == object.key.namespace
}

fn is_known_kind(reference: &OwnerReference, reader: &Reader<'_>) -> bool {
    let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
    let defines = |definition: &Arc<Stored>| {
        let definition = definition.object::<CustomResourceDefinition>();
        definition.spec.group == group && definition.status.accepted_names.kind == *reference.kind
    };
    api::kinds().iter().any(|kind| kind.group == group && *kind.kind == *reference.kind)
        || reader.list(DEFINITIONS, None).any(defines)
}
