//! Runs containers with the Docker engine.

mod files;
mod image;
mod network;
mod process;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use api::NodeName;
use bollard::errors::Error as EngineError;
use bollard::query_parameters as query;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use super::{
    Changed, Container, ContainerId, ContainerRuntime, ContainerSpec, ExecOutcome, FailureKind, Image,
    Limits, LogOptions, Machine, PodRef, RuntimeError, SandboxSpec, Scope, Stats, VolumeSpec,
};

pub use image::StaticBinary;
pub use network::PodNetwork;

/// More creations at once do not start pods faster, they only wait longer in the engine.
const CREATIONS_AT_ONCE: usize = 4;
/// Seconds that one request of the engine may take until its answer begins.
const REQUEST_TIMEOUT: u64 = 120;
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// How to use an engine.
#[derive(Clone, Debug, Default)]
pub struct DockerOptions {
    /// Keeps the containers of several clusters on one engine apart.
    pub cluster: String,
    /// The network that pods join; `None`: the agent's own if it runs in a container, else one is made.
    pub network: Option<String>,
    /// Pods reach this range through the node's proxy.
    pub service_cidr: String,
    /// The static executable that is PID 1 of a sandbox; `None`: this one.
    pub sandbox_binary: Option<std::path::PathBuf>,
}

/// The Docker engine, as one cluster uses it.
pub struct DockerEngine {
    client: bollard::Docker,
    cluster: Arc<str>,
    creations: Arc<Semaphore>,
    network: PodNetwork,
    /// Tag of the image that sandboxes are made from.
    sandbox_image: String,
}

impl DockerEngine {
    /// Connects, and prepares the pod network and the sandbox image.
    pub async fn open(options: &DockerOptions) -> Result<Self, RuntimeError> {
        let client = connect().await?;
        let network = PodNetwork::prepare(&client, options).await?;
        let binary = StaticBinary::find(options.sandbox_binary.as_deref())?;
        let sandbox_image = image::import_once(&client, &binary, &options.cluster).await?;
        Ok(Self {
            client,
            cluster: options.cluster.as_str().into(),
            creations: Arc::new(Semaphore::new(CREATIONS_AT_ONCE)),
            network,
            sandbox_image,
        })
    }

    /// The network that pods join.
    pub fn network(&self) -> &PodNetwork {
        &self.network
    }

    async fn inspect(&self, id: &str) -> Result<Option<Container>, RuntimeError> {
        match self.client.inspect_container(id, None::<query::InspectContainerOptions>).await {
            Ok(found) => Ok(wire::container(found)),
            Err(error) if kind_of(&error) == FailureKind::NotFound => Ok(None),
            Err(error) => Err(failed("inspect container", id, error)),
        }
    }

    async fn create(
        &self,
        name: String,
        body: bollard::models::ContainerCreateBody,
    ) -> Result<ContainerId, RuntimeError> {
        let _turn = self.creations.acquire().await;
        let options = query::CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
        match self.client.create_container(Some(options), body).await {
            Ok(created) => Ok(ContainerId(created.id.into())),
            Err(error) if kind_of(&error) == FailureKind::Conflict => match self.inspect(&name).await? {
                Some(existing) => Ok(existing.id),
                None => Err(failed("create container", &name, error)),
            },
            Err(error) => Err(failed("create container", &name, error)),
        }
    }

    async fn remove_id(&self, id: &str) -> Result<(), RuntimeError> {
        let options = query::RemoveContainerOptions { v: true, force: true, link: false };
        match self.client.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if kind_of(&error) == FailureKind::NotFound => Ok(()),
            // Somebody else removes it just now.
            Err(error) if kind_of(&error) == FailureKind::Conflict => Ok(()),
            Err(error) => Err(failed("remove container", id, error)),
        }
    }
}

/// Removes every container, volume, network and sandbox image of a cluster; says how many things it removed.
pub async fn cleanup(cluster: &str) -> Result<usize, RuntimeError> {
    let client = connect().await?;
    let filters = wire::label_filter(&[wire::cluster_label(cluster)]);
    let options =
        query::ListContainersOptions { all: true, filters: Some(filters.clone()), ..Default::default() };
    let containers = client
        .list_containers(Some(options))
        .await
        .map_err(|error| failed("list containers of cluster", cluster, error))?;
    let mut removed = 0;
    for id in containers.into_iter().filter_map(|container| container.id) {
        let options = query::RemoveContainerOptions { v: true, force: true, link: false };
        ignore_missing(client.remove_container(&id, Some(options)).await, "remove container", &id)?;
        removed += 1;
    }
    let options = query::ListVolumesOptions { filters: Some(filters.clone()) };
    let volumes = client
        .list_volumes(Some(options))
        .await
        .map_err(|error| failed("list volumes of cluster", cluster, error))?;
    for volume in volumes.volumes.unwrap_or_default() {
        let gone = client.remove_volume(&volume.name, Some(query::RemoveVolumeOptions { force: true })).await;
        ignore_missing(gone, "remove volume", &volume.name)?;
        removed += 1;
    }
    removed += network::remove_all(&client, cluster, filters).await?;
    removed += image::remove_all(&client, cluster).await?;
    Ok(removed)
}

