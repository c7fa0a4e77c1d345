//! Who asks: the subject of a client certificate, or the holder of the admin token.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A user, as Kubernetes knows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The certificate's CN.
    pub name: String,
    /// The certificate's Os.
    pub groups: Vec<String>,
}

impl User {
    /// The subject of a verified client certificate; `None` if it names nobody.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().find_map(|name| name.as_str().ok())?.to_owned();
        let groups =
            subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
        Some(Self { name, groups })
    }

    /// The holder of `Authorization: Bearer <token>`; `None` if the token is not the admin's.
    pub fn of_bearer(authorization: &str, admin_token: &str) -> Option<Self> {
        let (scheme, token) = authorization.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && same(token.trim(), admin_token)).then(Self::admin)
    }

    /// The user that the admin certificate and token stand for.
    pub fn admin() -> Self {
        Self { name: "admin".to_owned(), groups: vec!["system:masters".to_owned()] }
    }

    /// Everything is allowed to the cluster's masters; there are no roles yet.
    pub fn may_do_everything(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }
}

/// Compares in a time that does not tell how much of the token is right.
fn same(given: &str, wanted: &str) -> bool {
    let difference = given.bytes().zip(wanted.bytes()).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    !wanted.is_empty() && given.len() == wanted.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_the_token() {
        assert_eq!(User::of_bearer("Bearer abc", "abc"), Some(User::admin()));
        assert_eq!(User::of_bearer("bearer  abc", "abc"), Some(User::admin()));
        assert_eq!(User::of_bearer("Bearer ab", "abc"), None);
        assert_eq!(User::of_bearer("Basic abc", "abc"), None);
        assert_eq!(User::of_bearer("Bearer ", ""), None);
        assert_eq!(User::of_certificate(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
