//! Bare keep-alive HTTP/1.1 connections over TLS: a client that costs little, so that the server is what is measured.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where an API server is and how to be let in.
#[derive(Clone)]
pub struct Endpoint {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

/// One connection; one request at a time.
pub struct Wire {
    host: String,
    requests: SendRequest<Full<Bytes>>,
}

/// The lines of an answer that goes on.
pub struct Lines {
    body: Incoming,
    /// What came after the last line's end.
    rest: BytesMut,
    /// How much of it is known to hold no end of a line.
    searched: usize,
}

impl Endpoint {
    /// The server that a kubeconfig names.
    pub async fn of(kubeconfig: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig).context("no kubeconfig")?;
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        let host = config.cluster_url.host().context("the server has no host")?.to_owned();
        let address = format!("{host}:{}", config.cluster_url.port_u16().unwrap_or(443));
        let tls = TlsConnector::from(Arc::new(config.rustls_client_config().context("cannot set up TLS")?));
        Ok(Self {
            address,
            name: ServerName::try_from(host).context("the server's host is not a name")?,
            tls,
        })
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<Wire> {
        let stream = TcpStream::connect(&self.address).await.context("the API server does not listen")?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await.context("the TLS handshake failed")?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Wire { host: self.address.clone(), requests })
    }
}

impl Wire {
    /// Sends a request and reads the whole answer; anything but success is an error.
    pub async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let (status, body) = self.exchange(method, path, body).await?;
        match status.is_success() {
            true => Ok(body),
            false => bail!("the server answered {status} to {path}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Sends a request and reads the whole answer, whatever it is.
    pub async fn exchange(&mut self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let (status, body) = self.open(method, path, body).await?;
        Ok((status, body.collect().await?.to_bytes()))
    }

    /// Sends a GET whose answer goes on line by line.
    pub async fn lines(mut self, path: &str) -> Result<Lines> {
        let (status, body) = self.open(Method::GET, path, Bytes::new()).await?;
        match status.is_success() {
            true => Ok(Lines { body, rest: BytesMut::new(), searched: 0 }),
            false => bail!("the server answered {status} to {path}"),
        }
    }

    async fn open(&mut self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Incoming)> {
        let content_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body))?;
        self.requests.ready().await.context("the connection ended")?;
        let (head, body) =
            self.requests.send_request(request).await.context("the connection broke")?.into_parts();
        Ok((head.status, body))
    }
}

impl Lines {
    /// Waits for the next line.
    pub async fn next(&mut self) -> Result<Bytes> {
        loop {
            if let Some(line) = self.buffered() {
                return Ok(line);
            }
            let frame = self.body.frame().await.context("the stream ended")??;
            if let Some(data) = frame.data_ref() {
                self.rest.extend_from_slice(data);
            }
        }
    }

    /// The next line, if it has come already.
    pub fn buffered(&mut self) -> Option<Bytes> {
        let unsearched = self.rest.get(self.searched..).unwrap_or_default();
        match unsearched.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = self.rest.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                Some(line)
            }
            None => {
                self.searched = self.rest.len();
                None
            }
        }
    }
}
