//! Objects of custom kinds in all of their versions: the webhook of their definition converts them, once per change and version.
//!
//! A request works in the version that it names. What is stored is brought into that version when it is read and into the stored
//! one when it is written, so that nobody in between knows of more than one. Kinds without a webhook go straight through.

mod cache;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use api::KindInfo;
use api::custom::{ConversionWebhook, unanswered};
use api::json::text;
use bus::Stored;
use serde_json::Value;

use self::cache::{Cache, Slot};
use crate::dial::Dialer;
use crate::failure::Failure;
use crate::webhook;

/// How long a webhook may take for one call, as in Kubernetes.
const LIMIT: Duration = Duration::from_secs(30);
/// So many objects of a list go in one call, which is what clients' pages hold.
const AT_ONCE: usize = 500;
/// And about so many bytes of them: answers must not be longer than what is read of them.
const BYTES_AT_ONCE: usize = 2 << 20;

/// Brings objects from one version into another.
pub struct Converter {
    dialer: Arc<Dialer>,
    cache: Cache,
}

impl Converter {
    /// Calls webhooks by this dialer.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, cache: Cache::default() }
    }

    /// What is stored, in the version of a kind.
    pub async fn one(&self, kind: &KindInfo, object: Arc<Stored>) -> Result<Arc<Stored>, Failure> {
        let mut converted = self.all(kind, vec![object]).await?;
        converted.pop().ok_or_else(|| failure("the converted object was lost".to_owned()))
    }

    /// The same for many, in one call, whoever asks for them at the same time.
    pub async fn all(
        &self,
        kind: &KindInfo,
        mut objects: Vec<Arc<Stored>>,
    ) -> Result<Vec<Arc<Stored>>, Failure> {
        let Some(webhook) = kind.webhook() else { return Ok(objects) };
        let wanted = kind.api_version();
        let listed = objects.len() > 1;
        let slot = |object: &Stored| Slot {
            key: object.key.clone(),
            revision: object.revision,
            group_version: (kind.group, kind.version),
            generation: webhook.generation,
        };
        let mut missing: Vec<(usize, Slot)> = objects
            .iter()
            .enumerate()
            .filter(|(_, object)| object.api_version() != wanted)
            .map(|(index, object)| (index, slot(object)))
            .collect();
        while !missing.is_empty() {
            let claim = self.cache.claim(&missing);
            place(&mut objects, &mut missing, &claim.known);
            if let Some(mine) = claim.mine {
                let originals = originals(&objects, &missing, mine.slots());
                let states = self.stored_states(kind, webhook, &originals, listed).await;
                // At once: what the cache has may be forgotten before it is looked up.
                place(&mut objects, &mut missing, &mine.settle(states)?);
            } else if let Some(others) = claim.others
                && let Err(failed) = others.wait().await
            {
                failed.concerns(&missing)?;
                // Without a claim, so that nobody else's objects spoil it again.
                let slots: HashSet<Slot> = missing.iter().map(|(_, slot)| slot.clone()).collect();
                let slots: Vec<Slot> = slots.into_iter().collect();
                let originals = originals(&objects, &missing, &slots);
                let states = self.stored_states(kind, webhook, &originals, listed).await.map_err(failure)?;
                place(&mut objects, &mut missing, &slots.into_iter().zip(states).collect());
            }
        }
        Ok(objects)
    }

    /// An object that is not stored as it is here, in the version of a kind.
    pub async fn value(&self, kind: &KindInfo, object: Value) -> Result<Value, Failure> {
        match kind.webhook() {
            Some(webhook) => self.value_in(kind, webhook, &kind.api_version(), object).await,
            None => Ok(object),
        }
    }

    /// An object in the version in which objects of its kind are stored.
    pub async fn to_store(&self, kind: &KindInfo, object: Value) -> Result<Value, Failure> {
        match kind.webhook() {
            Some(webhook) => self.value_in(kind, webhook, &kind.stored_version(), object).await,
            None => Ok(object),
        }
    }

    async fn value_in(
        &self,
        kind: &KindInfo,
        webhook: &ConversionWebhook,
        wanted: &str,
        object: Value,
    ) -> Result<Value, Failure> {
        if text(&object, "/apiVersion") == wanted {
            return Ok(object);
        }
        let converted = self.ask(kind, webhook, wanted, vec![object], false).await.map_err(failure)?;
        converted.into_iter().next().ok_or_else(|| failure("the converted object was lost".to_owned()))
    }

    async fn stored_states(
        &self,
        kind: &KindInfo,
        webhook: &ConversionWebhook,
        originals: &[Arc<Stored>],
        listed: bool,
    ) -> Result<Vec<Arc<Stored>>, String> {
        let mut states = Vec::with_capacity(originals.len());
        for some in calls(originals) {
            let values = some.iter().map(|stored| kind.up_to_date(stored.value())).collect();
            let converted = self.ask(kind, webhook, &kind.api_version(), values, listed).await?;
            states.extend(some.iter().zip(converted).map(|(stored, value)| stored.rewritten(value)));
        }
        Ok(states)
    }

    /// Calls the webhook, and checks what it says.
    async fn ask(
        &self,
        kind: &KindInfo,
        webhook: &ConversionWebhook,
        wanted: &str,
        objects: Vec<Value>,
        listed: bool,
    ) -> Result<Vec<Value>, String> {
        let knows = |version: &str| kind.custom().is_some_and(|custom| custom.knows(version));
        if let Some(strange) = objects.iter().map(|object| text(object, "/apiVersion")).find(|it| !knows(it))
        {
            return Err(format!("request to convert CR from an invalid group/version: {strange}"));
        }
        let uid = telemetry::clock::fresh_uid();
        let body = webhook.request(&objects, wanted, &uid)?.to_string();
        let answer = webhook::post(&self.dialer, &webhook.client, LIMIT, body, "kube-apiserver").await;
        let answer = answer.map_err(|why| unanswered(&objects, &why))?;
        let mut converted = webhook.converted(&answer, &objects, wanted, &uid, listed)?;
        if let Some(custom) = kind.custom() {
            converted.iter_mut().for_each(|object| custom.prune_converted(object));
        }
        Ok(converted)
    }
}

