//! Bare keep-alive HTTP/1.1 connections over TLS: a client that costs little, so that the server is what is measured.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where an API server is and how to be let in.
#[derive(Clone)]
pub struct Endpoint {
    address: String,
    /// What every path begins with; mostly nothing.
    base: String,
    /// None for plain HTTP, such as `kubectl proxy` speaks.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authorization: Option<HeaderValue>,
}

/// One connection; one request at a time.
pub struct Wire {
    endpoint: Endpoint,
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
    /// The server that a kubeconfig names, with its certificate or token.
    ///
    /// # Errors
    /// The file is missing or malformed, or lets a program log in, which is not done here.
    pub async fn of(kubeconfig: &Path) -> Result<Self> {
        let file = || format!("cannot use the kubeconfig {}", kubeconfig.display());
        let config = Kubeconfig::read_from(kubeconfig).with_context(file)?;
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .with_context(file)?;
        let url = &config.cluster_url;
        let host = url.host().context("the server has no host").with_context(file)?.to_owned();
        let secure = url.scheme_str() != Some("http");
        let tls = match secure {
            false => None,
            true => {
                let client = config.rustls_client_config().context("cannot set up TLS")?;
                let name = config.tls_server_name.clone().unwrap_or_else(|| host.clone());
                let name = ServerName::try_from(name).context("the server's host is not a name")?;
                Some((TlsConnector::from(Arc::new(client)), name))
            }
        };
        Ok(Self {
            address: format!("{host}:{}", url.port_u16().unwrap_or(if secure { 443 } else { 80 })),
            base: url.path().trim_end_matches('/').to_owned(),
            tls,
            authorization: authorization(&config).with_context(file)?,
        })
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Result<Wire> {
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("the API server does not listen on {}", self.address))?;
        stream.set_nodelay(true)?;
        let requests = match &self.tls {
            None => begin(stream).await?,
            Some((tls, name)) => {
                begin(tls.connect(name.clone(), stream).await.context("the TLS handshake failed")?).await?
            }
        };
        Ok(Wire { endpoint: self.clone(), requests })
    }
}

/// What lets us in besides a certificate: a token.
fn authorization(config: &kube::Config) -> Result<Option<HeaderValue>> {
    // The secrets can be had as text where they are written, in a kubeconfig's own form.
    let told = serde_json::to_value(&config.auth_info)?;
    let text = |field: &str| told.get(field).and_then(Value::as_str).map(str::to_owned);
    if told.get("exec").is_some() || told.get("auth-provider").is_some() {
        bail!(
            "a program logs in for this user; run `kubectl proxy` and use a kubeconfig for its address, or one with a token"
        );
    }
    let file = text("tokenFile")
        .map(|file| std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}")));
    let token = file.transpose()?.or_else(|| text("token"));
    let Some(token) = token else { return Ok(None) };
    let header = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut header = header.context("the token is not one line of text")?;
    header.set_sensitive(true);
    Ok(Some(header))
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>> {
    let (requests, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(requests)
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
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint.base))
            .header(header::HOST, &self.endpoint.address)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body))?;
        if let Some(authorization) = &self.endpoint.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn endpoint(user: &str) -> Result<Endpoint> {
        let path = std::env::temp_dir().join(format!(
            "odeon-wire-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: k, cluster: {{server: 'http://127.0.0.1:8001/base/'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        );
        std::fs::write(&path, text)?;
        let endpoint = Endpoint::of(&path).await;
        std::fs::remove_file(path)?;
        endpoint
    }

    #[tokio::test]
    async fn tokens_let_us_in_and_programs_do_not() {
        let plain = endpoint("{token: abc}").await.unwrap();
        assert_eq!((plain.address.as_str(), plain.base.as_str()), ("127.0.0.1:8001", "/base"));
        assert_eq!(plain.authorization.unwrap().to_str().unwrap(), "Bearer abc");
        let refused = endpoint("{exec: {apiVersion: client.authentication.k8s.io/v1, command: login}}").await;
        assert!(format!("{:#}", refused.err().unwrap()).contains("kubectl proxy"));
        let missing = Endpoint::of(Path::new("/nowhere/kubeconfig")).await;
        assert!(format!("{:#}", missing.err().unwrap()).contains("/nowhere/kubeconfig"));
    }
}
