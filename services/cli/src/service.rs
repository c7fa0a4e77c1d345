//! Runs one service as a process: logs, the bus, metrics, signals.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::{Bus, BusConfig, BusError, Layout};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exporter::{self, Exporter};

/// Before a NATS cluster that has no leader yet is asked again.
const PROVISION_AGAIN: Duration = Duration::from_millis(250);

/// How to reach NATS.
#[derive(clap::Args, Clone, Debug)]
pub struct BusOptions {
    /// NATS servers
    #[arg(
        long = "nats",
        env = "ODEON_NATS",
        value_delimiter = ',',
        default_value = "nats://127.0.0.1:4222",
        value_name = "URLS"
    )]
    servers: Vec<String>,
    /// NATS user
    #[arg(long = "nats-user", env = "ODEON_NATS_USER", value_name = "USER")]
    user: Option<String>,
    /// NATS password
    #[arg(
        long = "nats-password",
        env = "ODEON_NATS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    password: Option<String>,
    /// How many seconds to try to reach NATS before giving up
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    connect_patience: u64,
}

/// Where figures are served.
#[derive(clap::Args, Clone, Debug)]
pub struct MetricsOptions {
    /// Where to serve /metrics, /healthz and /readyz
    #[arg(long, env = "ODEON_METRICS_LISTEN", default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,
}

/// How many copies of the state NATS keeps; control-plane services make the bucket if it is missing.
#[derive(clap::Args, Clone, Debug)]
pub struct LayoutOptions {
    /// Copies of the state: 1, or 3 on a NATS cluster
    #[arg(long, env = "ODEON_REPLICAS", default_value_t = 1)]
    replicas: usize,
}

/// The options of a control-plane service: everyone's and its own.
#[derive(clap::Args, Clone, Debug)]
pub struct ControlOptions<C: clap::Args> {
    #[command(flatten)]
    bus: BusOptions,
    #[command(flatten)]
    metrics: MetricsOptions,
    #[command(flatten)]
    layout: LayoutOptions,
    #[command(flatten)]
    own: C,
}

/// Run an agent with its proxy, or clean up after agents
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AgentOptions {
    #[command(subcommand)]
    command: Option<AgentCommand>,
    #[command(flatten)]
    bus: BusOptions,
    #[command(flatten)]
    metrics: MetricsOptions,
    #[command(flatten)]
    agent: agent::Config,
    #[command(flatten)]
    proxy: ProxyOptions,
}

/// What an agent can do besides running.
#[derive(clap::Subcommand, Clone, Debug)]
enum AgentCommand {
    /// Remove every container, volume and network that agents of a cluster left on this engine
    Cleanup {
        /// The cluster's name
        #[arg(long)]
        cluster: String,
    },
}

/// The flags of the agent's proxy that are not the agent's own.
#[derive(clap::Args, Clone, Debug)]
pub struct ProxyOptions {
    /// Where the node's DNS listens (repeatable) [default: port 53 of the node's address on the pod network]
    #[arg(long, value_name = "ADDRESS")]
    pub dns_listen: Vec<proxy::DnsListen>,
    /// Do not serve Services on this node
    #[arg(long)]
    pub no_proxy: bool,
}

/// Export NATS servers' figures
#[derive(clap::Args, Clone, Debug)]
pub struct ExporterOptions {
    #[command(flatten)]
    metrics: MetricsOptions,
    #[command(flatten)]
    exporter: Exporter,
}

/// Runs a gateway until it is told to stop.
pub async fn gateway(options: ControlOptions<gateway::Config>) -> Result<()> {
    control("gateway", options, gateway::run).await
}

/// Runs a controller until it is told to stop.
pub async fn controller(options: ControlOptions<controller::Config>) -> Result<()> {
    control("controller", options, controller::run).await
}

/// Runs a scheduler until it is told to stop.
pub async fn scheduler(options: ControlOptions<scheduler::Config>) -> Result<()> {
    control("scheduler", options, scheduler::run).await
}

async fn control<C, E>(
    name: &'static str,
    options: ControlOptions<C>,
    run: impl AsyncFnOnce(C, Bus, CancellationToken) -> Result<(), E>,
) -> Result<()>
where
    C: clap::Args,
    E: std::error::Error + Send + Sync + 'static,
{
    let process = Process::start(name, &options.bus, &options.metrics, Some(&options.layout)).await?;
    let outcome = run(options.own, process.bus.clone(), process.shutdown.clone()).await;
    process.end().await;
    outcome.with_context(|| format!("the {name} stopped"))
}

