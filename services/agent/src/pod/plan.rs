//! What a pod wants of its node, in the form that deciding needs; the rest is read from the object when it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use api::messages::{AssignedPod, ConfigObject};
use api::{NodeName, ObjectKey, ResourceId, Revision};
use bytes::Bytes;
use k8s_openapi::api::core::v1 as k8s;

use super::allotment::Pending;
use super::limits::{self, RestartsFor};
use super::probe::{self, ProbePlan};
use super::restart::{RestartPolicy, Restarts};
use super::spec;
use crate::runtime::{Limits, PodRef};

/// The grace period of pods that name none.
const DEFAULT_GRACE: u64 = 30;

/// A pod as assigned to this node.
#[derive(Clone, Debug)]
pub struct PodPlan {
    /// Names it in the runtime.
    pub pod: PodRef,
    /// Where its object lives.
    pub key: ObjectKey,
    /// The object's revision.
    pub revision: Revision,
    /// Counts changes of its spec.
    pub generation: i64,
    /// Init containers and sidecars in order, then the others.
    pub containers: Vec<ContainerPlan>,
    /// How long it may take to end.
    pub grace: Duration,
    /// It shares the node's network.
    pub host_network: bool,
    /// How long it may be active.
    pub deadline: Option<Duration>,
    /// It must never run twice: it is stopped when the node's lease ends.
    pub unique: bool,
    /// It has volumes, or files of ConfigMaps and Secrets.
    pub volumes: bool,
    /// Changes when what its volumes and variables show changes.
    pub config_hash: u64,
    /// Conditions of others that it waits for.
    pub readiness_gates: Vec<String>,
    /// `Guaranteed`, `Burstable`, `BestEffort`.
    pub qos: &'static str,
    /// Why its containers hold other resources than it asks for.
    pub resize_pending: Option<Box<Pending>>,
    /// It is for another operating system.
    pub is_foreign: bool,
    /// The status that was last written.
    pub status: k8s::PodStatus,
    /// The object as stored, for `full`.
    object: Bytes,
    /// ConfigMaps and Secrets that it uses.
    config: Arc<[ConfigObject]>,
}

/// A container as deciding sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerPlan {
    /// Its name.
    pub name: Arc<str>,
    /// When it runs.
    pub kind: ContainerKind,
    /// Its image.
    pub image: Arc<str>,
    /// What it is made from: another hash means another container.
    pub hash: String,
    /// Its probes.
    pub probes: Vec<ProbePlan>,
    /// It has a hook after the start.
    pub post_start: bool,
    /// It has a hook before the end.
    pub pre_stop: bool,
    /// Its log's end is its message when it fails.
    pub fallback_to_logs: bool,
    /// What it gets of the machine.
    pub limits: Limits,
    /// Whether it runs again when it ends.
    pub restarts: Restarts,
    /// Which changes of that it is restarted for.
    pub restarts_for: RestartsFor,
    /// What it asks for, for its status; `None`: nothing.
    pub resources: Option<Box<k8s::ResourceRequirements>>,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// To its end, before the others.
    Init,
    /// Started among the init containers, ended after the others.
    Sidecar,
    /// As long as the pod.
    App,
    /// Once, beside the others: added to a pod that runs, to look into it.
    Ephemeral,
}

/// An assignment could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the object of pod `{pod}`")]
pub struct PlanError {
    /// Which pod.
    pub pod: ObjectKey,
    /// Why.
    #[source]
    pub source: bus::CodecError,
}

/// A pod's object and the configuration that it uses, read for one operation.
pub struct FullPod {
    /// The object.
    pub pod: k8s::Pod,
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, k8s::ConfigMap>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, k8s::Secret>,
    /// Tokens, by `Wanted::name`.
    pub tokens: BTreeMap<String, Vec<u8>>,
    /// Claims by name.
    pub claims: BTreeMap<String, k8s::PersistentVolumeClaim>,
    /// Volumes of those claims by name.
    pub volumes: BTreeMap<String, k8s::PersistentVolume>,
}

/// The resource under which the agent adds tokens to what an assignment brings.
pub const TOKENS: ResourceId = ResourceId::new("tokens");
/// How long a token lasts if the volume does not say.
const TOKEN_LASTS: i64 = 3_600;

/// A token that a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Whom it is for; empty: the cluster's own API.
    pub audience: String,
    /// How long it shall last.
    pub seconds: i64,
}

