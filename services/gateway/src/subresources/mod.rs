//! What stands below an object's path: its status, its scale, and the verbs of pods.

mod binding;
pub mod ephemeral;
mod eviction;
pub mod exec;
mod log;
pub mod portforward;
pub mod proxy;
pub mod resize;
pub mod scale;
pub mod target;
pub mod token;

use std::sync::Arc;

use api::lifecycle::{self, Refusal};
use hyper::Method;
use serde_json::Value;

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::{self, Response};
use crate::write::{self, Part};
use crate::{body, certificates, hooks, patch, read};

/// Answers a request about a subresource.
pub async fn answer(context: &Arc<Context>, call: Call, method: &Method) -> Result<Response, Failure> {
    let subresource = call.path.subresource.clone().unwrap_or_default();
    match (subresource.as_str(), method.as_str()) {
        ("status", "GET") if call.kind.has_status => read::get(context, &call).await,
        ("status", "PUT") if call.kind.has_status => write::replace(context, &call, Part::Status).await,
        ("status", "PATCH") if call.kind.has_status => patch::part(context, &call, Part::Status).await,
        ("scale", "GET" | "PUT" | "PATCH") if call.kind.has_scale => {
            scale::answer(context, &call, method).await
        }
        ("approval", "GET") if call.kind.id == certificates::ID => read::get(context, &call).await,
        ("approval", "PUT") if call.kind.id == certificates::ID => {
            write::replace(context, &call, Part::Approval).await
        }
        ("approval", "PATCH") if call.kind.id == certificates::ID => {
            patch::part(context, &call, Part::Approval).await
        }
        ("ephemeralcontainers", "GET") if is_pod(&call) => read::get(context, &call).await,
        ("ephemeralcontainers", "PUT") if is_pod(&call) => {
            write::replace(context, &call, Part::EphemeralContainers).await
        }
        ("ephemeralcontainers", "PATCH") if is_pod(&call) => {
            ephemeral::may_patch(&call)?;
            patch::part(context, &call, Part::EphemeralContainers).await
        }
        ("resize", "GET") if is_pod(&call) => read::get(context, &call).await,
        ("resize", "PUT") if is_pod(&call) => write::replace(context, &call, Part::Resources).await,
        ("resize", "PATCH") if is_pod(&call) => patch::part(context, &call, Part::Resources).await,
        ("finalize", "PUT") if call.kind.id.as_str() == "namespaces" => finalize(context, &call).await,
        ("binding", "POST") if is_pod(&call) => binding::create(context, &call).await,
        ("eviction", "POST") if is_pod(&call) => eviction::create(context, &call).await,
        ("token", "POST") if call.kind.id.as_str() == "serviceaccounts" => {
            token::create(context, &call).await
        }
        ("log", "GET") if is_pod(&call) => log::stream(context, &call).await,
        // WebSockets are opened with GET, SPDY connections mostly with POST.
        ("exec", "GET" | "POST") if is_pod(&call) => {
            hooks::connect(context, &call, "PodExecOptions").await?;
            exec::answer(context, call, false)
        }
        ("attach", "GET" | "POST") if is_pod(&call) => {
            hooks::connect(context, &call, "PodAttachOptions").await?;
            exec::answer(context, call, true)
        }
        ("portforward", "GET" | "POST") if is_pod(&call) => {
            hooks::connect(context, &call, "PodPortForwardOptions").await?;
            portforward::answer(context, call)
        }
        (
            "status"
            | "scale"
            | "finalize"
            | "approval"
            | "binding"
            | "ephemeralcontainers"
            | "eviction"
            | "log"
            | "exec"
            | "attach"
            | "portforward"
            | "resize"
            | "token",
            _,
        ) => Err(Failure::method_not_allowed()),
        _ => Err(Failure::no_such_path()),
    }
}

