//! The cluster's certificates: one authority on disk, shared by all gateways; a serving certificate per process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::dial::Identity;

/// How long certificates last, in years: as long as a cluster is likely to live.
const YEARS: i32 = 10;

/// Keys and certificates, in PEM.
#[derive(Clone)]
pub struct Pki {
    /// The authority's certificate.
    pub ca_certificate: String,
    /// Its key.
    pub ca_key: String,
    /// The certificate that this process shows to clients. It lives in memory only, so its names always fit.
    pub serving_certificate: String,
    /// Its key.
    pub serving_key: String,
    /// The client certificate of `admin` in `system:masters`.
    pub admin_certificate: String,
    /// Its key.
    pub admin_key: String,
    /// The bearer token that stands for `admin` too.
    pub admin_token: String,
    /// The key that signs the tokens of service accounts.
    pub token_key: String,
    /// The certificate of the authority that vouches for front proxies: another than that of users, for whoever it vouches for may
    /// say in whose name he asks.
    pub front_proxy_authority: String,
    /// What this process shows to the servers of other APIs.
    pub front_proxy: Identity,
}

/// A certificate could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The directory or a file in it.
    #[error("failed to {verb} `{path}`")]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A certificate.
    #[error("failed to make the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: &'static str,
        /// Why it failed.
        #[source]
        source: rcgen::Error,
    },
}

impl Pki {
    /// Reads what is in `directory` and makes what is not. Any number of processes may do this at once.
    pub fn load_or_create(directory: &Path, advertise: &[String]) -> Result<Self, PkiError> {
        fs::create_dir_all(directory).map_err(failed_to("create", directory))?;
        let _lock = lock(&directory.join(".lock"))?;
        let (ca_certificate, ca_key) = load_pair(directory, "ca", || make_authority("odeon-ca"))?;
        let issuer = issuer(&ca_certificate, &ca_key)?;
        let (admin_certificate, admin_key) = load_pair(directory, "admin", || make_admin(&issuer))?;
        let admin_token = load_token(&directory.join("admin.token"))?;
        let token_key = load_token_key(&directory.join("service-accounts.key"))?;
        let (serving_certificate, serving_key) = make_serving(&issuer, advertise)?;
        let make_front = || make_authority("odeon-front-proxy-ca");
        let (front_proxy_authority, front_key) = load_pair(directory, "front-proxy-ca", make_front)?;
        let front_proxy = make_front_proxy(&self::issuer(&front_proxy_authority, &front_key)?)?;
        Ok(Self {
            ca_certificate,
            ca_key,
            serving_certificate,
            serving_key,
            admin_certificate,
            admin_key,
            admin_token,
            token_key,
            front_proxy_authority,
            front_proxy,
        })
    }

    /// A kubeconfig with the admin's certificate in it.
    pub fn kubeconfig(&self, server_url: &str) -> String {
        let [ca, certificate, key] =
            [&self.ca_certificate, &self.admin_certificate, &self.admin_key].map(|pem| STANDARD.encode(pem));
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             current-context: odeon\n\
             clusters:\n\
             - name: odeon\n  cluster:\n    server: {server_url}\n    certificate-authority-data: {ca}\n\
             users:\n\
             - name: admin\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n\
             contexts:\n\
             - name: odeon\n  context:\n    cluster: odeon\n    user: admin\n"
        )
    }
}

/// Names under which every gateway is known, inside the cluster and on its own machine.
const OWN_NAMES: [&str; 8] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
];

fn make_authority(name: &str) -> Result<(String, String), PkiError> {
    let subject = "the authority";
    let key = KeyPair::generate().map_err(|source| PkiError::Certificate { subject, source })?;
    let mut params = parameters(Vec::new(), subject)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).map_err(|source| PkiError::Certificate { subject, source })?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn issuer(certificate: &str, key: &str) -> Result<Issuer<'static, KeyPair>, PkiError> {
    let subject = "the authority";
    let key = KeyPair::from_pem(key).map_err(|source| PkiError::Certificate { subject, source })?;
    Issuer::from_ca_cert_pem(certificate, key).map_err(|source| PkiError::Certificate { subject, source })
}

fn make_admin(issuer: &Issuer<'static, KeyPair>) -> Result<(String, String), PkiError> {
    let mut params = parameters(Vec::new(), "the admin")?;
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(params, issuer, "the admin")
}

/// The name of front proxies, as the servers of other APIs know it.
pub const FRONT_PROXY: &str = "front-proxy-client";

