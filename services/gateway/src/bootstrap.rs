//! Creates what every cluster has: its first namespaces, the system's priority classes, the class of local volumes and the `kubernetes` Service. Gateways that start at once do no harm.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::admission::SYSTEM_PRIORITIES;
use api::journal::JournalEntry;
use api::volumes::{LOCAL_CLASS, LOCAL_DRIVER};
use api::{ObjectKey, ResourceId, json, kind, lifecycle};
use bus::{ChangeTo, Expect, Mutation, WriteError};
use serde_json::{Value, json as value};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::access;
use crate::allocate;
use crate::context::Context;
use crate::pki;
use crate::server::Error;

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The ConfigMap with the certificate of the cluster's authority.
const ROOT_CA: &str = "kube-root-ca.crt";

/// The ConfigMap that tells servers of other APIs how to know who asks.
const FRONT_PROXY: &str = "extension-apiserver-authentication";
/// The Role of who may read it.
const FRONT_PROXY_READER: &str = "extension-apiserver-authentication-reader";

/// How often it is looked whether all of that is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Creates the class of local volumes in a cluster that is new: whoever deletes or changes it later is not contradicted. Comes before
/// everything else, because the namespaces tell that the cluster is not new.
pub async fn create_local_class(context: &Context) -> Result<(), Error> {
    let namespaces = ResourceId::new("namespaces");
    if context.view.get(&ObjectKey::cluster(namespaces, "kube-system")).is_some() {
        return Ok(());
    }
    let class = value!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": LOCAL_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": LOCAL_DRIVER, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    });
    create(context, ObjectKey::cluster(ResourceId::new("storageclasses.storage.k8s.io"), LOCAL_CLASS), class)
        .await
}

/// Creates what is missing and waits until the view holds it.
pub async fn create_what_every_cluster_has(context: &Context) -> Result<(), Error> {
    for name in NAMESPACES {
        let namespace = value!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        });
        create(context, ObjectKey::cluster(ResourceId::new("namespaces"), name), namespace).await?;
    }
    for (name, priority) in SYSTEM_PRIORITIES {
        let class = value!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": priority,
            "description": "Used for system critical pods that must not be moved from their current node.",
        });
        create(
            context,
            ObjectKey::cluster(ResourceId::new("priorityclasses.scheduling.k8s.io"), name),
            class,
        )
        .await?;
    }
    create(
        context,
        ObjectKey::namespaced(ResourceId::new("configmaps"), "kube-system", ROOT_CA),
        authority(context),
    )
    .await?;
    for (key, object) in front_proxy(context) {
        create(context, key, object).await?;
    }
    vouch_for_front_proxy(context).await;
    let services = ResourceId::new("services");
    create(context, ObjectKey::namespaced(services, "default", "kubernetes"), kubernetes_service(context))
        .await?;
    create_endpoints(context).await
}

/// Creates the roles that every cluster has, all at once.
pub async fn create_roles(context: &Context) -> Result<(), Error> {
    let creations = access::roles::objects().into_iter().map(|(key, object)| create(context, key, object));
    futures::future::try_join_all(creations).await.map(drop)
}

/// Creates again what someone has deleted, as Kubernetes' API servers do for the Service that leads to them.
pub async fn keep(context: Arc<Context>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    while let Some(_tick) = shutdown.run_until_cancelled(ticks.tick()).await {
        if let Err(error) = create_what_every_cluster_has(&context).await {
            warn!(%error, "failed to create what every cluster has");
        }
    }
}

/// What clients in pods check the gateways by; controllers copy it into every namespace.
fn authority(context: &Context) -> Value {
    value!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ROOT_CA, "namespace": "kube-system"},
        "data": {"ca.crt": context.authority},
    })
}

/// What the servers of other APIs need to believe a gateway, and the Role of who may read that.
fn front_proxy(context: &Context) -> [(ObjectKey, Value); 2] {
    let known = value!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": FRONT_PROXY, "namespace": "kube-system"},
        "data": {
            "client-ca-file": context.authority,
            "requestheader-allowed-names": value!([pki::FRONT_PROXY]).to_string(),
            "requestheader-client-ca-file": context.front_proxy_authority,
            "requestheader-extra-headers-prefix": value!(["X-Remote-Extra-"]).to_string(),
            "requestheader-group-headers": value!(["X-Remote-Group"]).to_string(),
            "requestheader-uid-headers": value!(["X-Remote-Uid"]).to_string(),
            "requestheader-username-headers": value!(["X-Remote-User"]).to_string(),
        },
    });
    let reader = value!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {
            "name": FRONT_PROXY_READER, "namespace": "kube-system",
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
        "rules": [{
            "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [FRONT_PROXY],
            "verbs": ["get", "list", "watch"],
        }],
    });
    let key = |resource, name| ObjectKey::namespaced(ResourceId::new(resource), "kube-system", name);
    [
        (key("configmaps", FRONT_PROXY), known),
        (key("roles.rbac.authorization.k8s.io", FRONT_PROXY_READER), reader),
    ]
}

