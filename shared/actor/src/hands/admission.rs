//! Admits what actors create, by the same rules as what clients create.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::admission::{self, Charge, Cluster, Ledger};
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

/// So many creations of a turn are charged to quotas at the same time: they are written in one batch with them.
const MOST_CHARGED: usize = 500;

/// What becomes of the objects that a turn creates and that do not exist yet.
#[derive(Default)]
pub(super) struct Admitted {
    /// Defaulted and completed, or why not, in whole sentences.
    pub(super) objects: HashMap<ObjectKey, Result<Value, String>>,
    /// Those that quotas are charged for.
    pub(super) counted: HashSet<ObjectKey>,
    /// The quotas as they are written then.
    pub(super) charges: Vec<Charge>,
    /// Those that are too many for one batch: a matter of the next turn.
    pub(super) postponed: HashSet<ObjectKey>,
}

/// Admits what the writes create.
pub(super) fn of_new(reader: &Reader<'_>, writes: &[Write]) -> Admitted {
    let cluster = Memory { reader, known: RefCell::default() };
    let mut ledger = Ledger::new(&cluster);
    let mut admitted = Admitted::default();
    for write in writes {
        let Write::Create { key, object, .. } = write else { continue };
        let Some(kind) = api::kind(key.resource).filter(|_| reader.get(key).is_none()) else { continue };
        if admitted.counted.len() >= MOST_CHARGED {
            admitted.postponed.insert(key.clone());
            continue;
        }
        let mut object = object.clone();
        kind.default(&mut object);
        let verdict = admission::admit(&mut object, key.resource, &cluster)
            .and_then(|()| secure(reader, key, &object))
            .and_then(|()| ledger.charge(key.resource, &object, None));
        let verdict = match verdict {
            Ok(is_counted) => {
                admitted.counted.extend(is_counted.then(|| key.clone()));
                Ok(object)
            }
            Err(why) => Err(format!("{} \"{}\" is forbidden: {why}", key.resource.plural(), key.name)),
        };
        admitted.objects.insert(key.clone(), verdict);
    }
    admitted.charges = ledger.charged();
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
