//! The opening of a bare SPDY/3.1 connection.

use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use tracing::debug;

use super::{Pipe, common, connection, tokens};
use crate::failure::Failure;
use crate::respond::{self, Response};

/// What the `Upgrade` header calls it.
pub(super) const NAME: &str = "SPDY/3.1";
/// What is said over the connection: the client's offers, then the server's choice.
const PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// A request that wants to become a SPDY/3.1 connection.
pub struct ToSpdy {
    on: OnUpgrade,
    /// The protocols that the client offers, best first.
    offered: Vec<String>,
}

impl ToSpdy {
    /// Of a request that says so.
    pub(super) fn of(parts: &mut Parts) -> Option<Self> {
        let offered = tokens(&parts.headers, &PROTOCOL).map(str::to_owned).collect();
        Some(Self { on: connection(parts)?, offered })
    }

    /// The first offered protocol that is known; a failure in Kubernetes' words if there is none.
    pub fn protocol(&self, known: &[&'static str]) -> Result<&'static str, Failure> {
        if self.offered.is_empty() {
            return Err(Failure::bad_request("unable to upgrade: X-Stream-Protocol-Version is required"));
        }
        common(&self.offered, known).ok_or_else(|| {
            let (offered, known) = (self.offered.join(" "), known.join(" "));
            let message = format!(
                "unable to upgrade: unable to negotiate protocol: client supports [{offered}], server accepts [{known}]"
            );
            Failure::new(403, "Forbidden", message)
        })
    }

    /// Answers the request; `serve` runs as a task of its own when the client has heard that.
    pub fn accept<F: Future<Output = ()> + Send + 'static>(
        self,
        protocol: &'static str,
        serve: impl FnOnce(Pipe) -> F + Send + 'static,
    ) -> Response {
        let mut response =
            respond::bytes(StatusCode::SWITCHING_PROTOCOLS.as_u16(), "text/plain", bytes::Bytes::new());
        let headers = response.headers_mut();
        headers.clear();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(NAME));
        headers.insert(PROTOCOL, HeaderValue::from_static(protocol));
        tokio::spawn(async move {
            match self.on.await {
                Ok(upgraded) => serve(Pipe::bare(upgraded)).await,
                Err(error) => debug!(%error, "connection not upgraded"),
            }
        });
        response
    }
}
