//! Serves `/metrics`, `/healthz` and `/readyz` over plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::metrics;

/// The running server; it stops when this is dropped.
#[derive(Debug)]
pub struct ServeHandle {
    address: SocketAddr,
    /// Dropping it ends the server.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The server could not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} for metrics")]
pub struct ServeError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

impl ServeHandle {
    /// Where it listens; tells the port that was chosen for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(error) = self.task.await {
            tracing::debug!(%error, "metrics server ended");
        }
    }
}

/// Starts the server. `ready` answers `/readyz`: `Err` says what is still missing.
pub async fn serve<R>(address: SocketAddr, ready: R) -> Result<ServeHandle, ServeError>
where
    R: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError { address, source })?;
    let bound = listener.local_addr().map_err(|source| ServeError { address, source })?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, routes(Arc::new(ready))).with_graceful_shutdown(async {
        // An error means the handle was dropped, which is how it is stopped.
        let _ = stopped.await;
    });
    let task = tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::warn!(%error, "metrics server failed");
        }
    });
    Ok(ServeHandle { address: bound, stop: Some(stop), task })
}

fn routes<R>(ready: Arc<R>) -> Router
where
    R: Fn() -> Result<(), String> + Send + Sync + 'static,
{
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new()
        .route("/metrics", get(async move || (text, metrics::render()).into_response()))
        .route("/healthz", get(async || "ok"))
        .route(
            "/readyz",
            get(async move || match ready() {
                Ok(()) => (StatusCode::OK, "ok".to_owned()),
                Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
            }),
        )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn answers_on_a_port_of_its_choice() {
        metrics::counter_vec("odeon_server_test_total", "A test.", &[]).with_label_values::<&str>(&[]).inc();
        let handle = serve(([127, 0, 0, 1], 0).into(), || Err("no bus".to_owned())).await.unwrap();
        assert!(fetch(handle.address(), "/metrics").await.contains("odeon_server_test_total 1"));
        assert!(fetch(handle.address(), "/healthz").await.starts_with("HTTP/1.1 200"));
        let not_ready = fetch(handle.address(), "/readyz").await;
        assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.ends_with("no bus"), "{not_ready}");
        handle.stop().await;
    }
}
