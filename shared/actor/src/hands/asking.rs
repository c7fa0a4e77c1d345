//! Asks gateways whether what users configure, webhooks and policies, admits what actors create and delete.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::custom::{DEFINITIONS, kinds_of};
use api::hooks::{Attributes, CONFIGURATIONS, Interests, Operation, controllers};
use api::messages::{AdmissionAnswer, AdmissionQuestion};
use api::views::Namespace;
use api::{KindInfo, ObjectKey, Resource, ResourceId, Revision};
use bus::{Bus, Reader, RequestError, Stored};
use futures::StreamExt;
use serde_json::Value;

use crate::Write;

/// Where gateways listen; one of them answers.
const SUBJECT: &str = "odeon.gateway.admit";
/// Questions of one turn that wait for their answers at the same time.
const MOST_AT_ONCE: usize = 64;

/// What is configured, as it was when somebody last looked: always as new as the reader that is asked about.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    configured: Vec<Arc<Stored>>,
    interests: Arc<Interests>,
    /// Kinds of custom objects that somebody was to be asked about, with the definitions that they come from.
    custom: HashMap<ResourceId, (Arc<Stored>, Versions)>,
}

/// A kind in each version that it is served in.
type Versions = Arc<[Arc<KindInfo>]>;

/// A write that somebody wants to be asked about.
#[derive(Debug)]
pub(crate) struct Question {
    /// Its place among the writes of the turn.
    place: usize,
    /// How long the answer may take.
    patience: Duration,
    asked: AdmissionQuestion,
}

/// What became of the writes that were asked about.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Objects as they were admitted, by the places of their writes.
    admitted: HashMap<usize, Value>,
    /// Why writes are refused, by the objects they are about.
    pub(super) refused: HashMap<ObjectKey, String>,
    /// Places of writes that nobody was asked about any more: others were refused before.
    left: Vec<usize>,
}

impl Watch {
    /// What users want to be asked about, and the newest revision of it; `None` if they have configured nothing.
    fn interests(&self, reader: &Reader<'_>) -> Option<(Arc<Interests>, Revision)> {
        let configured: Vec<&Arc<Stored>> =
            CONFIGURATIONS.iter().flat_map(|resource| reader.list(*resource, None)).collect();
        let newest = configured.iter().map(|stored| stored.revision).max()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.configured.len() == configured.len()
            && known.configured.iter().zip(&configured).all(|(known, now)| Arc::ptr_eq(known, now));
        if !same {
            let objects: Vec<_> =
                configured.iter().map(|stored| (stored.key.resource, stored.value())).collect();
            known.interests = Arc::new(Interests::of(&objects));
            known.configured = configured.into_iter().cloned().collect();
        }
        Some((Arc::clone(&known.interests), newest))
    }

    /// The versions of a built-in kind, or of the custom one whose definition has the resource's name; none of what is not served.
    fn versions(&self, reader: &Reader<'_>, resource: ResourceId) -> Versions {
        let built_in: Versions = api::kinds().iter().filter(|kind| kind.id == resource).cloned().collect();
        if !built_in.is_empty() {
            return built_in;
        }
        let definition = ObjectKey::cluster(DEFINITIONS, resource.as_str());
        let Some(definition) = reader.get(&definition) else { return built_in };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.custom.get(&resource) {
            Some((same, versions)) if Arc::ptr_eq(same, definition) => Arc::clone(versions),
            _ => {
                let versions: Versions = kinds_of(&definition.value()).into();
                known.custom.insert(resource, (Arc::clone(definition), Arc::clone(&versions)));
                versions
            }
        }
    }

    /// Which writes of `actor` somebody wants to be asked about. What exists already, or ends already, is not asked about.
    pub(super) fn questions(&self, reader: &Reader<'_>, actor: &str, writes: &[Write]) -> Vec<Question> {
        let matters = |write: &Write| matches!(write, Write::Create { .. } | Write::Delete { .. });
        if !writes.iter().any(matters) {
            return Vec::new();
        }
        let Some((interests, configured)) = self.interests(reader) else { return Vec::new() };
        let mut namespaces: HashMap<Option<Arc<str>>, Option<Value>> = HashMap::new();
        let mut questions = Vec::new();
        for (place, write) in writes.iter().enumerate().filter(|(_, write)| matters(write)) {
            let key = write.key();
            let Some(account) = controllers::account(actor, key.resource) else { continue };
            let namespace = namespaces
                .entry(key.namespace.clone())
                .or_insert_with(|| Some(reader.get(&namespace_of(key)?)?.value()));
            let versions = self.versions(reader, key.resource);
            let Some(patience) = patience(&interests, &versions, reader, write, namespace.as_ref()) else {
                continue;
            };
            let (object, uid) = match write {
                Write::Create { object, .. } => (Some(object.clone()), None),
                Write::Delete { uid, .. } => (None, Some(uid.clone())),
                Write::Patch { .. } | Write::Finish { .. } | Write::Tell { .. } => (None, None),
            };
            let (account, seen) = (account.to_owned(), reader.revision());
            let asked = AdmissionQuestion { key: key.clone(), account, object, uid, seen, configured };
            questions.push(Question { place, patience, asked });
        }
        questions
    }
}