/// Runs an agent and its proxy until they are told to stop.
pub async fn agent(options: Box<AgentOptions>) -> Result<()> {
    if let Some(AgentCommand::Cleanup { cluster }) = &options.command {
        let removed = agent::cleanup(cluster).await.context("cannot clean up")?;
        println!("removed {removed} containers, volumes, networks and images of {cluster}");
        return Ok(());
    }
    let node = agent::prepare(options.agent).await.context("cannot prepare the node")?;
    let process = Process::start("agent", &options.bus, &options.metrics, None).await?;
    let outcome = perform(node, &options.proxy, &process.bus, &process.shutdown).await;
    process.end().await;
    outcome
}

/// Runs a prepared agent and, on a real node, its proxy.
pub async fn perform(
    node: agent::Prepared,
    options: &ProxyOptions,
    bus: &Bus,
    shutdown: &CancellationToken,
) -> Result<()> {
    let proxy = proxy_config(&node, options)?;
    let agent = async { node.run(bus.clone(), shutdown.clone()).await.context("the agent stopped") };
    let proxy = async {
        match proxy {
            Some(config) => {
                proxy::run(config, bus.clone(), shutdown.clone()).await.context("the proxy stopped")
            }
            None => Ok(()),
        }
    };
    tokio::try_join!(agent, proxy).map(|_| ())
}

/// The node's proxy; `None` for hollow nodes, which have no network.
fn proxy_config(node: &agent::Prepared, options: &ProxyOptions) -> Result<Option<proxy::Config>> {
    let Some(address) = node.address().filter(|_| !options.no_proxy) else { return Ok(None) };
    let dns_listen = match options.dns_listen.as_slice() {
        [] => vec![proxy::DnsListen::At(SocketAddr::new(address, 53))],
        listed => listed.to_vec(),
    };
    let service_cidr = node.service_cidr().parse().context("--service-cidr is not a range of addresses")?;
    Ok(Some(proxy::Config {
        node_name: node.node_name(),
        service_cidr,
        dns_listen,
        ..proxy::Config::default()
    }))
}

/// Runs the exporter until it is told to stop.
pub async fn exporter(options: ExporterOptions) -> Result<()> {
    telemetry::init("nats-exporter", telemetry::Options::default())?;
    let shutdown = stop_on_signal()?;
    let _metrics = telemetry::serve(options.metrics.metrics_listen, || Ok(())).await?;
    exporter::run(&options.exporter, shutdown).await
}

/// What every service process has.
struct Process {
    bus: Bus,
    shutdown: CancellationToken,
    /// Serves while the process lives.
    _metrics: telemetry::ServeHandle,
}

impl Process {
    async fn start(
        name: &str,
        bus: &BusOptions,
        metrics: &MetricsOptions,
        layout: Option<&LayoutOptions>,
    ) -> Result<Self> {
        telemetry::init(name, telemetry::Options::default())?;
        let shutdown = stop_on_signal()?;
        let user = bus.user.clone().map(|user| (user, bus.password.clone().unwrap_or_default()));
        let patience = Duration::from_secs(bus.connect_patience);
        let config = BusConfig {
            servers: bus.servers.clone(),
            name: name.to_owned(),
            user,
            connect_timeout: patience,
        };
        let bus = tokio::select! {
            bus = Bus::connect(config) => bus?,
            () = shutdown.cancelled() => anyhow::bail!("told to stop before NATS was reached"),
        };
        let connected = bus.connected();
        let ready =
            move || if *connected.borrow() { Ok(()) } else { Err("NATS is not reachable".to_owned()) };
        let metrics = telemetry::serve(metrics.metrics_listen, ready).await?;
        if let Some(layout) = layout {
            tokio::select! {
                provisioned = provision(&bus, layout, patience) => provisioned?,
                () = shutdown.cancelled() => anyhow::bail!("told to stop before NATS had laid out the state"),
            }
        }
        Ok(Self { bus, shutdown, _metrics: metrics })
    }

    /// Sends what is still waiting, the last journal entries above all.
    async fn end(self) {
        self.bus.close().await;
    }
}

/// Lays out the state. A NATS cluster that has just started elects its leaders first.
async fn provision(bus: &Bus, layout: &LayoutOptions, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match bus.provision(Layout { replicas: layout.replicas, ..Layout::default() }).await {
            Err(error @ (BusError::NoJetStream { .. } | BusError::Provision { .. }))
                if Instant::now() < deadline =>
            {
                tracing::info!(error = telemetry::chain(&error), "nats is not ready, trying again");
                tokio::time::sleep(PROVISION_AGAIN).await;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// A token that SIGTERM and SIGINT cancel.
pub fn stop_on_signal() -> Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        told.cancel();
    });
    Ok(shutdown)
}
