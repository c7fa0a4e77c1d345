//! What a request for a certificate asks for (PKCS #10), and whether a signer of the cluster gives that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::prelude::FromDer;

/// Signs certificates of clients.
pub const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";
/// Signs certificates of nodes as clients.
pub const NODES: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Signs certificates of nodes as servers.
pub const NODE_SERVERS: &str = "kubernetes.io/kubelet-serving";

/// A request for a certificate, read.
#[derive(Debug, Default)]
pub struct Asked {
    /// The subject, in DER.
    pub subject: Vec<u8>,
    /// The key, in DER.
    pub public_key: Vec<u8>,
    /// Other names of the subject: the extension's value, and whether it is critical.
    pub other_names: Option<(Vec<u8>, bool)>,
    /// The subject's name.
    pub common_name: String,
    /// The subject's groups.
    pub organizations: Vec<String>,
    /// How many of the other names are those of hosts (names and addresses), and of something else.
    hosts: usize,
    others: usize,
}

impl Asked {
    /// Reads `spec.request`.
    ///
    /// # Errors
    /// It is no request, or its signature is not that of its key.
    pub fn read(object: &Value) -> Result<Self, String> {
        let text = api::json::text(object, "/spec/request");
        let pem = STANDARD.decode(text).map_err(|error| error.to_string())?;
        let not_pem = |_| "PEM block type must be CERTIFICATE REQUEST".to_owned();
        let encoded = CertificateSigningRequestDer::from_pem_slice(&pem).map_err(not_pem)?;
        let (_, request) =
            X509CertificationRequest::from_der(&encoded).map_err(|error| format!("asn1: {error}"))?;
        request.verify_signature().map_err(|error| error.to_string())?;
        let info = &request.certification_request_info;
        let text =
            |list: &mut dyn Iterator<Item = &x509_parser::x509::AttributeTypeAndValue<'_>>| -> Vec<String> {
                list.filter_map(|value| value.as_str().ok()).map(str::to_owned).collect()
            };
        let mut asked = Self {
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            common_name: text(&mut info.subject.iter_common_name()).into_iter().next().unwrap_or_default(),
            organizations: text(&mut info.subject.iter_organization()),
            ..Self::default()
        };
        for attribute in info.iter_attributes() {
            if let ParsedCriAttribute::ExtensionRequest(wanted) = attribute.parsed_attribute() {
                wanted.extensions.iter().for_each(|extension| asked.take(extension));
            }
        }
        Ok(asked)
    }

    fn take(&mut self, extension: &X509Extension<'_>) {
        if extension.oid != OID_X509_EXT_SUBJECT_ALT_NAME {
            return;
        }
        self.other_names = Some((extension.value.to_vec(), extension.critical));
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            let is_host =
                |name: &&GeneralName<'_>| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_));
            self.hosts = names.general_names.iter().filter(is_host).count();
            self.others = names.general_names.len() - self.hosts;
        }
    }

    /// What keeps a signer of the cluster from signing; nothing, or the first reason.
    ///
    /// # Errors
    /// In Kubernetes' words.
    pub fn suits(&self, signer: &str, usages: &[&str]) -> Result<(), String> {
        let (needed, allowed) = match signer {
            NODE_SERVERS => ("server auth", ["key encipherment", "digital signature", "server auth"]),
            _ => ("client auth", ["key encipherment", "digital signature", "client auth"]),
        };
        let suitable = usages.contains(&needed) && usages.iter().all(|usage| allowed.contains(usage));
        if !suitable {
            let kind = if needed == "server auth" { "server" } else { "client" };
            return Err(format!("invalid usage for {kind} certificate: {}", usages.join(", ")));
        }
        if signer == CLIENTS {
            return Ok(());
        }
        if self.organizations.as_slice() != ["system:nodes"] {
            return Err("subject organization is not system:nodes".to_owned());
        }
        if !self.common_name.starts_with("system:node:") {
            return Err("subject common name does not begin with system:node:".to_owned());
        }
        match (signer, self.hosts, self.others) {
            (NODES, 0, 0) => Ok(()),
            (NODES, ..) => Err("DNS, IP, URI or email subjectAltNames are not allowed".to_owned()),
            (_, 0, _) => Err("DNS or IP subjectAltName is required".to_owned()),
            (_, _, 0) => Ok(()),
            _ => Err("URI and email subjectAltNames are not allowed".to_owned()),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// Made with `openssl req -new -subj /CN=jane/O=dev/O=ops -addext subjectAltName=DNS:jane.example.com`.
    pub const BY_OPENSSL: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBFDCBuwIBADArMQ0wCwYDVQQDDARqYW5lMQwwCgYDVQQKDANkZXYxDDAKBgNV
BAoMA29wczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB44OFeT4k+fUfYaCAru
WxpNoCenjaD8I/xLsGmEFcow6JU0oWvPhHkEdKWnKwO5RQBviVfpI+4xY8GSQ9Kw
lc2gLjAsBgkqhkiG9w0BCQ4xHzAdMBsGA1UdEQQUMBKCEGphbmUuZXhhbXBsZS5j
b20wCgYIKoZIzj0EAwIDSAAwRQIhANXZrVdTJIb2jOscDn+cadUHFGwS97Re7bQ7
GSI9PRRHAiBDEwqVOzHODGllx5yV9sCkRh+E4+jIsDHxVJMV1IN93A==
-----END CERTIFICATE REQUEST-----
";

    #[test]
    fn a_request_of_openssl_is_read() {
        let read = |pem: &str| Asked::read(&json!({"spec": {"request": STANDARD.encode(pem)}}));
        let asked = read(BY_OPENSSL).unwrap();
        assert_eq!(asked.common_name, "jane");
        assert_eq!(asked.organizations, ["dev", "ops"]);
        assert_eq!((asked.hosts, asked.others), (1, 0));
        let forged = BY_OPENSSL
            .replace("MIIBFDCBuwIBADArMQ0wCwYDVQQDDARqYW5l", "MIIBFDCBuwIBADArMQ0wCwYDVQQDDARyb290");
        assert!(read(&forged).is_err(), "its signature is that of another subject");
        assert_eq!(read("x").unwrap_err(), "PEM block type must be CERTIFICATE REQUEST");
    }

    #[test]
    fn signers_are_particular() {
        let node = |hosts, others| Asked {
            common_name: "system:node:n1".into(),
            organizations: vec!["system:nodes".into()],
            hosts,
            others,
            ..Asked::default()
        };
        let jane =
            Asked { common_name: "jane".into(), organizations: vec!["dev".into()], ..Asked::default() };
        assert_eq!(jane.suits(CLIENTS, &["client auth", "digital signature"]), Ok(()));
        let usage = "invalid usage for client certificate: server auth";
        assert_eq!(jane.suits(CLIENTS, &["server auth"]).unwrap_err(), usage);
        assert_eq!(
            jane.suits(NODES, &["client auth"]).unwrap_err(),
            "subject organization is not system:nodes"
        );
        assert_eq!(node(0, 0).suits(NODES, &["client auth"]), Ok(()));
        assert!(node(1, 0).suits(NODES, &["client auth"]).is_err());
        assert_eq!(node(1, 0).suits(NODE_SERVERS, &["server auth"]), Ok(()));
        assert_eq!(
            node(0, 0).suits(NODE_SERVERS, &["server auth"]).unwrap_err(),
            "DNS or IP subjectAltName is required"
        );
        assert!(node(1, 1).suits(NODE_SERVERS, &["server auth"]).is_err());
    }
}
