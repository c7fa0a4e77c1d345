//! The container engine's HTTP API over its Unix socket, just enough to know what two containers cost it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The engine of this machine.
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine that `$DOCKER_HOST` or the usual socket leads to.
    pub fn local() -> Self {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let socket = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
        Self { socket: PathBuf::from(socket) }
    }

    /// Creates and starts a container; its id.
    pub async fn run(&self, image: &str, network: Option<&str>) -> Result<String> {
        let host = network.map_or_else(|| json!({}), |network| json!({"NetworkMode": network}));
        let created = self
            .call("POST", "/containers/create", Some(&json!({"Image": image, "HostConfig": host})))
            .await?;
        let id = created
            .get("Id")
            .and_then(Value::as_str)
            .with_context(|| format!("the engine created nothing: {created}"))?
            .to_owned();
        self.call("POST", &format!("/containers/{id}/start"), None).await?;
        Ok(id)
    }

    /// Kills a container.
    pub async fn kill(&self, id: &str) -> Result<()> {
        self.call("POST", &format!("/containers/{id}/kill"), None).await.map(drop)
    }

    /// Removes a container, running or not.
    pub async fn remove(&self, id: &str) -> Result<()> {
        self.call("DELETE", &format!("/containers/{id}?force=true"), None).await.map(drop)
    }

    /// One request on its own connection; HTTP/1.0 ends the answer with the connection.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket).await.context("no container engine answers")?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("the engine refused {method} {path}: {status} {body}");
        }
        Ok(serde_json::from_str(body).unwrap_or(Value::Null))
    }
}
