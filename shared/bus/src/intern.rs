//! Shares the strings that many objects repeat: label keys and values, namespaces, owners.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use api::{Metadata, NodeName, ObjectKey, Uid};

/// Beyond this many the pool starts anew; what is in use stays shared.
const CAPACITY: usize = 100_000;
/// Longer strings are rarely repeated.
const LONGEST: usize = 80;

static POOL: LazyLock<Mutex<HashSet<Arc<str>>>> = LazyLock::new(Mutex::default);

/// Shares what an object's metadata has in common with others.
pub(crate) fn metadata(metadata: &mut Metadata, key: &ObjectKey) {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() > CAPACITY {
        pool.clear();
    }
    metadata.name = Arc::clone(&key.name);
    metadata.namespace = share(&mut pool, key.namespace.clone().unwrap_or_default());
    let labels = std::mem::take(&mut metadata.labels);
    metadata.labels =
        labels.into_iter().map(|(key, value)| (share(&mut pool, key), share(&mut pool, value))).collect();
    for owner in &mut metadata.owner_references {
        for text in [&mut owner.api_version, &mut owner.kind, &mut owner.name] {
            *text = share(&mut pool, std::mem::take(text));
        }
        owner.uid = Uid(share(&mut pool, std::mem::take(&mut owner.uid.0)));
    }
}

/// Shares a node's name.
pub(crate) fn node(name: NodeName) -> NodeName {
    NodeName(share(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner), name.0))
}

fn share(pool: &mut HashSet<Arc<str>>, text: Arc<str>) -> Arc<str> {
    if text.len() > LONGEST {
        return text;
    }
    if let Some(known) = pool.get(&text) {
        return Arc::clone(known);
    }
    pool.insert(Arc::clone(&text));
    text
}
