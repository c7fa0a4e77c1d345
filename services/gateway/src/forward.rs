//! Passes a request on to a server inside the cluster and its answer back, bodies as they come, upgrades included.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tracing::debug;

use crate::context::Context;
use crate::dial::{Destination, DialError, Trust};
use crate::failure::Failure;
use crate::respond::{self, Response, StreamError};

/// Headers that are about one connection only.
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Also about one connection only, though no standard says so.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Where a request goes and as what.
pub struct Journey<'a> {
    /// Who shall answer.
    pub to: &'a Destination,
    /// How it proves who it is; `None`: in the clear.
    pub trust: Option<&'a Trust>,
    /// The path and the query there.
    pub path: Uri,
    /// Headers that replace those of the client.
    pub headers: HeaderMap,
}

/// The answer of the one the request goes to.
///
/// # Errors
/// What kept it from answering.
pub async fn pass_on(
    context: &Context,
    journey: Journey<'_>,
    mut request: Request<Incoming>,
) -> Result<Response, Trouble> {
    let wanted = upgrade_of(request.headers());
    let from_client = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
    let mut channel = context.dialer.open(journey.to, journey.trust).await.map_err(Trouble::Dial)?;
    let answer = channel.send(outgoing(journey, request, wanted.as_ref())).await.map_err(Trouble::Dial)?;
    match from_client {
        Some(from_client) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Ok(switched(context, from_client, answer))
        }
        Some(_) if answer.status().as_u16() < 400 => Err(Trouble::NotUpgraded(answer.status())),
        _ => Ok(incoming(answer)),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nobody was reached, or what was said is not HTTP.
    #[error(transparent)]
    Dial(DialError),
    /// The client wanted another protocol and the server did not.
    #[error("invalid upgrade response: status code {}", .0.as_u16())]
    NotUpgraded(StatusCode),
}

impl Trouble {
    /// As Kubernetes tells clients of it.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Dial(error) => {
                let message = format!("error trying to reach service: {}", error.chain());
                Failure::new(503, "ServiceUnavailable", message)
            }
            Self::NotUpgraded(_) => {
                let message =
                    format!("an error on the server (\"{self}\") has prevented the request from succeeding");
                Failure::new(500, "InternalError", message)
            }
        }
    }
}

/// The protocol that the client wants to go on with.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let wants =
        connection.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| wants).cloned()
}

/// The request as the server gets it. Who the client is stays here: the server must not be able to pass for it.
fn outgoing(
    journey: Journey<'_>,
    request: Request<Incoming>,
    upgrade: Option<&HeaderValue>,
) -> Request<Incoming> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    without_hops(&mut head.headers);
    head.headers.remove(AUTHORIZATION);
    let impersonation: Vec<HeaderName> =
        head.headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
    for name in impersonation {
        head.headers.remove(name);
    }
    // Clients of HTTP/2 name the host in the URI.
    if let Some(host) = host
        && !head.headers.contains_key(HOST)
    {
        head.headers.insert(HOST, host);
    }
    if let Some(protocol) = upgrade {
        head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, protocol.clone());
    }
    for name in journey.headers.keys() {
        head.headers.remove(name);
    }
    head.headers.extend(journey.headers);
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = journey.path;
    *request.headers_mut() = head.headers;
    request
}

/// The answer as the client gets it.
fn incoming(answer: hyper::Response<Incoming>) -> Response {
    let (mut head, body) = answer.into_parts();
    without_hops(&mut head.headers);
    let mut response = hyper::Response::new(body.map_err(StreamError::from).boxed_unsync());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in &named {
        headers.remove(name.as_str());
    }
    for name in HOP_BY_HOP.iter().chain([&KEEP_ALIVE]) {
        headers.remove(name);
    }
}

/// Tells the client that the protocol is switched, and carries bytes from then on.
fn switched(context: &Context, from_client: OnUpgrade, answer: hyper::Response<Incoming>) -> Response {
    let mut response = respond::bytes(101, "text/plain", bytes::Bytes::new());
    *response.headers_mut() = answer.headers().clone();
    response.headers_mut().remove(CONTENT_LENGTH);
    let stopping = context.stopping.clone();
    let carrying = async move {
        let (client, server) = tokio::try_join!(from_client, hyper::upgrade::on(answer))?;
        let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        Ok::<(), StreamError>(())
    };
    tokio::spawn(async move {
        if let Some(Err(error)) = stopping.run_until_cancelled(carrying).await {
            debug!(error, "an upgraded connection ended");
        }
    });
    response
}

/// A path and a query as a server gets them.
///
/// # Errors
/// They are no URI.
pub fn uri(path: &str, query: Option<&str>) -> Result<Uri, Failure> {
    let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    text.parse().map_err(|error| Failure::bad_request(format!("invalid path \"{text}\": {error}")))
}

/// Where the server's `Location` leads through the gateway: paths on the server itself stay below `prefix`.
pub fn relocated(location: &str, prefix: &str, own_hosts: &[&str]) -> String {
    let (host, rest) = match location.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", location),
    };
    let elsewhere = !host.is_empty() && !own_hosts.contains(&host);
    if elsewhere || !rest.starts_with('/') || rest.starts_with("//") {
        return location.to_owned();
    }
    if rest.starts_with(prefix) { rest.to_owned() } else { format!("{prefix}{rest}") }
}

/// The `Host` of a request.
pub fn host(request: &Request<Incoming>) -> Arc<str> {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named
        .or_else(|| request.uri().authority().map(hyper::http::uri::Authority::as_str))
        .unwrap_or_default()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_through_the_gateway() {
        let at =
            |location| relocated(location, "/api/v1/namespaces/shop/services/web/proxy", &["gateway:6443"]);
        assert_eq!(at("/login?a=b"), "/api/v1/namespaces/shop/services/web/proxy/login?a=b");
        assert_eq!(at("http://gateway:6443/x/"), "/api/v1/namespaces/shop/services/web/proxy/x/");
        assert_eq!(
            at("/api/v1/namespaces/shop/services/web/proxy/x"),
            "/api/v1/namespaces/shop/services/web/proxy/x"
        );
        for untouched in ["next", "https://example.com/x", "//example.com/x", "?page=2", ""] {
            assert_eq!(at(untouched), untouched);
        }
    }

    #[test]
    fn upgrades_are_seen_and_hops_are_not_passed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, Upgrade, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(upgrade_of(&headers), None);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        assert_eq!(upgrade_of(&headers), Some(HeaderValue::from_static("websocket")));
        without_hops(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
