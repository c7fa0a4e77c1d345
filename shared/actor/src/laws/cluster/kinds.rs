//! The kinds that cluster texts name. Kept apart from `api::kinds` so that texts also work for kinds that are not served yet.

use api::{ObjectKey, ResourceId};

/// How one kind is written.
#[derive(Debug)]
pub struct Kind {
    /// `deployment`.
    pub singular: &'static str,
    /// `deploy`.
    pub short: &'static str,
    /// `deployments.apps`.
    pub resource: ResourceId,
    /// `apps/v1`.
    pub api_version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// Lives in a namespace.
    pub namespaced: bool,
}

const fn kind(
    singular: &'static str,
    short: &'static str,
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> Kind {
    Kind { singular, short, resource: ResourceId::new(resource), api_version, kind, namespaced }
}

const APPS: &str = "apps/v1";
const BATCH: &str = "batch/v1";

static KINDS: &[Kind] = &[
    kind("pod", "po", "pods", "v1", "Pod", true),
    kind("node", "no", "nodes", "v1", "Node", false),
    kind("namespace", "ns", "namespaces", "v1", "Namespace", false),
    kind("service", "svc", "services", "v1", "Service", true),
    kind("endpoints", "ep", "endpoints", "v1", "Endpoints", true),
    kind(
        "endpointslice",
        "eps",
        "endpointslices.discovery.k8s.io",
        "discovery.k8s.io/v1",
        "EndpointSlice",
        true,
    ),
    kind("configmap", "cm", "configmaps", "v1", "ConfigMap", true),
    kind("secret", "secret", "secrets", "v1", "Secret", true),
    kind("serviceaccount", "sa", "serviceaccounts", "v1", "ServiceAccount", true),
    kind("resourcequota", "quota", "resourcequotas", "v1", "ResourceQuota", true),
    kind("persistentvolumeclaim", "pvc", "persistentvolumeclaims", "v1", "PersistentVolumeClaim", true),
    kind("persistentvolume", "pv", "persistentvolumes", "v1", "PersistentVolume", false),
    kind("storageclass", "sc", "storageclasses.storage.k8s.io", "storage.k8s.io/v1", "StorageClass", false),
    kind("deployment", "deploy", "deployments.apps", APPS, "Deployment", true),
    kind("replicaset", "rs", "replicasets.apps", APPS, "ReplicaSet", true),
    kind("statefulset", "sts", "statefulsets.apps", APPS, "StatefulSet", true),
    kind("daemonset", "ds", "daemonsets.apps", APPS, "DaemonSet", true),
    kind("controllerrevision", "cr", "controllerrevisions.apps", APPS, "ControllerRevision", true),
    kind("job", "job", "jobs.batch", BATCH, "Job", true),
    kind("cronjob", "cj", "cronjobs.batch", BATCH, "CronJob", true),
    kind(
        "horizontalpodautoscaler",
        "hpa",
        "horizontalpodautoscalers.autoscaling",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        true,
    ),
    kind(
        "poddisruptionbudget",
        "pdb",
        "poddisruptionbudgets.policy",
        "policy/v1",
        "PodDisruptionBudget",
        true,
    ),
    kind(
        "priorityclass",
        "pc",
        "priorityclasses.scheduling.k8s.io",
        "scheduling.k8s.io/v1",
        "PriorityClass",
        false,
    ),
    kind("lease", "lease", "leases.coordination.k8s.io", "coordination.k8s.io/v1", "Lease", true),
];

/// The kind of a singular, plural or short name.
pub fn kind_of_word(word: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| word == kind.singular || word == kind.short || word == kind.resource.plural())
}

/// The kind of a resource.
pub fn kind_of_resource(resource: ResourceId) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.resource == resource)
}

impl Kind {
    /// `name` in the default namespace, or `namespace/name`.
    pub fn key(&self, name: &str) -> ObjectKey {
        match (self.namespaced, name.split_once('/')) {
            (false, _) => ObjectKey::cluster(self.resource, name),
            (true, Some((namespace, name))) => ObjectKey::namespaced(self.resource, namespace, name),
            (true, None) => ObjectKey::namespaced(self.resource, "default", name),
        }
    }

    /// `deployment-web`, or `deployment-other-web` outside of the default namespace.
    pub fn uid(&self, key: &ObjectKey) -> String {
        match key.namespace() {
            "" | "default" => format!("{}-{}", self.singular, key.name),
            namespace => format!("{}-{namespace}-{}", self.singular, key.name),
        }
    }

    /// `pod web-1`, or `pod other/web-1` outside of the default namespace.
    pub fn show(&self, key: &ObjectKey) -> String {
        match key.namespace() {
            "" | "default" => format!("{} {}", self.singular, key.name),
            namespace => format!("{} {namespace}/{}", self.singular, key.name),
        }
    }
}