fn make_front_proxy(issuer: &Issuer<'static, KeyPair>) -> Result<Identity, PkiError> {
    let mut params = parameters(Vec::new(), "the front proxy")?;
    params.distinguished_name.push(DnType::CommonName, FRONT_PROXY);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = sign(params, issuer, "the front proxy")?;
    Ok(Identity { certificate, key })
}

fn make_serving(
    issuer: &Issuer<'static, KeyPair>,
    advertise: &[String],
) -> Result<(String, String), PkiError> {
    let mut names: Vec<String> = OWN_NAMES.map(str::to_owned).into();
    names.extend(advertise.iter().filter(|name| !name.is_empty()).cloned());
    names.sort();
    names.dedup();
    let mut params = parameters(names, "the gateway")?;
    params.distinguished_name.push(DnType::CommonName, "odeon-gateway");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(params, issuer, "the gateway")
}

fn sign(
    mut params: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
    subject: &'static str,
) -> Result<(String, String), PkiError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(|source| PkiError::Certificate { subject, source })?;
    let certificate =
        params.signed_by(&key, issuer).map_err(|source| PkiError::Certificate { subject, source })?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn parameters(names: Vec<String>, subject: &'static str) -> Result<CertificateParams, PkiError> {
    let mut params =
        CertificateParams::new(names).map_err(|source| PkiError::Certificate { subject, source })?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let year = year_now();
    // A clock that is a little behind must not make a new certificate invalid.
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + YEARS, 1, 1);
    Ok(params)
}

fn year_now() -> i32 {
    let text = telemetry::clock::now().to_seconds_text();
    text.get(..4).and_then(|year| year.parse().ok()).unwrap_or(2026)
}

fn load_pair(
    directory: &Path,
    name: &str,
    make: impl FnOnce() -> Result<(String, String), PkiError>,
) -> Result<(String, String), PkiError> {
    let (certificate, key) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
    if certificate.exists() && key.exists() {
        return Ok((read(&certificate)?, read(&key)?));
    }
    let (certificate_pem, key_pem) = make()?;
    // The certificate comes last: where it is, its key is.
    write(&key, &key_pem)?;
    write(&certificate, &certificate_pem)?;
    Ok((certificate_pem, key_pem))
}

fn load_token(path: &Path) -> Result<String, PkiError> {
    if path.exists() {
        return read(path).map(|token| token.trim().to_owned());
    }
    let token = [telemetry::clock::fresh_uid(), telemetry::clock::fresh_uid()]
        .map(|uid| uid.as_str().replace('-', ""))
        .concat();
    write(path, &token)?;
    Ok(token)
}

fn load_token_key(path: &Path) -> Result<String, PkiError> {
    if path.exists() {
        return read(path);
    }
    let subject = "service accounts";
    let key = KeyPair::generate().map_err(|source| PkiError::Certificate { subject, source })?;
    let pem = key.serialize_pem();
    write(path, &pem)?;
    Ok(pem)
}

fn lock(path: &Path) -> Result<File, PkiError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed_to("open", path))?;
    for _ in 0..600 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            Err(fs::TryLockError::Error(source)) => return Err(failed_to("lock", path)(source)),
        }
    }
    Err(failed_to("lock", path)(io::ErrorKind::TimedOut.into()))
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(failed_to("read", path))
}

/// Appears whole or not at all, readable by its owner only.
fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    let draft = path.with_extension("draft");
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed_to("create", &draft))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed_to("write", &draft))?;
    fs::rename(&draft, path).map_err(failed_to("create", path))
}

fn failed_to(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::File { verb, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_start_at_once_share_one_authority() {
        let directory = tempfile::tempdir().unwrap();
        let made: Vec<Pki> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Pki::load_or_create(directory.path(), &[]).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for pki in &made {
            assert_eq!(pki.ca_certificate, made[0].ca_certificate);
            assert_eq!(pki.admin_key, made[0].admin_key);
            assert_eq!(pki.admin_token, made[0].admin_token);
            assert_eq!(pki.token_key, made[0].token_key);
            assert_eq!(pki.front_proxy_authority, made[0].front_proxy_authority);
            assert_ne!(pki.serving_key, "");
        }
        assert!(made[0].kubeconfig("https://127.0.0.1:6443").contains("server: https://127.0.0.1:6443"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Pki::load_or_create(&file.path().join("pki"), &[]).err().unwrap();
        assert!(error.to_string().starts_with("failed to create `/"), "{error}");
    }
}
