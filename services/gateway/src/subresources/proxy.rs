//! `proxy` below pods, services and nodes: HTTP to a server in the cluster, by `[http:|https:]name[:port]`.

mod node;
mod whom;

use std::sync::Arc;

use api::views::Pod;
use api::{KindInfo, ObjectKey, Resource};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Request};
use serde_json::Value;

use super::target::Target;
use crate::context::Context;
use crate::dial::{Destination, DialError, Port, Roots, ServicePort, Trust};
use crate::failure::Failure;
use crate::forward::{self, Journey};
use crate::path::ObjectPath;
use crate::respond::{self, Response};
use whom::Whom;

/// Segments of the path up to and with `proxy`, without a namespace.
const SEGMENTS: usize = 5;

/// Whether a path asks for this.
pub fn is_asked(kind: &KindInfo, path: &ObjectPath) -> bool {
    path.subresource.as_deref() == Some("proxy") && matches!(kind.id.as_str(), "pods" | "services" | "nodes")
}

/// Answers with what the server answers.
pub async fn answer(
    context: &Arc<Context>,
    kind: &KindInfo,
    path: &ObjectPath,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let asked = path.name.as_deref().unwrap_or_default();
    let whom = Whom::parse(asked).ok_or_else(|| {
        Failure::bad_request(format!("invalid {} request \"{asked}\"", kind.kind.to_lowercase()))
    })?;
    let whole = request.uri().path().to_owned();
    let segments = SEGMENTS + if path.namespace.is_some() { 2 } else { 0 };
    let below = crate::path::below(&whole, segments);
    if kind.id.as_str() == "nodes" {
        return node::answer(context, kind, &whom, below, request).await;
    }
    let namespace = path.namespace.as_deref().unwrap_or_default();
    let to = match kind.id.as_str() {
        "pods" => pod(context, kind, namespace, &whom)?,
        _ => service(context, kind, namespace, &whom)?,
    };
    if below.is_empty() && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(to_the_root(&whole, request.uri().query()));
    }
    let prefix = whole.get(..whole.len() - below.len()).unwrap_or_default();
    let host = forward::host(&request);
    let trust = whom.secure.then(unchecked);
    let journey = Journey {
        to: &to,
        trust: trust.as_ref(),
        path: forward::uri(if below.is_empty() { "/" } else { below }, request.uri().query())?,
        headers: forwarded(&whole),
    };
    let answered = forward::pass_on(context, journey, request).await;
    let mut response = answered.map_err(|trouble| trouble.failure())?;
    if let Some(location) = response.headers().get(LOCATION).and_then(|location| location.to_str().ok())
        && let Ok(location) = HeaderValue::from_str(&forward::relocated(location, prefix, &[&host]))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Servers in pods have certificates of their own making: Kubernetes does not check them here either.
fn unchecked() -> Trust {
    Trust { roots: Roots::Unchecked, server_name: "localhost".to_owned(), identity: None }
}

/// Tells the server under which path its client sees it.
fn forwarded(path: &str) -> HeaderMap {
    let header = HeaderName::from_static("x-forwarded-uri");
    HeaderValue::from_str(path).map(|path| (header, path)).into_iter().collect()
}

/// Links of a page are relative to its directory, so the root needs its slash.
fn to_the_root(path: &str, query: Option<&str>) -> Response {
    let mut response = respond::bytes(301, "text/plain", bytes::Bytes::new());
    let location = format!("{path}/{}", query.map(|query| format!("?{query}")).unwrap_or_default());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn pod(context: &Context, kind: &KindInfo, namespace: &str, whom: &Whom<'_>) -> Result<Destination, Failure> {
    let found = context.view.get(&ObjectKey::namespaced(Pod::ID, namespace, whom.name));
    let value = found.ok_or_else(|| Failure::not_found(kind, whom.name))?.value();
    let pod = Target::of_pod(&value)?;
    let port = match whom.port {
        "" => first_port(&value),
        port => port.parse().map_err(|_| {
            let message = format!("error trying to reach service: \"{port}\" is not the number of a port");
            Failure::new(503, "ServiceUnavailable", message)
        })?,
    };
    Ok(Destination::Pod { pod, port })
}

/// The first port that a container names, else HTTP's.
fn first_port(pod: &Value) -> u16 {
    let containers = api::json::items(pod, "/spec/containers").iter();
    let named = containers.filter_map(|container| container.pointer("/ports/0/containerPort")?.as_u64());
    named.filter_map(|port| u16::try_from(port).ok()).next().unwrap_or(80)
}

fn service(
    context: &Context,
    kind: &KindInfo,
    namespace: &str,
    whom: &Whom<'_>,
) -> Result<Destination, Failure> {
    let port = ServicePort {
        namespace: namespace.to_owned(),
        name: whom.name.to_owned(),
        port: Port::parse(whom.port),
    };
    // Addresses that are no pods might be anybody's: whoever may write endpoints must not reach them from here.
    let found = context.dialer.resolve(&port).and_then(|to| match to {
        Destination::Pod { .. } => Ok(to),
        Destination::Service(_) | Destination::Address { .. } => {
            Err(DialError::NoEndpoints(whom.name.to_owned()))
        }
    });
    found.map_err(|error| match error {
        DialError::NoService(_) => Failure::not_found(kind, whom.name),
        other => Failure::new(503, "ServiceUnavailable", other.to_string()),
    })
}
