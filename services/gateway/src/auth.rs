//! Who asks: the subject of a client certificate, the holder of the admin token, or a service account with a token of its own.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whoever is in it may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of everyone who is known.
const AUTHENTICATED: &str = "system:authenticated";
/// The group of those who have not said who they are.
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Who has not said who they are.
pub const ANONYMOUS: &str = "system:anonymous";
/// What names of service accounts start with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// Which credential was shown.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// A user, as Kubernetes knows one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The certificate's CN, or `system:serviceaccount:<namespace>:<name>`.
    pub name: String,
    /// The service account's uid; empty for others.
    pub uid: String,
    /// The certificate's Os, and those that follow from being known.
    pub groups: Vec<String>,
    /// What else is known: which credential was shown.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user of this name, with what follows from the name.
    pub fn named(name: &str, groups: Vec<String>) -> Self {
        let mut user = Self { name: name.to_owned(), groups, ..Self::default() };
        let account = user.service_account().map(|(namespace, _)| namespace.to_owned());
        if let Some(namespace) = account {
            user.join("system:serviceaccounts");
            user.join(&format!("system:serviceaccounts:{namespace}"));
        }
        user.join(if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED });
        user
    }

    /// The subject of a verified client certificate; `None` if it names nobody.
    pub fn of_certificate(encoded: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(encoded).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().find_map(|name| name.as_str().ok())?;
        let groups =
            subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
        let digest: String = Sha256::digest(encoded).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self::named(name, groups).with(CREDENTIAL, format!("X509SHA256={digest}")))
    }

    /// The service account `name` of `namespace`, which showed the token `id`.
    pub fn of_service_account(namespace: &str, name: &str, uid: &str, id: &str) -> Self {
        let mut user = Self::named(&format!("{SERVICE_ACCOUNT}{namespace}:{name}"), Vec::new());
        uid.clone_into(&mut user.uid);
        user.with(CREDENTIAL, format!("JTI={id}"))
    }

    /// The user that the admin certificate and token stand for.
    pub fn admin() -> Self {
        Self::named("admin", vec![MASTERS.to_owned()])
    }

    /// Adds something that is known.
    pub fn with(mut self, key: &str, value: String) -> Self {
        self.extra.insert(key.to_owned(), vec![value]);
        self
    }

    /// Everything is allowed to the cluster's masters.
    pub fn may_do_everything(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// Namespace and name, if the user is a service account.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.name.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')
    }

    /// Kubernetes' `UserInfo`.
    pub fn to_value(&self) -> Value {
        let mut value = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            crate::fields::set(&mut value, "uid", self.uid.as_str());
        }
        if !self.extra.is_empty() {
            crate::fields::set(&mut value, "extra", json!(self.extra));
        }
        value
    }

    fn join(&mut self, group: &str) {
        if !self.groups.iter().any(|known| known == group) {
            self.groups.push(group.to_owned());
        }
    }
}

/// The token of `Authorization: Bearer <token>`.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares in a time that does not tell how much of a secret is right. Nothing is the same as an empty secret.
pub fn same(given: &str, wanted: &str) -> bool {
    let difference = given.bytes().zip(wanted.bytes()).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    !wanted.is_empty() && given.len() == wanted.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_the_token() {
        let is_admin = |header, token| bearer(header).is_some_and(|given| same(given, token));
        assert!(is_admin("Bearer abc", "abc"));
        assert!(is_admin("bearer  abc", "abc"));
        assert!(!is_admin("Bearer ab", "abc"));
        assert!(!is_admin("Basic abc", "abc"));
        assert!(!is_admin("Bearer ", ""));
        assert_eq!(User::of_certificate(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    #[test]
    fn groups_follow_from_names() {
        let robot = User::of_service_account("web", "robot", "u-1", "j");
        assert_eq!(robot.service_account(), Some(("web", "robot")));
        assert_eq!(
            robot.groups,
            ["system:serviceaccounts", "system:serviceaccounts:web", "system:authenticated"]
        );
        assert!(!robot.may_do_everything());
        assert!(User::admin().may_do_everything());
    }
}