impl Wanted {
    /// As a volume asks for it.
    pub fn of(source: &k8s::ServiceAccountTokenProjection) -> Self {
        Self {
            audience: source.audience.clone().unwrap_or_default(),
            seconds: source.expiration_seconds.unwrap_or(TOKEN_LASTS),
        }
    }

    /// Tells it from the pod's other tokens.
    pub fn name(&self) -> String {
        format!("{}/{}", self.seconds, self.audience)
    }
}

/// All tokens that a pod's volumes ask for.
pub fn wanted_tokens(pod: &k8s::Pod) -> BTreeSet<Wanted> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref()).flatten();
    sources.filter_map(|source| source.service_account_token.as_ref()).map(Wanted::of).collect()
}

impl PodPlan {
    /// Reads an assignment.
    pub fn read(node: &NodeName, assigned: AssignedPod) -> Result<Self, PlanError> {
        let object = Bytes::from(assigned.object.into_vec());
        let pod: k8s::Pod =
            bus::decode(&object).map_err(|source| PlanError { pod: assigned.key.clone(), source })?;
        let pod_spec = pod.spec.unwrap_or_default();
        let metadata = pod.metadata;
        let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let restarts = RestartPolicy::read(pod_spec.restart_policy.as_deref()).unwrap_or_default();
        let inits = pod_spec.init_containers.iter().flatten().map(|container| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            let kind = if sidecar { ContainerKind::Sidecar } else { ContainerKind::Init };
            ContainerPlan::read(container, kind, restarts)
        });
        let apps = pod_spec
            .containers
            .iter()
            .map(|container| ContainerPlan::read(container, ContainerKind::App, restarts));
        let ephemeral = pod_spec.ephemeral_containers.iter().flatten().map(|container| {
            ContainerPlan::read(&spec::plain(container), ContainerKind::Ephemeral, restarts)
        });
        let owners = metadata.owner_references.iter().flatten();
        let annotation =
            |name| metadata.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        let unique =
            owners.into_iter().any(|owner| owner.controller == Some(true) && owner.kind == "StatefulSet")
                || annotation("odeon.dev/unique") == Some("true");
        let config: Arc<[ConfigObject]> = assigned.config.into();
        Ok(Self {
            pod: PodRef {
                node: node.clone(),
                namespace: assigned.key.namespace().into(),
                name: Arc::clone(&assigned.key.name),
                uid: assigned.uid,
            },
            key: assigned.key,
            revision: assigned.revision,
            generation: metadata.generation.unwrap_or(0),
            containers: inits.chain(apps).chain(ephemeral).collect(),
            grace: pod_spec
                .termination_grace_period_seconds
                .map_or(Duration::from_secs(DEFAULT_GRACE), seconds),
            host_network: pod_spec.host_network.unwrap_or(false),
            deadline: pod_spec.active_deadline_seconds.map(seconds),
            unique,
            volumes: pod_spec.volumes.iter().flatten().next().is_some(),
            config_hash: config_hash(&metadata, &config),
            readiness_gates: pod_spec
                .readiness_gates
                .iter()
                .flatten()
                .map(|gate| gate.condition_type.clone())
                .collect(),
            qos: qos_class(&pod_spec.containers, pod_spec.init_containers.as_deref().unwrap_or_default()),
            resize_pending: None,
            is_foreign: pod_spec.os.is_some_and(|os| os.name != "linux"),
            status: pod.status.unwrap_or_default(),
            object,
            config,
        })
    }

    /// A pod that runs here and that nobody knows: all that can be done is to end it.
    pub fn unknown(pod: PodRef, grace: Duration, containers: impl Iterator<Item = Arc<str>>) -> Self {
        let containers = containers.map(|name| ContainerPlan {
            name,
            kind: ContainerKind::App,
            image: "".into(),
            hash: String::new(),
            probes: Vec::new(),
            post_start: false,
            pre_stop: false,
            fallback_to_logs: false,
            limits: Limits::default(),
            restarts: Restarts::by(RestartPolicy::Never),
            restarts_for: RestartsFor::default(),
            resources: None,
        });
        Self {
            key: ObjectKey::namespaced(ResourceId::new("pods"), &pod.namespace, &pod.name),
            pod,
            revision: Revision(0),
            generation: 0,
            containers: containers.collect(),
            grace,
            host_network: false,
            deadline: None,
            unique: false,
            volumes: false,
            config_hash: 0,
            readiness_gates: Vec::new(),
            qos: "BestEffort",
            resize_pending: None,
            is_foreign: false,
            status: k8s::PodStatus::default(),
            object: Bytes::new(),
            config: Arc::new([]),
        }
    }

    /// Reads everything. Fails as `read` would have.
    pub fn full(&self) -> Result<FullPod, PlanError> {
        let failed = |source| PlanError { pod: self.key.clone(), source };
        let mut full = FullPod {
            pod: bus::decode(&self.object).map_err(failed)?,
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            tokens: BTreeMap::new(),
            claims: BTreeMap::new(),
            volumes: BTreeMap::new(),
        };
        for object in self.config.iter() {
            match object.resource.as_str() {
                "tokens" => {
                    full.tokens.insert(object.name.clone(), object.object.to_vec());
                }
                "secrets" => {
                    full.secrets.insert(object.name.clone(), bus::decode(&object.object).map_err(failed)?);
                }
                "persistentvolumeclaims" => {
                    full.claims.insert(object.name.clone(), bus::decode(&object.object).map_err(failed)?);
                }
                "persistentvolumes" => {
                    full.volumes.insert(object.name.clone(), bus::decode(&object.object).map_err(failed)?);
                }
                _ => {
                    full.config_maps
                        .insert(object.name.clone(), bus::decode(&object.object).map_err(failed)?);
                }
            }
        }
        Ok(full)
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerPlan> {
        self.containers.iter().find(|container| &*container.name == name)
    }

    /// Containers of one kind, in order.
    pub fn of_kind(&self, kind: ContainerKind) -> impl DoubleEndedIterator<Item = &ContainerPlan> {
        self.containers.iter().filter(move |container| container.kind == kind)
    }

    /// The status of a condition that another part of the cluster writes.
    pub fn foreign_condition(&self, kind: &str) -> Option<&k8s::PodCondition> {
        self.status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
    }
}

