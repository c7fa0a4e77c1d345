//! What every namespace has from the start: the service account `default` and the cluster's certificate authority.

use actor::{World, Write};
use api::views::Namespace;
use api::{Object, ObjectKey, Resource, ResourceId};
use bus::{Change, ChangeKind, Reader};
use serde_json::{Value, json};

/// The collection of service accounts.
pub(super) const SERVICE_ACCOUNTS: ResourceId = ResourceId::new("serviceaccounts");
/// The collection of ConfigMaps.
pub(super) const CONFIG_MAPS: ResourceId = ResourceId::new("configmaps");

const DEFAULT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
/// Where the gateway publishes the authority that all others are copied from.
const SOURCE: &str = "kube-system";

/// Makes what is missing, and renews a copy of the authority that is out of date.
pub(super) fn provide(me: &Object<Namespace>, world: &World<'_>) -> Vec<Write> {
    let reader: &Reader<'_> = world;
    let account = ObjectKey::namespaced(SERVICE_ACCOUNTS, &me.key.name, DEFAULT);
    let account = reader.get(&account).is_none().then(|| Write::Create {
        object: json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEFAULT, "namespace": me.key.name}}),
        key: account,
        because: "every namespace has a default service account".into(),
        event: None,
    });
    account.into_iter().chain(authority(me, reader)).collect()
}

fn authority(me: &Object<Namespace>, reader: &Reader<'_>) -> Option<Write> {
    if *me.key.name == *SOURCE {
        return None;
    }
    let source = reader.get(&ObjectKey::namespaced(CONFIG_MAPS, SOURCE, ROOT_CA))?.value();
    let data = source.get("data").cloned().unwrap_or_default();
    let key = ObjectKey::namespaced(CONFIG_MAPS, &me.key.name, ROOT_CA);
    let because = "every namespace knows the cluster's certificate authority".to_owned();
    let Some(copy) = reader.get(&key) else {
        let metadata = json!({"name": ROOT_CA, "namespace": me.key.name});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        return Some(Write::Create { key, object, because, event: None });
    };
    let copied: Value = copy.value().get("data").cloned().unwrap_or_default();
    (copied != data).then(|| Write::Patch {
        key,
        seen: copy.revision,
        merge: json!({"data": data}),
        subresource_status: false,
        because,
        event: None,
    })
}

/// Namespaces that miss something when this object goes, or that copy it when it changes.
pub(super) fn missed(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let key = &change.object.key;
    let is_account = key.resource == SERVICE_ACCOUNTS && *key.name == *DEFAULT;
    let is_authority = key.resource == CONFIG_MAPS && *key.name == *ROOT_CA;
    match (is_account, is_authority, change.kind, key.namespace()) {
        (_, true, ChangeKind::Put, SOURCE) => {
            reader.list(Namespace::ID, None).map(|stored| stored.key.clone()).collect()
        }
        (true, _, ChangeKind::Deleted, namespace) | (_, true, _, namespace) => {
            vec![ObjectKey::cluster(Namespace::ID, namespace)]
        }
        (_, false, _, _) => Vec::new(),
    }
}
