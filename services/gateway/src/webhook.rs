//! Calls webhooks, of whatever sort: over TLS, within their time, in Kubernetes' words when that fails.

use std::time::Duration;

use api::hooks::Client;
use bytes::Bytes;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};

use crate::dial::{Destination, Dialer, Port, Roots, ServicePort, Trust};

/// Sends a review; the answer's body.
///
/// # Errors
/// Nobody answers within `limit` (whole seconds), or the answer is no success; in the words of Kubernetes' client.
pub async fn post(
    dialer: &Dialer,
    client: &Client,
    limit: Duration,
    body: String,
    agent: &str,
) -> Result<Bytes, String> {
    let seconds = limit.as_secs();
    let url = format!("{}?timeout={seconds}s", client.url());
    let failed = |why: String| format!("Post {url:?}: {why}");
    let (to, trust, path) = destination(client).ok_or_else(|| failed("the URL has no host".to_owned()))?;
    let request = Request::post(format!("{path}?timeout={seconds}s"))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, */*")
        .header(USER_AGENT, agent)
        .body(Bytes::from(body))
        .map_err(|error| failed(error.to_string()))?;
    let answer = dialer.send_kept(&to, Some(&trust), request, limit).await;
    let answer = answer.map_err(|error| failed(error.chain()))?;
    let said = || String::from_utf8_lossy(answer.body()).trim().to_owned();
    match answer.status().as_u16() {
        200..=299 => Ok(answer.into_body()),
        404 => Err("the server could not find the requested resource".to_owned()),
        500.. => {
            Err(format!("an error on the server ({:?}) has prevented the request from succeeding", said()))
        }
        _ => Err("the server rejected our request for an unknown reason".to_owned()),
    }
}

/// Where a webhook is, whom to trust there, and under which path.
fn destination(client: &Client) -> Option<(Destination, Trust, String)> {
    let roots = |authorities: &String| match authorities.is_empty() {
        true => Roots::System,
        false => Roots::Bundle(authorities.clone()),
    };
    match client {
        Client::Service { namespace, name, path, port, authorities } => {
            let service =
                ServicePort { namespace: namespace.clone(), name: name.clone(), port: Port::Number(*port) };
            let trust =
                Trust { roots: roots(authorities), server_name: service.server_name(), identity: None };
            Some((Destination::Service(service), trust, path.clone()))
        }
        Client::Url { url, authorities } => {
            let rest = url.strip_prefix("https://")?;
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let (host, port) = host_and_port(authority)?;
            let trust = Trust { roots: roots(authorities), server_name: host.clone(), identity: None };
            let path = if path.is_empty() { "/" } else { path };
            Some((Destination::Address { host, port }, trust, path.to_owned()))
        }
    }
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = port.strip_prefix(':').map_or(Some(443), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_webhooks_are() {
        let place = |url: &str| {
            let client = Client::Url { url: url.to_owned(), authorities: String::new() };
            destination(&client).map(|(to, trust, path)| match to {
                Destination::Address { host, port } => format!("{host} {port} {path} {}", trust.server_name),
                other => format!("{other:?}"),
            })
        };
        assert_eq!(
            place("https://hooks.example.com/a/b").unwrap(),
            "hooks.example.com 443 /a/b hooks.example.com"
        );
        assert_eq!(place("https://127.0.0.1:8443").unwrap(), "127.0.0.1 8443 / 127.0.0.1");
        assert_eq!(place("https://[::1]:8443/x").unwrap(), "::1 8443 /x ::1");
        assert_eq!(place("https:///x"), None);
        assert_eq!(place("https://host:port/"), None);
    }
}
