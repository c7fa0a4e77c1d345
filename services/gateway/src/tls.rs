//! TLS by rustls with ring: our serving certificate, optional client certificates of our authority, HTTP/2 by ALPN.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::pki::Pki;

/// TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or a key cannot be read.
    #[error("failed to read {what}")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificates do not fit together.
    #[error("failed to use the certificates")]
    Certificates(#[source] rustls::Error),
    /// The authority's certificate is no authority's.
    #[error("failed to verify client certificates with the authority")]
    Verifier(#[source] VerifierBuilderError),
}

/// Accepts TLS connections with the process's serving certificate.
pub fn acceptor(pki: &Pki) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate(&pki.ca_certificate, "the authority's certificate")?)
        .map_err(TlsError::Certificates)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Verifier)?;
    let chain = vec![certificate(&pki.serving_certificate, "the serving certificate")?];
    let key = PrivateKeyDer::from_pem_slice(pki.serving_key.as_bytes())
        .map_err(|source| TlsError::Pem { what: "the serving key", source })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Certificates)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(TlsError::Certificates)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificate(pem: &str, what: &'static str) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|source| TlsError::Pem { what, source })
}
