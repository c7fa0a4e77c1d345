//! Sends requests over several connections at once, each one request after the other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use super::wire::Endpoint;

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is done.
    pub method: Method,
    /// To what.
    pub path: String,
    /// With what.
    pub body: Bytes,
}

impl Ask {
    /// Reads.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: Bytes::new() }
    }

    /// Makes an object.
    pub fn create(path: impl Into<String>, object: &Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: object.to_string().into() }
    }

    /// Replaces an object.
    pub fn replace(path: impl Into<String>, object: &Value) -> Self {
        Self { method: Method::PUT, path: path.into(), body: object.to_string().into() }
    }

    /// Changes parts of an object.
    pub fn merge(path: impl Into<String>, patch: &Value) -> Self {
        Self { method: Method::PATCH, path: path.into(), body: patch.to_string().into() }
    }

    /// Deletes an object; what it owns follows.
    pub fn delete(path: impl Into<String>) -> Self {
        let options = serde_json::json!({"propagationPolicy": "Background"});
        Self { method: Method::DELETE, path: path.into(), body: options.to_string().into() }
    }
}

/// Sends all of them with so many clients; how long each took.
///
/// # Errors
/// One was refused.
pub async fn send_all(endpoint: &Endpoint, clients: u32, asks: Vec<Ask>) -> Result<Vec<Duration>> {
    let clients = usize::try_from(clients)?.clamp(1, asks.len().max(1));
    let asks = Arc::new(Mutex::new(asks.into_iter()));
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (asks, endpoint) = (Arc::clone(&asks), endpoint.clone());
        tasks.spawn(async move {
            let mut wire = endpoint.connect().await?;
            let mut took = Vec::new();
            loop {
                let next = asks.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(Ask { method, path, body }) = next else { return anyhow::Ok(took) };
                let started = Instant::now();
                wire.send(method, &path, body).await?;
                took.push(started.elapsed());
            }
        });
    }
    let mut took = Vec::new();
    while let Some(client) = tasks.join_next().await {
        took.extend(client??);
    }
    Ok(took)
}