/// Puts converted states where they are missing.
fn place(
    objects: &mut [Arc<Stored>],
    missing: &mut Vec<(usize, Slot)>,
    converted: &HashMap<Slot, Arc<Stored>>,
) {
    missing.retain(|(index, slot)| match (converted.get(slot), objects.get_mut(*index)) {
        (Some(state), Some(object)) => {
            *object = Arc::clone(state);
            false
        }
        (None, _) | (_, None) => true,
    });
}

/// What stands in the slots now, once each.
fn originals(objects: &[Arc<Stored>], missing: &[(usize, Slot)], slots: &[Slot]) -> Vec<Arc<Stored>> {
    let places: HashMap<&Slot, usize> = missing.iter().map(|(index, slot)| (slot, *index)).collect();
    slots.iter().filter_map(|slot| objects.get(*places.get(slot)?).cloned()).collect()
}

/// What goes in one call each: at least one object.
fn calls(mut originals: &[Arc<Stored>]) -> impl Iterator<Item = &[Arc<Stored>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0_usize;
        let fits = |stored: &&Arc<Stored>| {
            bytes = bytes.saturating_add(stored.bytes().len());
            bytes <= BYTES_AT_ONCE
        };
        let fitting = originals.iter().take(AT_ONCE).take_while(fits).count();
        let (some, others) = originals.split_at_checked(fitting.max(1))?;
        originals = others;
        Some(some)
    })
}

/// As in Kubernetes, a failure without a reason.
fn failure(why: String) -> Failure {
    Failure::new(500, "", why)
}

#[cfg(test)]
mod tests {
    use api::{ObjectKey, ResourceId};
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_neither_too_many_objects_nor_too_many_bytes() {
        let object = |bytes: usize| {
            let key = ObjectKey::namespaced(ResourceId::new("widgets.example.com"), "default", "a");
            Stored::test_at(key, json!({"metadata": {"name": "a"}, "spec": "x".repeat(bytes)}), 1)
        };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let objects: Vec<_> = sizes.iter().map(|bytes| object(*bytes)).collect();
            calls(&objects).map(<[_]>::len).collect()
        };
        let large = BYTES_AT_ONCE / 2 - 1000;
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[1; 1001]), [500, 500, 1]);
        assert_eq!(lengths(&[large; 5]), [2, 2, 1]);
        assert_eq!(lengths(&[1, 2 * BYTES_AT_ONCE, 1, 1]), [1, 1, 2]);
    }
}