/// Subresources that a kind has, for discovery: name, kind with its group and version, verbs.
pub fn of_kind(kind: &api::KindInfo) -> Vec<Subresource> {
    let mut found = Vec::new();
    let own =
        |name, verbs| Subresource { name, group: kind.group, version: kind.version, kind: kind.kind, verbs };
    if kind.has_status {
        found.push(own("status", &["get", "patch", "update"]));
    }
    if kind.has_scale {
        let verbs: &[&str] = &["get", "patch", "update"];
        found.push(Subresource { name: "scale", group: "autoscaling", version: "v1", kind: "Scale", verbs });
    }
    match kind.id.as_str() {
        "namespaces" => found.push(own("finalize", &["update"])),
        "certificatesigningrequests.certificates.k8s.io" => {
            found.push(own("approval", &["get", "patch", "update"]));
        }
        "serviceaccounts" => found.push(Subresource {
            name: "token",
            group: "authentication.k8s.io",
            version: "v1",
            kind: "TokenRequest",
            verbs: &["create"],
        }),
        "pods" => found.extend([
            conversation("attach", "PodAttachOptions"),
            Subresource { name: "binding", group: "", version: "v1", kind: "Binding", verbs: &["create"] },
            own("ephemeralcontainers", &["get", "patch", "update"]),
            Subresource {
                name: "eviction",
                group: "policy",
                version: "v1",
                kind: "Eviction",
                verbs: &["create"],
            },
            conversation("exec", "PodExecOptions"),
            Subresource { name: "log", group: "", version: "v1", kind: "Pod", verbs: &["get"] },
            conversation("portforward", "PodPortForwardOptions"),
            proxied("PodProxyOptions"),
            own("resize", &["get", "patch", "update"]),
        ]),
        "services" => found.push(proxied("ServiceProxyOptions")),
        "nodes" => found.push(proxied("NodeProxyOptions")),
        _ => {}
    }
    found
}

/// A subresource, as discovery tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Subresource {
    /// `scale`.
    pub name: &'static str,
    /// The group of its kind.
    pub group: &'static str,
    /// The version of its kind.
    pub version: &'static str,
    /// Its kind: `Scale`.
    pub kind: &'static str,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
}

fn conversation(name: &'static str, kind: &'static str) -> Subresource {
    Subresource { name, group: "", version: "v1", kind, verbs: &["create", "get"] }
}

fn proxied(kind: &'static str) -> Subresource {
    let verbs = &["create", "delete", "get", "patch", "update"];
    Subresource { name: "proxy", group: "", version: "v1", kind, verbs }
}

/// Makes a pod ready to replace `old`, whose one part was changed as `wanted` says. A uid that the client names must be the pod's.
fn ready(new: &mut Value, wanted: &Value, old: &Value, kind: &api::KindInfo) -> Result<(), Refusal> {
    let uid = wanted.pointer("/metadata/uid").cloned();
    if let Some(metadata) = api::json::child(new, "metadata") {
        metadata.extend(uid.map(|uid| ("uid".to_owned(), uid)));
    }
    kind.default(new);
    lifecycle::prepare_update(new, old, kind)
}

fn is_pod(call: &Call) -> bool {
    call.kind.id.as_str() == "pods"
}

/// `PUT namespaces/<name>/finalize`: only the spec's finalizers change, and the namespace goes when none is left.
async fn finalize(context: &Context, call: &Call) -> Result<Response, Failure> {
    let wanted = body::object(call)?
        .object
        .pointer("/spec/finalizers")
        .cloned()
        .unwrap_or_else(|| Value::Array(Vec::new()));
    let edit = |namespace: &mut Value| {
        if let Some(spec) = api::json::child(namespace, "spec") {
            spec.insert("finalizers".into(), wanted.clone());
        }
        Ok(())
    };
    write::rewrite(context, call, "update", edit).await.map(|object| respond::value(200, &object))
}

/// `Status: Success`, the answer of subresources that are verbs.
fn success() -> Response {
    let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    respond::value(201, &status)
}