impl ContainerPlan {
    fn read(container: &k8s::Container, kind: ContainerKind, of_pod: RestartPolicy) -> Self {
        let hook = |pick: fn(&k8s::Lifecycle) -> &Option<k8s::LifecycleHandler>| {
            container.lifecycle.as_ref().is_some_and(|lifecycle| pick(lifecycle).is_some())
        };
        Self {
            name: container.name.as_str().into(),
            kind,
            image: container.image.as_deref().unwrap_or_default().into(),
            // Of a container that runs only the image may change, and its resources, which change in place.
            hash: format!("{:016x}", hash_of(&(&container.name, &container.image))),
            probes: probe::plans(container),
            post_start: hook(|lifecycle| &lifecycle.post_start),
            pre_stop: hook(|lifecycle| &lifecycle.pre_stop),
            fallback_to_logs: container.termination_message_policy.as_deref()
                == Some("FallbackToLogsOnError"),
            limits: limits::of(container),
            restarts: Restarts::of(container, of_pod),
            restarts_for: RestartsFor::of(container),
            resources: container
                .resources
                .clone()
                .filter(|resources| resources.requests.is_some() || resources.limits.is_some())
                .map(Box::new),
        }
    }
}

fn hash_of<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn config_hash(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    config: &[ConfigObject],
) -> u64 {
    let revision = |object: &ConfigObject| match object.resource.as_str() {
        // What is mounted stays what it is; only that it can be mounted at last is news.
        "persistentvolumeclaims" | "persistentvolumes" => 0,
        _ => object.revision.0,
    };
    let revisions: Vec<_> =
        config.iter().map(|object| (object.resource.as_str(), &object.name, revision(object))).collect();
    hash_of(&(&metadata.labels, &metadata.annotations, revisions))
}

/// The quality-of-service class, by Kubernetes' rules.
fn qos_class(apps: &[k8s::Container], inits: &[k8s::Container]) -> &'static str {
    let amount =
        |list: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>, name| {
            let text = &list?.get(name)?.0;
            api::quantity::Quantity::parse(text)
                .filter(|quantity| quantity.milli > 0)
                .map(|quantity| quantity.milli)
        };
    let mut any = false;
    let mut guaranteed = true;
    for container in apps.iter().chain(inits) {
        for resource in ["cpu", "memory"] {
            let resources = container.resources.as_ref();
            let request = amount(resources.and_then(|all| all.requests.as_ref()), resource);
            let limit = amount(resources.and_then(|all| all.limits.as_ref()), resource);
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
