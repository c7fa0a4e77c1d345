//! Asks containers what probes and hooks want to know.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::outcome::Outcome;
use super::probe::Ask;
use crate::runtime::{ContainerId, ContainerRuntime};

/// Enough of an answer for a message.
const BODY_LIMIT: usize = 10 * 1024;

/// Asks, for at most `timeout`.
pub async fn ask<R: ContainerRuntime>(
    runtime: &R,
    id: &ContainerId,
    address: Option<IpAddr>,
    question: &Ask,
    timeout: Duration,
) -> Outcome {
    let answer = async {
        let over_network = matches!(question, Ask::Http { .. } | Ask::Tcp { .. } | Ask::Grpc { .. });
        if let Some(answer) = over_network.then(|| runtime.pretended_answer()).flatten() {
            return answer;
        }
        match question {
            Ask::Exec(command) => match runtime.exec(id, command).await {
                Ok(outcome) if outcome.code == 0 => Ok(outcome.output),
                Ok(outcome) => Err(outcome.output),
                Err(error) => Err(error.text()),
            },
            Ask::Http { host, port, path, headers, tls } => {
                let host = host_of(host.as_deref(), address)?;
                match tls {
                    false => get(connect(&host, *port).await?, &host, *port, path, headers).await,
                    true => super::tls::get(connect(&host, *port).await?, &host, *port, path, headers).await,
                }
            }
            Ask::Tcp { host, port } => {
                connect(&host_of(host.as_deref(), address)?, *port).await.map(|_| String::new())
            }
            Ask::Grpc { port, service } => {
                let host = host_of(None, address)?;
                let target = format!("{host}:{port}");
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream
                    .map_err(|error| format!("error: failed to connect service at \"{target}\": {error}"))?;
                super::grpc::check(stream, &target, service).await
            }
            Ask::Sleep(duration) => {
                tokio::time::sleep(*duration).await;
                Ok(String::new())
            }
            Ask::Unsupported(why) => Err((*why).to_owned()),
        }
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(message)) => Outcome::Answered { passed: true, message },
        Ok(Err(message)) => Outcome::Answered { passed: false, message },
        Err(_) => Outcome::Answered { passed: false, message: format!("no answer within {timeout:?}") },
    }
}

fn host_of(host: Option<&str>, address: Option<IpAddr>) -> Result<String, String> {
    let own = || address.map(|address| address.to_string());
    host.map(str::to_owned).or_else(own).ok_or_else(|| "the pod has no address".to_owned())
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| format!("dial tcp {host}:{port}: {error}"))
}

/// One GET over a connection; passes with 200 to 399.
pub(super) async fn get<S>(
    stream: S,
    host: &str,
    port: u16,
    path: &str,
    headers: &[(String, String)],
) -> Result<String, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("Get \"http://{host}:{port}{path}\": {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request =
        hyper::Request::get(path).header("User-Agent", "kube-probe/1.35").header("Accept", "*/*");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("Host", format!("{host}:{port}"));
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map(|body| body.to_bytes());
    drop(connection);
    match (200..400).contains(&status.as_u16()) {
        true => Ok(String::from_utf8_lossy(&body.unwrap_or_default()).into_owned()),
        false => Err(format!("HTTP probe failed with statuscode: {}", status.as_u16())),
    }
}
