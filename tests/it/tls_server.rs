//! A server over TLS for tests, which believes whom it is told to.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// Serves until it is dropped.
pub struct TlsServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, in PEM and base64, as `caBundle` wants it.
    pub bundle: String,
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    /// Listens at `address` as `name`. Lets in whom `authority`, in PEM, vouches for; everybody without one.
    pub fn start<A>(
        address: &str,
        name: &str,
        authority: Option<&str>,
        answer: impl Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    ) -> Self
    where
        A: Future<Output = Result<Response<Full<Bytes>>, hyper::Error>> + Send + 'static,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match authority {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
                let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(clients.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                        .await;
                });
            }
        });
        Self { address, bundle: STANDARD.encode(made.cert.pem()), _runtime: runtime }
    }
}
