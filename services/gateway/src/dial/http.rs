//! HTTP/1.1 over connections into the cluster: one exchange, or a channel for bodies that stream and protocols that switch.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::http::HeaderValue;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::{Destination, DialError, Dialer, Trust};

/// The longest answer that [`Dialer::send`] reads.
const LONGEST: usize = 10 << 20;

/// An answer, read whole.
pub type Answer = Response<Bytes>;

/// A connection on which one request after the other is sent.
pub struct Channel<B>(SendRequest<B>);

impl<B> Channel<B>
where
    B: Body + 'static,
{
    /// Sends a request; its answer's body arrives while it is read.
    ///
    /// # Errors
    /// [`DialError::Http`].
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, DialError> {
        self.0.send_request(request).await.map_err(DialError::Http)
    }

    /// Whether the other side still listens, as far as is known.
    pub fn is_open(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Channel<Full<Bytes>> {
    /// Sends a request, and reads the answer whole.
    ///
    /// # Errors
    /// [`DialError::Http`], [`DialError::TooLarge`].
    pub(super) async fn exchange(&mut self, request: Request<Bytes>) -> Result<Answer, DialError> {
        self.0.ready().await.map_err(DialError::Http)?;
        let (head, body) = self.send(request.map(Full::new)).await?.into_parts();
        let read = Limited::new(body, LONGEST).collect().await.map_err(reading)?;
        Ok(Response::from_parts(head, read.to_bytes()))
    }
}

impl Dialer {
    /// Connects and speaks HTTP, over TLS if a [`Trust`] is given. The connection ends with the channel and what it has
    /// answered.
    ///
    /// # Errors
    /// Nobody is there, or is not who it should be.
    pub async fn open<B>(&self, to: &Destination, trust: Option<&Trust>) -> Result<Channel<B>, DialError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut connection = self.connect(to).await?;
        if let Some(trust) = trust {
            connection = trust.secure(connection).await?;
        }
        let (sender, driver) = http1::handshake(TokioIo::new(connection)).await.map_err(DialError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                debug!(%error, "a connection into the cluster ended");
            }
        });
        Ok(Channel(sender))
    }

    /// One exchange: connects, asks and reads the answer, all within `limit`. The request's URI is a path with its query;
    /// without a `Host` header it gets the server's name.
    ///
    /// # Errors
    /// Nobody answers in time. An answer with any status is an answer.
    pub async fn send(
        &self,
        to: &Destination,
        trust: Option<&Trust>,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Answer, DialError> {
        let request = addressed(request, to, trust);
        let exchange = async { self.open(to, trust).await?.exchange(request).await };
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(DialError::TimedOut(limit)))
    }
}

/// The request with a `Host`, if it has none.
pub(super) fn addressed(
    mut request: Request<Bytes>,
    to: &Destination,
    trust: Option<&Trust>,
) -> Request<Bytes> {
    if !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(&host_of(to, trust))
    {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// How the server is addressed.
fn host_of(to: &Destination, trust: Option<&Trust>) -> String {
    match (trust, to) {
        (Some(trust), _) => trust.server_name.clone(),
        (None, Destination::Service(service)) => service.server_name(),
        (None, Destination::Pod { pod, port }) => format!("{}:{port}", pod.pod),
        (None, Destination::Address { host, port }) => format!("{host}:{port}"),
    }
}

fn reading(error: Box<dyn std::error::Error + Send + Sync>) -> DialError {
    if error.is::<LengthLimitError>() {
        return DialError::TooLarge(LONGEST);
    }
    match error.downcast::<hyper::Error>() {
        Ok(error) => DialError::Http(*error),
        Err(_) => DialError::TooLarge(LONGEST),
    }
}
