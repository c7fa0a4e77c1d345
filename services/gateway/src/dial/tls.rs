//! Whom to trust, under which name, and who we are: the client's side of TLS.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::{Connection, DialError};

/// How a server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trust {
    /// Who vouches for it.
    pub roots: Roots,
    /// The name that its certificate must have.
    pub server_name: String,
    /// What we show to a server that asks.
    pub identity: Option<Arc<Identity>>,
}

/// Who vouches for servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Roots {
    /// These certificates, in PEM.
    Bundle(String),
    /// Whom this machine trusts.
    System,
    /// Nobody: whoever answers is believed.
    Unchecked,
}

/// A client certificate with its key, in PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Trust {
    /// Speaks TLS over a connection.
    pub async fn secure(&self, connection: Box<dyn Connection>) -> Result<Box<dyn Connection>, DialError> {
        let wrong = |why| DialError::Settings { server: self.server_name.clone(), why };
        let config = self.config().map_err(wrong)?;
        let name =
            ServerName::try_from(self.server_name.clone()).map_err(|error| wrong(error.to_string()))?;
        let secured = TlsConnector::from(Arc::new(config)).connect(name, connection).await;
        let failed = |source| DialError::Tls { server: self.server_name.clone(), source };
        Ok(Box::new(secured.map_err(failed)?))
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match self.roots.certificates()? {
            Some(roots) => builder.with_root_certificates(roots),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider))),
        };
        let Some(identity) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
        let chain = chain.map_err(|error| format!("the client certificate: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
        let key = key.map_err(|error| format!("the client certificate's key: {error}"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
    }
}

impl Roots {
    /// The authorities; `None` if nothing is checked.
    fn certificates(&self) -> Result<Option<RootCertStore>, String> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::Unchecked => return Ok(None),
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
            Self::Bundle(bundle) => {
                for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
                    let certificate = certificate.map_err(|error| format!("the bundle: {error}"))?;
                    roots.add(certificate).map_err(|error| format!("the bundle: {error}"))?;
                }
            }
        }
        if roots.is_empty() { Err("there are no authorities to trust".to_owned()) } else { Ok(Some(roots)) }
    }
}

/// Believes whoever answers, as its user has asked for.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
