//! The Deployments under measurement, and the requests that make and change them.

use std::ops::Range;

use anyhow::Result;
use serde_json::{Value, json};

use super::load::{Ask, send_all};
use super::wire::Endpoint;

/// Clients that make and change Deployments at the same time.
const CLIENTS: u32 = 16;

/// Deployments of one size in one namespace.
#[derive(Clone)]
pub struct Workload {
    endpoint: Endpoint,
    namespace: String,
    /// How many there are.
    pub deployments: u32,
    /// The pods of each.
    pub replicas: u32,
}

impl Workload {
    /// Nothing is made yet.
    pub fn new(endpoint: &Endpoint, namespace: &str, deployments: u32, replicas: u32) -> Self {
        Self { endpoint: endpoint.clone(), namespace: namespace.to_owned(), deployments, replicas }
    }

    /// The same Deployments, so many and of such a size.
    pub fn sized(&self, deployments: u32, replicas: u32) -> Self {
        Self { deployments, replicas, ..self.clone() }
    }

    /// All pods.
    pub fn pods(&self) -> u32 {
        self.deployments.saturating_mul(self.replicas)
    }

    /// `1,000 pods` or `1,000 pods of 10 Deployments`.
    pub fn describe(&self) -> String {
        let pods = super::figures::number(f64::from(self.pods()));
        match self.deployments {
            1 => format!("{pods} pods"),
            many => format!("{pods} pods of {} Deployments", super::figures::number(f64::from(many))),
        }
    }

    /// Makes all of them.
    pub async fn create(&self) -> Result<()> {
        self.create_some(0..self.deployments).await
    }

    /// Makes those with these numbers.
    pub async fn create_some(&self, numbers: Range<u32>) -> Result<()> {
        let collection = self.collection();
        let asks = numbers.map(|number| Ask::create(&collection, &deployment(&name(number), self.replicas)));
        self.send(asks.collect()).await
    }

    /// Changes all of them in the same way.
    pub async fn merge(&self, patch: &Value) -> Result<()> {
        self.send((0..self.deployments).map(|number| Ask::merge(self.path(number), patch)).collect()).await
    }

    /// Gives all of them a new template.
    pub async fn roll(&self, version: &str) -> Result<()> {
        self.merge(&json!({"spec": {"template": {"metadata": {"labels": {"version": version}}}}})).await
    }

    /// Gives each so many pods.
    pub async fn scale(&self, replicas: u32) -> Result<()> {
        self.merge(&json!({"spec": {"replicas": replicas}})).await
    }

    /// Deletes all of them; their pods follow.
    pub async fn delete(&self) -> Result<()> {
        self.send((0..self.deployments).map(|number| Ask::delete(self.path(number))).collect()).await
    }

    /// Where one of them is.
    pub fn path(&self, number: u32) -> String {
        format!("{}/{}", self.collection(), name(number))
    }

    /// Where all of them are.
    pub fn collection(&self) -> String {
        format!("/apis/apps/v1/namespaces/{}/deployments", self.namespace)
    }

    async fn send(&self, asks: Vec<Ask>) -> Result<()> {
        send_all(&self.endpoint, CLIENTS, asks).await.map(drop)
    }
}

fn name(number: u32) -> String {
    format!("bench-{number}")
}

/// A Deployment of the smallest pods.
pub fn deployment(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        },
    })
}

/// A pod by itself.
pub fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": pod_spec()})
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "c", "image": "hollow:1"}]})
}
