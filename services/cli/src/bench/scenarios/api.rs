//! What the API answers per second to clients that each send one request after the other, and how many watchers it serves.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::watchers;
use crate::bench::chart;
use crate::bench::figures::{Figure, number};
use crate::bench::lab::Lab;
use crate::bench::load::Ask;
use crate::bench::targets::Target;
use crate::bench::wire::{Endpoint, Wire};

/// What clients do before they are measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a load's clients ask for.
#[derive(Clone, Debug)]
enum Load {
    /// One pod, always the same.
    Get(String),
    /// All pods of the namespace.
    List(String),
    /// All pods of the cluster.
    ListAll,
    /// A new ConfigMap each time.
    Create(String),
    /// A ConfigMap of the client's own.
    Update(String),
}

/// Loads a cluster that holds so many pods.
pub async fn measure(lab: &mut Lab<'_>) -> Result<()> {
    let (workload, pods) = (lab.workload(), lab.watch_pods().await?);
    lab.deploy(&workload, &pods).await?;
    // The loads are measured without a watcher of ours beside them.
    drop(pods);
    let pod = one_pod(&lab.cluster.endpoint, &lab.path("pods")).await?;
    let maps = lab.path("configmaps");
    let loads = [
        Load::Get(format!("{}/{pod}", lab.path("pods"))),
        Load::List(lab.path("pods")),
        Load::ListAll,
        Load::Create(maps.clone()),
        Load::Update(maps),
    ];
    let whole = lab.mark().await;
    for load in loads {
        let mut sets = Vec::new();
        for clients in lab.options.clients.clone() {
            let what = load.describe(clients, workload.pods());
            lab.progress.step(&what);
            let latencies = run(&lab.cluster.endpoint, &load, clients, lab.options.length()).await?;
            let rate = Figure::of_rate(&what, latencies.len(), lab.options.length());
            lab.figure(rate.against(load.target(clients, workload.pods())));
            lab.figure(Figure::of_durations("… each", &latencies));
            sets.push((clients_of(clients), latencies));
        }
        lab.chart(chart::distribution(&format!("How long it takes: {}", load.name(workload.pods())), &sets));
    }
    let spent = lab.since(&whole, "loads on the API").await;
    lab.record.phases.push(spent);
    watchers::measure(lab).await
}

/// The name of a pod.
async fn one_pod(endpoint: &Endpoint, path: &str) -> Result<String> {
    let body = endpoint.connect().await?.send(Method::GET, &format!("{path}?limit=1"), Bytes::new()).await?;
    let page: Value = serde_json::from_slice(&body)?;
    let name = page.pointer("/items/0/metadata/name").and_then(Value::as_str).context("there is no pod")?;
    Ok(name.to_owned())
}

fn clients_of(clients: u32) -> String {
    format!("{clients} client{}", if clients == 1 { "" } else { "s" })
}

impl Load {
    fn name(&self, pods: u32) -> String {
        let pods = number(f64::from(pods));
        match self {
            Self::Get(_) => "GET a pod".to_owned(),
            Self::List(_) => format!("LIST {pods} pods of a namespace"),
            Self::ListAll => format!("LIST all pods ({pods})"),
            Self::Create(_) => "create a ConfigMap".to_owned(),
            Self::Update(_) => "update a ConfigMap".to_owned(),
        }
    }

    fn describe(&self, clients: u32, pods: u32) -> String {
        format!("{}, {}", self.name(pods), clients_of(clients))
    }

    fn target(&self, clients: u32, pods: u32) -> Option<Target> {
        match (self, clients) {
            (Self::Get(_), 16) => Some(Target::AtLeast(20_000.0)),
            (Self::Create(_), 16) => Some(Target::AtLeast(8_000.0)),
            (Self::List(_), 1) if pods == 1000 => Some(Target::AtLeast(240.0)),
            (Self::Get(_) | Self::Create(_) | Self::List(_) | Self::ListAll | Self::Update(_), _) => None,
        }
    }

    /// What a client sends as its n-th request.
    fn request(&self, client: u32, load: u32, number: usize) -> Ask {
        let object = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": number.to_string()}});
        let own = format!("own-{load:08x}-{client}");
        match (self, number) {
            (Self::Get(path) | Self::List(path), _) => Ask::get(path),
            (Self::ListAll, _) => Ask::get("/api/v1/pods"),
            (Self::Create(maps), _) => {
                Ask::create(maps, &object(&format!("new-{load:08x}-{client}-{number}")))
            }
            (Self::Update(maps), 0) => Ask::create(maps, &object(&own)),
            (Self::Update(maps), _) => Ask::replace(format!("{maps}/{own}"), &object(&own)),
        }
    }
}

/// How long each request took that ended while it was measured.
async fn run(endpoint: &Endpoint, load: &Load, clients: u32, length: Duration) -> Result<Vec<Duration>> {
    let number = rand::random();
    let mut wires = Vec::new();
    for _ in 0..clients {
        wires.push(endpoint.connect().await?);
    }
    let from = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for (client, wire) in (0..).zip(wires) {
        tasks.spawn(client_of(wire, load.clone(), (client, number), from, length));
    }
    let mut latencies = Vec::new();
    while let Some(client) = tasks.join_next().await {
        latencies.extend(client??);
    }
    Ok(latencies)
}

async fn client_of(
    mut wire: Wire,
    load: Load,
    (client, load_number): (u32, u32),
    from: Instant,
    length: Duration,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let until = from + length;
    for number in 0.. {
        let Ask { method, path, body } = load.request(client, load_number, number);
        let started = Instant::now();
        if started >= until {
            break;
        }
        wire.send(method, &path, body).await?;
        let ended = Instant::now();
        if ended >= from && ended < until {
            latencies.push(ended - started);
        }
    }
    Ok(latencies)
}