async fn connect() -> Result<bollard::Docker, RuntimeError> {
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| format!("unix://{DEFAULT_SOCKET}"));
    let refused = |error| RuntimeError {
        operation: "reach the Docker engine (start it, set DOCKER_HOST, or use --runtime hollow to run without containers) at",
        subject: address.clone(),
        kind: FailureKind::Unreachable,
        source: Box::new(error),
    };
    let client = match address.strip_prefix("unix://") {
        Some(path) => bollard::Docker::connect_with_unix(path, REQUEST_TIMEOUT, bollard::API_DEFAULT_VERSION),
        None => bollard::Docker::connect_with_host(&address),
    };
    client.map_err(refused)?.negotiate_version().await.map_err(refused)
}

fn kind_of(error: &EngineError) -> FailureKind {
    match error {
        EngineError::DockerResponseServerError { status_code: 404, .. } => FailureKind::NotFound,
        EngineError::DockerResponseServerError { status_code: 304 | 409, .. } => FailureKind::Conflict,
        EngineError::DockerResponseServerError { .. } | EngineError::DockerStreamError { .. } => {
            FailureKind::Refused
        }
        _ => FailureKind::Unreachable,
    }
}

fn failed(operation: &'static str, subject: &str, error: EngineError) -> RuntimeError {
    let kind = kind_of(&error);
    let source: Box<dyn std::error::Error + Send + Sync> = match error {
        EngineError::DockerResponseServerError { message, .. } => message.into(),
        EngineError::DockerStreamError { error } => error.into(),
        other => Box::new(other),
    };
    RuntimeError { operation, subject: subject.to_owned(), kind, source }
}

fn ignore_missing(
    result: Result<(), EngineError>,
    operation: &'static str,
    subject: &str,
) -> Result<(), RuntimeError> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if matches!(kind_of(&error), FailureKind::NotFound | FailureKind::Conflict) => Ok(()),
        Err(error) => Err(failed(operation, subject, error)),
    }
}

impl ContainerRuntime for DockerEngine {
    async fn list(&self, scope: &Scope) -> Result<Vec<Container>, RuntimeError> {
        let filters = wire::label_filter(&wire::scope_labels(&self.cluster, scope));
        let options =
            query::ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = self
            .client
            .list_containers(Some(options))
            .await
            .map_err(|error| failed("list containers of cluster", &self.cluster, error))?;
        let ids = found.into_iter().filter_map(|summary| summary.id);
        let inspected: Vec<Option<Container>> = stream::iter(ids)
            .map(|id| async move { self.inspect(&id).await })
            .buffer_unordered(8)
            .try_collect()
            .await?;
        Ok(inspected.into_iter().flatten().collect())
    }

