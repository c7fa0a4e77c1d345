//! What the API answers per second to clients that each send one request after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::figures::Figure;
use super::wire::{Endpoint, Wire};
use super::workload::{Size, Workload};

/// How long each load lasts.
const LENGTH: Duration = Duration::from_secs(3);
/// What clients do before they are measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// Clients at the same time.
const CLIENTS: [usize; 3] = [1, 16, 64];
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// What a load's clients ask for.
#[derive(Clone, Debug)]
enum Ask {
    /// One pod, always the same.
    Get(String),
    /// All pods.
    List,
    /// A new ConfigMap each time.
    Create,
    /// A ConfigMap of the client's own.
    Update,
}

/// What one client of a load has seen.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
}

/// Loads a cluster that holds so many pods.
pub async fn measure(size: Size) -> Result<Vec<Figure>> {
    let cluster = size.cluster().await?;
    let endpoint = Endpoint::of(&cluster.directory().join("kubeconfig")).await?;
    let workload = Workload::deployed(cluster.client().await?, "bench", size.replicas).await?;
    let pod = workload.pods().await?.into_iter().next().context("there is no pod")?;
    let mut figures = Vec::new();
    for ask in [Ask::Get(format!("{PODS}/{pod}")), Ask::List, Ask::Create, Ask::Update] {
        for clients in CLIENTS {
            let latencies = load(&endpoint, &ask, clients).await?;
            let what = ask.describe(clients, size.replicas);
            figures.push(Figure::of_rate(&what, latencies.len(), LENGTH, ask.target(clients)));
            figures.push(Figure::of_durations("… each", &latencies, None));
        }
    }
    cluster.stop().await?;
    Ok(figures)
}

impl Ask {
    fn describe(&self, clients: usize, pods: u32) -> String {
        let what = match self {
            Self::Get(_) => "GET a pod".to_owned(),
            Self::List => format!("LIST {pods} pods"),
            Self::Create => "create a ConfigMap".to_owned(),
            Self::Update => "update a ConfigMap".to_owned(),
        };
        format!("{what}, {clients} client{}", if clients == 1 { "" } else { "s" })
    }

    fn target(&self, clients: usize) -> Option<f64> {
        match (self, clients) {
            (Self::Get(_), 16) => Some(20_000.0),
            (Self::Create, 16) => Some(8_000.0),
            (Self::List, 1) => Some(240.0),
            (Self::Get(_) | Self::Create | Self::List | Self::Update, _) => None,
        }
    }

    /// What a client sends as its n-th request.
    fn request(&self, client: usize, load: u32, number: usize) -> (Method, String, Bytes) {
        let object = |name: &str, data: usize| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": data.to_string()}});
            Bytes::from(object.to_string())
        };
        let own = format!("own-{load:08x}-{client}");
        match (self, number) {
            (Self::Get(path), _) => (Method::GET, path.clone(), Bytes::new()),
            (Self::List, _) => (Method::GET, PODS.to_owned(), Bytes::new()),
            (Self::Create, _) => (
                Method::POST,
                CONFIG_MAPS.to_owned(),
                object(&format!("new-{load:08x}-{client}-{number}"), number),
            ),
            (Self::Update, 0) => (Method::POST, CONFIG_MAPS.to_owned(), object(&own, 0)),
            (Self::Update, _) => (Method::PUT, format!("{CONFIG_MAPS}/{own}"), object(&own, number)),
        }
    }
}

/// How long each request took that ended while it was measured.
async fn load(endpoint: &Endpoint, ask: &Ask, clients: usize) -> Result<Vec<Duration>> {
    let load = rand::random();
    let mut wires = Vec::new();
    for _ in 0..clients {
        wires.push(endpoint.connect().await?);
    }
    let from = Instant::now() + WARM_UP;
    let tasks: Vec<_> = wires
        .into_iter()
        .enumerate()
        .map(|(client, wire)| tokio::spawn(client_of(wire, ask.clone(), client, load, from)))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??.latencies);
    }
    Ok(latencies)
}

async fn client_of(mut wire: Wire, ask: Ask, client: usize, load: u32, from: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let until = from + LENGTH;
    for number in 0.. {
        let (method, path, body) = ask.request(client, load, number);
        let started = Instant::now();
        if started >= until {
            break;
        }
        wire.send(method, &path, body).await?;
        let ended = Instant::now();
        if ended >= from && ended < until {
            seen.latencies.push(ended - started);
        }
    }
    Ok(seen)
}
