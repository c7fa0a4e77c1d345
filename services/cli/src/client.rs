//! The tool's side of the Kubernetes API: a TLS client from a kubeconfig, and requests by path.

use std::path::Path;

use anyhow::{Context, Result, bail};
use futures::AsyncBufRead;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// Asks for what `kubectl get` shows.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A connection to the API server that the kubeconfig names.
pub struct Client {
    inner: kube::Client,
    /// The kubeconfig's namespace, used where the command line names none.
    pub namespace: String,
}

impl Client {
    /// Reads the kubeconfig (`--kubeconfig`, else `$KUBECONFIG`, else `~/.kube/config`).
    ///
    /// # Errors
    /// The file is missing or malformed; the message says which file and what to do.
    pub async fn connect(kubeconfig: Option<&Path>) -> Result<Self> {
        let config = match kubeconfig {
            Some(path) => Kubeconfig::read_from(path)
                .with_context(|| format!("cannot use the kubeconfig {}; `odeon up` and `make demo` write one", path.display()))?,
            None => Kubeconfig::read()
                .context("no usable kubeconfig: set KUBECONFIG or --kubeconfig to the file that `odeon up` or `make demo` wrote")?,
        };
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .context("the kubeconfig does not describe a reachable cluster")?;
        let namespace = config.default_namespace.clone();
        let inner = kube::Client::try_from(config).context("cannot set up TLS from the kubeconfig")?;
        Ok(Self { inner, namespace })
    }

    /// GETs an object or a list.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, "application/json", Vec::new(), "application/json").await
    }

    /// GETs a table.
    pub async fn get_table(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, "application/json", Vec::new(), TABLE).await
    }

    /// POSTs a new object.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.send(Method::POST, path, "application/json", serde_json::to_vec(object)?, "application/json")
            .await
    }

    /// PATCHes an object with a JSON merge patch.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value> {
        self.patch(path, patch, "application/merge-patch+json").await
    }

    /// PATCHes an object with a patch of the given content type.
    pub async fn patch(&self, path: &str, patch: &Value, content_type: &str) -> Result<Value> {
        self.send(Method::PATCH, path, content_type, serde_json::to_vec(patch)?, "application/json").await
    }

    /// DELETEs an object; `options` is a `DeleteOptions` body.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value> {
        self.send(Method::DELETE, path, "application/json", serde_json::to_vec(options)?, "application/json")
            .await
    }

    /// Opens a stream of lines: logs, or a watch (as tables if asked).
    pub async fn lines(&self, path: &str, table: bool) -> Result<impl AsyncBufRead + use<>> {
        let accept = if table { TABLE } else { "application/json, */*" };
        let request = Request::get(path).header(http::header::ACCEPT, accept).body(Vec::new())?;
        self.inner.request_stream(request).await.map_err(explain)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
        accept: &str,
    ) -> Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .header(http::header::ACCEPT, accept)
            .body(body)
            .with_context(|| format!("`{path}` is not a path"))?;
        let text = self.inner.request_text(request).await.map_err(explain)?;
        serde_json::from_str(&text).context("the server's answer is not JSON")
    }
}

/// Whether an error is the server's `NotFound`.
pub fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.reason == "NotFound")
}

/// What the server answered instead of doing it; prints as `kubectl` does.
#[derive(Debug)]
pub struct Refusal {
    /// `NotFound`, `Conflict`, …
    pub reason: String,
    /// The server's sentence.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "from server ({}): {}", self.reason, self.message)
    }
}

impl std::error::Error for Refusal {}

fn explain(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => {
            anyhow::Error::new(Refusal { reason: status.reason.clone(), message: status.message.clone() })
        }
        other => anyhow::Error::new(other).context("the API server did not answer; is the cluster up?"),
    }
}

/// Parses YAML text of one or more documents (JSON is YAML), with `List`s flattened.
///
/// # Errors
/// The text is malformed (with line and column), or a document has no `kind`.
pub fn parse_manifests(text: &str, file: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let value: Value =
            serde::Deserialize::deserialize(document).with_context(|| format!("{file} is not valid YAML"))?;
        match value {
            Value::Null => {}
            Value::Object(mut object) if object.get("kind").is_some_and(|kind| kind == "List") => {
                if let Some(Value::Array(items)) = object.remove("items") {
                    objects.extend(items);
                }
            }
            value if value.get("kind").and_then(Value::as_str).is_some() => objects.push(value),
            _ => bail!("{file}: a document has no `kind`"),
        }
    }
    if objects.is_empty() {
        bail!("{file} holds no objects");
    }
    Ok(objects)
}
