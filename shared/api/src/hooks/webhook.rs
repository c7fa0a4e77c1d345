//! Webhooks: who is asked, about what, and what if they do not answer.

use serde_json::Value;

use super::{Conditions, Constraints};
use crate::json::{int, items, text};

/// What match conditions of webhooks may speak of.
pub(crate) const VARIABLES: [&str; 4] = ["object", "oldObject", "request", "authorizer"];

/// One webhook of a configuration.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The configuration's name.
    pub configuration: String,
    /// `check.example.com`.
    pub name: String,
    /// Where it is.
    pub client: Client,
    /// What it is about.
    pub constraints: Constraints,
    /// Whether it is asked.
    pub conditions: Result<Conditions, String>,
    /// Whoever cannot be asked has nothing against it.
    pub ignores_failures: bool,
    /// How long it may think.
    pub timeout_seconds: u64,
    /// It may be asked about what is not stored.
    pub allows_dry_runs: bool,
    /// It is asked again when others have changed the object after it.
    pub is_reinvoked: bool,
    /// The version of reviews that it reads: `v1`, else `v1beta1`.
    pub review_version: String,
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// At a URL.
    Url {
        /// `https://…`.
        url: String,
        /// Who vouches for it, in PEM; empty: whom the machine trusts.
        authorities: String,
    },
    /// Behind a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The path, with a slash.
        path: String,
        /// The Service's port.
        port: u16,
        /// Who vouches for it, in PEM; empty: whom the machine trusts.
        authorities: String,
    },
}

impl Client {
    /// Reads a `clientConfig`.
    pub fn of(config: &Value) -> Self {
        let bundle = text(config, "/caBundle");
        let bundle =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, bundle).unwrap_or_default();
        let authorities = String::from_utf8_lossy(&bundle).into_owned();
        if config.get("service").is_none_or(Value::is_null) {
            return Self::Url { url: text(config, "/url").to_owned(), authorities };
        }
        let path = text(config, "/service/path");
        Self::Service {
            namespace: text(config, "/service/namespace").to_owned(),
            name: text(config, "/service/name").to_owned(),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
            port: int(config, "/service/port").and_then(|port| u16::try_from(port).ok()).unwrap_or(443),
            authorities,
        }
    }

    /// Where it is, as Kubernetes tells.
    pub fn url(&self) -> String {
        match self {
            Self::Url { url, .. } => url.clone(),
            Self::Service { namespace, name, path, port, .. } => {
                format!("https://{name}.{namespace}.svc:{port}{path}")
            }
        }
    }
}

/// The webhooks of a configuration, in its order.
pub fn webhooks_of(configuration: &Value) -> Vec<Webhook> {
    let name = text(configuration, "/metadata/name");
    items(configuration, "/webhooks").iter().map(|webhook| Webhook::of(name, webhook)).collect()
}

impl Webhook {
    fn of(configuration: &str, webhook: &Value) -> Self {
        let seconds = int(webhook, "/timeoutSeconds").and_then(|seconds| u64::try_from(seconds).ok());
        let versions = items(webhook, "/admissionReviewVersions");
        let known =
            versions.iter().filter_map(Value::as_str).find(|version| ["v1", "v1beta1"].contains(version));
        Self {
            configuration: configuration.to_owned(),
            name: text(webhook, "/name").to_owned(),
            client: Client::of(webhook.get("clientConfig").unwrap_or(&Value::Null)),
            constraints: Constraints::of_webhook(webhook),
            conditions: Conditions::compile(webhook, "/matchConditions", &VARIABLES),
            ignores_failures: text(webhook, "/failurePolicy") == "Ignore",
            timeout_seconds: seconds.unwrap_or(10),
            allows_dry_runs: ["None", "NoneOnDryRun"].contains(&text(webhook, "/sideEffects")),
            is_reinvoked: text(webhook, "/reinvocationPolicy") == "IfNeeded",
            review_version: known.unwrap_or("v1").to_owned(),
        }
    }
}
