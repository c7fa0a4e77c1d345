//! `odeon up`: the whole cluster in one process, with a NATS server as its child.

mod lock;
mod nats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use api::Resource;
use api::views::Node;
use bus::{Bus, BusConfig, Layout, View};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::kubeconfig;
use crate::service::{self, ProxyOptions};
use lock::DataDir;
use nats::NatsChild;
pub use nats::{GARBAGE as NATS_GARBAGE, end_with_parent, find_program as find_nats_server};

/// How long the nodes may take to become Ready before `up` says what is missing.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// How long everything may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Start a whole cluster in this process
#[derive(clap::Args, Clone, Debug)]
pub struct Up {
    /// Where state, keys and the kubeconfig are kept
    #[arg(long, default_value = ".odeon/up", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the API listens; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:6443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where /metrics is served; port 0 picks a free one
    #[arg(long, env = "ODEON_METRICS_LISTEN", default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,
    /// The NATS server's port on this machine; 0 picks a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    nats_port: u16,
    /// The nats-server program [default: beside odeon, else on the PATH]
    #[arg(long, env = "ODEON_NATS_SERVER", value_name = "FILE")]
    nats_server: Option<PathBuf>,
    /// Further names and addresses of this machine for the API's certificate
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    advertise: Vec<String>,
    /// Where node ports of Services come from
    #[arg(long, default_value = "30000-32767", value_name = "FIRST-LAST")]
    node_port_range: gateway::PortRange,
    #[command(flatten)]
    agent: agent::Config,
    #[command(flatten)]
    proxy: ProxyOptions,
}

/// Runs `odeon up` until SIGTERM or SIGINT.
pub async fn up(mut options: Box<Up>) -> Result<()> {
    let started = Instant::now();
    telemetry::init("up", telemetry::Options { filter: default_filter(), ..telemetry::Options::default() })?;
    let shutdown = service::stop_on_signal()?;
    let data = DataDir::lock(&options.data_dir)?;
    options.agent.cluster = data.cluster_name();
    let node = async { agent::prepare(options.agent.clone()).await.context("cannot prepare the node") };
    let nats = NatsChild::start(&data, options.nats_server.as_deref(), options.nats_port);
    let (node, nats) = tokio::try_join!(node, nats)?;
    let outcome = tokio::select! {
        outcome = Box::pin(run(&options, &data, &nats, node, &shutdown, started)) => outcome,
        error = nats.gave_up() => Err(error),
    };
    shutdown.cancel();
    nats.stop().await;
    outcome
}

/// People who start a cluster on their laptop want to read the ready line, not the services' diaries.
fn default_filter() -> Option<String> {
    std::env::var_os("ODEON_LOG").is_none().then(|| "warn".to_owned())
}

async fn run(
    options: &Up,
    data: &DataDir,
    nats: &NatsChild,
    node: agent::Prepared,
    shutdown: &CancellationToken,
    started: Instant,
) -> Result<()> {
    let bus = Bus::connect(BusConfig {
        servers: vec![nats.url()],
        name: "odeon-up".to_owned(),
        user: Some(nats.credentials()),
        connect_timeout: Duration::from_secs(10),
    })
    .await?;
    bus.provision(Layout::default()).await?;
    let view = bus.view().await?;
    let metrics = telemetry::serve(options.metrics_listen, || Ok(()))
        .await
        .context("choose another --metrics-listen")?;
    let gateway = gateway::Gateway::bind(gateway_config(options, data)?, bus.clone())
        .await
        .context("the gateway cannot start; --listen chooses another address")?;
    let url = format!("https://{}", reachable(gateway.local_addr()));
    kubeconfig::write(gateway.pki(), &url, &data.path("kubeconfig"))?;
    let mut services = start_services(gateway, node, &options.proxy, &bus, shutdown);
    let expected = options.agent.node_names().len();
    // In this order: services that end because they were told to are no surprise.
    tokio::select! {
        biased;
        () = nodes_ready(&view, expected) => {
            let kubeconfig = data.path("kubeconfig");
            let (seconds, metrics) = (started.elapsed().as_secs_f64(), metrics.address());
            println!("ready in {seconds:.2} s: {expected} node(s), API {url}, metrics http://{metrics}/metrics; export KUBECONFIG={}", kubeconfig.display());
        }
        () = tokio::time::sleep(READY_PATIENCE) => bail!("{expected} node(s) should be Ready by now; {}", node_report(&view)),
        () = shutdown.cancelled() => {}
        ended = services.join_next() => return unexpected(ended),
    }
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        ended = services.join_next() => return unexpected(ended),
    }
    let stopped =
        tokio::time::timeout(STOP_PATIENCE, async { while services.join_next().await.is_some() {} }).await;
    if stopped.is_err() {
        tracing::warn!("some services did not stop in time");
    }
    bus.close().await;
    Ok(())
}

