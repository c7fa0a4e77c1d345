//! Accepts TLS connections and hands their requests to the router, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::auth::User;
use crate::certificates::{Authority, AuthorityError};
use crate::context::Context;
use crate::pki::{Pki, PkiError};
use crate::tokens::{Signer, SignerError};
use crate::{Config, access, aggregate, bootstrap, controllers, events, hooks, node_tokens, router, tls};

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests may take to end when the gateway stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its certificates.
    #[error("failed to prepare certificates")]
    Pki(#[source] PkiError),
    /// Its key for service account tokens.
    #[error("failed to prepare the tokens of service accounts")]
    Tokens(#[source] SignerError),
    /// Its authority, as a signer of certificates.
    #[error("failed to prepare the authority")]
    Authority(#[source] AuthorityError),
    /// Its TLS configuration.
    #[error("failed to configure TLS")]
    Tls(#[source] tls::TlsError),
    /// Its address.
    #[error("failed to listen on {address}; is another gateway running there?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The bus.
    #[error("failed to read the cluster's state from the bus")]
    Bus(#[source] bus::BusError),
    /// The first objects.
    #[error("failed to create {what}")]
    Bootstrap {
        /// Which object.
        what: String,
        /// Why it failed.
        #[source]
        source: bus::WriteError,
    },
}

/// A gateway that listens and does not answer yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    pki: Pki,
    context: Arc<Context>,
}

impl Gateway {
    /// Prepares certificates, catches up with the cluster's state, creates what every cluster has, and listens.
    pub async fn bind(config: Config, bus: Bus) -> Result<Self, Error> {
        let (directory, advertise) = (config.pki_dir.clone(), config.advertise.clone());
        let pki = tokio::task::spawn_blocking(move || Pki::load_or_create(&directory, &advertise))
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
            .map_err(Error::Pki)?;
        let acceptor = tls::acceptor(&pki).map_err(Error::Tls)?;
        let listen_failed = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let view = bus.view().await.map_err(Error::Bus)?;
        let tokens = Signer::from_pem(&pki.token_key).map_err(Error::Tokens)?;
        let authority = Authority::of(&pki).map_err(Error::Authority)?;
        let context = Arc::new(Context::new(config, bus, view, &pki, (tokens, authority), address));
        bootstrap::create_local_class(&context).await?;
        bootstrap::create_what_every_cluster_has(&context).await?;
        bootstrap::create_roles(&context).await?;
        context.access.load(&context.view);
        context.hooks.load(&context.view);
        Ok(Self { listener, address, acceptor, pki, context })
    }

    /// Where it listens, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its certificates, for `kubeconfig` and in-process clients.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Answers requests until `shutdown`; then lets those that run end.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        info!(address = %self.address, "gateway listening");
        let tasks = TaskTracker::new();
        let questions = node_tokens::listen(&self.context).await.map_err(Error::Bus)?;
        tasks.spawn(node_tokens::run(Arc::clone(&self.context), questions, shutdown.clone()));
        let questions = controllers::listen(&self.context).await.map_err(Error::Bus)?;
        tasks.spawn(controllers::run(Arc::clone(&self.context), questions, shutdown.clone()));
        tasks.spawn(events::follow_the_journal(Arc::clone(&self.context), shutdown.clone()));
        tasks.spawn(access::follow(Arc::clone(&self.context), shutdown.clone()));
        tasks.spawn(hooks::follow(Arc::clone(&self.context), shutdown.clone()));
        tasks.spawn(aggregate::follow(Arc::clone(&self.context), shutdown.clone()));
        tasks.spawn(bootstrap::keep(Arc::clone(&self.context), shutdown.clone()));
        let stopping = self.context.stopping.clone();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (acceptor, context) = (self.acceptor.clone(), Arc::clone(&self.context));
                        tasks.spawn(serve_connection(stream, peer, acceptor, context));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: those in use will come back.
                        warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                () = shutdown.cancelled() => break,
            }
        }
        stopping.cancel();
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            warn!(connections = tasks.len(), "connections outlived the gateway");
        }
        info!("gateway stopped");
        Ok(())
    }
}

/// Listens and answers until `shutdown`.
pub async fn run(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<(), Error> {
    Gateway::bind(config, bus).await?.serve(shutdown).await
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, acceptor: TlsAcceptor, context: Arc<Context>) {
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%peer, %error, "tls handshake failed"),
        Err(_) => return debug!(%peer, "tls handshake timed out"),
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let user = certificates.first().and_then(User::of_certificate);
    let stopping = context.stopping.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (context, user) = (Arc::clone(&context), user.clone());
        async move { Ok::<_, Infallible>(router::answer(&context, user, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1_000)
        .keep_alive_interval(Duration::from_secs(30));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}