/// How long it may take until all who want to be asked about a write have answered; `None` if nobody wants to be.
fn patience(
    interests: &Interests,
    versions: &[Arc<KindInfo>],
    reader: &Reader<'_>,
    write: &Write,
    namespace: Option<&Value>,
) -> Option<Duration> {
    let key = write.key();
    let stored = reader.get(key);
    let (operation, object, old) = match write {
        Write::Create { object, .. } if stored.is_none() => {
            let mut object = object.clone();
            versions.first()?.default(&mut object);
            (Operation::Create, Some(object), None)
        }
        Write::Delete { uid, .. } => {
            let stored = stored.filter(|stored| stored.metadata.uid == *uid)?;
            (!stored.metadata.is_terminating()).then_some(())?;
            (Operation::Delete, None, Some(stored.value()))
        }
        Write::Create { .. } | Write::Patch { .. } | Write::Finish { .. } | Write::Tell { .. } => {
            return None;
        }
    };
    interests.patience(&Attributes {
        kind: versions.first()?,
        versions,
        subresource: "",
        own_kind: None,
        operation,
        namespace: match key.resource == Namespace::ID {
            true => &key.name,
            false => key.namespace(),
        },
        name: &key.name,
        object: object.as_ref(),
        old: old.as_ref(),
        namespace_object: namespace,
        user: &Value::Null,
        dry_run: false,
        options: &Value::Null,
    })
}

fn namespace_of(key: &ObjectKey) -> Option<ObjectKey> {
    key.namespace.as_deref().map(|namespace| ObjectKey::cluster(Namespace::ID, namespace))
}

/// Asks about all deletions. Of creations it asks about one, then two at once, then four: those of a turn are much alike, so what is
/// refused once will be refused again, and is left for later.
pub(super) async fn ask(bus: &Bus, questions: Vec<Question>) -> Answers {
    let mut answers = Answers::default();
    let (creations, deletions): (Vec<_>, Vec<_>) =
        questions.into_iter().partition(|question| question.asked.object.is_some());
    let mut waiting = creations.into_iter();
    let mut at_once = 1;
    while answers.refused.is_empty() {
        let batch: Vec<Question> = waiting.by_ref().take(at_once).collect();
        if batch.is_empty() {
            break;
        }
        at_once = at_once.saturating_mul(2);
        answers.gather(bus, batch).await;
    }
    answers.left = waiting.map(|question| question.place).collect();
    answers.gather(bus, deletions).await;
    answers
}

impl Answers {
    /// Asks some questions at the same time.
    async fn gather(&mut self, bus: &Bus, questions: Vec<Question>) {
        let asking = questions.into_iter().map(async |question| {
            let Question { place, patience, asked } = question;
            let answer = bus.request::<_, AdmissionAnswer>(SUBJECT, &asked, patience).await;
            (place, asked.key, answer)
        });
        let mut asking = futures::stream::iter(asking).buffer_unordered(MOST_AT_ONCE);
        while let Some((place, key, answer)) = asking.next().await {
            self.note(place, key, answer);
        }
    }

    fn note(&mut self, place: usize, key: ObjectKey, answer: Result<AdmissionAnswer, RequestError>) {
        match answer {
            Ok(AdmissionAnswer { refused: Some(why), .. }) => drop(self.refused.insert(key, why)),
            Ok(AdmissionAnswer { object: Some(object), .. }) => drop(self.admitted.insert(place, object)),
            // A deletion.
            Ok(AdmissionAnswer { object: None, refused: None }) => {}
            Err(error) => {
                let why = format!("failed to ask for admission: {}", telemetry::chain(&error));
                self.refused.insert(key, why);
            }
        }
    }

    /// The writes, with objects as they were admitted, without those that are left for later.
    pub(super) fn apply(&mut self, writes: Vec<Write>) -> Vec<Write> {
        let kept = writes.into_iter().enumerate().filter(|(place, _)| !self.left.contains(place));
        let admitted = kept.map(|(place, mut write)| {
            if let (Write::Create { object, .. }, Some(admitted)) = (&mut write, self.admitted.remove(&place))
            {
                *object = admitted;
            }
            write
        });
        admitted.collect()
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