/// Every service of the cluster, on one bus with one view.
fn start_services(
    gateway: gateway::Gateway,
    node: agent::Prepared,
    proxy: &ProxyOptions,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> JoinSet<Result<()>> {
    let mut services = JoinSet::new();
    let share = || (bus.clone(), shutdown.clone());
    let (bus, token) = share();
    services.spawn(async move {
        controller::run(controller::Config::default(), bus, token).await.context("the controller stopped")
    });
    let (bus, token) = share();
    services.spawn(async move {
        scheduler::run(scheduler::Config::default(), bus, token).await.context("the scheduler stopped")
    });
    let (_, token) = share();
    services.spawn(async move { gateway.serve(token).await.context("the gateway stopped") });
    let ((bus, token), proxy) = (share(), proxy.clone());
    services.spawn(async move { service::perform(node, &proxy, &bus, &token).await });
    services
}

fn gateway_config(options: &Up, data: &DataDir) -> Result<gateway::Config> {
    let service_cidr = options.agent.service_cidr.parse().context("--service-cidr")?;
    Ok(gateway::Config {
        listen: options.listen,
        pki_dir: data.path("pki"),
        advertise: options.advertise.clone(),
        node_port_range: options.node_port_range,
        service_cidr,
    })
}

/// A service that ends although nobody told it to.
fn unexpected(ended: Option<Result<Result<()>, JoinError>>) -> Result<()> {
    match ended {
        Some(Ok(Err(error))) => Err(error),
        Some(Err(panicked)) => Err(anyhow::Error::new(panicked).context("a service failed")),
        Some(Ok(Ok(()))) | None => bail!("a service ended by itself"),
    }
}

/// Waits until that many nodes are Ready.
async fn nodes_ready(view: &Arc<View>, expected: usize) {
    loop {
        let seen = view.revision();
        if ready_nodes(view).filter(|ready| *ready).count() >= expected {
            return;
        }
        view.wait_for(api::Revision(seen.0 + 1)).await;
    }
}

fn ready_nodes(view: &View) -> impl Iterator<Item = bool> {
    let reader = view.read();
    let nodes: Vec<bool> = reader
        .list(Node::ID, None)
        .map(|node| {
            node.object::<Node>()
                .status
                .conditions
                .iter()
                .any(|condition| condition.kind == "Ready" && condition.status == "True")
        })
        .collect();
    nodes.into_iter()
}

fn node_report(view: &View) -> String {
    let reader = view.read();
    let nodes: Vec<String> = reader
        .list(Node::ID, None)
        .map(|node| {
            let object = node.object::<Node>();
            let ready = object.status.conditions.iter().find(|condition| condition.kind == "Ready");
            format!(
                "{}: {}",
                node.key.name,
                ready.map_or("no Ready condition", |condition| &condition.message)
            )
        })
        .collect();
    if nodes.is_empty() { "no node has registered".to_owned() } else { nodes.join("; ") }
}

/// An address that clients on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
