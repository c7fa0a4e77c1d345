//! Asks a server for its health over gRPC (`grpc.health.v1.Health/Check`), in the kubelet's words.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// Far more than the one field of an answer takes.
const ANSWER_LIMIT: usize = 4 * 1024;
/// gRPC's code for a method that the server does not have.
const UNIMPLEMENTED: i32 = 12;
/// The field numbers and wire types of `HealthCheckRequest.service` and `HealthCheckResponse.status`.
const SERVICE: u8 = 0x0a;
const STATUS: u8 = 0x08;

/// How a server says it is (`HealthCheckResponse.ServingStatus`).
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Asks over a connection to `target` (`host:port`, which becomes the request's authority); passes with `SERVING`.
pub async fn check<S>(stream: S, target: &str, service: &str) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: &dyn std::error::Error| {
        format!("error: health rpc probe failed: {}", telemetry::chain(error))
    };
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
    let _connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let request = hyper::Request::post(format!("http://{target}{METHOD}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, "kube-probe/1.35")
        .body(Full::new(question(service)))
        .map_err(|error| failed(&error))?;
    let (head, body) = sender.send_request(request).await.map_err(|error| failed(&error))?.into_parts();
    let body = Limited::new(body, ANSWER_LIMIT).collect().await;
    let body = body.map_err(|error| format!("error: health rpc probe failed: {error}"))?;
    let ended =
        body.trailers().filter(|trailers| trailers.contains_key("grpc-status")).unwrap_or(&head.headers);
    refusal(ended, head.status.as_u16())?;
    judge(&body.to_bytes())
}

/// A message of its length, uncompressed, after which nothing comes.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(SERVICE);
        put_varint(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(message.len().saturating_add(5));
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

fn put_varint(bytes: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        bytes.put_u8(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.put_u8(u8::try_from(number).unwrap_or(0));
}

/// How the call itself ended, if not well.
fn refusal(ended: &HeaderMap, http: u16) -> Result<(), String> {
    let text = |name| ended.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let code = text("grpc-status").parse::<i32>().ok();
    let mut why =
        format!("rpc error: code = {}", code.map_or_else(|| format!("HTTP {http}"), |code| code.to_string()));
    let message = text("grpc-message");
    if !message.is_empty() {
        let _ = write!(why, " desc = {message}");
    }
    match code {
        Some(0) => Ok(()),
        Some(UNIMPLEMENTED) => Err(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
        )),
        Some(_) | None => Err(format!("error: health rpc probe failed: {why}")),
    }
}

/// Reads the answer: without the field, its status is the first one.
fn judge(framed: &[u8]) -> Result<String, String> {
    let status = match framed.get(5..) {
        Some([STATUS, status, ..]) => usize::from(*status),
        Some(_) => 0,
        None => return Err("error: health rpc probe failed: the answer is too short".to_owned()),
    };
    match STATUSES.get(status).copied() {
        Some("SERVING") => Ok("service healthy".to_owned()),
        Some(other) => Err(format!("service unhealthy (responded with \"{other}\")")),
        None => Err(format!("service unhealthy (responded with \"{status}\")")),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use hyper::{Request, Response};

    use super::*;

    type Frames = futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>;

    /// A server that knows the health of `db`, and ends other calls as the protocol has it.
    async fn answer(request: Request<Incoming>) -> Result<Response<StreamBody<Frames>>, hyper::Error> {
        assert_eq!(request.uri().path(), METHOD);
        assert_eq!(request.headers().get("te").unwrap(), "trailers");
        let asked = request.into_body().collect().await?.to_bytes();
        let (code, status) = match asked.get(5..).unwrap() {
            [] => (0, Some(1)),
            [SERVICE, 2, b'd', b'b'] => (0, Some(2)),
            [SERVICE, 3, b'o', b'l', b'd'] => (12, None),
            _ => (5, None),
        };
        let message = status.map(|status| Bytes::from(vec![0, 0, 0, 0, 2, STATUS, status]));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.into());
        trailers.insert("grpc-message", "unknown service".parse().unwrap());
        let frames: Vec<_> =
            message.map(Frame::data).into_iter().chain([Frame::trailers(trailers)]).map(Ok).collect();
        Ok(Response::new(StreamBody::new(futures::stream::iter(frames))))
    }

    async fn asked(service: &str) -> Result<String, String> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), service_fn(answer));
        tokio::select! {
            answer = check(client, "10.0.0.1:8080", service) => answer,
            ended = serving => panic!("the server ended first: {ended:?}"),
        }
    }

    #[tokio::test]
    async fn servers_tell_how_they_are() {
        assert_eq!(asked("").await, Ok("service healthy".to_owned()));
        assert_eq!(asked("db").await, Err("service unhealthy (responded with \"NOT_SERVING\")".to_owned()));
        let old = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service";
        assert_eq!(asked("old").await, Err(old.to_owned()));
        let unknown = "error: health rpc probe failed: rpc error: code = 5 desc = unknown service";
        assert_eq!(asked("nobody").await, Err(unknown.to_owned()));
    }

    #[test]
    fn lengths_of_names_are_varints() {
        assert_eq!(question(""), Bytes::from_static(&[0, 0, 0, 0, 0]));
        let long = question(&"x".repeat(300));
        assert_eq!(long.get(..8).unwrap(), [0, 0, 0, 1, 47, SERVICE, 0xac, 2]);
    }
}
