//! `nodes/<name>/proxy`: what a kubelet would answer, as far as a gateway and the node's agent know it.

use api::messages::NodeUsage;
use api::views::Node;
use api::{KindInfo, NodeName, ObjectKey, Resource, ResourceId};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::whom::Whom;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::respond::{self, Response};
use crate::subresources::log;
use crate::usage;

/// What is answered, for those who ask for something else.
const KNOWN: &str = "/healthz, /pods, /stats/summary, /containerLogs/<namespace>/<pod>/<container>";

/// Answers for the node.
pub async fn answer(
    context: &Context,
    kind: &KindInfo,
    whom: &Whom<'_>,
    below: &str,
    request: Request<Incoming>,
) -> Result<Response, Failure> {
    let key = ObjectKey::cluster(Node::ID, whom.name);
    let node = context.view.get(&key).ok_or_else(|| Failure::not_found(kind, whom.name))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Failure::method_not_allowed());
    }
    let name = NodeName::from(&*node.key.name);
    let segments: Vec<String> =
        below.split('/').filter(|part| !part.is_empty()).map(crate::path::decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["healthz"] => {
            measured(context, &name).await?;
            Ok(respond::bytes(200, "text/plain; charset=utf-8", Bytes::from_static(b"ok")))
        }
        ["pods"] => Ok(respond::value(200, &pods(context, &name))),
        ["stats", "summary"] => {
            Ok(respond::value(200, &summary(context, &name, &measured(context, &name).await?)))
        }
        ["containerLogs", namespace, pod, container] => {
            let key = ObjectKey::namespaced(ResourceId::new("pods"), namespace, pod);
            let found = context.view.get(&key).map(|pod| pod.value());
            let found = found.filter(|pod| api::json::text(pod, "/spec/nodeName") == name.as_str());
            let found = found.ok_or_else(|| {
                Failure::new(404, "NotFound", format!("pod \"{pod}\" does not run on node \"{name}\""))
            })?;
            let query = Query::parse(request.uri().query().unwrap_or_default());
            log::open(context, &found, container, &query).await
        }
        _ => Err(Failure::new(
            404,
            "NotFound",
            format!(
                "the agent of node \"{name}\" is no kubelet and does not answer \"{below}\"; it answers {KNOWN}"
            ),
        )),
    }
}

/// What the node's agent measures: it lives if it answers.
async fn measured(context: &Context, node: &NodeName) -> Result<NodeUsage, Failure> {
    usage::ask(context, node).await.map_err(|error| {
        Failure::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}"))
    })
}

fn pods(context: &Context, node: &NodeName) -> Value {
    let pods: Vec<Value> = {
        let reader = context.view.read();
        reader.pods_on(node).map(|pod| pod.value()).collect()
    };
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
}

/// The kubelet's `Summary`, as far as it is measured.
fn summary(context: &Context, node: &NodeName, usage: &NodeUsage) -> Value {
    let figures = |cpu: u64, memory: u64| {
        let cpu = json!({"time": usage.at, "usageNanoCores": cpu});
        (cpu, json!({"time": usage.at, "workingSetBytes": memory, "usageBytes": memory}))
    };
    let reader = context.view.read();
    let pods: Vec<Value> = usage
        .pods
        .iter()
        .filter_map(|pod| {
            let key = &reader.by_uid(&pod.uid)?.key;
            let containers = pod.containers.iter().map(|container| {
                let (cpu, memory) = figures(container.cpu_nano, container.memory);
                json!({"name": container.name, "cpu": cpu, "memory": memory})
            });
            let (cpu, memory) = usage::total(&pod.containers);
            let (cpu, memory) = figures(cpu, memory);
            Some(json!({
                "podRef": {"name": key.name, "namespace": key.namespace, "uid": pod.uid},
                "containers": containers.collect::<Vec<_>>(), "cpu": cpu, "memory": memory,
            }))
        })
        .collect();
    let (cpu, memory) = usage::total(usage.pods.iter().flat_map(|pod| &pod.containers));
    let (cpu, memory) = figures(cpu, memory);
    json!({"node": {"nodeName": node, "cpu": cpu, "memory": memory}, "pods": pods})
}