/// Gateways may have authorities of their own for this: the servers of other APIs believe all of them.
async fn vouch_for_front_proxy(context: &Context) {
    const BUNDLE: &str = "requestheader-client-ca-file";
    let key = ObjectKey::namespaced(ResourceId::new("configmaps"), "kube-system", FRONT_PROXY);
    let Some(stored) = context.view.get(&key) else { return };
    let mut object = stored.value();
    let bundle = json::text(&object, &format!("/data/{BUNDLE}")).trim_end().to_owned();
    let own = context.front_proxy_authority.trim();
    if bundle.contains(own) {
        return;
    }
    let bundle = format!("{bundle}\n{own}\n");
    let Some(data) = json::child(&mut object, "data") else { return };
    data.insert(BUNDLE.to_owned(), bundle.trim_start().into());
    let (expect, change) = (Expect::At(stored.revision), ChangeTo::Put(object));
    let cause = telemetry::clock::fresh_cause();
    if let Err(error) = context.store.write(Mutation { key, expect, change, cause }).await {
        // Somebody else has changed it: the next look finds what is missing then.
        warn!(%error, "failed to vouch for the front proxy");
    }
}

fn kubernetes_service(context: &Context) -> Value {
    value!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": context.config.service_cidr.address(0).to_string(),
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": context.address.port()}],
        },
    })
}

/// Where the gateway itself is reached, if it knows an address that others can use.
async fn create_endpoints(context: &Context) -> Result<(), Error> {
    let listening = Some(context.address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    let advertised = context.config.advertise.iter().find_map(|name| name.parse::<IpAddr>().ok());
    let (Some(address), Some(slices)) = (
        listening.or(advertised.filter(|ip| !ip.is_loopback())),
        kind(ResourceId::new("endpointslices.discovery.k8s.io")),
    ) else {
        return Ok(());
    };
    let name = format!("kubernetes-{}", address.to_string().replace(['.', ':'], "-"));
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let slice = value!({
        "apiVersion": slices.api_version(), "kind": slices.kind,
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": [{"addresses": [address.to_string()], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": context.address.port(), "protocol": "TCP"}],
    });
    create(context, ObjectKey::namespaced(slices.id, "default", &name), slice).await
}

async fn create(context: &Context, key: ObjectKey, mut object: Value) -> Result<(), Error> {
    let Some(kind) = kind(key.resource).filter(|_| context.view.get(&key).is_none()) else { return Ok(()) };
    let (uid, cause) = (telemetry::clock::fresh_uid(), telemetry::clock::fresh_cause());
    kind.default(&mut object);
    lifecycle::prepare_create(&mut object, kind, "", &uid, telemetry::clock::now());
    // An address that another Service holds by now is no reason not to start: the Service then keeps it unreserved.
    let reservations =
        allocate::for_object(&context.view, &context.config, &mut object, None).unwrap_or_default();
    let main =
        Mutation { key: key.clone(), expect: Expect::Absent, change: ChangeTo::Put(object.clone()), cause };
    let others = reservations.into_iter().map(|reservation| reservation.into_mutation(cause));
    let written = context.store.write_atomically(std::iter::once(main).chain(others).collect()).await;
    let what = key.to_string();
    match written {
        Ok(revisions) => {
            info!(object = %key, "created what every cluster has");
            context.journal.append(JournalEntry {
                at_micros: telemetry::clock::now().0,
                component: "gateway".to_owned(),
                uid: json::text(&object, "/metadata/uid").into(),
                cause,
                trigger: "a gateway missed it".to_owned(),
                because: "every cluster has it".to_owned(),
                commands: vec![format!("create {key}")],
                targets: vec![key.clone()],
                outcome: "done".to_owned(),
                object: Some(key),
                ..JournalEntry::default()
            });
            if let Some(revision) = revisions.first() {
                context.view.wait_for(*revision).await;
            }
            Ok(())
        }
        // Another gateway was faster.
        Err(WriteError::Conflict { current }) => {
            if let Some(revision) = current {
                context.view.wait_for(revision).await;
            }
            Ok(())
        }
        Err(source) => Err(Error::Bootstrap { what, source }),
    }
}
