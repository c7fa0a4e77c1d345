//! Tokens of service accounts: signed JSON Web Tokens with Kubernetes' claims. Every gateway has the same key, so any may check them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who signs, and whom tokens are for unless their asker says otherwise.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Signs and checks tokens.
pub struct Signer {
    pair: EcdsaKeyPair,
    header: String,
}

/// The signing key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// It is no PEM.
    #[error("failed to read the signing key of service account tokens")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// It is no key of the right kind.
    #[error("failed to use the signing key of service account tokens: {0}")]
    Key(ring::error::KeyRejected),
}

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The account's namespace.
    pub namespace: String,
    /// The account's name.
    pub name: String,
    /// The account's uid: a successor of the same name does not inherit tokens.
    pub uid: String,
    /// Whom the token is for.
    pub audiences: Vec<String>,
    /// The token's own name.
    pub id: String,
    /// When it was issued, in seconds since the epoch.
    pub issued: i64,
    /// When it ends, in seconds since the epoch.
    pub expires: i64,
    /// The object that it dies with: kind, name and uid.
    pub bound: Option<Bound>,
}

/// An object that a token dies with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// `Pod`, `Secret` or `Node`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Kinds that tokens may be bound to, and how claims call them.
const BINDABLE: [(&str, &str); 3] = [("Pod", "pod"), ("Secret", "secret"), ("Node", "node")];

impl Signer {
    /// Reads a P-256 key in PKCS #8.
    pub fn from_pem(pem: &str) -> Result<Self, SignerError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(SignerError::Pem)?;
        let random = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &random)
                .map_err(SignerError::Key)?;
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(pair.public_key().as_ref()));
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "ES256", "kid": id}).to_string());
        Ok(Self { pair, header })
    }

    /// A signed token; `None` if there is no randomness to sign with.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_value().to_string());
        let signed = format!("{}.{payload}", self.header);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What a token claims, if it is ours and its time is now (seconds since the epoch).
    pub fn verify(&self, token: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // Another header would mean another key or algorithm.
        if header != self.header {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &signature).ok()?;
        Claims::read(&URL_SAFE_NO_PAD.decode(payload).ok()?).filter(|claims| now < claims.expires)
    }
}

impl Claims {
    fn to_value(&self) -> Value {
        let mut place = json!({
            "namespace": self.namespace, "serviceaccount": {"name": self.name, "uid": self.uid},
        });
        if let Some(bound) = &self.bound
            && let Some((_, claim)) = BINDABLE.iter().find(|(kind, _)| *kind == bound.kind)
        {
            crate::fields::set(&mut place, claim, json!({"name": bound.name, "uid": bound.uid}));
        }
        json!({
            "aud": self.audiences, "exp": self.expires, "iat": self.issued, "iss": ISSUER, "jti": self.id,
            "kubernetes.io": place, "nbf": self.issued,
            "sub": format!("system:serviceaccount:{}:{}", self.namespace, self.name),
        })
    }

    /// Reads a token's payload.
    pub fn read(payload: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(payload).ok()?)
    }

    fn of(value: &Value) -> Option<Self> {
        let place = value.get("kubernetes.io")?;
        let text = |pointer| api::json::text(place, pointer).to_owned();
        let bound = BINDABLE.iter().find_map(|(kind, claim)| {
            let object = place.get(claim)?;
            let text = |pointer| api::json::text(object, pointer).to_owned();
            Some(Bound { kind, name: text("/name"), uid: text("/uid") })
        });
        let audiences = api::json::items(value, "/aud").iter().filter_map(Value::as_str).map(str::to_owned);
        Some(Self {
            namespace: text("/namespace"),
            name: text("/serviceaccount/name"),
            uid: text("/serviceaccount/uid"),
            audiences: audiences.collect(),
            id: api::json::text(value, "/jti").to_owned(),
            issued: value.get("iat")?.as_i64()?,
            expires: value.get("exp")?.as_i64()?,
            bound,
        })
    }
}

/// The kind that a token may be bound to under this name.
pub fn bindable(kind: &str) -> Option<&'static str> {
    BINDABLE.iter().map(|(known, _)| *known).find(|known| *known == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            namespace: "web".into(),
            name: "robot".into(),
            uid: "u-1".into(),
            audiences: vec![ISSUER.into()],
            id: "j".into(),
            issued: 100,
            expires: 700,
            bound: Some(Bound { kind: "Pod", name: "p".into(), uid: "u-2".into() }),
        }
    }

    #[test]
    fn tokens_are_believed_until_they_expire() {
        let signer = signer();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(signer.verify(&token, 699), Some(claims()));
        assert_eq!(signer.verify(&token, 700), None);
    }

    #[test]
    fn tokens_of_others_are_not_believed() {
        let signer = signer();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(self::signer().verify(&token, 200), None);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let forged =
            URL_SAFE_NO_PAD.encode(Claims { name: "boss".into(), ..claims() }.to_value().to_string());
        assert_eq!(signer.verify(&format!("{header}.{forged}.{signature}"), 200), None);
        let unsigned = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
        assert_eq!(signer.verify(&format!("{unsigned}.{forged}."), 200), None);
        assert_eq!(signer.verify("", 200), None);
        assert!(Signer::from_pem("nonsense").is_err());
    }
}