    fn events(&self, node: Option<&NodeName>) -> BoxStream<'static, Result<Changed, RuntimeError>> {
        let mut labels = vec![wire::cluster_label(&self.cluster)];
        labels.extend(node.map(wire::node_label));
        let mut filters = wire::label_filter(&labels);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), ["die", "oom", "destroy", "start"].map(str::to_owned).to_vec());
        let options = query::EventsOptions { filters: Some(filters), ..Default::default() };
        self.client
            .events(Some(options))
            .filter_map(async |event| match event {
                Ok(message) => wire::changed(message).map(Ok),
                Err(error) => Some(Err(failed("watch", "events", error))),
            })
            .boxed()
    }

    async fn image(&self, name: &str) -> Result<Option<Image>, RuntimeError> {
        match self.client.inspect_image(name).await {
            Ok(image) => Ok(Some(wire::image(image))),
            Err(error) if kind_of(&error) == FailureKind::NotFound => Ok(None),
            Err(error) => Err(failed("inspect image", name, error)),
        }
    }

    async fn pull(&self, name: &str) -> Result<Image, RuntimeError> {
        let options =
            query::CreateImageOptions { from_image: Some(wire::with_tag(name)), ..Default::default() };
        let mut progress = std::pin::pin!(self.client.create_image(Some(options), None, None));
        while let Some(step) = progress.next().await {
            step.map_err(|error| failed("pull image", name, error))?;
        }
        self.image(name).await?.ok_or_else(|| {
            RuntimeError::new(
                "pull image",
                name,
                FailureKind::NotFound,
                "the engine pulled it and does not have it",
            )
        })
    }

    async fn create_sandbox(&self, spec: &SandboxSpec) -> Result<ContainerId, RuntimeError> {
        let body = wire::sandbox_body(spec, &self.cluster, &self.network, &self.sandbox_image);
        self.create(wire::sandbox_name(&self.cluster, &spec.pod, spec.attempt), body).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, RuntimeError> {
        let parts = files::sub_path_binds(&self.client, spec).await?;
        let body = wire::container_body(spec, &self.cluster, parts);
        self.create(wire::container_name(&self.cluster, spec), body).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let _turn = self.creations.acquire().await;
        self.client
            .start_container(id.as_str(), None::<query::StartContainerOptions>)
            .await
            .map_err(|error| failed("start container", id.as_str(), error))
    }

    async fn update(&self, id: &ContainerId, limits: &Limits) -> Result<(), RuntimeError> {
        let updated = self.client.update_container(id.as_str(), wire::update_body(limits)).await;
        updated.map_err(|error| failed("update container", id.as_str(), error))
    }

    async fn terminate(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let found = self.client.inspect_container(id.as_str(), None::<query::InspectContainerOptions>).await;
        let signal = match found {
            Ok(container) => container.config.and_then(|config| config.stop_signal),
            Err(error) if kind_of(&error) == FailureKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("inspect container", id.as_str(), error)),
        };
        let signal = signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| "SIGTERM".to_owned());
        let sent =
            self.client.kill_container(id.as_str(), Some(query::KillContainerOptions { signal })).await;
        ignore_missing(sent, "terminate container", id.as_str())
    }

    async fn kill(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let options = query::KillContainerOptions { signal: "SIGKILL".to_owned() };
        ignore_missing(
            self.client.kill_container(id.as_str(), Some(options)).await,
            "kill container",
            id.as_str(),
        )
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.remove_id(id.as_str()).await
    }

    fn logs(
        &self,
        id: &ContainerId,
        options: &LogOptions,
    ) -> BoxStream<'static, Result<Bytes, RuntimeError>> {
        let id = id.clone();
        self.client
            .logs(id.as_str(), Some(wire::log_options(options)))
            .map(move |item| {
                item.map(|output| output.into_bytes())
                    .map_err(|error| failed("read log of", id.as_str(), error))
            })
            .boxed()
    }

    async fn exec(&self, id: &ContainerId, command: &[String]) -> Result<ExecOutcome, RuntimeError> {
        files::exec(&self.client, id, command).await
    }

    async fn stats(&self, id: &ContainerId) -> Result<Stats, RuntimeError> {
        let options = query::StatsOptions { stream: false, one_shot: true };
        let mut answers = std::pin::pin!(self.client.stats(id.as_str(), Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(wire::stats(&answer)),
            Some(Err(error)) => Err(failed("measure container", id.as_str(), error)),
            None => {
                Err(RuntimeError::new("measure container", id.as_str(), FailureKind::NotFound, "no answer"))
            }
        }
    }

    async fn upload(&self, id: &ContainerId, path: &str, tar: Bytes) -> Result<(), RuntimeError> {
        let options = query::UploadToContainerOptions { path: path.to_owned(), ..Default::default() };
        self.client
            .upload_to_container(id.as_str(), Some(options), bollard::body_full(tar))
            .await
            .map_err(|error| failed("upload files to container", id.as_str(), error))
    }

    async fn create_volume(&self, volume: &VolumeSpec) -> Result<(), RuntimeError> {
        let request = wire::volume_request(volume, &self.cluster);
        self.client
            .create_volume(request)
            .await
            .map(drop)
            .map_err(|error| failed("create volume", &volume.name, error))
    }

    async fn remove_volumes(&self, pod: &PodRef) -> Result<(), RuntimeError> {
        let labels = wire::scope_labels(&self.cluster, &Scope::Pod(pod.clone()));
        let options = query::ListVolumesOptions { filters: Some(wire::label_filter(&labels)) };
        let found = self
            .client
            .list_volumes(Some(options))
            .await
            .map_err(|error| failed("list volumes of pod", &pod.name, error))?;
        for volume in found.volumes.unwrap_or_default() {
            let gone = self
                .client
                .remove_volume(&volume.name, Some(query::RemoveVolumeOptions { force: true }))
                .await;
            match gone {
                Err(error) if kind_of(&error) != FailureKind::NotFound => {
                    return Err(failed("remove volume", &volume.name, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn remove_persistent(&self, node: &NodeName, name: &str) -> Result<(), RuntimeError> {
        let found = match self.client.inspect_volume(name).await {
            Ok(found) => found,
            Err(error) if kind_of(&error) == FailureKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("inspect volume", name, error)),
        };
        if !wire::is_persistent(&found.labels, &self.cluster, node) {
            let why = "it is no persistent volume of this node";
            return Err(RuntimeError::new("remove volume", name, FailureKind::Refused, why));
        }
        match self.client.remove_volume(name, Some(query::RemoveVolumeOptions { force: false })).await {
            Err(error) if kind_of(&error) != FailureKind::NotFound => {
                Err(failed("remove volume", name, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn machine(&self) -> Result<Machine, RuntimeError> {
        let info = self.client.info().await.map_err(|error| failed("ask about", "the machine", error))?;
        let mut machine = wire::machine(info);
        machine.address = self.network.node_address;
        Ok(machine)
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.client.ping().await.map(drop).map_err(|error| failed("ping", "the Docker engine", error))
    }
}

/// What filters of the engine look like.
type Filters = HashMap<String, Vec<String>>;
