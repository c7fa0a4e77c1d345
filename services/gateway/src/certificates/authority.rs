//! The cluster's authority as a signer: writes certificates (X.509 in DER) with the subject and the key that were asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::Pki;

/// The authority cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its certificate.
    #[error("failed to read the authority's certificate: {0}")]
    Certificate(String),
    /// Its key.
    #[error("failed to use the authority's key")]
    Key(#[source] rcgen::Error),
}

/// Signs certificates.
pub struct Authority {
    /// Its own subject, in DER.
    subject: Vec<u8>,
    /// How it signs, in DER: as it has signed its own certificate.
    algorithm: Vec<u8>,
    /// The name of its key, if its certificate has one.
    key_id: Option<Vec<u8>>,
    /// When its own certificate ends, in seconds since the epoch.
    ends: i64,
    key: KeyPair,
}

/// What a certificate says, in DER where it is said by whom it is for.
pub struct Contents<'a> {
    /// Whom it is for.
    pub subject: &'a [u8],
    /// The key that it is about.
    pub public_key: &'a [u8],
    /// Other names of the subject: an extension's value, and whether it is critical.
    pub other_names: Option<(&'a [u8], bool)>,
    /// The key may sign.
    pub signs: bool,
    /// The key may encipher other keys.
    pub enciphers: bool,
    /// Proves who a client is.
    pub for_clients: bool,
    /// Proves who a server is.
    pub for_servers: bool,
    /// Valid from, in seconds since the epoch.
    pub begins: i64,
    /// Valid until; never longer than the authority itself.
    pub ends: i64,
}

impl Authority {
    /// The authority whose certificate and key these are.
    pub fn of(pki: &Pki) -> Result<Self, AuthorityError> {
        let wrong = |why: String| AuthorityError::Certificate(why);
        let encoded = CertificateDer::from_pem_slice(pki.ca_certificate.as_bytes());
        let encoded = encoded.map_err(|error| wrong(error.to_string()))?;
        let (_, certificate) =
            X509Certificate::from_der(&encoded).map_err(|error| wrong(error.to_string()))?;
        let key_id =
            certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            });
        let parameters = certificate.signature_algorithm.parameters.as_ref();
        let parameters = parameters.map(|_| tlv(NULL, &[])).unwrap_or_default();
        let oid = tlv(OID, &[certificate.signature_algorithm.algorithm.as_bytes()]);
        Ok(Self {
            subject: certificate.subject().as_raw().to_vec(),
            algorithm: tlv(SEQUENCE, &[&oid, &parameters]),
            key_id,
            ends: certificate.validity().not_after.timestamp(),
            key: KeyPair::from_pem(&pki.ca_key).map_err(AuthorityError::Key)?,
        })
    }

    /// A certificate, in PEM. `serial` must be one that was never given out.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, contents: &Contents<'_>, serial: &[u8; 16]) -> Result<String, AuthorityError> {
        let mut positive = *serial;
        if let Some(first) = positive.first_mut() {
            // Neither negative nor shorter than it looks.
            *first = *first & 0x7f | 0x40;
        }
        let validity = tlv(SEQUENCE, &[&time(contents.begins), &time(contents.ends.min(self.ends))]);
        let signed = tlv(
            SEQUENCE,
            &[
                &tlv(VERSION, &[&tlv(INTEGER, &[&[2]])]),
                &tlv(INTEGER, &[&positive]),
                &self.algorithm,
                &self.subject,
                &validity,
                contents.subject,
                contents.public_key,
                &tlv(EXTENSIONS, &[&tlv(SEQUENCE, &[&self.extensions(contents)])]),
            ],
        );
        let signature = self.key.sign(&signed).map_err(AuthorityError::Key)?;
        let signature = tlv(BIT_STRING, &[&[0], &signature]);
        Ok(pem(&tlv(SEQUENCE, &[&signed, &self.algorithm, &signature])))
    }

    fn extensions(&self, contents: &Contents<'_>) -> Vec<u8> {
        let bits = if contents.signs { 0x80 } else { 0 } | if contents.enciphers { 0x20 } else { 0 };
        // Unused bits come last and are counted.
        let unused = if contents.enciphers { 5 } else { 7 };
        let purposes = [(contents.for_servers, SERVER_AUTH), (contents.for_clients, CLIENT_AUTH)];
        let purposes: Vec<u8> =
            purposes.iter().filter(|(wanted, _)| *wanted).flat_map(|(_, oid)| tlv(OID, &[oid])).collect();
        let mut all = Vec::new();
        if bits != 0 {
            all.extend(extension(KEY_USAGE, true, &tlv(BIT_STRING, &[&[unused, bits]])));
        }
        if !purposes.is_empty() {
            all.extend(extension(PURPOSES, false, &tlv(SEQUENCE, &[&purposes])));
        }
        all.extend(extension(BASIC, true, &tlv(SEQUENCE, &[])));
        if let Some(id) = &self.key_id {
            all.extend(extension(AUTHORITY_KEY, false, &tlv(SEQUENCE, &[&tlv(KEY_ID, &[id])])));
        }
        if let Some((names, critical)) = contents.other_names {
            all.extend(extension(OTHER_NAMES, critical, names));
        }
        all
    }
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const KEY_ID: u8 = 0x80;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// `id-ce`: 2.5.29.x.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const OTHER_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
const PURPOSES: &[u8] = &[0x55, 0x1d, 37];
/// `id-kp`: 1.3.6.1.5.5.7.3.x.
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// One value in DER: tag, length, content.
fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len().to_be_bytes();
    let length: &[u8] =
        length.get(length.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let mut value = vec![tag];
    match (content.len(), u8::try_from(length.len())) {
        (short @ 0..=127, _) => value.extend(u8::try_from(short)),
        (_, Ok(bytes)) => {
            value.push(0x80 | bytes);
            value.extend_from_slice(length);
        }
        (_, Err(_)) => {}
    }
    value.extend(content);
    value
}

fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    tlv(SEQUENCE, &[&tlv(OID, &[oid]), &critical, &tlv(OCTET_STRING, &[content])])
}

/// Two digits of the year until 2049, four from then on (RFC 5280).
fn time(seconds: i64) -> Vec<u8> {
    let text = api::Timestamp(seconds.saturating_mul(1_000_000)).to_seconds_text();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.get(2..).filter(|_| digits.as_str() < "2050") {
        Some(short) => tlv(UTC_TIME, &[short.as_bytes(), b"Z"]),
        None => tlv(GENERALIZED_TIME, &[digits.as_bytes(), b"Z"]),
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::asked::{Asked, tests::BY_OPENSSL};
    use super::*;

    #[test]
    fn what_is_signed_says_what_was_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
        let asked = Asked::read(&json!({"spec": {"request": STANDARD.encode(BY_OPENSSL)}})).unwrap();
        let names = asked.other_names.clone().unwrap();
        let contents = Contents {
            subject: &asked.subject,
            public_key: &asked.public_key,
            other_names: Some((&names.0, names.1)),
            signs: true,
            enciphers: true,
            for_clients: true,
            for_servers: false,
            begins: 1_800_000_000,
            ends: i64::MAX / 1_000_000,
        };
        let authority = Authority::of(&pki).unwrap();
        let signed = authority.sign(&contents, &[0xff; 16]).unwrap();
        let encoded = CertificateDer::from_pem_slice(signed.as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&encoded).unwrap();
        let issuer = CertificateDer::from_pem_slice(pki.ca_certificate.as_bytes()).unwrap();
        let (_, issuer) = X509Certificate::from_der(&issuer).unwrap();
        certificate.verify_signature(Some(issuer.public_key())).unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=jane, O=dev, O=ops");
        assert_eq!(certificate.validity().not_before.timestamp(), 1_800_000_000);
        assert_eq!(
            certificate.validity().not_after,
            issuer.validity().not_after,
            "never longer than the authority"
        );
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.client_auth && !purposes.server_auth);
        assert!(!certificate.is_ca());
        let names = certificate.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 1);
    }

    #[test]
    fn times_and_lengths_are_der() {
        assert_eq!(time(0), b"\x17\x0d700101000000Z");
        assert_eq!(time(2_524_608_000), b"\x18\x0f20500101000000Z");
        assert_eq!(tlv(4, &[&[0; 127]])[..2], [4, 127]);
        assert_eq!(tlv(4, &[&[0; 200]])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[&[0; 300]])[..4], [4, 0x82, 1, 44]);
    }
}
