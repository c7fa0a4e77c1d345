//! Admits what actors create, by the same rules as what clients create.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use api::admission::{self, Cluster};
use api::pod_security::Policy;
use api::views::{Namespace, Pod};
use api::{ObjectKey, Resource, ResourceId};
use bus::Reader;
use serde_json::Value;

use crate::Write;

/// A resource, in one namespace or in all.
type Collection = (ResourceId, Option<String>);

/// Reads each collection once in a turn, however many objects the turn creates.
struct Memory<'a> {
    reader: &'a Reader<'a>,
    known: RefCell<HashMap<Collection, Arc<[Value]>>>,
}

impl Cluster for Memory<'_> {
    fn objects(&self, resource: ResourceId, namespace: Option<&str>) -> Arc<[Value]> {
        let key = (resource, namespace.map(str::to_owned));
        let mut known = self.known.borrow_mut();
        Arc::clone(known.entry(key).or_insert_with(|| self.reader.objects(resource, namespace)))
    }
}

/// The objects that the writes create and that do not exist yet: defaulted and completed, or why not, in whole sentences.
pub(super) fn of_new(reader: &Reader<'_>, writes: &[Write]) -> HashMap<ObjectKey, Result<Value, String>> {
    let cluster = Memory { reader, known: RefCell::default() };
    let mut joining = Vec::new();
    let mut admitted = HashMap::new();
    for write in writes {
        let Write::Create { key, object, .. } = write else { continue };
        let Some(kind) = api::kind(key.resource).filter(|_| reader.get(key).is_none()) else { continue };
        let mut object = object.clone();
        kind.default(&mut object);
        let verdict = admission::admit(&mut object, key.resource, &cluster, &joining)
            .and_then(|()| secure(reader, key, &object));
        let verdict = match verdict {
            Ok(()) => Ok(object.clone()),
            Err(why) => Err(format!("{} \"{}\" is forbidden: {why}", key.resource.plural(), key.name)),
        };
        if verdict.is_ok() {
            joining.push((key.resource, object));
        }
        admitted.insert(key.clone(), verdict);
    }
    admitted
}

/// A pod has to hold what its namespace's labels ask.
fn secure(reader: &Reader<'_>, key: &ObjectKey, pod: &Value) -> Result<(), String> {
    if key.resource != Pod::ID {
        return Ok(());
    }
    let Some(namespace) = reader.get(&ObjectKey::cluster(Namespace::ID, key.namespace())) else {
        return Ok(());
    };
    let labels = namespace.metadata.labels.iter().map(|(key, value)| (&**key, &**value));
    let (policy, _) = Policy::of(labels);
    policy.refusal(pod).map_or(Ok(()), Err)
}
